"""What goes wrong, and how the service comes back from it."""

import machine
from harness import (
    Client, check, entries, entry, now, prop, require, require_equal, require_in, run, show, until, until_state
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
    run("systemctl", "kill", "-s", "KILL", "--kill-whom=main", SERVICE)
    require_equal(waiting.rest(), [], "what a client reads of a killed daemon")
    # This one comes while nothing runs, and waits in the socket.
    late = Client("late")
    restarted_after(pid)
    show(entry(since, "_PID=1", "UNIT=chatd.service", "UNIT_RESULT=signal")["MESSAGE"])
    late.close()


def start_again(*units):
    """Starts units after a failure.

    Now and then, systemd 257 cannot begin at all where it has just cleared up, because the control group to begin in is
    gone. That says nothing of the daemon, and the next start works. Any other failure is one.
    """
    since = now()
    started = run("systemctl", "start", *units, status=None)
    if started.returncode != 0:
        said = [found["MESSAGE"] for found in entries(since, "_PID=1", "UNIT=chatd.service")]
        require(any("Failed to spawn executor" in message for message in said), started.stderr)
        show("systemd could not begin, once: " + "; ".join(said))
        run("systemctl", "start", *units)


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
    start_again(SERVICE)
    until_state("active")


@check("a bad configuration and a client: the sockets give up too, and start again after it is mended")
def bad_configuration_with_clients():
    machine.started()
    run("systemctl", "stop", SERVICE)
    with machine.configuration(broken):
        client = Client()
        for unit in SOCKETS:
            until_state("failed", unit)
        show("\n".join(f"{unit}: {prop('ActiveState', unit)} {prop('Result', unit)}" for unit in UNITS))
        require_equal(prop("NRestarts"), "0", "NRestarts")
        client.close()
    # As chatd(8) says.
    run("systemctl", "reset-failed", *UNITS)
    start_again(*SOCKETS, SERVICE)
    Client("ana").close()
    show("after: " + " ".join(prop("ActiveState", unit) for unit in UNITS))
