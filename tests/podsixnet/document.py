"""Document 4, second part: the client of its slides, on the real library."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "classic"))

from PodSixNet.Connection import ConnectionListener, connection

import harness


class Client(ConnectionListener):
    def __init__(self, host, port, username):
        self.Connect((host, port))
        if username:
            connection.Send({"action": "username", "username": username})

    def Loop(self):
        connection.Pump()
        self.Pump()

    ### Network event/message callbacks ###
    def Network_message(self, data):
        harness.shown('%s : %s' % (data['expediteur'], data['message']))

    def Network_connected(self, data):
        harness.shown("You are now connected to the server")

    def Network_error(self, data):
        harness.shown('error: ' + str(data['error']))
        connection.Close()

    def Network_disconnected(self, data):
        harness.ended()


client = Client(sys.argv[1], int(sys.argv[2]), sys.argv[3])
actions = {
    "say": lambda text: connection.Send({"action": "message", "message": text}),
    "name": lambda text: connection.Send({"action": "username", "username": text}),
    "close": lambda _: os._exit(0),
}
threading.Thread(target=harness.user, args=(actions,), daemon=True).start()
while True:
    client.Loop()
    time.sleep(0.001)
