"""Stopping, and other addresses: what chatd(8) tells administrators to do."""

import contextlib
import pathlib
import shutil

import machine
from harness import Client, check, prop, require, require_equal, require_in, run, show
from machine import PACKAGES, SERVICE, SOCKETS

UNITS = pathlib.Path("/etc/systemd/system")


@contextlib.contextmanager
def drop_in(unit, name):
    """A drop-in of the administrator's for a unit, gone at the end."""
    file = UNITS / f"{unit}.d" / name
    file.parent.mkdir()
    try:
        yield file
    finally:
        file.unlink()
        file.parent.rmdir()


@check("stopping all of it: everybody is told, and nothing listens any more")
def stop_all():
    machine.started()
    clients = [Client("ana"), Client("ben", tls=True)]
    # As chatd(8) says.
    run("systemctl", "stop", *SOCKETS, SERVICE)
    for client in clients:
        last = client.rest()[-1]
        require_equal(last, "*** Goodbye: the server is stopping.", "the last line")
    show("both read last: " + last)
    for port in (6667, 6697):
        try:
            Client(port=port)
        except ConnectionRefusedError:
            continue
        require(False, f"somebody listens on {port}")
    require(not pathlib.Path("/run/chatd/admin.sock").exists(), "the admin socket is still there")


@check("stopping the service alone leaves the sockets, and the next client starts it")
def stop_service():
    machine.started()
    said = run("systemctl", "stop", SERVICE)
    show(said.stdout + said.stderr)
    Client("ana").close()
    require_equal(prop("ActiveState"), "active", "the service")


@check("a socket that listens elsewhere")
def elsewhere():
    machine.started()
    sockets = ["chatd.socket", "chatd-tls.socket"]
    with drop_in("chatd.socket", "override.conf") as file:
        file.write_text("[Socket]\nListenStream=\nListenStream=127.0.0.1:7001\nListenStream=127.0.0.1:7002\n")
        run("systemctl", "daemon-reload")
        run("systemctl", "stop", *sockets, SERVICE)
        run("systemctl", "start", *sockets, SERVICE)
        ana, ben = Client("ana", port=7001), Client("ben", port=7002)
        ben.say("hello")
        show("from port 7002 to port 7001: " + ana.expect("ben: hello"))
    run("systemctl", "stop", *sockets, SERVICE)
    machine.started()
    Client("ana").close()


def for_a_course(text):
    """The configuration as a teacher changes it: one of the listeners for students is no comment any more."""
    comment = '# [[listen]]\n# address = "127.0.0.1:33000"\n# protocol = "classic"\n# preset = "chatter"\n'
    require_in(comment, text, "the sample")
    return text.replace(comment, comment.replace("# ", ""))


@check("an address in the configuration: the check and the first start say what to do, and that is all it takes")
def teacher():
    machine.started()
    try:
        for_a_lesson()
    finally:
        shutil.rmtree(UNITS / f"{SERVICE}.d", ignore_errors=True)
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", SERVICE)


def for_a_lesson():
    with machine.configuration(for_a_course):
        checked = run("chatd", "--check-config", status=78).stderr
        show(checked)
        run("systemctl", "restart", SERVICE, status=1)
        require_equal([prop("ExecMainStatus"), prop("NRestarts")], ["78", "0"], "the exit status, and NRestarts")
        require_equal(prop("StatusText") + "\n", checked, "the status")
        require_in(checked, run("chatctl", "list", status=69).stderr, "what chatctl says")
        # Typed as it is told.
        run("sh", "-c", checked.split("give it the network with: ")[1])
        student = Client(port=33000)
        student_reads(student, "Greetings from the cave!")
        student.socket.sendall(b"Ada")
        student_reads(student, "Welcome Ada!")
        ana = Client("ana")
        ana.say("hello")
        student_reads(student, "ana: hello")
        require_equal(run("chatd", "--check-config").stderr, "", "what the check says now")
        student.close()


def student_reads(student, text):
    """Reads what has no line ends up to this text."""
    while text not in (read := student.unread.decode()):
        more = student.socket.recv(4096)
        require(more, f"the student's client read only {read!r}")
        student.unread += more
    show(f"the student's client read {read!r}")
    student.unread = b""


@check("a daemon that binds its own addresses, also after an upgrade")
def own_addresses():
    machine.started()
    sockets = ["chatd.socket", "chatd-tls.socket"]
    run("systemctl", "stop", SERVICE)
    run("systemctl", "mask", "--now", *sockets)
    text = pathlib.Path("/usr/share/chatd/bind-addresses.conf").read_text()
    try:
        with drop_in(SERVICE, "bind-addresses.conf") as file:
            file.write_text(text)
            serves_on(7000)
            low_ports = [line.lstrip("#") if "=" in line else line for line in text.splitlines()]
            file.write_text("\n".join(low_ports))
            serves_on(194)
    finally:
        run("systemctl", "unmask", *sockets)
        run("systemctl", "stop", SERVICE)
    machine.started()
    Client("ana").close()


def serves_on(port):
    def addresses(text):
        text = text.replace('systemd = "plain"', f'address = "127.0.0.1:{port}"', 1)
        return text.replace('systemd = "tls"', f'address = "[::]:{port + 1}"', 1)

    with machine.configuration(addresses):
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", SERVICE)
        ana, ben = Client("ana", port=port), Client("ben", port=port + 1, tls=True)
        ben.say("hello")
        show(f"port {port}: " + ana.expect("ben: hello"))
        run("chatctl", "list", user="adele")
        machine.apt("install", "--reinstall", f"{PACKAGES}/first.deb")
        ben.say("still here")
        require_equal(ana.line(), "ben: still here", "what ana reads next")
        Client("late", port=port).close()
        require_equal({prop("UnitFileState", unit) for unit in SOCKETS[:2]}, {"masked"}, "the state of the sockets")
