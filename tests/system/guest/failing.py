"""What goes wrong, and how the service comes back from it."""

import json
import os
import re
import shutil
import signal
import socket
import ssl

import machine
from harness import (
    Client, Failed, check, entries, entry, now, prop, require, require_equal, require_in, run, show, until,
    until_state,
)
from machine import SERVICE, SOCKETS, UNITS


def restarted_after(pid):
    until("the service is started again", lambda: machine.main_pid() not in (pid, "0"))
    until_state("active")
    show(f"process {pid} became {machine.main_pid()}, NRestarts={prop('NRestarts')}")
    Client("ana").close()


@check("the watchdog restarts a daemon that was stopped with SIGSTOP")
def watchdog():
    machine.started()
    with machine.drop_in("WatchdogSec=2s\n"):
        since, pid = now(), machine.main_pid()
        run("systemctl", "kill", "-s", "STOP", "--kill-whom=main", SERVICE)
        restarted_after(pid)
        show(entry(since, "_PID=1", "UNIT=chatd.service", "UNIT_RESULT=watchdog")["MESSAGE"])


@check("a daemon that was killed with SIGKILL is started again")
def killed():
    since, pid = machine.started(), machine.main_pid()
    waiting = Client("waiting")
    # After what was said earlier.
    waiting.say("hello")
    waiting.expect("waiting: hello")
    run("systemctl", "kill", "-s", "KILL", "--kill-whom=main", SERVICE)
    require_equal(waiting.rest(), [], "what a client reads of a killed daemon")
    # This one comes while nothing runs, and waits in the socket.
    late = Client("late")
    restarted_after(pid)
    show(entry(since, "_PID=1", "UNIT=chatd.service", "UNIT_RESULT=signal")["MESSAGE"])
    late.close()


def broken(text):
    return text.replace("[room]", "[room]\nhistory = -1\ncolour = 3", 1)


@check("a bad configuration: failed, the mistake visible, no restart loop")
def bad_configuration():
    since = machine.started()
    run("systemctl", "stop", SERVICE)
    with machine.configuration(broken):
        run("systemctl", "start", SERVICE, status=1)
        facts = {name: prop(name) for name in ("ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts")}
        show(facts)
        require_equal(list(facts.values()), ["failed", "failed", "exit-code", "78", "0"], "the state of the service")
        shown = run("systemctl", "status", "--no-pager", "-l", SERVICE, status=3).stdout
        show(shown, limit=20)
        # Not by unit: the journal may find the process gone before it has looked for it.
        mistake = entry(since, "-t", "chatd", "CHATD_EVENT=configuration")["MESSAGE"]
        require_in(mistake, shown, "systemctl status")
        checked = run("chatd", "--check-config", status=78).stderr
        show("chatd --check-config:\n" + checked)
        require_equal(checked.count("\n"), 2, "the number of mistakes")
    machine.begin("start", SERVICE)
    until_state("active")


@check("a bad configuration and clients: they are told, chatctl says why, and the sockets do not give up")
def bad_configuration_with_clients():
    since = machine.started()
    run("systemctl", "stop", SERVICE)
    with machine.configuration(broken):
        for tls in (False, True):
            shut_out(tls)
        # More starts than systemd takes by default before it gives up.
        while len(entries(since, "-u", "chatd", "CHATD_EVENT=configuration")) < 2 * 6:
            said = run("chatctl", "list", status=69).stderr
        show(said)
        require_equal(said.count(f"{machine.CONFIG}:"), 2, "the number of mistakes")
        show("\n".join(f"{unit}: {prop('ActiveState', unit)} {prop('Result', unit)}" for unit in UNITS))
        require_equal({prop("ActiveState", unit) for unit in SOCKETS}, {"active"}, "the state of the sockets")
        require_equal(prop("NRestarts"), "0", "NRestarts")
    # As chatd(8) and chatctl say.
    run("systemctl", "restart", SERVICE)
    Client("ana").close()


def shut_out(tls):
    """A client finds the daemon that cannot start."""
    try:
        client = Client("ana", tls=tls)
    except ssl.SSLError as error:
        require(tls, "plaintext answered with TLS")
        show(error)
    except Failed as error:
        require_in("*** The room is closed: the server cannot start.", str(error), "what a client is told")
    else:
        require(False, f"{client} came in")


@check("a port that another program has: the status and chatctl name the socket unit, and what to do")
def port_taken():
    machine.started()
    run("systemctl", "stop", SERVICE, "chatd.socket")
    with socket.create_server(("127.0.0.1", 6667)):
        run("systemctl", "start", SERVICE, status=1)
        status = prop("StatusText")
        show(status)
        require_in("chatd.socket is not running", status, "the status")
        require_in(status.split(":", 3)[-1], run("chatctl", "list", status=69).stderr, "what chatctl says")
        advice = re.search('"(systemctl status [^"]*)"', status)[1]
        shown = run("sh", "-c", advice, status=3).stdout
        show(f"{advice}:\n{shown}", limit=20)
        require_in("Address already in use", shown, "the status of the socket")
        require_equal(prop("NRestarts"), "0", "NRestarts")
    run("sh", "-c", status.split("afterwards: ")[1])
    Client("ana").close()


@check("a key that only root may read: chatd --check-config looks as the user of the service")
def unreadable_key():
    machine.started()
    machine.self_signed("/etc/chatd/tls", "chat.example.org")
    with machine.configuration(lambda text: text.replace("[tls]", "[tls]" + machine.TLS, 1)):
        said = run("chatd", "--check-config", status=78).stderr
        show(said)
        require_in("tls.certificate: /etc/chatd/tls/fullchain.pem cannot be read: the user chatd may not read it", said,
                   "what it says")
        run("systemctl", "restart", SERVICE, status=1)
        require_equal(prop("StatusText") + "\n", said, "the status")
    shutil.rmtree("/etc/chatd/tls")
    require_equal(run("chatd", "--check-config").stderr, "", "what it says of a good file")
    run("systemctl", "restart", SERVICE)


# More entries than journald's socket and the daemon's own queue hold.
FLOOD = 4000


@check("a journald that stops reading delays nobody, and what it has missed is said; one that restarts misses nothing")
def journal():
    fast = "[limits]\nmessage-rate = 1000000\nmessage-burst = 1000000\n"
    with machine.configuration(lambda text: text.replace("[limits]\n", fast, 1)):
        since = machine.started()
        run("systemctl", "reload", SERVICE)
        ana, bo = Client("ana"), Client("bo")
        journald = int(prop("MainPID", "systemd-journald.service"))
        # Nothing else may talk to systemd meanwhile, which might wait for the journal itself.
        os.kill(journald, signal.SIGSTOP)
        try:
            ana.socket.sendall(b"".join(b"/nick n%d\n" % number for number in range(FLOOD)))
            ana.expect(f"*** n{FLOOD - 2} is now known as n{FLOOD - 1}")
            ana.say("can you hear me?")
            bo.expect(f"n{FLOOD - 1}: can you hear me?")
            lost = json.loads(run("chatctl", "status", "--json").stdout)["log_lost"]
        finally:
            os.kill(journald, signal.SIGCONT)
        require(lost > 0, "nothing was lost")
        report = entry(since, "-u", "chatd", "CHATD_EVENT=lost")["MESSAGE"]
        show(report)
        require_equal(report, f"{lost} log entries were lost: the log could not keep up", "what it says")
        renames = len(entries(since, "-t", "chatd", "CHATD_EVENT=rename"))
        require_equal(renames + lost, FLOOD, "what was written and what was lost")
        run("systemctl", "restart", "systemd-journald.service")
        for number in range(100):
            ana.say(f"/nick m{number}")
        bo.expect("*** m98 is now known as m99")
        until("the last entry", lambda: len(entries(since, "-t", "chatd", "CHATD_EVENT=rename")) == renames + 100)
        require_equal(len(entries(since, "-t", "chatd", "CHATD_EVENT=lost")), 1, "the number of reports")
    run("systemctl", "reload", SERVICE)
