"""What the checks know about this machine and about the package: names, places, and the way back to a known state."""

import contextlib
import os
import pathlib
import subprocess

from harness import entries, now, require, run, show, until_state

CONFIG = pathlib.Path("/etc/chatd/chatd.toml")
DROP_INS = pathlib.Path("/run/systemd/system/chatd.service.d")
SERVICE = "chatd.service"
SOCKETS = ["chatd.socket", "chatd-tls.socket", "chatd-admin.socket"]
UNITS = [SERVICE, *SOCKETS]
PACKAGES = pathlib.Path("/packages")

# As an administrator would write it, on top of what the package installs.
TLS = """
certificate = "/etc/chatd/tls/fullchain.pem"
private-key = "/etc/chatd/tls/privkey.pem"
"""


def systemd_version():
    return int(run("systemctl", "--version").stdout.split()[1])


def apt(*arguments):
    # What an administrator has changed is kept without a question.
    options = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")
    return run("apt-get", "-q", "-y", *options, *arguments)


def started():
    """Everything is up and as the package installs it, and this moment is returned."""
    run("systemctl", "daemon-reload")
    run("systemctl", "reset-failed", *UNITS)
    run("systemctl", "start", *SOCKETS, SERVICE)
    until_state("active")
    return now()


def begin(verb, *units):
    """Starts or restarts units right after the service has stopped.

    Now and then, systemd cannot begin at all where it has just cleared up, because the control group to begin in is gone:
    "Failed to attach to cgroup" (252) or "Failed to spawn executor" (257). That says nothing of the daemon, and the next
    start works. Any other failure is one.
    """
    since = now()
    begun = run("systemctl", verb, *units, status=None)
    if begun.returncode != 0:
        found = entries(since, f"UNIT={SERVICE}") + entries(since, f"_SYSTEMD_UNIT={SERVICE}")
        said = [entry["MESSAGE"] for entry in found]
        gone = ("Failed to spawn executor", "Failed to attach to cgroup")
        require(any(text in message for message in said for text in gone), begun.stderr)
        show("systemd could not begin, once: " + "; ".join(said))
        run("systemctl", "start", *units)


@contextlib.contextmanager
def configuration(change):
    """Lets the text of the configuration be what `change` makes of it, for a while."""
    original = CONFIG.read_text()
    CONFIG.write_text(change(original))
    try:
        yield
    finally:
        CONFIG.write_text(original)


@contextlib.contextmanager
def drop_in(text):
    """Changes the service for a while, with a restart at both ends."""
    DROP_INS.mkdir(parents=True, exist_ok=True)
    file = DROP_INS / "99-test.conf"
    file.write_text("[Service]\n" + text)
    run("systemctl", "daemon-reload")
    begin("restart", SERVICE)
    try:
        yield
    finally:
        file.unlink()
        run("systemctl", "daemon-reload")
        begin("restart", SERVICE)


def files():
    """All files of the machine, apart from what a machine writes by itself."""
    own = ("/proc", "/sys", "/dev", "/run", "/tmp", "/tests", "/packages", "/report", "/var/log", "/var/cache", "/root",
           "/home", "/var/lib/dpkg", "/var/lib/apt", "/var/lib/xkb", "/var/lib/systemd/catalog",
           "/var/lib/systemd/timers", "/var/tmp")
    found = set()
    for directory, directories, names in os.walk("/"):
        directories[:] = [name for name in directories if os.path.join(directory, name) not in own]
        found.update(os.path.join(directory, name) for name in directories + names)
    # The backups of passwd, group and their like.
    return {path for path in found if not (path.startswith("/etc/") and path.endswith("-"))}


def accounts():
    """The names of all users and groups."""
    names = set()
    for kind in ("passwd", "group"):
        names.update(f"{kind} {line.split(':')[0]}" for line in run("getent", kind).stdout.splitlines())
    return names


def main_pid():
    return run("systemctl", "show", "--value", "-p", "MainPID", SERVICE).stdout.strip()


def self_signed(directory, name):
    """A certificate and its key, named and linked as certbot does."""
    archive = pathlib.Path(directory)
    archive.mkdir(parents=True, exist_ok=True, mode=0o700)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", archive / "privkey.pem",
         "-out", archive / "fullchain.pem"],
        check=True, capture_output=True,
    )
