"""The everyday life: clients, administrators, the journal, reloads, certificates."""

import os
import shutil
import subprocess

import machine
from harness import (
    PATIENCE, Client, check, entries, entry, now, prop, require, require_equal, require_in, run, show, until,
    until_state,
)
from machine import CONFIG, SERVICE, TLS

JOIN = "92defe1bd60d4b79b6064668981c3904"
LEAVE = "90023e91712d46d681bf9d93e0d4a7a7"
KICK = "46c342c3f6e4485fbec4888661d9cd87"
NOTICE = "feae1775faa94512855d60084d89c053"
FIELDS = "MESSAGE MESSAGE_ID CHATD_EVENT CHATD_USER CHATD_ADDRESS CHATD_TRANSPORT CHATD_PROTOCOL CHATD_REASON CHATD_UID"


def fields(found):
    return {name: found[name] for name in FIELDS.split() if name in found}


@check("the service is active only when clients can join, and who came before is served")
def readiness():
    machine.started()
    run("systemctl", "stop", SERVICE)
    # A configuration that cannot be read to its end yet: a FIFO.
    kept = CONFIG.with_suffix(".kept")
    CONFIG.rename(kept)
    os.mkfifo(CONFIG, 0o644)
    try:
        run("systemctl", "start", "--no-block", SERVICE)
        # Opens as soon as the daemon does, and lets go of it with the configuration.
        with CONFIG.open("w") as fifo:
            states = [prop("ActiveState")]
            early = Client()
            early.say("early")
            early.say("said before the service ran")
            states.append(prop("ActiveState"))
            fifo.write(kept.read_text())
        until_state("active")
        states.append(prop("ActiveState"))
        show(f"before the configuration is read, after a client has come, then: {states}")
        require_equal(states, ["activating", "activating", "active"], "the state")
        show(early.expect("early: said before the service ran"))
        early.close()
    finally:
        kept.rename(CONFIG)


@check("systemctl status shows the status line")
def status_line():
    machine.started()
    clients = [Client("ana"), Client("ben", tls=True)]
    line = until("the status counts two users", lambda: (text := prop("StatusText")).startswith("2 users") and text)
    shown = run("systemctl", "status", "--no-pager", SERVICE).stdout
    show("\n".join(shown.splitlines()[:14]), limit=14)
    require_in(f'Status: "{line}"', shown, "systemctl status")
    for client in clients:
        client.close()


@check("a client starts the service and loses nothing: nc, and openssl s_client")
def activation():
    for command, name in (
        (["nc", "-N", "127.0.0.1", "6667"], "nora"),
        (["openssl", "s_client", "-quiet", "-connect", "127.0.0.1:6697"], "olga"),
    ):
        machine.started()
        run("systemctl", "stop", SERVICE)
        require_equal(prop("ActiveState"), "inactive", "the state of the service")
        said = f"{name}\nhello from {command[0]}\n/quit\n"
        shown = subprocess.run(command, input=said, text=True, capture_output=True, timeout=PATIENCE)
        require_in(f"{name}: hello from {command[0]}\n", shown.stdout, "what the client read")
        require_equal(prop("ActiveState"), "active", "the state of the service")
        show(shown.stdout, limit=3)


@check("the journal: a join and a leave with their fields")
def journal():
    since = machine.started()
    ana = Client("ana", tls=True)
    ana.say("/quit see you")
    ana.rest()
    joined = fields(entry(since, "-u", "chatd", f"MESSAGE_ID={JOIN}"))
    left = fields(entry(since, "-u", "chatd", f"MESSAGE_ID={LEAVE}"))
    for found in (joined, left):
        show(found)
    require_equal([joined[name] for name in ("CHATD_EVENT", "CHATD_USER", "CHATD_TRANSPORT", "CHATD_PROTOCOL")],
                  ["join", "ana", "tls", "text"], "the join")
    require(joined["CHATD_ADDRESS"].startswith("127.0.0.1:"), "the join has no address")
    require_equal([left[name] for name in ("CHATD_EVENT", "CHATD_USER", "CHATD_TRANSPORT", "CHATD_REASON")],
                  ["leave", "ana", "tls", "quit"], "the leave")
    require("see you" not in str(entries(since, "-u", "chatd")), "what people say is in the journal")
    kinds = {found["MESSAGE_ID"] for found in entries(since, f"MESSAGE_ID={JOIN}")}
    require_equal(kinds, {JOIN}, "what journalctl MESSAGE_ID= selects")


@check("journalctl -x explains")
def explained():
    since = machine.started()
    Client("ana").close()
    entry(since, f"MESSAGE_ID={JOIN}")
    shown = run("journalctl", "-b", "-n", "1", "-x", "--no-pager", f"MESSAGE_ID={JOIN}").stdout
    show(shown)
    require_in("Subject: ana has joined the room", shown, "journalctl -x")


@check("chatctl for a member of chatd-admin, and the uid in the journal")
def administrator():
    since = machine.started()
    run("useradd", "-m", "-G", "chatd-admin", "adele")
    uid = run("id", "-u", "adele").stdout.strip()
    ana, troll = Client("ana"), Client("troll", tls=True)
    listed = run("chatctl", "list", user="adele").stdout
    show(listed)
    for part in ("NAME", "ana", "troll", "plain", "tls", "text"):
        require_in(part, listed, "chatctl list")
    show("notice reached: " + run("chatctl", "notice", "the coffee is ready", user="adele").stdout)
    show(ana.expect("*** notice: the coffee is ready"))
    run("chatctl", "kick", "troll", "--reason", "be kind", user="adele")
    show("troll read last: " + troll.rest()[-1])
    show("ana read: " + ana.expect("*** troll has left"))
    for kind in (KICK, NOTICE):
        found = fields(entry(since, f"MESSAGE_ID={kind}"))
        show(found)
        require_equal(found["CHATD_UID"], uid, "the uid in the journal")
    refused = run("chatctl", "kick", "nobody-here", status=1, user="adele").stderr
    show(f"kick nobody-here: exit status 1, {refused}")
    ana.close()


@check("chatctl is refused to anybody else, with 77")
def stranger():
    machine.started()
    run("useradd", "-m", "stranger")
    for command in (["list"], ["kick", "ana"], ["notice", "hello"]):
        refused = run("chatctl", *command, status=77, user="stranger")
        require(refused.stdout == "" and refused.stderr.count("\n") == 1, f"not one sentence: {refused}")
    show(f"exit status 77, {refused.stderr}")


@check("chatctl without a daemon ends with 69")
def nobody():
    run("systemctl", "stop", *machine.UNITS)
    show(run("chatctl", "list", status=69).stderr)


@check("systemctl reload with a good file: it counts, and nobody is disconnected")
def reload_good():
    since = machine.started()
    ana, pid = Client("ana"), machine.main_pid()
    with machine.configuration(lambda text: text.replace("[room]", '[room]\ntopic = "Now with tea"', 1)):
        run("systemctl", "reload", SERVICE)
        show(fields(entry(since, "-u", "chatd", "CHATD_EVENT=reload")))
        ben = Client("ben")
        require_equal(ben.seen[-1], "*** Topic: Now with tea", "the topic for a newcomer")
        show(ben.seen[-1])
        ben.say("still together")
        ana.expect("ben: still together")
        require_equal(machine.main_pid(), pid, "the process")
    run("systemctl", "kill", "-s", "HUP", "--kill-whom=main", SERVICE)
    until("SIGHUP reloads too", lambda: len(entries(since, "-u", "chatd", "CHATD_EVENT=reload")) == 2)
    ana.say("and again")
    ben.expect("ana: and again")


@check("systemctl reload with a bad file: it fails, says why, and the old configuration stays")
def reload_bad():
    since = machine.started()
    ana, pid = Client("ana"), machine.main_pid()
    with machine.configuration(lambda text: text.replace("[limits]", '[limits]\nconnections = "many"\nspeed = 3', 1)):
        refused = run("systemctl", "reload", SERVICE, status=1)
        show(refused.stderr)
        mistakes = [found["MESSAGE"] for found in entries(since, "-u", "chatd", "CHATD_EVENT=reload-failed")]
        show("\n".join(mistakes))
        require_equal(len(mistakes), 2, "the number of mistakes in the journal")
        require(all(mistake.startswith(f"{CONFIG}:") for mistake in mistakes), "a mistake without its place")
        everything = [found["MESSAGE"] for found in entries(since, "-u", "chatd")]
        require_equal(str(everything).count("unknown key"), 1, f"how often a mistake is told in {everything}")
        show("status: " + prop("StatusText"))
        require_in("reload failed: ", prop("StatusText"), "the status line")
        require_in(mistakes[0].split(" (")[0], run("systemctl", "status", "--no-pager", "-n0", "-l", SERVICE).stdout,
                   "systemctl status")
        require_equal([prop("ActiveState"), machine.main_pid()], ["active", pid], "the service")
        Client("ben").close()
        ana.expect("*** ben has joined")
    run("systemctl", "reload", SERVICE)
    require("failed" not in prop("StatusText"), "a good reload leaves the old mistake in the status line")
    ana.say("/quit")
    ana.rest()


@check("a renewed certificate: the hook, a new client, no reload, the old client stays")
def renewal():
    machine.started()
    lineage = "/root/letsencrypt/live/chat.example.org"
    environment = {**os.environ, "RENEWED_LINEAGE": lineage}
    with machine.configuration(lambda text: text.replace("[tls]", "[tls]" + TLS, 1)):
        machine.self_signed(lineage, "chat.example.org")
        subprocess.run(["/usr/share/chatd/renewal-hook"], env=environment, check=True)
        show(run("ls", "-l", "/etc/chatd/tls").stdout)
        run("systemctl", "restart", SERVICE)
        old = Client("old", tls=True)
        since = now()
        machine.self_signed(lineage, "chat.example.org")
        subprocess.run(["/usr/share/chatd/renewal-hook"], env=environment, check=True)
        renewed = fingerprint(lineage)
        require(old.certificate != renewed, "openssl made the same certificate twice")
        new = until("a new client gets the new certificate", lambda: client_with(renewed))
        show(f"before: {old.certificate}\nafter:  {new.certificate}")
        new.say("new")
        new.say("hello")
        show(old.expect("new: hello"))
        show(fields(entry(since, "-u", "chatd", "CHATD_EVENT=certificate")))
        require_equal(entries(since, "-u", "chatd", "CHATD_EVENT=reload"), [], "the reloads")
        # A pair that does not fit: the good one stays in force, and the journal says so.
        machine.self_signed("/root/other", "other.example.org")
        shutil.copy("/root/other/fullchain.pem", "/etc/chatd/tls/fullchain.pem")
        refused = run("systemctl", "reload", SERVICE, status=1)
        show("with a key that does not fit, status: " + prop("StatusText"))
        require(refused.returncode == 1 and client_with(renewed), "the good certificate is not in force any more")
        # A reload takes a good pair at once.
        subprocess.run(["/usr/share/chatd/renewal-hook", "/root/other"], check=True)
        run("systemctl", "reload", SERVICE)
        require(client_with(fingerprint("/root/other")), "after a reload the new certificate is not shown at once")
    shutil.rmtree("/etc/chatd/tls")
    run("systemctl", "restart", SERVICE)


def fingerprint(lineage):
    """That of the certificate, in the form that Client has."""
    shown = run("openssl", "x509", "-in", f"{lineage}/fullchain.pem", "-noout", "-fingerprint", "-sha256").stdout
    return shown.split("=")[1].strip().replace(":", "").lower()


def client_with(certificate):
    client = Client(tls=True)
    if client.certificate == certificate:
        return client
    client.close()
    return None


if machine.systemd_version() >= 257:

    @check("varlinkctl: introspect, call, call --more")
    def varlink():
        machine.started()
        socket = "/run/chatd/admin.sock"
        shown = run("varlinkctl", "introspect", socket, "org.chatd.Admin").stdout
        show(shown, limit=4)
        require_in("method List()", shown, "varlinkctl introspect")
        ana = Client("ana")
        shown = run("varlinkctl", "call", socket, "org.chatd.Admin.List", "{}").stdout
        show(shown, limit=20)
        require_in('"ana"', shown, "varlinkctl call")
        unknown = run("varlinkctl", "call", socket, "org.chatd.Admin.Kick", '{"name":"nobody-here"}', status=None)
        show(unknown.stderr)
        require(unknown.returncode != 0, "a kick of nobody succeeds")
        require_in("org.chatd.Admin.NoSuchUser", unknown.stderr, "varlinkctl call")
        watching = subprocess.Popen(["varlinkctl", "call", "-j", "--more", socket, "org.chatd.Admin.Watch", "{}"],
                                    stdout=subprocess.PIPE, text=True)
        # The first thing it sees is itself; whoever joins after that is seen.
        require_in('"event":"admin"', watching.stdout.readline(), "the first line of varlinkctl call --more")
        Client("ben").close()
        seen = watching.stdout.readline()
        watching.terminate()
        watching.wait(PATIENCE)
        show(seen)
        require_in('"event":"join","message":"ben has joined"', seen, "its second line")
        ana.close()
