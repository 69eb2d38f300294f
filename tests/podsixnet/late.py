"""The sample's client as it is: it connects, and then asks its user for a name."""
import sys
import threading
import time

from PodSixNet.Connection import ConnectionListener, connection


class Client(ConnectionListener):
    def __init__(self, host, port):
        self.Connect((host, port))
        print("Enter your nickname:")
        # The loop runs meanwhile, as it does in a window.
        threading.Thread(target=self.InputLoop, daemon=True).start()

    def InputLoop(self):
        connection.Send({"action": "nickname", "nickname": sys.stdin.readline().rstrip("\n")})
        while 1:
            connection.Send({"action": "message", "message": sys.stdin.readline().rstrip("\n")})

    def Network_players(self, data):
        print("*** players: " + ", ".join([p for p in data['players']]))

    def Network_message(self, data):
        print(data['who'] + ": " + data['message'])

    def Network_connected(self, data):
        print("You are now connected to the server")

    def Network_error(self, data):
        print('error:', data['error'])

    def Network_disconnected(self, data):
        print('Server disconnected')
        sys.exit()


c = Client(sys.argv[1], int(sys.argv[2]))
while 1:
    connection.Pump()
    c.Pump()
    time.sleep(0.001)
