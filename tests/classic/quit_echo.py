"""Document 3: its functions as they are printed there."""
import socket
import sys

import harness

client_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client_socket.connect((sys.argv[1], int(sys.argv[2])))
BUFSIZE = 1024
my_msg = harness.Entry()
msg_list = harness.Listbox()
window = harness.Window()


class tkt:
    END = "end"


def receive():
    while True:
        try:
            msg = client_socket.recv(BUFSIZE).decode("utf8")
            if not msg:
                break
            msg_list.insert(tkt.END, msg)
        except OSError:
            break


def send(event=None):
    msg = my_msg.get()
    my_msg.set("")
    client_socket.send(bytes(msg, "utf8"))
    if msg == "{quit}":
        window.quit()
        window.destroy()
        client_socket.close()


def on_closing(event=None):
    my_msg.set("{quit}")
    send()


def say(text):
    my_msg.set(text)
    send()


def quit_and_read(_):
    """The same message, by a client that waits for the answer to it, as others of this family do."""
    client_socket.send(bytes("{quit}", "utf8"))


harness.in_thread(receive)
harness.user(
    {
        "say": say,
        "close": lambda _: on_closing(),
        "abort": lambda _: harness.abort(client_socket),
        "quit-and-read": quit_and_read,
    }
)
