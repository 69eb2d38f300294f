//! Sockets, certificates and TLS without a daemon.

mod carried;
mod certificates;
mod tls;

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chatd::config::Endpoint;
use chatd::net::{Address, BindError, Inherited, InheritedError, Listener, Poller, Stream};
use tokio::net::UnixSocket;

use crate::support::left::leave_socket;

fn address(text: &str) -> Address {
    Address::from(text.parse::<std::net::SocketAddr>().unwrap())
}

async fn bind(endpoint: Endpoint) -> Result<Vec<Listener>, BindError> {
    Listener::bind(&endpoint, &mut Inherited::none()).await
}

async fn bind_tcp(address: &str) -> Listener {
    bind(Endpoint::Tcp(address.into())).await.unwrap().pop().unwrap()
}

async fn bind_unix(path: &Path) -> Result<Listener, BindError> {
    bind(Endpoint::Unix(path.to_owned())).await.map(|mut listeners| listeners.pop().unwrap())
}

/// The daemon's end of a connection, with its poller.
struct Watched {
    stream: Stream,
    poller: Poller,
}

impl Watched {
    fn new(socket: OwnedFd) -> Watched {
        let (stream, poller) = (Stream::from(socket), Poller::new().unwrap());
        poller.add(&stream, 7).unwrap();
        Watched { stream, poller }
    }

    /// Waits until there is input.
    async fn readable(&mut self) -> &mut Stream {
        while !self.stream.is_readable() {
            let mut events = Vec::new();
            poll_fn(|context| self.poller.poll(context, &mut events)).await.unwrap();
            for (number, readiness) in events {
                assert_eq!(number, 7);
                self.stream.note(readiness);
            }
        }
        &mut self.stream
    }
}

/// A blocking client and the daemon's end of its connection, over TCP and over a Unix socket.
async fn connections(directory: &Path) -> Vec<(Box<dyn ReadWrite>, Watched)> {
    let tcp = bind_tcp("127.0.0.1:0").await;
    let client = std::net::TcpStream::connect(tcp.tcp_address().unwrap()).unwrap();
    let (socket, seen) = tcp.accept().await.unwrap();
    assert_eq!(seen, Address::Tcp(client.local_addr().unwrap()));
    let mut connections: Vec<(Box<dyn ReadWrite>, Watched)> = vec![(Box::new(client), Watched::new(socket))];

    let path = directory.join("socket");
    let unix = bind_unix(&path).await.unwrap();
    let client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let (socket, seen) = unix.accept().await.unwrap();
    assert_eq!(seen, Address::Unix { uid: rustix::process::geteuid().as_raw() });
    connections.push((Box::new(client), Watched::new(socket)));
    connections
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

#[test]
fn addresses_are_shown_and_counted() {
    for (given, shown, counted) in [
        ("127.0.0.1:5000", "127.0.0.1:5000", "127.0.0.1/32"),
        ("[::1]:5000", "[::1]:5000", "::/64"),
        ("[::ffff:192.0.2.7]:5000", "192.0.2.7:5000", "192.0.2.7/32"),
        ("[2001:db8:1:2:3:4:5:6]:1", "[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::]:1", "[2001:db8:1:2::]:1", "2001:db8:1:2::/64"),
        ("[fe80::1%2]:1", "[fe80::1%2]:1", "fe80::/64"),
    ] {
        assert_eq!(address(given).to_string(), shown);
        assert_eq!(address(given).network(), Some(counted.parse().unwrap()), "{given}");
    }
    let local = Address::Unix { uid: 1000 };
    assert_eq!((local.to_string().as_str(), local.network()), ("unix:uid=1000", None));
}

#[tokio::test]
async fn a_short_read_gives_its_bytes_and_clears_readiness() {
    let directory = tempfile::tempdir().unwrap();
    for (mut client, mut watched) in connections(directory.path()).await {
        let mut buffer = [0; 16];
        for line in [&b"hello"[..], b"again"] {
            client.write_all(line).unwrap();
            let stream = watched.readable().await;
            assert_eq!(stream.read(&mut buffer).unwrap(), 5);
            assert_eq!(&buffer[..5], line);
            assert!(!stream.is_readable(), "no second recv is needed to find the socket empty");
            assert_eq!(stream.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }

        // A read that fills the buffer does not mean that the socket is empty.
        client.write_all(b"0123456789abcdefXY").unwrap();
        let stream = watched.readable().await;
        assert_eq!(stream.read(&mut buffer).unwrap(), 16);
        assert!(stream.is_readable());
        assert_eq!(stream.read(&mut buffer).unwrap(), 2);

        // An end of stream that arrives together with the last bytes is still noticed.
        client.write_all(b"bye").unwrap();
        drop(client);
        assert_eq!(watched.readable().await.read(&mut buffer).unwrap(), 3);
        assert_eq!(watched.readable().await.read(&mut buffer).unwrap(), 0);
    }
}

#[tokio::test]
async fn written_bytes_arrive_until_shutdown() {
    let directory = tempfile::tempdir().unwrap();
    for (mut client, mut watched) in connections(directory.path()).await {
        let stream = &mut watched.stream;
        assert_eq!(stream.write(b"one ").unwrap(), 4);
        assert_eq!(stream.write_vectored(&[IoSlice::new(b"two "), IoSlice::new(b"three")]).unwrap(), 9);
        assert_eq!(Write::write_vectored(stream, &[IoSlice::new(b"!")]).unwrap(), 1);
        stream.shutdown_write().unwrap();
        let mut received = String::new();
        client.read_to_string(&mut received).unwrap();
        assert_eq!(received, "one two three!");

        client.write_all(b"still heard").unwrap();
        assert_eq!(watched.readable().await.read(&mut [0; 64]).unwrap(), 11);
    }
}

#[tokio::test]
async fn a_full_socket_would_block_until_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    for (mut client, mut watched) in connections(directory.path()).await {
        let mut sent = 0;
        let full = loop {
            match watched.stream.write(&[0; 65536]) {
                Ok(length) => sent += length,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert!(!watched.stream.is_writable());
        client.read_exact(&mut vec![0; sent]).unwrap();
        while !watched.stream.is_writable() {
            let mut events = Vec::new();
            poll_fn(|context| watched.poller.poll(context, &mut events)).await.unwrap();
            events.into_iter().for_each(|(_, readiness)| watched.stream.note(readiness));
        }
        watched.stream.write(b"more").unwrap();
    }
}

#[tokio::test]
async fn tcp_addresses_that_cannot_be_bound() {
    let listener = bind_tcp("127.0.0.1:0").await;
    let taken = listener.description();
    assert!(taken.starts_with("127.0.0.1:") && !taken.ends_with(":0"));
    let error = bind(Endpoint::Tcp(taken.clone())).await.unwrap_err();
    assert!(matches!(&error, BindError::InUse { address } if *address == taken), "{error}");
    assert_eq!(error.exit_status(), 69, "the other program may end");

    // TEST-NET-1 (RFC 5737) is assigned to no interface.
    let error = bind(Endpoint::Tcp("192.0.2.1:0".into())).await.unwrap_err();
    assert!(matches!(error, BindError::NotAvailable { .. }), "{error}");
    let error = bind(Endpoint::Tcp("a host without a port".into())).await.unwrap_err();
    assert!(matches!(error, BindError::Resolve { .. }), "{error}");
}

#[tokio::test]
async fn a_name_is_bound_with_the_addresses_it_has() {
    let listeners = bind(Endpoint::Tcp("localhost:0".into())).await.unwrap();
    assert!(!listeners.is_empty());
    assert!(listeners.iter().all(|listener| listener.tcp_address().unwrap().ip().is_loopback()));
}

#[tokio::test]
async fn the_ipv6_wildcard_takes_ipv4_clients_too() {
    let listener = match bind(Endpoint::Tcp("[::]:0".into())).await {
        Ok(mut listeners) => listeners.pop().unwrap(),
        Err(BindError::NotAvailable { .. }) => return, // a machine without IPv6
        Err(error) => panic!("{error}"),
    };
    let port = listener.tcp_address().unwrap().port();
    let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (_, address) = listener.accept().await.unwrap();
    assert_eq!(address, Address::Tcp(client.local_addr().unwrap()));
}

#[tokio::test]
async fn a_unix_socket_is_made_for_its_group_and_removed_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = bind_unix(&path).await.unwrap();
    assert_eq!(path.symlink_metadata().unwrap().permissions().mode() & 0o7777, 0o660);
    assert_eq!(listener.description(), path.to_str().unwrap());
    drop(listener);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    leave_socket(&path);

    let first = bind_unix(&path).await.unwrap();
    let error = bind_unix(&path).await.unwrap_err();
    assert_eq!(error.to_string(), format!("another daemon listens on {}", path.display()));
    assert!(path.exists());

    // A socket that another process has put in place of ours is not removed.
    std::fs::remove_file(&path).unwrap();
    let second = bind_unix(&path).await.unwrap();
    drop(first);
    std::os::unix::net::UnixStream::connect(&path).unwrap();
    drop(second);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_daemon_with_a_full_queue_is_live() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let socket = UnixSocket::new_stream().unwrap();
    socket.bind(&path).unwrap();
    let _listener = socket.listen(0).unwrap();
    let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let error = bind_unix(&path).await.unwrap_err();
    assert!(matches!(error, BindError::AnotherDaemon { .. }), "{error}");
}

#[tokio::test]
async fn paths_that_cannot_be_bound() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let error = bind_unix(&file).await.unwrap_err();
    assert!(matches!(error, BindError::NotASocket { .. }), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");

    let datagrams = directory.path().join("datagrams");
    let _socket = std::os::unix::net::UnixDatagram::bind(&datagrams).unwrap();
    let error = bind_unix(&datagrams).await.unwrap_err();
    assert!(matches!(error, BindError::NotASocket { .. }), "{error}");

    let error = bind_unix(&directory.path().join("missing/socket")).await.unwrap_err();
    assert!(matches!(error, BindError::NoDirectory { .. }), "{error}");
    let error = bind_unix(&directory.path().join("x".repeat(120))).await.unwrap_err();
    assert!(matches!(error, BindError::PathTooLong { .. }), "{error}");
}

#[tokio::test]
async fn a_handed_over_socket_that_is_not_there() {
    let error = bind(Endpoint::Systemd("tls".into())).await.unwrap_err();
    assert!(matches!(&error, BindError::Inherited(InheritedError::NoSystemd { name }) if name == "tls"), "{error}");
}
