"""What stands in for the screen and the keyboard of a student's client.

Everything that the client shows is a line of JSON on standard output; every line on standard input is something that
its user does. The clients themselves know nothing of this.
"""
import json
import os
import socket
import struct
import sys
import threading


def shown(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def ended():
    """The connection is at its end, and the client has noticed."""
    shown(None)
    os._exit(0)


def abort(client_socket):
    """Ends the connection by a reset."""
    client_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client_socket.close()
    os._exit(0)


def user(actions):
    """Obeys the test: `ACTION TEXT` calls actions[ACTION](TEXT)."""
    for line in sys.stdin:
        action, _, text = line.rstrip("\n").partition(" ")
        actions[action](text)


def in_thread(target):
    """Runs a receiving loop; the connection is at its end for the client when that ends, by itself or by an error."""

    def run():
        try:
            target()
        except OSError:
            pass
        ended()

    threading.Thread(target=run, daemon=True).start()


class Entry:
    """A tkinter.StringVar with what the user has typed."""

    def __init__(self):
        self.text = ""

    def get(self):
        return self.text

    def set(self, text):
        self.text = text


class Listbox:
    """A tkinter.Listbox whose entries are shown."""

    def insert(self, place, message):
        if isinstance(message, bytes):
            message = message.decode("utf8")
        shown(message)

    def yview(self, place):
        pass


class Text:
    """A tkinter.Text: of what is inserted each piece is shown."""

    def __init__(self):
        self.typed = ""

    def config(self, **_):
        pass

    def insert(self, place, message):
        shown(message)

    def yview(self, place):
        pass

    def get(self, start, end):
        # A Text widget always ends with a newline.
        return self.typed + "\n"

    def delete(self, start, end):
        self.typed = ""


class Window:
    """A tkinter.Tk."""

    def quit(self):
        pass

    def destroy(self):
        pass
