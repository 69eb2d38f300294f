"""What chatd(8) tells people to type into their IRC clients, typed as it is written there."""

import contextlib
import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import machine
from harness import PATIENCE, check, entry, now, require, require_equal, require_in, run, show, until
from machine import SERVICE

MANUAL = pathlib.Path("/usr/share/man/man8/chatd.8.gz")
HOST = "chat.example.org"
# How the client that a page's block is for is recognized.
MARKS = {"irssi": "/network add", "weechat": "-nicks=", "hexchat": "/server -"}


class Terminal:
    """A client with a full-screen interface, in a terminal of tmux."""

    def __init__(self, home, command, ready):
        self.tmux = ["tmux", "-S", f"{home}/tmux", "-f", "/dev/null"]
        run(*self.tmux, "new-session", "-d", "-x", "160", "-y", "50", "--", "env", "LC_ALL=C.UTF-8", *command)
        until(f"{command[0]} has started", lambda: ready in self.seen())

    def seen(self):
        return run(*self.tmux, "capture-pane", "-p").stdout

    def say(self, line):
        run(*self.tmux, "send-keys", "-l", "--", line)
        run(*self.tmux, "send-keys", "Enter")
        until(f"{line!r} is taken", lambda: not self.seen().rstrip().endswith(line))

    def close(self):
        run(*self.tmux, "kill-server")


class Window:
    """HexChat, on a display that nobody looks at."""

    def __init__(self, home):
        settings = pathlib.Path(home, ".config/hexchat")
        settings.mkdir(parents=True)
        # What HexChat asks when it starts.
        (settings / "hexchat.conf").write_text("gui_slist_skip = 1\nirc_nick1 = ana\nirc_user_name = ana\n")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.display = subprocess.Popen(["Xvfb", "-displayfd", "1", "-nolisten", "tcp"], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.environment = {**os.environ, "HOME": home, "DISPLAY": f":{self.display.stdout.readline().strip()}"}
        self.client = subprocess.Popen(["hexchat"], env=self.environment, **quiet)
        # Until its window is there and has the focus, what is typed is lost.
        until("HexChat takes what is typed", lambda: self.takes(pathlib.Path(home, "typed")))

    def takes(self, witness):
        self.xdotool("search", "--onlyvisible", "--class", "hexchat", "windowfocus")
        self.say(f"/exec touch {witness}")
        return witness.exists()

    def say(self, line):
        self.xdotool("type", "--delay", "20", line)
        self.xdotool("key", "Return")

    def close(self):
        for process in (self.client, self.display):
            process.kill()
            process.wait(PATIENCE)

    def xdotool(self, *arguments):
        subprocess.run(["xdotool", *arguments], env=self.environment, capture_output=True, timeout=PATIENCE)


@contextlib.contextmanager
def client(program):
    """A client that somebody has started for the first time."""
    directory = tempfile.TemporaryDirectory(dir="/root", ignore_cleanup_errors=True)
    home = directory.name
    # WeeChat would take who types this fast for somebody who pastes, and ask whether to.
    settings = ["--run-command", "/set weechat.look.paste_max_lines -1"]
    started = {
        "irssi": lambda: Terminal(home, ["irssi", f"--home={home}/irssi"], "[(status)]"),
        "weechat": lambda: Terminal(home, ["weechat", f"--dir={home}/weechat", *settings], "paste_max_lines = -1"),
        "hexchat": lambda: Window(home),
    }[program]()
    try:
        yield started
    finally:
        started.close()
        directory.cleanup()


def blocks():
    """What the manual shows for each client: first for a certificate that is trusted, then for the daemon's own."""
    chapter = gzip.decompress(MANUAL.read_bytes()).decode().split("\n.Ss Connecting\n")[1].split("\n.Ss ")[0]
    shown = [block.splitlines() for block in re.findall(r"\n\.Bd [^\n]*\n(.*?)\n\.Ed\n", chapter, re.S)]
    require_equal(len(shown), 2 * len(MARKS), "the number of examples")
    for (program, mark), *both in zip(MARKS.items(), shown, shown[len(MARKS):]):
        for lines in both:
            require_in(mark, "\n".join(lines), f"the example for {program}")
        yield program, both
    # What is to be clicked on in HexChat.
    labels = re.findall(r"\n\.Dq ([^\n]*?)(?: [;.,])?\n", chapter)
    require(labels, "the chapter names nothing to click on")
    for label in labels:
        require(label.encode() in pathlib.Path("/usr/bin/hexchat").read_bytes(), f"HexChat has no {label!r}")


def typed(lines, fingerprint):
    """The lines as somebody types them who has read the words around them."""
    for line in lines:
        if "-nicks=" in line:
            # WeeChat: the fingerprint goes without colons, and versions before 4 say ssl for tls.
            fingerprint = fingerprint.replace(":", "")
            if int(run("weechat", "--version").stdout.split(".")[0]) < 4:
                line = line.replace("tls", "ssl")
        yield line.replace("FINGERPRINT", fingerprint)


def joins(program, lines):
    with client(program) as started:
        for line in lines:
            show(line)
            started.say(line)
        until(f"{program} is in the room", lambda: [user for user in members() if in_the_room(user)])
    until(f"{program} has left", lambda: not members())


def stays_away(program, lines):
    """The client ends the connection by itself, and never gives a name."""
    since = now()
    with client(program) as started:
        for line in lines:
            started.say(line)
        show("refused: " + entry(since, "-u", "chatd", "CHATD_EVENT=refused", "CHATD_TRANSPORT=tls")["MESSAGE"])
    require_equal(members(), [], "the members of the room")


def members():
    return json.loads(run("chatctl", "--json", "list").stdout)["users"]


def in_the_room(user):
    return (user["name"], user["protocol"], user["transport"]) == ("ana", "irc", "tls")


def fingerprint():
    return json.loads(run("chatctl", "--json", "status").stdout)["certificate"]["fingerprint"]


@contextlib.contextmanager
def known_host():
    """The name that the manual's examples connect to is this machine's."""
    file = pathlib.Path("/etc/hosts")
    before = file.read_text() if file.exists() else None
    file.write_text((before or "") + f"\n127.0.0.1 {HOST}\n")
    try:
        yield
    finally:
        file.unlink() if before is None else file.write_text(before)


@contextlib.contextmanager
def authority():
    """The daemon has a certificate that this machine trusts."""
    trusted = pathlib.Path("/usr/local/share/ca-certificates/chatting.crt")
    machine.self_signed("/root/chatting", HOST)
    subprocess.run(["/usr/share/chatd/renewal-hook", "/root/chatting"], check=True)
    shutil.copy("/root/chatting/fullchain.pem", trusted)
    run("update-ca-certificates")
    try:
        with machine.configuration(lambda text: text.replace("[tls]", "[tls]" + machine.TLS, 1)):
            run("systemctl", "restart", SERVICE)
            yield
    finally:
        trusted.unlink()
        run("update-ca-certificates", "--fresh")
        shutil.rmtree("/etc/chatd/tls")
        run("systemctl", "restart", SERVICE)


@check("IRC clients and a certificate that is trusted: each line of chatd(8)")
def trusted():
    machine.started()
    with known_host(), authority():
        for program, (lines, _) in blocks():
            joins(program, typed(lines, ""))


@check("IRC clients and the daemon's own certificate: each line of chatd(8)")
def pinned():
    machine.started()
    with known_host():
        right = fingerprint()
        wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
        for program, (unpinned, lines) in blocks():
            joins(program, typed(lines, right))
            if "FINGERPRINT" in " ".join(lines):
                # Neither is it trusted without a word, nor is another one taken for it.
                stays_away(program, typed(unpinned, ""))
                stays_away(program, typed(lines, wrong))
