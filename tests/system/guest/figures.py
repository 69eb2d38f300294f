"""What a restart costs with thousands of clients: its time, the pause that they feel, the daemon's memory.

Figures and not checks, except that everybody has to stay. tests/system/run --figures runs this instead of the checks.
"""

import pathlib
import resource
import sys
import time

import harness
import machine
from crowd import Crowd, Member
from harness import check, require, require_equal, run, show, until
from machine import PACKAGES, SERVICE

CLIENTS = 8000
RESTARTS = 5
# Who ask something all the time, beside those who are idle.
ASKING = 40


class Asking(Member):
    """Somebody who tells themselves something all the time, which nobody else reads, and measures how long it takes."""

    rest = 0.1

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.form = lambda text: f"/msg {self.name} {text}\n".encode()


class Idle(Member):
    """Somebody who is just there. What they have read is forgotten."""

    def is_told(self, what):
        """Whether they have read this since they were asked last."""
        self.take()
        found = what in self.read
        # What was not found may have come in part.
        del self.read[: len(self.read) if found else -len(what)]
        return found

    def ask(self):
        """Asks what is answered to them alone."""
        self.send(b"PING :alive\r\n" if self.protocol == "irc" else b"/alive\n")

    @property
    def answer(self):
        return b"PONG " if self.protocol == "irc" else b"There is no command"


def memory():
    """The daemon's resident and proportional set size, in bytes, when they have stopped changing."""
    rollup, found = pathlib.Path(f"/proc/{machine.main_pid()}/smaps_rollup"), []

    def stays():
        sizes = dict(line.split()[:2] for line in rollup.read_text().splitlines()[1:])
        found.append((int(sizes["Rss:"]) * 1024, int(sizes["Pss:"]) * 1024))
        return len(found) > 50 and abs(found[-1][0] - found[-50][0]) < 65536

    until("the memory stays the same", stays)
    return found[-1]


def comes(count, *, tls, protocols=("text", "irc"), there=()):
    """That many come in, one after the other, while those who are there read it."""
    new = []
    for number in range(count):
        protocol = protocols[number % len(protocols)]
        name = f"{protocol[0]}{'s' if tls else 'p'}{number}"
        new.append(Idle(name, protocol, 6697 if tls else 6667, tls=tls))
        if number % 100 == 99 or number == count - 1:
            inside = b" 366 " if protocol == "irc" else b"*** Topic: "
            everywhere(new[-1:], inside)
            for member in (*there, *new):
                member.is_told(b"")
    return new


def everywhere(members, what):
    """Waits until all have read it."""
    missing = list(members)

    def is_everywhere():
        missing[:] = [member for member in missing if not member.is_told(what)]
        ended = [member.end for member in members if member.end]
        require(not ended, f"{len(ended)} were disconnected: {ended[:3]}")
        return not missing

    until(f"{what} is everywhere", is_everywhere)


def kib(size):
    return f"{size / 1024:.1f} KiB"


def mib(size):
    return f"{size / 1024 / 1024:.1f} MiB"


def restart():
    begun = time.monotonic()
    run("systemctl", "restart", SERVICE)
    return time.monotonic() - begun


def install():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    machine.apt("install", f"{PACKAGES}/first.deb")
    machine.CONFIG.write_text(machine.CONFIG.read_text().replace(
        "[limits]", "[limits]\nconnections = 10000\nconnections-per-address = 10000", 1))
    run("systemctl", "restart", SERVICE)


@check(f"{CLIENTS} idle clients, half of them over TLS 1.3")
def thousands():
    machine.started()
    show(f"memory of the empty room: PSS {mib(memory()[1])}")
    everybody = comes(CLIENTS // 2, tls=False)
    everybody += comes(CLIENTS // 2, tls=True, there=everybody)
    require_equal({member.socket.version() for member in everybody if member.tls}, {"TLSv1.3"}, "what is spoken")
    with Crowd([Asking(f"asks{n}", "text", (6667, 6697)[n % 2], tls=bool(n % 2)) for n in range(ASKING)]) as asking:
        asking.talking = True
        asking.go_on()
        show(f"before: RSS, PSS {', '.join(map(mib, memory()))}; the longest wait for an answer {longest(asking)}")
        for number in range(RESTARTS):
            asking.go_on()
            took = restart()
            asking.go_on()
            speaker = everybody[number]
            speaker.send(speaker.form(f"after restart {number}"))
            others = [member for member in everybody if member is not speaker]
            everywhere(others, f"after restart {number}".encode())
            show(f"restart {number + 1}: systemctl took {1000 * took:.0f} ms; the longest wait for an answer "
                 f"{longest(asking)}; RSS, PSS {', '.join(map(mib, memory()))}")
        for some in range(0, len(everybody), 500):
            for member in everybody[some : some + 500]:
                member.ask()
            for member in everybody[some : some + 500]:
                everywhere([member], member.answer)
        show(f"all {len(everybody)} have read a line after each restart, and were answered when they asked")
    for member in everybody:
        member.close()


def longest(asking):
    """The longest wait since the last question, which is also the pause that a restart means for those who talk."""
    seconds = max(member.longest for member in asking.members)
    for member in asking.members:
        member.longest = 0.0
    return f"{1000 * seconds:.0f} ms"


@check("memory of one idle client of the text protocol, before a restart and after it")
def one():
    for tls in (False, True):
        run("systemctl", "stop", SERVICE)
        machine.started()
        restart()
        empty = memory()[1]
        everybody = comes(1000, tls=tls, protocols=("text",))
        found = [memory()[1]]
        for _ in range(2):
            restart()
            found.append(memory()[1])
        each = [kib((size - empty) / len(everybody)) for size in found]
        show(f"{'TLS' if tls else 'plaintext'}: {each[0]}; after a restart {each[1]}, after another {each[2]} "
             f"(PSS of 1000, without the {mib(empty)} of the empty daemon)")
        for member in everybody:
            member.close()


install()
sys.exit(harness.run_all())
