"""Peers that vanish without a word, as a machine does that has lost its network. It takes minutes until they are gone; the
other checks run meanwhile, and `vanished` comes after them."""

import ctypes
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time

from harness import Client, check

CONFIG = """
[[listen]]
address = "127.0.0.1:0"
[[listen]]
address = "127.0.0.1:0"
tls = true
[[listen]]
address = "127.0.0.1:0"
protocol = "classic"
preset = "quit-echo"
[[listen]]
address = "127.0.0.1:0"
protocol = "podsixnet"
[handover]
clients = false
"""
# Seconds: three minutes, as chatd(8) says in LIMITS, and some more, because the machine is busy.
LONGEST = 200


class Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(Instruction))]


def vanish(connection):
    """From now on the kernel drops whatever comes for this socket (socket(7), SO_ATTACH_FILTER)."""
    nothing = Instruction(0x06, 0, 0, 0)
    program = bytes(Program(1, ctypes.pointer(nothing)))
    connection.setsockopt(socket.SOL_SOCKET, 26, program)


def podsixnet(name):
    """The frame that gives a name."""
    words = [bytes([128 + len(word)]) + word.encode() for word in ("action", "nickname", "nickname", name)]
    return bytes([102 + 2]) + b"".join(words) + b"\0---\0"


class Room:
    """A daemon of its own, in which some have vanished."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(dir="/root")
        home = pathlib.Path(self.directory.name)
        (home / "chatd.toml").write_text(CONFIG)
        environment = {"RUNTIME_DIRECTORY": f"{home}/run", "STATE_DIRECTORY": f"{home}/state"}
        command = ["/usr/sbin/chatd", "--config", home / "chatd.toml"]
        null, pipe = subprocess.DEVNULL, subprocess.PIPE
        self.daemon = subprocess.Popen(command, env=environment, stdin=null, stdout=null, stderr=pipe, text=True)
        ports = []
        for line in self.daemon.stderr:
            ports += map(int, re.findall(r"listening on 127.0.0.1:(\d+)", line))
            if line.endswith(" is ready\n"):
                break
        text, tls, classic, pod = ports
        self.observer = Client("observer", port=text)
        self.gone = {}
        vanished = [Client("text", port=text).socket, Client("tls", port=tls, tls=True).socket]
        for name, port, words in (
            ("irc", text, b"NICK irc\r\nUSER u 0 * :r\r\n"),
            ("classic", classic, b"classic\n"),
            ("pod", pod, podsixnet("pod")),
        ):
            vanished.append(socket.create_connection(("127.0.0.1", port)))
            vanished[-1].sendall(words)
            self.observer.expect(f"*** {name} has joined")
        for connection in vanished:
            vanish(connection)
        self.vanished, self.since = vanished, time.monotonic()
        self.observer.socket.settimeout(2 * LONGEST)
        threading.Thread(target=self.observe, daemon=True).start()

    def observe(self):
        while len(self.gone) < len(self.vanished):
            line = self.observer.expect("*** ")
            left = re.fullmatch(r"\*\*\* (\w+) has left \((.*)\)", line)
            if left:
                self.gone[left[1]] = (time.monotonic() - self.since, left[2])

    def end(self):
        self.daemon.kill()
        self.daemon.wait()
        self.directory.cleanup()


rooms = []


@check("clients of every protocol vanish")
def vanishing():
    rooms.append(Room())
