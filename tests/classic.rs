//! The exercises' clients, unchanged, in a room with text and TLS clients.

mod boundaries;
mod crowd;
mod documents;
mod flaws;
mod kinds;
mod properties;
pub mod student;
mod trial;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, LISTENERS};

/// A daemon with a classic listener, followed by a plain and a TLS one. `keys` are the classic listener's, starting
/// with its preset. The pause between messages is long enough that a client on a busy machine reads them one at a time.
fn daemon(keys: &str, rest: &str) -> (Daemon, SocketAddr) {
    let section = if keys.contains("[listen.classic]") { "" } else { "\n[listen.classic]" };
    let listener =
        format!("[[listen]]\naddress = '127.0.0.1:0'\nprotocol = 'classic'\n{keys}{section}\ngap = '250ms'\n");
    let daemon = Daemon::start_with(&format!("{LISTENERS}{listener}{rest}"), |_| {});
    let address = daemon.listeners()[2];
    (daemon, address)
}

/// A socket that is read as these clients do: one `recv` is one message.
struct Raw(TcpStream);

impl Raw {
    fn connect(address: SocketAddr) -> Raw {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Raw(socket)
    }

    fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// `None` at the end of the connection.
    fn recv(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 1024];
        let length = self.0.read(&mut buffer).unwrap();
        (length > 0).then(|| buffer[..length].to_vec())
    }

    /// Expects a reset. With an orderly end some clients would read empty messages for ever.
    fn expect_reset(&mut self) {
        let error = self.0.read(&mut [0; 1024]).expect_err("a reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }

    fn expect_next(&mut self, expected: &str) {
        let message = self.recv().map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(message.as_deref(), Some(expected));
    }
}
