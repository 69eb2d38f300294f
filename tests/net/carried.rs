//! TLS connections that go from one process to the next, through the real handshake and sockets.

use std::io::{ErrorKind, IoSlice, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;
use std::time::SystemTime;

use chatd::net::tls::TlsInForce;
use chatd::net::{Handshaken, Readiness, SavedTransport, Socket, Stream, Transport, read_client_hello};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, SupportedProtocolVersion, version};

use super::bind_tcp;
use crate::support::client::AnyCertificate;

/// Everything that may happen has happened: what the next read or write finds, it finds.
const ALL: Readiness = Readiness { readable: true, writable: true, ended: false, broken: false };

/// The daemon's end of a connection, restored as often as wanted.
struct Daemon(Option<Socket>);

impl Daemon {
    fn new(socket: OwnedFd, tls: Handshaken) -> Daemon {
        Daemon(Some(Socket::new(Stream::from(socket), Some(tls))))
    }

    fn socket(&mut self) -> &mut Socket {
        let socket = self.0.as_mut().unwrap();
        socket.note(ALL);
        socket
    }

    /// Goes on in what might be another process: all that goes over is bytes and a descriptor.
    fn carry(&mut self) {
        let socket = self.0.take().unwrap();
        assert_eq!(socket.cannot_be_saved(), None);
        let (descriptor, saved) = socket.save().unwrap();
        let bytes = postcard::to_allocvec(&saved).unwrap();
        let saved: SavedTransport = postcard::from_bytes(&bytes).unwrap();
        self.0 = Some(Socket::restore(descriptor, saved).unwrap());
    }

    /// Waits for data.
    async fn read(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 65536];
        loop {
            match self.socket().read(&mut buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => tokio::task::yield_now().await,
                read => return buffer[..read.unwrap()].to_vec(),
            }
        }
    }

    async fn expect(&mut self, expected: &[u8]) {
        let mut received = Vec::new();
        while received.len() < expected.len() {
            let more = self.read().await;
            assert!(!more.is_empty());
            received.extend(more);
        }
        assert_eq!(received, expected);
    }

    fn write(&mut self, text: &str) {
        let (start, end) = text.split_at(text.len() / 2);
        let pieces = [IoSlice::new(start.as_bytes()), IoSlice::new(end.as_bytes())];
        assert_eq!(self.socket().write(&pieces).unwrap(), text.len());
    }
}

fn self_signed(directory: &Path) -> TlsInForce {
    TlsInForce::new(None, directory, SystemTime::now()).unwrap()
}

fn client(version: &'static SupportedProtocolVersion) -> ClientConnection {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[version]).unwrap();
    let verifier = Arc::new(AnyCertificate(provider));
    let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
}

/// A rustls client whose first data comes together with the end of its handshake.
async fn connected(
    version: &'static SupportedProtocolVersion,
) -> (rustls::StreamOwned<ClientConnection, TcpStream>, Daemon) {
    let directory = tempfile::tempdir().unwrap();
    let tls = self_signed(directory.path());
    let listener = bind_tcp("127.0.0.1:0").await;
    let address = listener.tcp_address().unwrap();
    let client = tokio::task::spawn_blocking(move || {
        let mut client = rustls::StreamOwned::new(client(version), TcpStream::connect(address).unwrap());
        client.write_all(b"early").unwrap();
        client
    });
    let (socket, _) = listener.accept().await.unwrap();
    let (socket, handshaken) = read_client_hello(socket).await.ok().unwrap().answer(&tls, false).await.unwrap();
    (client.await.unwrap(), Daemon::new(socket, handshaken))
}

#[tokio::test]
async fn a_connection_goes_on_forty_times() {
    let (mut client, mut daemon) = connected(&version::TLS13).await;
    daemon.expect(b"early").await;
    for number in 0..40 {
        let question = format!("question {number}");
        client.write_all(question.as_bytes()).unwrap();
        if number % 3 == 0 {
            client.conn.refresh_traffic_keys().unwrap();
            client.flush().unwrap();
        }
        daemon.expect(question.as_bytes()).await;
        daemon.carry();
        let answer = format!("answer {number}");
        daemon.write(&answer);
        let mut received = vec![0; answer.len()];
        client.read_exact(&mut received).unwrap();
        assert_eq!(received, answer.as_bytes());
    }
    client.conn.send_close_notify();
    client.flush().unwrap();
    assert_eq!(daemon.read().await, b"");
    assert_eq!(daemon.socket().cannot_be_saved(), Some("its TLS connection is closing"));
    assert!(matches!(daemon.socket().end(), Ok(Poll::Ready(()))));
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0, "close_notify");
}

#[tokio::test]
async fn tls_1_2_and_closing_connections_are_refused_with_a_reason() {
    let (_client, daemon) = connected(&version::TLS12).await;
    let socket = daemon.0.unwrap();
    assert_eq!(socket.cannot_be_saved(), Some("it uses TLS 1.2"));
    assert_eq!(socket.save().unwrap_err().why, "it uses TLS 1.2");

    let (_client, mut daemon) = connected(&version::TLS13).await;
    assert!(matches!(daemon.socket().end(), Ok(Poll::Ready(()))));
    assert_eq!(daemon.socket().cannot_be_saved(), Some("its TLS connection is closing"));

    let (mut client, mut daemon) = connected(&version::TLS13).await;
    daemon.expect(b"early").await;
    client.sock.write_all(b"\x17\x03\x03\0\x20 this is no record of anybody .....").unwrap();
    let error = loop {
        match daemon.socket().read(&mut [0; 1024]) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => tokio::task::yield_now().await,
            read => break read.unwrap_err(),
        }
    };
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(daemon.socket().cannot_be_saved(), Some("its TLS connection has failed"));
}
