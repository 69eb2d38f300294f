"""What the checks are made of: commands, clients, the journal, and the report.

Nothing here sleeps to let time pass: what has to happen is waited for, no longer than PATIENCE.
"""

import hashlib
import json
import socket
import ssl
import subprocess
import sys
import time
import traceback

# Seconds that anything may take before it counts as never happening.
PATIENCE = 20

_checks = []
_evidence = []


class Failed(Exception):
    """A check's expectation that does not hold."""


def check(title):
    """Makes a function one of the checks, which run in the order of the file."""

    def add(function):
        _checks.append((title, function))
        return function

    return add


def show(text, *, limit=12):
    """Puts evidence into the report, under the check that it belongs to."""
    lines = str(text).rstrip().splitlines()
    _evidence.extend(lines[:limit])
    if len(lines) > limit:
        _evidence.append(f"({len(lines) - limit} more lines)")


def require(condition, complaint):
    if not condition:
        raise Failed(complaint)


def require_equal(found, wanted, what):
    require(found == wanted, f"{what} is {found!r} and should be {wanted!r}")


def require_in(part, whole, what):
    require(part in whole, f"{what} lacks {part!r}:\n{whole}")


def run_all():
    """Runs every check, also after one has failed, and returns the exit status."""
    failed = 0
    for title, function in _checks:
        _evidence.clear()
        started = time.monotonic()
        try:
            function()
        except Exception as error:
            failed += 1
            outcome = "FAIL"
            show(error if isinstance(error, Failed) else traceback.format_exc(), limit=100)
            show("the end of the journal:\n" + run("journalctl", "-b", "-n", "40", "--no-pager").stdout, limit=100)
        else:
            outcome = "ok  "
        print(f"{outcome} {title} ({time.monotonic() - started:.1f} s)")
        for line in _evidence:
            print(f"       {line}")
        sys.stdout.flush()
    print(f"{len(_checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


# Commands


def run(*command, status=0, user=None, stdin=""):
    """Runs a command to its end and requires its exit status; None takes any."""
    if user:
        command = ("runuser", "-u", user, "--", *command)
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=3 * PATIENCE)
    if status is not None and done.returncode != status:
        raise Failed(f"{' '.join(command)!r} ended with {done.returncode}, not {status}:\n{done.stdout}{done.stderr}")
    return done


def until(what, condition):
    """Waits until the condition returns something true, and returns that."""
    deadline = time.monotonic() + PATIENCE
    while True:
        result = condition()
        if result:
            return result
        require(time.monotonic() < deadline, f"{what}: has not happened in {PATIENCE} s")
        time.sleep(0.02)


def prop(name, unit="chatd.service"):
    """A property of a unit."""
    return run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()


def until_state(state, unit="chatd.service"):
    until(f"{unit} becomes {state}", lambda: prop("ActiveState", unit) == state)


# The journal


def now():
    """This moment, by the clock of the journal's entries."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def entries(since, *matches):
    """What journalctl selects by these arguments, as far as it came after that moment."""
    run("journalctl", "--sync")
    # Not by --after-cursor: with a match, systemd 252 leaves out the first entry after it.
    shown = run("journalctl", "-b", "-o", "json", "--no-pager", *matches).stdout
    found = [json.loads(line) for line in shown.splitlines()]
    return [entry for entry in found if int(entry["__MONOTONIC_TIMESTAMP"]) >= since]


def entry(since, *matches):
    """The first such entry, waited for."""
    return until(f"a journal entry with {' '.join(matches)}", lambda: entries(since, *matches))[0]


# Clients


class Client:
    """Somebody who speaks the text protocol. Everything that they were sent is in `seen`."""

    def __init__(self, name=None, *, tls=False, port=None, connect=True):
        self.seen = []
        self.unread = b""
        address = ("127.0.0.1", port or (6697 if tls else 6667))
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self.certificate = None
        if tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
            self.certificate = hashlib.sha256(self.socket.getpeercert(binary_form=True)).hexdigest()
        if name:
            self.say(name)
            self.expect("*** Topic: ")

    def say(self, line):
        self.socket.sendall(line.encode() + b"\n")

    def line(self):
        """The next line, or None at the end of the connection."""
        while b"\n" not in self.unread:
            read = self.socket.recv(65536)
            if not read:
                require(not self.unread, f"the connection ended within a line: {self.unread!r}")
                return None
            self.unread += read
        line, _, self.unread = self.unread.partition(b"\n")
        self.seen.append(line.decode())
        return self.seen[-1]

    def expect(self, start):
        """Reads up to the line with this start."""
        while True:
            line = self.line()
            require(line is not None, f"no line with {start!r} before the end:\n" + "\n".join(self.seen))
            if line.startswith(start):
                return line

    def rest(self):
        """Reads to the proper end of the connection."""
        lines = []
        while (line := self.line()) is not None:
            lines.append(line)
        return lines

    def close(self):
        self.socket.close()
