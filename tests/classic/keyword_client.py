"""Document 2: answers the keyword with the name; every line has the name before it."""
import os
import socket
import sys

import harness

client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((sys.argv[1], int(sys.argv[2])))
nombre = sys.argv[3]
palabra_clave = sys.argv[4] if len(sys.argv) > 4 else "nombre del cliente"
codec = sys.argv[5] if len(sys.argv) > 5 else "utf-8"


def receive():
    while True:
        try:
            message = client.recv(1024).decode(codec)
            if message == palabra_clave:
                client.send(nombre.encode(codec))
            else:
                harness.shown(message)
        except (OSError, UnicodeDecodeError):
            harness.shown("An error occured!")
            client.close()
            break


def write(text):
    message = "{}: {}".format(nombre, text)
    client.send(message.encode(codec))


harness.in_thread(receive)


def interrupted(_):
    """Ctrl-C: the connection ends with the process, also while the thread waits in recv."""
    client.close()
    os._exit(0)


harness.user({"say": write, "close": interrupted, "abort": lambda _: harness.abort(client)})
