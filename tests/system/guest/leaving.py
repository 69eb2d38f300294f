"""Upgrade, remove, purge: what clients see and what is left."""

import pathlib
import subprocess

import installing
import machine
from harness import Client, check, prop, require, require_equal, run, show
from machine import CONFIG, PACKAGES, SOCKETS, UNITS


def left(title):
    """What is on this machine and was not before the installation."""
    files = machine.files() - installing.before["files"]
    found = sorted(files) + sorted(machine.accounts() - installing.before["accounts"] - USERS)
    show(f"{title}:\n" + ("\n".join(found) if found else "nothing"), limit=60)
    return found


# Whom the checks have made.
USERS = {"passwd adele", "group adele", "passwd stranger", "group stranger"}


@check("upgrade with clients connected: they notice nothing, and the administrator's file stays")
def upgrade():
    machine.started()
    CONFIG.write_text(CONFIG.read_text() + "\n# an administrator was here\n")
    sockets = {unit: prop("ActiveEnterTimestampMonotonic", unit) for unit in SOCKETS}
    clients, pid = [Client("ana"), Client("ben", tls=True)], machine.main_pid()
    clients[1].say("said before the upgrade")
    clients[0].expect("ben: said before the upgrade")
    said = machine.apt("install", f"{PACKAGES}/second.deb").stdout
    show("\n".join(line for line in said.splitlines() if "chatd" in line and "onf" in line))
    clients[1].say("said after it")
    require_equal(clients[0].line(), "ben: said after it", "what ana reads next")
    late = Client("late")
    late.expect("*** You are up to date")
    require(any(line.endswith("] ben: said before the upgrade") for line in late.seen), "what was said is gone")
    require(machine.main_pid() != pid, "the old daemon still runs")
    since = {unit: prop("ActiveEnterTimestampMonotonic", unit) for unit in SOCKETS}
    require_equal(since, sockets, "since when the sockets listen")
    require("# an administrator was here" in CONFIG.read_text(), "the administrator's file was replaced")
    show(run("dpkg-query", "-W", "chatd").stdout)


@check("what an administrator has switched off stays off in an upgrade")
def upgrade_disabled():
    run("systemctl", "disable", "--now", *UNITS)
    machine.apt("install", "--allow-downgrades", f"{PACKAGES}/first.deb")
    states = {unit: (prop("UnitFileState", unit), prop("ActiveState", unit)) for unit in UNITS}
    show(states)
    require_equal(set(states.values()), {("disabled", "inactive")}, "the units")
    run("systemctl", "enable", "--now", *UNITS)


@check("a new systemd takes effect on the unit by itself")
def trigger():
    machine.started()
    wanted = "identity" if machine.systemd_version() >= 257 else "no"
    setting = "PrivateUsersEx" if machine.systemd_version() >= 257 else "PrivateUsers"
    drop_in = pathlib.Path("/usr/lib/systemd/system/chatd.service.d/10-user-namespace.conf")
    drop_in.unlink(missing_ok=True)
    run("dpkg-trigger", "--by-package=chatd", "--no-await", "/usr/lib/systemd/systemd")
    run("dpkg", "--triggers-only", "-a")
    show(f"systemd {machine.systemd_version()}: {setting}={prop(setting)}")
    require_equal(prop(setting), wanted, setting)


@check("remove with clients connected: they are told; configuration and state stay")
def remove():
    machine.started()
    ana = Client("ana")
    machine.apt("remove", "chatd")
    show("ana read last: " + ana.rest()[-1])
    require_equal(ana.seen[-1], "*** Goodbye: the server is stopping.", "the last line")
    found = left("left after remove")
    for path in (str(CONFIG), "/var/lib/chatd/tls/certificate.pem", "passwd chatd", "group chatd-admin"):
        require(path in found, f"{path} is gone")
    for path in found:
        require(not path.startswith("/usr"), f"{path} is still there")
    require(not pathlib.Path("/run/chatd").exists(), "/run/chatd is still there")


@check("installed again after that, it is as it was")
def again():
    machine.apt("install", f"{PACKAGES}/first.deb")
    require("# an administrator was here" in CONFIG.read_text(), "the administrator's file was replaced")
    states = [f"{prop('UnitFileState', unit)} {prop('ActiveState', unit)}" for unit in UNITS]
    show(states)
    require_equal(set(states), {"enabled active"}, "the units")
    Client("ana").close()


@check("purge leaves what an administrator wrote, and nothing else")
def purge_with_files():
    machine.self_signed("/root/purged", "chat.example.org")
    subprocess.run(["/usr/share/chatd/renewal-hook", "/root/purged"], check=True)
    machine.apt("purge", "chatd")
    require_equal(
        left("left after purge, with a certificate in /etc/chatd/tls and a member of chatd-admin"),
        ["/etc/chatd", "/etc/chatd/tls", "/etc/chatd/tls/fullchain.pem", "/etc/chatd/tls/privkey.pem",
         "group chatd", "group chatd-admin", "passwd chatd"],
        "what is left",
    )


@check("purge leaves nothing where an administrator wrote nothing")
def purge_clean():
    machine.apt("install", f"{PACKAGES}/first.deb")
    Client("ana").close()
    run("rm", "-r", "/etc/chatd/tls")
    run("gpasswd", "-d", "adele", "chatd-admin")
    machine.apt("purge", "chatd")
    require_equal(left("left after purge"), [], "what is left")
    require_equal(run("systemctl", "list-unit-files", "--no-legend", "chatd*", status=None).stdout, "", "the unit files")
