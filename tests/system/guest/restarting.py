"""Restarts that nobody notices, and those that go wrong: nobody is left on a connection that nobody serves."""

import contextlib
import json
import os
import pathlib
import re
import signal
import ssl
import tempfile
import time

import machine
from chatting import Terminal
from crowd import Crowd, Member, Openssl, same
from harness import (
    Client, Failed, check, entries, now, prop, require, require_equal, require_in, run, show, until, until_state,
)
from machine import DROP_INS, PACKAGES, SERVICE

RESTARTS = 20
# How many of each, half of them over TLS.
CROWD = {"text": 80, "irc": 80, "classic": 20, "podsixnet": 20}
PORTS = {"text": (6667, 6697), "irc": (6667, 6697), "classic": (33000, 33001), "podsixnet": (31425, 31426)}
GOODBYE = "*** Goodbye: the server is stopping."
NOT_KEPT = "the server restarts, and your connection could not be kept; please connect again"

# The configuration of irssi: it connects by itself and writes what it reads into a file.
IRSSI = """
servers = ({ address = "127.0.0.1"; port = "6697"; use_tls = "yes"; tls_verify = "no"; autoconnect = "yes"; });
settings = {
    core = { nick = "irssi"; };
    "fe-common/core" = { autolog = "yes"; autolog_path = "~/said.log"; };
};
"""


def for_the_crowd(text):
    """The configuration with listeners of its own, and places for everybody at one address."""
    listeners = "".join(
        f'[[listen]]\naddress = "127.0.0.1:{port}"\nprotocol = "{protocol}"\ntls = {tls}\n{more}\n'
        # Faster than by default, since 100 lines a second are said.
        for protocol, more in (("classic", 'preset = "chatter"\n[listen.classic]\ngap = "5ms"'), ("podsixnet", ""))
        for port, tls in zip(PORTS[protocol], ("false", "true"))
    )
    text = text.replace("[limits]", "[limits]\nconnections-per-address = 300", 1)
    return text.replace("[tls]", listeners + "\n[tls]", 1)


@contextlib.contextmanager
def crowd():
    """Everybody, in the room."""
    network = pathlib.Path("/usr/share/chatd/bind-addresses.conf").read_text()
    with machine.configuration(for_the_crowd), machine.drop_in(network.replace("[Service]\n", "")):
        members = [
            Member(f"{protocol[0]}{number:02}", protocol, PORTS[protocol][number % 2], tls=bool(number % 2))
            for protocol, all_of_them in CROWD.items() for number in range(all_of_them)
        ]
        members.append(Openssl("openssl", "text", 6697))
        with Crowd(members) as everybody, irssi() as terminal:
            try:
                until("everybody is in the room", lambda: everybody.check() or users() == len(members) + 1)
            except Failed:
                show(f"{users()} are there; irssi:\n{terminal.seen()}", limit=60)
                raise
            everybody.talking = True
            everybody.go_on()
            yield everybody, terminal


def users():
    return len(json.loads(run("chatctl", "--json", "list").stdout)["users"])


class Irssi(Terminal):
    """irssi, which writes what it reads into a file."""

    def __init__(self, home):
        self.home, self.spoken = pathlib.Path(home), 0
        (self.home / "config").write_text(IRSSI)
        super().__init__(home, ["sh", "-c", f"HOME={home} exec irssi --home={home}"], "[(status)]")

    def log(self):
        file = self.home / "said.log"
        return file.read_text() if file.exists() else ""

    def speak(self):
        """Says a line, which it does not read itself."""
        self.spoken += 1
        self.say(f"/msg #lobby irssi says {self.spoken}")


@contextlib.contextmanager
def irssi():
    with tempfile.TemporaryDirectory(dir="/root", ignore_cleanup_errors=True) as home:
        terminal = Irssi(home)
        try:
            yield terminal
        finally:
            terminal.close()


@check(f"{sum(CROWD.values())} clients talk, {RESTARTS} restarts and an upgrade and back: the same lines for everybody")
def under_load():
    machine.started()
    with crowd() as (everybody, terminal):
        since, took, pids = now(), [], {machine.main_pid()}
        for number in range(RESTARTS):
            begun = time.monotonic()
            run("systemctl", "restart", SERVICE)
            took.append(time.monotonic() - begun)
            if number % 5 == 0:
                terminal.speak()
            everybody.go_on()
            pids.add(machine.main_pid())
            require_equal(prop("NFileDescriptorStore"), "0", "what systemd still keeps")
        longest = pauses(everybody)
        machine.apt("install", f"{PACKAGES}/second.deb")
        everybody.go_on()
        machine.apt("install", "--allow-downgrades", f"{PACKAGES}/first.deb")
        everybody.go_on()
        pids.add(machine.main_pid())
        order = everybody.finish()
        of_irssi(everybody, terminal, order)
        require(len(pids) == RESTARTS + 2, f"{len(pids)} processes have run")
        left = entries(since, "-u", "chatd", "CHATD_EVENT=leave") + entries(since, "-u", "chatd", "CHATD_EVENT=join")
        require_equal([found["MESSAGE"] for found in left], [], "who came and went")
        show(f"{len(everybody.members) + 1} clients have read {len(order)} lines in the same order, none missing or double")
        median, most = (f"{1000 * seconds:.0f} ms" for seconds in (sorted(took)[len(took) // 2], max(took)))
        show(f"systemctl restart took {median} (median), {most} at most")
        show(f"the longest between a line and its return, in the restarts: {longest}")
        show(f"the same with upgrade and downgrade: {pauses(everybody)}")


def pauses(everybody):
    """For each protocol the longest that somebody has waited for their own line, in milliseconds."""
    longest = {}
    for member in everybody.members:
        protocol = f"{member.protocol}{' over TLS' if member.tls else ''}"
        longest[protocol] = max(longest.get(protocol, 0), member.longest)
    return ", ".join(f"{protocol} {1000 * seconds:.0f} ms" for protocol, seconds in longest.items())


def of_irssi(everybody, terminal, order):
    """What irssi has read and said."""
    until("irssi has written what it has read", lambda: f"{order[-1][0]}:{order[-1][1]}>" in terminal.log())
    read = [(name, int(number)) for name, number in re.findall(r"<([a-z0-9]+):(\d+)>", terminal.log())]
    # It was there before the first line, or came in between; from then on it lacks nothing.
    same("irssi", read, order[len(order) - len(read):])
    for number in range(terminal.spoken):
        said = everybody.members[0].read.count(f"irssi says {number + 1}\n".encode())
        require_equal(said, 1, f"how often line {number + 1} of irssi was read")


@check("a stop right after a restart says goodbye, and systemd keeps nothing")
def stop_after_restart():
    machine.started()
    clients = [Client("ana"), Client("ben", tls=True)]
    run("systemctl", "restart", SERVICE)
    clients[0].say("still here")
    clients[1].expect("ana: still here")
    run("systemctl", "stop", SERVICE)
    require_equal([client.rest()[-1] for client in clients], [GOODBYE] * 2, "the last lines")
    require_equal(prop("NFileDescriptorStore"), "0", "what systemd still keeps")


@check("a restart with a mistake in the configuration: everybody is told, and the service fails as always")
def mistaken():
    machine.started()
    clients = [Client("ana"), Client("ben", tls=True)]
    with machine.configuration(lambda text: text.replace("[room]", "[room]\nhistory = -1", 1)):
        run("systemctl", "restart", SERVICE, status=1)
        require_equal([client.rest()[-1] for client in clients], [GOODBYE] * 2, "the last lines")
        facts = [prop(name) for name in ("ActiveState", "ExecMainStatus", "NFileDescriptorStore")]
        require_equal(facts, ["failed", "78", "0"], "state, exit status, and what systemd keeps")
    machine.begin("start", SERVICE)


@check("a daemon that was killed: connections end, what was said is kept, the next one starts")
def killed():
    machine.started()
    clients, pid = [Client("ana"), Client("ben", tls=True)], machine.main_pid()
    clients[0].say("said before the end")
    clients[1].expect("ana: said before the end")
    kept = pathlib.Path("/var/lib/chatd").glob
    until("it is on the disk", lambda: any(b"said before the end" in file.read_bytes() for file in kept("chatd.db*")))
    run("systemctl", "kill", "-s", "KILL", "--kill-whom=main", SERVICE)
    for client in clients:
        require_equal([line for line in ends(client) if "Goodbye" in line], [], "what they read")
    until("the service is started again", lambda: machine.main_pid() not in (pid, "0"))
    until_state("active")
    cleo = Client("cleo")
    cleo.expect("*** You are up to date")
    require(any(line.endswith("ana: said before the end") for line in cleo.seen), f"it is gone: {cleo.seen}")
    require_equal(prop("NRestarts"), "1", "NRestarts")


def ends(client):
    """What a client reads to the end of the connection, however that comes."""
    try:
        return client.rest()
    except (ConnectionError, ssl.SSLError) as error:
        # Not closed in order.
        return [*client.seen, repr(error)]


@check("the next process is killed as soon as it begins: the connections end, systemd keeps nothing, another one starts")
def killed_successor():
    for _ in range(5):
        machine.started()
        clients, pid = [Client("ana"), Client("ben", tls=True)], machine.main_pid()
        run("systemctl", "restart", "--no-block", SERVICE)
        begun = until("the next process begins", lambda: {machine.main_pid()} - {pid, "0"}).pop()
        os.kill(int(begun), signal.SIGKILL)
        for client in clients:
            ends(client)
        until("the service is started again", lambda: machine.main_pid() not in (begun, "0"))
        until_state("active")
        require_equal(prop("NFileDescriptorStore"), "0", "what systemd still keeps")
        Client("ana").close()


@check("the next process cannot start: the connections end, and the service can be mended")
def no_successor():
    for broken in ("/usr/bin/false", "/usr/sbin/no-such-file", "/usr/bin/sleep 600"):
        machine.started()
        clients = [Client("ana"), Client("ben", tls=True)]
        file = DROP_INS / "99-broken.conf"
        DROP_INS.mkdir(parents=True, exist_ok=True)
        file.write_text(f"[Service]\nTimeoutStartSec=2s\nExecStart=\nExecStart={broken}\n")
        run("systemctl", "daemon-reload")
        try:
            run("systemctl", "restart", SERVICE, status=1)
            for client in clients:
                ends(client)
            show(f"{broken}: {prop('Result')}, the connections have ended")
        finally:
            file.unlink()
            run("systemctl", "daemon-reload")
        until("it can be started again", lambda: run("systemctl", "restart", SERVICE, status=None).returncode == 0)
        Client("ana").close()


@check("systemd cannot keep what is handed over: everybody is told to come again, and the journal says so")
def no_store():
    machine.started()
    file = DROP_INS / "99-store.conf"
    DROP_INS.mkdir(parents=True, exist_ok=True)
    file.write_text("[Service]\nFileDescriptorStoreMax=0\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", SERVICE)
    try:
        since, ana, ben = now(), Client("ana"), Client("ben", tls=True)
        run("systemctl", "restart", SERVICE, status=None)
        require_equal(ends(ana)[-1], f"*** Goodbye: {NOT_KEPT}.", "the last line")
        ends(ben)
        said = "\n".join(found["MESSAGE"] for found in entries(since, "-t", "chatd", "-p", "warning"))
        show(said)
        require_in("2 clients were disconnected", said, "the journal")
        until_state("active")
        Client("ana").close()
    finally:
        file.unlink()
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", SERVICE)


@check("systemctl daemon-reload and daemon-reexec: nobody notices")
def reexecuted():
    machine.started()
    clients, pid = [Client("ana"), Client("ben", tls=True)], machine.main_pid()
    for verb in ("daemon-reload", "daemon-reexec"):
        run("systemctl", verb)
        clients[0].say(f"after {verb}")
        clients[1].expect(f"ana: after {verb}")
        require_equal(machine.main_pid(), pid, "the process")
    run("systemctl", "restart", SERVICE)
    clients[1].say("and after a restart")
    clients[0].expect("ben: and after a restart")


@check("chatctl restart under systemd: the same process, the same clients, and the watchdog is fed")
def in_place():
    machine.started()
    with machine.drop_in("WatchdogSec=2s\n"):
        clients, pid, since = [Client("ana"), Client("ben", tls=True)], machine.main_pid(), now()
        by_systemd = f"systemctl restart {SERVICE}"
        for verb in ("chatctl restart", f"systemctl kill -s USR2 --kill-whom=main {SERVICE}", by_systemd):
            starts = len(entries(since, "-u", "chatd", "CHATD_EVENT=start"))
            run(*verb.split())
            until("it has started anew", lambda: len(entries(since, "-u", "chatd", "CHATD_EVENT=start")) > starts)
            clients[0].say(f"after {verb}")
            clients[1].expect(f"ana: after {verb}")
            clients[0].expect(f"ana: after {verb}")
            same_process = machine.main_pid() == pid
            require_equal(same_process, verb != by_systemd, "whether the process is the same")
            for _ in range(3):
                fed = prop("WatchdogTimestampMonotonic")
                until("the watchdog is fed", lambda: prop("WatchdogTimestampMonotonic") != fed)
            require_equal([prop("ActiveState"), prop("NRestarts")], ["active", "0"], "the service")
            show(f"{verb}: process {machine.main_pid()}")
        for client in clients:
            client.close()
