"""A bot on PyPI's library irc: answers those who speak to it in the channel, and leaves when told so in private."""
import ssl
import sys

import irc.bot
import irc.connection


class Bot(irc.bot.SingleServerIRCBot):
    def on_welcome(self, connection, event):
        connection.join("#lobby")

    def on_endofnames(self, connection, event):
        print("joined", event.arguments[0])

    def on_pubmsg(self, connection, event):
        if event.arguments[0].startswith("bot: "):
            connection.privmsg(event.target, event.source.nick + ": forty-two")

    def on_privmsg(self, connection, event):
        self.die("as you wish")


def secured(socket):
    context = ssl.create_default_context()
    # The daemon under test has made its certificate itself.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(socket)


host, port, security = sys.argv[1:]
factory = irc.connection.Factory(wrapper=secured) if security == "tls" else irc.connection.Factory()
Bot([(host, int(port))], "bot", "A bot", connect_factory=factory).start()
