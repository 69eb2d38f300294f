"""Document 5: the methods of its class as they are printed there."""
import socket
import sys

import harness


class Client:
    def __init__(self, host, port, nickname):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.connect((host, port))
        self.nickname = nickname
        self.gui_done = True
        self.running = True
        self.window = harness.Window()
        self.text_area = harness.Text()
        self.input_area = harness.Text()
        harness.in_thread(self.receive)

    def write(self):
        message = f"{self.nickname}: {self.input_area.get('1.0', 'end')}"
        self.socket.send(message.encode('utf-8'))
        self.input_area.delete('1.0', 'end')

    def stop(self):
        self.running = False
        self.window.destroy()
        self.socket.close()
        exit(0)

    def receive(self):
        while self.running:
            try:
                message = self.socket.recv(1024).decode('utf-8')
                if message == 'NIC':
                    self.socket.send(self.nickname.encode('utf-8'))
                else:
                    if self.gui_done:
                        self.text_area.config(state='normal')
                        self.text_area.insert('end', message)
                        self.text_area.yview('end')
                        self.text_area.config(stat='disabled')
            except ConnectionAbortedError:
                break
            except:
                harness.shown('ERROR')
                self.socket.close()
                break


client = Client(sys.argv[1], int(sys.argv[2]), sys.argv[3])


def say(text):
    client.input_area.typed = text
    client.write()


harness.user({"say": say, "close": lambda _: client.stop(), "abort": lambda _: harness.abort(client.socket)})
