"""Never logs in: each line has the name before it. A list of who is here is shown beside the text."""
import socket
import sys
import threading

name = sys.argv[3]
s = socket.socket()
s.connect((sys.argv[1], int(sys.argv[2])))


def receive():
    while True:
        data = s.recv(1024).decode()
        if data.startswith("USERS "):
            users = data[6:].split(",")
            print("list:", " | ".join(users))
        else:
            print(data)


threading.Thread(target=receive, daemon=True).start()
for line in sys.stdin:
    s.send(f"{name}: {line}".rstrip("\n").encode())
