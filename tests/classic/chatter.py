"""Document 1: receiving, and sending what is in the entry field."""
import socket
import sys

import harness

client_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client_socket.connect((sys.argv[1], int(sys.argv[2])))
buffer_size = 1024
my_msg = harness.Entry()
msg_listbox = harness.Listbox()
END = "end"


def receive():
    while True:
        msg = client_socket.recv(buffer_size)
        msg_listbox.insert(END, msg)
        msg_listbox.yview(END)


def send():
    msg = my_msg.get()
    client_socket.send(msg.encode("utf8"))


def say(text):
    my_msg.set(text)
    send()


harness.in_thread(receive)
harness.user({"say": say, "abort": lambda _: harness.abort(client_socket)})
