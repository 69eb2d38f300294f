"""What .NET calls Unicode, as its StreamWriter writes it: a byte order mark first, and lines."""
import codecs
import socket
import sys
import threading

s = socket.socket()
s.connect((sys.argv[1], int(sys.argv[2])))
reader = s.makefile("r", encoding="utf-16-le", newline="\n")


def receive():
    for line in reader:
        print(line.rstrip("\r\n"))
    print("The server has closed.")


threading.Thread(target=receive, daemon=True).start()
s.send(codecs.BOM_UTF16_LE)
for line in sys.stdin:
    s.send(line.replace("\n", "\r\n").encode("utf-16-le"))
