"""Document 4, first part: select on the keyboard and the socket."""
import select
import socket
import sys

import harness

socket_t = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
socket_t.connect((sys.argv[1], int(sys.argv[2])))
socket_t.send(("USER " + sys.argv[3]).encode())

while True:
    read_s, w_s, e_s = select.select([sys.stdin, socket_t], [], [])
    if socket_t in read_s:
        data = socket_t.recv(1024)
        if not data:
            harness.ended()
        harness.shown(data.decode())
    if sys.stdin in read_s:
        action, _, text = sys.stdin.readline().rstrip("\n").partition(" ")
        if action == "abort":
            harness.abort(socket_t)
        elif action == "close":
            socket_t.close()
            sys.exit()
        elif text == "quit":
            socket_t.send(b"QUIT")
        else:
            socket_t.send(text.encode())
