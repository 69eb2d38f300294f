//! TLS connections that are taken apart and put together again, as if by the next process: with the real handshake, real
//! sockets, and clients of three libraries.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, IoSlice, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::task::Poll;
use std::time::SystemTime;

use chatd::net::tls::TlsInForce;
use chatd::net::{Readiness, SavedTransport, Socket, Stream, Transport, read_client_hello};
use proptest::collection::vec;
use proptest::prelude::*;
use rustix::event::{PollFd, PollFlags};
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, ClientConfig, ClientConnection, SupportedProtocolVersion};

use super::bind_tcp;
use crate::support::client::AnyCertificate;

/// Everything that may happen has happened: what the next read or write finds, it finds.
const ALL: Readiness = Readiness { readable: true, writable: true, ended: false, broken: false };

/// The daemon's end of a connection, restored as often as wanted.
struct Daemon(Option<Socket>);

impl Daemon {
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

    /// Reads with a buffer of this size.
    fn read_once(&mut self, size: usize) -> std::io::Result<Vec<u8>> {
        let mut buffer = vec![0; size];
        let length = self.socket().read(&mut buffer)?;
        buffer.truncate(length);
        Ok(buffer)
    }

    /// Reads all that is there.
    fn read(&mut self, size: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            match self.read_once(size) {
                Ok(data) if !data.is_empty() => all.extend(data),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return all,
                // What follows is told again by the next read, or by none that follows this one.
                other => panic!("{other:?} after {} bytes", all.len()),
            }
            let socket = self.0.as_ref().unwrap();
            if socket.cannot_be_saved().is_some() {
                return all;
            }
        }
    }

    /// Waits for something to read.
    fn wait(&mut self, size: usize) -> std::io::Result<Vec<u8>> {
        loop {
            match self.read_once(size) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.wait_for_input(),
                read => return read,
            }
        }
    }

    fn wait_for_input(&self) {
        let descriptor = self.0.as_ref().unwrap().descriptor();
        rustix::event::poll(&mut [PollFd::new(descriptor, PollFlags::IN)], None).unwrap();
    }

    /// Waits for a record without data.
    fn wait_once(&mut self) -> ErrorKind {
        self.wait_for_input();
        self.read_once(64).unwrap_err().kind()
    }

    fn expect(&mut self, expected: &[u8]) {
        let mut received = Vec::new();
        while received.len() < expected.len() {
            let more = self.wait(65536).unwrap();
            assert!(!more.is_empty());
            received.extend(more);
        }
        assert_eq!(received, expected);
    }

    fn write(&mut self, data: &[u8]) {
        let (start, end) = data.split_at(data.len() / 2);
        assert_eq!(self.socket().write(&[IoSlice::new(start), IoSlice::new(end)]).unwrap(), data.len());
    }
}

fn self_signed() -> TlsInForce {
    let directory = tempfile::tempdir().unwrap();
    TlsInForce::new(None, directory.path(), SystemTime::now()).unwrap()
}

/// Completes the handshake of a client that has connected.
async fn accept(tls: &TlsInForce, socket: OwnedFd) -> Daemon {
    let (socket, handshaken) = read_client_hello(socket).await.ok().unwrap().answer(tls, false).await.unwrap();
    Daemon(Some(Socket::new(Stream::from(socket), Some(handshaken))))
}

/// A rustls client, and what it has encrypted but not sent.
struct Client {
    tls: ClientConnection,
    socket: UnixStream,
    wire: VecDeque<u8>,
}

impl Client {
    fn say(&mut self, data: &[u8]) {
        self.tls.writer().write_all(data).unwrap();
        self.encrypt();
    }

    fn encrypt(&mut self) {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.wire).unwrap();
        }
    }

    /// Sends some of what it has encrypted.
    fn send(&mut self, count: usize) {
        let some: Vec<u8> = self.wire.drain(..count.min(self.wire.len())).collect();
        self.socket.write_all(&some).unwrap();
    }

    fn send_all(&mut self) {
        self.send(usize::MAX);
    }

    /// Reads all that has arrived.
    fn read(&mut self) -> Vec<u8> {
        let mut data = Vec::new();
        loop {
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => break,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                read => read.unwrap(),
            };
            self.tls.process_new_packets().unwrap();
            let _ = self.tls.reader().read_to_end(&mut data);
        }
        self.encrypt();
        data
    }

    fn expect(&mut self, expected: &[u8]) {
        assert_eq!(self.read(), expected);
    }
}

/// A client with only this version and suite. It sends its first data together with the end of its handshake.
fn connected(version: &'static SupportedProtocolVersion, suite: CipherSuite) -> (Client, Daemon) {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|known| known.suite() == suite);
    let provider = Arc::new(provider);
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[version]).unwrap();
    let verifier = Arc::new(AnyCertificate(provider));
    let config = Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
    let mut tls = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    let (mut socket, server) = UnixStream::pair().unwrap();
    let client = std::thread::spawn(move || {
        tls.writer().write_all(b"early").unwrap();
        while tls.is_handshaking() || tls.wants_write() {
            tls.complete_io(&mut socket).unwrap();
        }
        socket.set_nonblocking(true).unwrap();
        Client { tls, socket, wire: VecDeque::new() }
    });
    server.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut daemon = runtime.block_on(accept(&self_signed(), server.into()));
    let client = client.join().unwrap();
    daemon.expect(b"early");
    (client, daemon)
}

const SUITES: [CipherSuite; 3] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
];

#[test]
fn a_connection_can_be_carried_on_at_every_byte() {
    for suite in SUITES {
        let (mut client, mut daemon) = connected(&TLS13, suite);
        let mut cut = 0;
        loop {
            client.say(b"one");
            client.tls.refresh_traffic_keys().unwrap();
            client.say(b"two");
            let whole = client.wire.len();
            client.send(cut);
            let mut received = daemon.read(3);
            daemon.carry();
            client.send_all();
            received.extend(daemon.read(65536));
            assert_eq!(received, b"onetwo", "cut at {cut}");
            daemon.write(b"answer");
            client.expect(b"answer");
            if cut == whole {
                break;
            }
            cut += 1;
        }
    }
}

#[test]
fn unread_and_unsent_bytes_go_with_the_connection() {
    let (mut client, mut daemon) = connected(&TLS13, SUITES[0]);
    for round in 0..3 {
        client.say(b"a question that is read in parts");
        client.send_all();
        assert_eq!(daemon.read_once(10).unwrap(), b"a question");
        // Nobody reads: the kernel has no space.
        let mut written: Vec<u8> = Vec::new();
        while !daemon.socket().has_unsent() {
            let data = vec![round; 100_000];
            let taken = daemon.socket().write(&[IoSlice::new(&data)]).unwrap();
            written.extend(&data[..taken]);
        }
        assert!(matches!(daemon.socket().flush(), Ok(Poll::Pending)));
        assert_eq!(daemon.socket().write(&[IoSlice::new(b"more")]).unwrap_err().kind(), ErrorKind::WouldBlock);
        daemon.carry();
        assert!(daemon.0.as_ref().unwrap().is_readable() && daemon.socket().has_unsent());
        assert_eq!(daemon.read(65536), b" that is read in parts");
        let mut received = Vec::new();
        while received.len() < written.len() {
            received.extend(client.read());
            let _ = daemon.socket().flush().unwrap();
        }
        assert_eq!(received, written);
    }
}

#[test]
fn a_connection_ends_properly_after_it_was_carried_on() {
    // The client ends first.
    let (mut client, mut daemon) = connected(&TLS13, SUITES[0]);
    daemon.carry();
    client.say(b"goodbye");
    client.tls.send_close_notify();
    client.encrypt();
    client.send_all();
    daemon.expect(b"goodbye");
    assert_eq!(daemon.read_once(64).unwrap(), b"");
    assert_eq!(daemon.socket().cannot_be_saved(), Some("its TLS connection is closing"));
    daemon.write(b"and to you");
    assert!(matches!(daemon.socket().end(), Ok(Poll::Ready(()))));
    client.expect(b"and to you");
    assert_eq!(client.tls.reader().read(&mut [0; 8]).unwrap(), 0, "close_notify");
    // The daemon ends first.
    let (mut client, mut daemon) = connected(&TLS13, SUITES[0]);
    daemon.carry();
    assert!(matches!(daemon.socket().end(), Ok(Poll::Ready(()))));
    assert_eq!(daemon.socket().cannot_be_saved(), Some("its TLS connection is closing"));
    client.expect(b"");
    assert_eq!(client.tls.reader().read(&mut [0; 8]).unwrap(), 0, "close_notify");
    // The client vanishes, after it has read its ticket.
    let (mut client, mut daemon) = connected(&TLS13, SUITES[0]);
    daemon.carry();
    client.expect(b"");
    drop(client);
    assert_eq!(daemon.read_once(64).unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_forged_record_ends_the_connection_after_what_came_before() {
    for carried in [false, true] {
        let (mut client, mut daemon) = connected(&TLS13, SUITES[1]);
        if carried {
            daemon.carry();
        }
        client.say(b"before");
        client.wire.extend(b"\x17\x03\x03\0\x20this is not of the client, no no");
        client.send_all();
        assert_eq!(daemon.read(65536), b"before");
        assert!(daemon.0.as_ref().unwrap().is_readable());
        assert_eq!(daemon.socket().cannot_be_saved(), Some("its TLS connection has failed"));
        daemon.write(b"what is written now is lost");
        assert_eq!(daemon.read_once(64).unwrap_err().kind(), ErrorKind::InvalidData);
        let socket = daemon.0.take().unwrap();
        assert_eq!(socket.save().unwrap_err().why, "its TLS connection has failed");
        client.tls.read_tls(&mut client.socket).unwrap();
        let told = client.tls.process_new_packets().unwrap_err();
        assert_eq!(told, rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac));
    }
}

#[test]
fn too_many_changes_of_the_key_end_the_connection_and_the_client_is_told() {
    for carried in [false, true] {
        let (mut client, mut daemon) = connected(&TLS13, SUITES[0]);
        if carried {
            daemon.carry();
        }
        let mut heard = Vec::new();
        let failure = loop {
            client.tls.refresh_traffic_keys().unwrap();
            client.say(b"x");
            client.send_all();
            match daemon.read_once(65536) {
                Ok(data) => heard.extend(data),
                Err(failure) => break failure,
            }
        };
        assert_eq!(failure.to_string(), "the peer has sent too many TLS records without data");
        assert_eq!(heard, [b'x'; 32], "a byte pays for nothing");
        assert_eq!(daemon.socket().cannot_be_saved(), Some("its TLS connection has failed"));
        client.tls.read_tls(&mut client.socket).unwrap();
        match client.tls.process_new_packets() {
            // rustls has no other alert to give.
            Ok(state) => assert!(state.peer_has_closed() && !carried),
            Err(told) => assert_eq!(told, rustls::Error::AlertReceived(rustls::AlertDescription::UnexpectedMessage)),
        }
    }
}

#[test]
fn tls_1_2_is_refused_with_a_reason() {
    let (_client, daemon) = connected(&TLS12, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
    let socket = daemon.0.unwrap();
    assert_eq!(socket.cannot_be_saved(), Some("it uses TLS 1.2"));
    assert_eq!(socket.save().unwrap_err().why, "it uses TLS 1.2");
}

#[test]
fn a_connection_without_tls_is_its_descriptor() {
    let (mut client, server) = UnixStream::pair().unwrap();
    server.set_nonblocking(true).unwrap();
    let mut daemon = Daemon(Some(Socket::new(Stream::from(OwnedFd::from(server)), None)));
    client.write_all(b"unread").unwrap();
    daemon.carry();
    daemon.expect(b"unread");
}

#[test]
fn a_saved_connection_that_makes_no_sense_is_given_back() {
    let (_client, daemon) = connected(&TLS13, SUITES[0]);
    let (mut descriptor, saved) = daemon.0.unwrap().save().unwrap();
    let good = postcard::to_allocvec(&saved).unwrap();
    for index in 0..good.len() {
        let mut bad = good.clone();
        bad[index] ^= 0xff;
        let Ok(saved) = postcard::from_bytes::<SavedTransport>(&bad) else { continue };
        descriptor = match Socket::restore(descriptor, saved) {
            Ok(socket) => socket.save().unwrap().0,
            Err(refused) => refused.descriptor,
        };
    }
    let SavedTransport::Tls(mut saved) = saved else { panic!("TLS") };
    saved.partial = vec![0; 1 << 16];
    assert!(Socket::restore(descriptor, SavedTransport::Tls(saved)).is_err());
}

#[derive(Debug, Clone)]
enum Step {
    ClientSays(usize),
    ClientChangesItsKey,
    ClientSends(usize),
    ClientReads,
    DaemonReads(usize),
    DaemonSays(usize),
    Carried,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![1..200_usize, 10_000..20_000_usize].prop_map(Step::ClientSays),
        1 => Just(Step::ClientChangesItsKey),
        4 => prop_oneof![1..40_usize, 1..20_000_usize].prop_map(Step::ClientSends),
        1 => Just(Step::ClientReads),
        4 => prop_oneof![1..40_usize, Just(65536_usize)].prop_map(Step::DaemonReads),
        3 => prop_oneof![1..200_usize, 10_000..40_000_usize].prop_map(Step::DaemonSays),
        2 => Just(Step::Carried),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever both sides do and wherever it is interrupted, both receive what the other has sent.
    #[test]
    fn nothing_is_lost_doubled_or_changed(suite in prop::sample::select(&SUITES[..]), steps in vec(step(), 1..60)) {
        let (mut client, mut daemon) = connected(&TLS13, suite);
        let [mut asked, mut heard, mut answered, mut seen] = [const { Vec::<u8>::new() }; 4];
        let mut next = (0_u8..251).cycle();
        for step in steps {
            match step {
                Step::ClientSays(length) => {
                    let data: Vec<u8> = next.by_ref().take(length).collect();
                    client.say(&data);
                    asked.extend(data);
                }
                Step::ClientChangesItsKey => {
                    client.tls.refresh_traffic_keys().unwrap();
                    client.encrypt();
                }
                // What the kernel has no space for would block.
                Step::ClientSends(count) if asked.len() - heard.len() < 50_000 => client.send(count),
                Step::ClientSends(_) => {}
                Step::ClientReads => seen.extend(client.read()),
                Step::DaemonReads(size) => heard.extend(daemon.read(size)),
                Step::DaemonSays(length) => {
                    let data: Vec<u8> = next.by_ref().take(length).collect();
                    match daemon.socket().write(&[IoSlice::new(&data[..length / 2]), IoSlice::new(&data[length / 2..])]) {
                        Ok(taken) => answered.extend(&data[..taken]),
                        Err(e) => prop_assert_eq!(e.kind(), ErrorKind::WouldBlock),
                    }
                }
                Step::Carried => daemon.carry(),
            }
        }
        while !client.wire.is_empty() {
            client.send(10_000);
            heard.extend(daemon.read(65536));
        }
        heard.extend(daemon.read(65536));
        seen.extend(client.read());
        while daemon.socket().flush().unwrap().is_pending() {
            seen.extend(client.read());
        }
        seen.extend(client.read());
        prop_assert!(heard == asked, "{} of {} bytes", heard.len(), asked.len());
        prop_assert!(seen == answered, "{} of {} bytes", seen.len(), answered.len());
    }
}

/// A program that talks with the daemon's end over TCP.
async fn talking(program: &mut Command) -> (Daemon, Child) {
    let tls = self_signed();
    let listener = bind_tcp("127.0.0.1:0").await;
    let address = listener.tcp_address().unwrap().to_string();
    program.env("DAEMON", &address).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if program.get_program() == "openssl" {
        program.args(["-connect", &address]);
    }
    let child = program.spawn().unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    (accept(&tls, socket).await, child)
}

/// Waits for a line that ends like this.
fn await_line(lines: &mut impl BufRead, end: &str) {
    let mut line = String::new();
    while !line.trim_end().ends_with(end) {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "no {end:?}");
    }
}

#[tokio::test]
async fn openssl_stays_connected_through_forty_restarts() {
    for suite in ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"] {
        let (mut daemon, mut openssl) =
            talking(Command::new("openssl").args(["s_client", "-ciphersuites", suite])).await;
        let (mut input, mut output) = (openssl.stdin.take().unwrap(), BufReader::new(openssl.stdout.take().unwrap()));
        let mut errors = BufReader::new(openssl.stderr.take().unwrap());
        for number in 0..40 {
            let question = format!("question {number}\n");
            input.write_all(question.as_bytes()).unwrap();
            daemon.expect(question.as_bytes());
            // K wants the daemon to change its key, too; k does not.
            if let Some(command) = [Some("K\n"), None, Some("k\n"), None].into_iter().cycle().nth(number).flatten() {
                input.write_all(command.as_bytes()).unwrap();
                await_line(&mut errors, "KEYUPDATE");
                if number % 8 < 4 {
                    assert_eq!(daemon.wait_once(), ErrorKind::WouldBlock, "it arrives before the restart");
                }
            }
            daemon.carry();
            daemon.write(format!("answer {number}\n").as_bytes());
            await_line(&mut output, &format!("answer {number}"));
        }
        input.write_all(b"Q\n").unwrap();
        assert_eq!(daemon.wait(64).unwrap(), b"", "close_notify");
        assert!(openssl.wait().unwrap().success());
    }
}

#[tokio::test]
async fn python_stays_connected_through_forty_restarts() {
    let (mut daemon, mut python) = talking(Command::new("python3").args(["-c", PYTHON])).await;
    for number in 0..40 {
        daemon.expect(format!("question {number}\n").as_bytes());
        daemon.carry();
        daemon.write(format!("answer {number}\n").as_bytes());
    }
    assert_eq!(daemon.wait(64).unwrap(), b"", "close_notify");
    assert!(matches!(daemon.socket().end(), Ok(Poll::Ready(()))));
    assert!(python.wait().unwrap().success());
}

const PYTHON: &str = r#"
import os, socket, ssl
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
host, port = os.environ["DAEMON"].rsplit(":", 1)
daemon = context.wrap_socket(socket.create_connection((host, int(port))))
assert daemon.version() == "TLSv1.3"
for number in range(40):
    daemon.sendall(b"question %d\n" % number)
    answer = b""
    while not answer.endswith(b"\n"):
        part = daemon.recv(7)
        assert part
        answer += part
    assert answer == b"answer %d\n" % number, answer
daemon.unwrap()
"#;
