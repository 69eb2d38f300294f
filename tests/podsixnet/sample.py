"""The callbacks of the library's own sample client, on the real library."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "classic"))

from PodSixNet.Connection import ConnectionListener, connection

import harness


class Client(ConnectionListener):
    def __init__(self, host, port, nickname):
        self.Connect((host, port))
        connection.Send({"action": "nickname", "nickname": nickname})

    def Network_players(self, data):
        harness.shown("*** players: " + ", ".join([p for p in data['players']]))

    def Network_message(self, data):
        harness.shown(data['who'] + ": " + data['message'])

    def Network_disconnected(self, data):
        harness.ended()


client = Client(sys.argv[1], int(sys.argv[2]), sys.argv[3])
actions = {"say": lambda text: connection.Send({"action": "message", "message": text})}
threading.Thread(target=harness.user, args=(actions,), daemon=True).start()
while True:
    connection.Pump()
    client.Pump()
    time.sleep(0.001)
