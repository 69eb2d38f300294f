"""Many clients of all protocols at once, served by one thread, who talk in numbered lines.

What they say is "<NAME:NUMBER>", which every protocol carries as it is, and nothing else looks like it: so the order
that each of them has read is found in the bytes, whatever stands between.
"""

import os
import random
import re
import selectors
import socket
import ssl
import subprocess
import threading
import time

from harness import PATIENCE, require, until

SAID = re.compile(rb"<([a-z0-9]+):(\d+)>")
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE


def packed(fields):
    """A frame of PodSixNet, of short strings."""
    flat = [text.encode() for field in fields.items() for text in field]
    return bytes([102 + len(fields)]) + b"".join(bytes([128 + len(text)]) + text for text in flat) + b"\0---\0"


# By protocol: what one sends to come in under a name, and to say something.
PROTOCOLS = {
    "text": (lambda name: f"{name}\n".encode(), lambda text: f"{text}\n".encode()),
    "irc": (
        lambda name: f"CAP REQ :echo-message\r\nNICK {name}\r\nUSER {name} 0 * :{name}\r\nCAP END\r\n".encode(),
        lambda text: f"PRIVMSG #lobby :{text}\r\n".encode(),
    ),
    "classic": (lambda name: name.encode(), lambda text: text.encode()),
    "podsixnet": (
        lambda name: packed({"action": "nickname", "nickname": name}),
        lambda text: packed({"action": "message", "message": text}),
    ),
}


class Member:
    """One of them. Everything that was read is in `read`."""

    # Seconds from reading one's own line to the next, on average.
    rest = 1.5

    def __init__(self, name, protocol, port, *, tls=False):
        self.name, self.protocol, self.tls = name, protocol, tls
        self.read, self.seen = bytearray(), 0
        self.said, self.due, self.since = 0, 0.0, None
        self.longest, self.end = 0.0, None
        login, self.form = PROTOCOLS[protocol]
        self.open(port)
        self.send(login(name))

    def open(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            self.socket = TLS.wrap_socket(self.socket)
        self.socket.setblocking(False)

    def fileno(self):
        return self.socket.fileno()

    def send(self, data):
        self.socket.send(data)

    def receive(self):
        return self.socket.recv(65536)

    def text(self, number):
        return f"<{self.name}:{number}>"

    def say(self):
        self.said += 1
        self.since = time.monotonic()
        self.send(self.form(self.text(self.said)))

    def take(self):
        """Reads what has arrived; returns whether the connection goes on."""
        try:
            while data := self.receive():
                self.read += data
                if self.protocol == "irc" and b"PING " in data:
                    self.send(b"PONG :chatd.internal\r\n")
            self.end = "closed"
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError as error:
            self.end = str(error)
        if self.since and self.has_read(self.text(self.said)):
            now = time.monotonic()
            self.longest = max(self.longest, now - self.since)
            # Each at another time, so that a restart meets people of every protocol who have just said something.
            self.since, self.due = None, now + self.rest * random.uniform(0.5, 1.5)
        return self.end is None

    def has_read(self, text):
        """Whether this was read since the last time that something was looked for and found."""
        found = self.read.find(text.encode(), self.seen)
        if found >= 0:
            self.seen = found
        return found >= 0

    def order(self):
        return [(name.decode(), int(number)) for name, number in SAID.findall(self.read)]

    def close(self):
        self.socket.close()


class Openssl(Member):
    """openssl s_client."""

    def open(self, port):
        command = ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, bufsize=0, **pipes)
        os.set_blocking(self.fileno(), False)

    def fileno(self):
        return self.process.stdout.fileno()

    def send(self, data):
        self.process.stdin.write(data)

    def receive(self):
        return os.read(self.fileno(), 65536)

    def close(self):
        self.process.kill()
        self.process.wait(PATIENCE)


class Crowd:
    """All of them, and the thread that serves them."""

    def __init__(self, members):
        self.members, self.talking, self.over, self.error = members, False, False, None
        self.selector = selectors.DefaultSelector()
        for number, member in enumerate(members):
            # Not all at once: over TLS some bytes may have been read already, so each is looked at first.
            member.due = time.monotonic() + member.rest * number / len(members)
            member.take()
            self.selector.register(member, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()
        for member in self.members:
            member.close()

    def serve(self):
        try:
            while not self.over:
                for key, _ in self.selector.select(0.01):
                    if not key.fileobj.take():
                        self.selector.unregister(key.fileobj)
                now = time.monotonic()
                for member in self.members if self.talking else ():
                    if member.since is None and member.due <= now and member.end is None:
                        member.say()
        except Exception as error:  # noqa: BLE001
            self.error = error

    def rounds(self):
        """How many lines the one who has said the fewest has said."""
        self.check()
        return min(member.said for member in self.members)

    def go_on(self):
        """Waits until everybody has said one more line than the quietest has now."""
        before = self.rounds()
        until("everybody speaks", lambda: self.rounds() > before)

    def check(self):
        require(self.error is None, f"the crowd has failed: {self.error!r}")
        ended = [f"{member.name} ({member.protocol}{', TLS' if member.tls else ''}): {member.end}, after "
                 f"{bytes(member.read[-200:])!r}" for member in self.members if member.end]
        require(not ended, f"{len(ended)} were disconnected:\n" + "\n".join(ended[:10]))

    def finish(self):
        """Everybody falls silent; returns the order of what was said, once all have read it to the end."""
        self.talking = False
        self.check()
        until("everybody reads their last line", lambda: all(member.since is None for member in self.members))
        first = self.members[0]
        first.say()
        end = first.text(first.said)
        until("everybody has read the last line", lambda: self.check() or all(m.has_read(end) for m in self.members))
        order = first.order()
        for member in self.members:
            same(member.name, member.order(), order)
        wanted = {(member.name, number + 1) for member in self.members for number in range(member.said)}
        require(len(order) == len(wanted) and set(order) == wanted, f"missing: {sorted(wanted - set(order))[:9]}, "
                f"{len(order) - len(set(order))} came twice")
        return order


def same(name, found, order):
    """Somebody has read what everybody has."""
    if found != order:
        at = next((n for n, both in enumerate(zip(found, order)) if both[0] != both[1]), min(len(found), len(order)))
        require(False, f"{name} has read {len(found)} lines of {len(order)}; from line {at} on: "
                f"{found[at:at + 4]}, others {order[at:at + 4]}")
