//! TLS as an attack on the real daemon: each attacker is cut off or bounded, and two people who talk meanwhile notice
//! nothing. What comes behind the handshake is tried against rustls and, after a restart, against the daemon's own
//! record layer.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use chatd::net::records::direction::Direction;
use chatd::net::records::{SavedDirection, Secret, Suite};
use rustls::{ClientConnection, Error, KeyLog};

use super::{Certificates, everything, s_client, sealed, shaken};
use crate::support::PATIENCE;
use crate::support::client::{Client, trusting};
use crate::support::daemon::{Daemon, FAST};
use crate::support::pair::Pair;

const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
const ALERT: u8 = 21;
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];
const KEY_UPDATE_WITH_ANSWER: [u8; 5] = [24, 0, 0, 1, 1];
const USER_CANCELED: [u8; 2] = [1, 90];

/// A daemon that limits nothing but what the attack is about.
fn start(more: &str) -> (Daemon, Pair) {
    let daemon = Daemon::start(&format!(
        "{FAST}connection-rate = 1000000\nconnection-rate-per-address = 1000000\nconnections-per-address = 1000\n{more}"
    ));
    let pair = Pair::start(&daemon);
    (daemon, pair)
}

/// Reads until a line begins like this, although others never stop talking.
fn expect(observer: &mut Client, start: &str) {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    while !seen.last().is_some_and(|line: &String| line.starts_with(start)) {
        let line = observer.line();
        seen.extend((!line.starts_with("una: ") && !line.starts_with("duo: ")).then_some(line));
        assert!(Instant::now() < deadline, "no {start:?} in time, but {seen:#?}");
    }
}

/// Remembers the secret of what a client sends.
#[derive(Debug, Default)]
struct Secrets(Mutex<Vec<u8>>);

impl KeyLog for Secrets {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        if label == "CLIENT_TRAFFIC_SECRET_0" {
            *self.0.lock().unwrap() = secret.to_vec();
        }
    }
}

/// A client that shakes hands as it should, and then makes its records by hand.
struct Attacker {
    name: String,
    tls: ClientConnection,
    socket: TcpStream,
    sealing: Direction,
}

impl Attacker {
    fn join(daemon: &Daemon, observer: &mut Client, name: &str) -> Attacker {
        let secrets = Arc::new(Secrets::default());
        let mut config = (*trusting()).clone();
        config.key_log = secrets.clone();
        let mut tls = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut socket = TcpStream::connect(daemon.tls()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        while tls.is_handshaking() || tls.wants_write() {
            tls.complete_io(&mut socket).unwrap();
        }
        let suite = Suite::from_number(tls.negotiated_cipher_suite().unwrap().suite().into()).unwrap();
        let secret = Secret::new(&secrets.0.lock().unwrap()).unwrap();
        let sealing = Direction::new(suite, SavedDirection { secret, sequence: 0 }).unwrap();
        let mut attacker = Attacker { name: name.to_owned(), tls, socket, sealing };
        let line = attacker.record(DATA, format!("{name}\n").as_bytes());
        attacker.send(&line);
        expect(observer, &format!("*** {name} has joined"));
        attacker
    }

    fn record(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut record = Vec::new();
        self.sealing.seal(kind, &mut record, |out| out.extend(content)).unwrap();
        if kind == HANDSHAKE && content.starts_with(&KEY_UPDATE[..4]) {
            self.sealing.update().unwrap();
        }
        record
    }

    /// Many records with these contents, in turn.
    fn records(&mut self, count: usize, contents: &[(u8, &[u8])]) -> Vec<u8> {
        let contents = contents.iter().cycle().take(count);
        contents.flat_map(|(kind, content)| self.record(*kind, content)).collect()
    }

    /// Sends what the daemon takes.
    fn send(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    /// Reads until the daemon has closed the connection, and returns whether it has said so by `close_notify`.
    fn ends_properly(mut self) -> bool {
        loop {
            match self.tls.read_tls(&mut self.socket) {
                Ok(1..) => {}
                Ok(0) => return false,
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return false,
                Err(e) => panic!("the connection does not end: {e}"),
            }
            match self.tls.process_new_packets() {
                Ok(state) if state.peer_has_closed() => return true,
                Ok(_) => {}
                Err(Error::AlertReceived(_)) => return false,
                Err(e) => panic!("{e}"),
            }
            let _ = self.tls.reader().read_to_end(&mut Vec::new());
        }
    }
}

/// Has somebody attack with each of these, on connections that rustls drives and on some that were carried through a
/// restart.
fn behind_the_handshake<T>(attacks: &[T], attack: impl Fn(&mut Client, Attacker, &T)) {
    let (daemon, pair) = start("");
    let mut observer = daemon.join("ana");
    let join = |observer: &mut Client| -> Vec<Attacker> {
        (0..attacks.len()).map(|number| Attacker::join(&daemon, observer, &format!("eve{number}"))).collect()
    };
    let run = |observer: &mut Client, attackers: Vec<Attacker>| {
        for (attacker, how) in attackers.into_iter().zip(attacks) {
            attack(observer, attacker, how);
            pair.go_on();
        }
    };
    let attackers = join(&mut observer);
    run(&mut observer, attackers);
    let attackers = join(&mut observer);
    daemon.signal("USR2");
    daemon.wait_for_log_count(" is ready", 2);
    run(&mut observer, attackers);
    pair.finish();
}

/// Records of these types with these contents, again and again.
type Flood = &'static [(u8, &'static [u8])];

#[test]
fn floods_of_records_without_data() {
    const FLOODS: &[Flood] = &[
        &[(DATA, b"")],
        &[(HANDSHAKE, &KEY_UPDATE)],
        &[(HANDSHAKE, &KEY_UPDATE_WITH_ANSWER)],
        &[(ALERT, &USER_CANCELED)],
        // Each of these makes a simple count begin anew.
        &[(HANDSHAKE, &KEY_UPDATE), (DATA, b"")],
        &[(HANDSHAKE, &KEY_UPDATE_WITH_ANSWER), (DATA, b"x")],
        &[(DATA, b""), (DATA, b"x")],
    ];
    behind_the_handshake(FLOODS, |observer, mut attacker, flood| {
        let records = attacker.records(5000, flood);
        attacker.send(&records);
        let name = &attacker.name;
        // rustls has its own limit for warnings.
        let why = match flood {
            [(ALERT, _)] => "",
            _ => "the peer has sent too many TLS records without data)",
        };
        expect(observer, &format!("*** {name} has left (TLS error: {why}"));
        // An alert may be lost, because what is not read is reset.
        attacker.ends_properly();
    });
}

#[test]
fn a_few_records_without_data_harm_nobody() {
    behind_the_handshake(&[()], |observer, mut attacker, ()| {
        for round in 0..100 {
            let mut records = attacker.record(HANDSHAKE, &KEY_UPDATE_WITH_ANSWER);
            let line = format!("{round} {}\n", "x".repeat(1030));
            records.extend(attacker.record(DATA, line.as_bytes()));
            attacker.send(&records);
            expect(observer, &format!("eve0: {round} x"));
        }
        let end = attacker.record(ALERT, &[1, 0]);
        attacker.send(&end);
        expect(observer, "*** eve0 has left (connection closed)");
        assert!(attacker.ends_properly());
    });
}

#[test]
fn a_record_that_comes_byte_by_byte_is_read_when_it_is_whole() {
    behind_the_handshake(&[()], |observer, mut attacker, ()| {
        // A record for each byte, and a byte in each segment.
        let mut records = attacker.records(50, &[(DATA, b"x")]);
        records.extend(attacker.record(DATA, b"\n"));
        for byte in records {
            attacker.send(&[byte]);
        }
        expect(observer, &format!("eve0: {}", "x".repeat(50)));
        // The longest record, of which most is too long for a line; others talk before its last byte comes.
        let long = attacker.record(DATA, &[&[b'y'; 16_383][..], b"\n"].concat());
        let (last, most) = long.split_last().unwrap();
        for part in most.chunks(7) {
            attacker.send(part);
        }
        observer.say("not yet");
        expect(observer, "ana: not yet");
        attacker.send(&[*last]);
        expect(observer, "eve0: yyy");
        // The end without a close_notify.
        attacker.socket.shutdown(Shutdown::Write).unwrap();
        expect(observer, "*** eve0 has left (connection broken");
    });
}

#[test]
fn messages_that_have_no_place_behind_the_handshake() {
    // A certificate of 65,000 bytes that never ends, a KeyUpdate that does not, and a ClientHello.
    const ENDLESS: [u8; 4] = [11, 0, 0xfd, 0xe8];
    const ATTACKS: &[Flood] = &[
        &[(HANDSHAKE, &ENDLESS), (HANDSHAKE, &[7; 16_384])],
        &[(HANDSHAKE, &[24, 0]), (DATA, b"x")],
        &[(HANDSHAKE, &[1, 0, 0, 0])],
    ];
    behind_the_handshake(ATTACKS, |observer, mut attacker, attack| {
        let records = attacker.records(6, attack);
        attacker.send(&records);
        expect(observer, &format!("*** {} has left (TLS error: ", attacker.name));
        attacker.ends_properly();
    });
}

#[test]
fn renegotiation_is_refused() {
    let (daemon, pair) = start("");
    let mut observer = daemon.join("ana");
    let mut command = std::process::Command::new("openssl");
    command.args(["s_client", "-tls1_2", "-quiet", "-no_ign_eof", "-connect", &daemon.tls().to_string()]);
    let mut eve = crate::support::program::Program::start(command.stderr(std::process::Stdio::null()));
    eve.say("eve");
    expect(&mut observer, "*** eve has joined");
    // The command of s_client that asks for it; it ends when that is refused.
    eve.say("R");
    expect(&mut observer, "*** eve has left (");
    eve.wait();
    pair.finish();
}

#[test]
fn tickets_are_good_for_sessions_but_not_for_early_data() {
    let (daemon, pair) = start("");
    let mut observer = daemon.join("ana");
    let ticket = daemon.path("ticket").display().to_string();
    let mut first = s_client(daemon.tls(), &["-sess_out", &ticket]);
    first.say("eve");
    first.expect("*** Topic: ");
    first.say("/quit");
    first.wait();
    expect(&mut observer, "*** eve has left (quit)");
    // The same ticket again and again: it opens a session only together with its secret.
    for _ in 0..3 {
        let mut again = s_client(daemon.tls(), &["-sess_in", &ticket]);
        again.say("eve");
        again.expect("*** Topic: ");
        again.say("/quit");
        again.wait();
        expect(&mut observer, "*** eve has joined");
        expect(&mut observer, "*** eve has left (quit)");
    }
    let shown = std::process::Command::new("openssl").args(["sess_id", "-noout", "-text", "-in", &ticket]).output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    assert!(shown.contains("Max Early Data: 0"), "{shown}");
    pair.finish();
}

/// The first bytes of a rustls client.
fn client_hello() -> Vec<u8> {
    let mut tls = ClientConnection::new(trusting(), "localhost".try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    hello
}

/// The same with the extension `early_data` (RFC 8446, section 4.2.10).
fn with_early_data() -> Vec<u8> {
    let mut hello = client_hello();
    // Behind the record's and the message's header, the version and the random bytes: the session's id, the suites, the
    // compressions; then the extensions.
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 2 + usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    at += 1 + usize::from(hello[at]);
    for length in [3, 7, at] {
        let longer = u16::from_be_bytes([hello[length], hello[length + 1]]) + 4;
        hello[length..length + 2].copy_from_slice(&longer.to_be_bytes());
    }
    hello.splice(at + 2..at + 2, [0, 42, 0, 0]);
    hello
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

#[test]
fn floods_before_the_end_of_the_handshake() {
    let (daemon, pair) = start("");
    let hello = client_hello();
    // A ClientHello of 16 MB or 60 KB, of which each record brings a byte, or as many as it may.
    let (endless, long) = ([1, 0xff, 0xff, 0xff], [1, 0, 0xea, 0x60]);
    let by_byte = |start: &[u8], count: usize| {
        let bytes = start.iter().copied().chain(std::iter::repeat_n(7, count));
        bytes.flat_map(|byte| record(HANDSHAKE, &[byte])).collect::<Vec<u8>>()
    };
    let in_full = |start: &[u8]| {
        let full = record(HANDSHAKE, &[7; 16_384]).repeat(100);
        [record(HANDSHAKE, start), full].concat()
    };
    let after_hello = |flood: Vec<u8>| [&hello[..], &flood].concat();
    let floods = [
        ("empty records", record(HANDSHAKE, b"").repeat(10_000)),
        ("changes of the cipher", after_hello(record(20, &[1]).repeat(10_000))),
        ("warnings", after_hello(record(ALERT, &USER_CANCELED).repeat(10_000))),
        ("one more hello", after_hello(hello.repeat(100))),
        ("16 MB byte by byte", by_byte(&endless, 100_000)),
        ("60 KB byte by byte", by_byte(&long, 100_000)),
        ("16 MB", in_full(&endless)),
        ("60 KB", in_full(&long)),
        ("early data", [with_early_data(), record(DATA, &[7; 16_000]).repeat(1000)].concat()),
        ("data", after_hello(record(DATA, &[7; 1000]).repeat(1000))),
    ];
    for (count, (name, flood)) in (1..).zip(&floods) {
        let mut attacker = TcpStream::connect(daemon.tls()).unwrap();
        attacker.set_write_timeout(Some(PATIENCE)).unwrap();
        // The daemon closes before it has read everything.
        let sent = attacker.write_all(flood);
        assert!(!matches!(&sent, Err(e) if e.kind() == ErrorKind::WouldBlock), "{name}: neither read nor closed");
        everything(attacker);
        daemon.wait_for_log_count("a connection was refused: the TLS handshake failed: ", count);
        pair.go_on();
    }
    pair.finish();
}

#[test]
fn half_handshakes_that_go_on_for_ever() {
    let (daemon, pair) = start("handshake-timeout = \"3s\"\n");
    let hello = client_hello();
    let mut halves: Vec<TcpStream> = (0..300)
        .map(|number| {
            let mut half = TcpStream::connect(daemon.tls()).unwrap();
            // Nothing, a part, all of the first flight.
            half.write_all(&hello[..hello.len() * (number % 5) / 4]).unwrap();
            half
        })
        .collect();
    // New clients come in meanwhile.
    for name in ["ana", "bo"] {
        daemon.join_tls(name).say("/quit");
    }
    pair.go_on();
    let status = daemon.wait_for_status(|status| status.limits_reached.handshake_timeout >= 300);
    assert_eq!(status.limits_reached.handshake_timeout, 300);
    halves.drain(..).for_each(|half| drop(everything(half)));
    pair.finish();
}

#[test]
fn the_wrong_protocol_on_either_port() {
    let (daemon, pair) = start("");
    let hello = client_hello();
    for _ in 0..100 {
        let mut tls = TcpStream::connect(daemon.plain()).unwrap();
        tls.write_all(&hello).unwrap();
        assert_eq!(everything(tls).first(), Some(&ALERT), "an alert");
        let mut text = TcpStream::connect(daemon.tls()).unwrap();
        text.write_all(b"eve\nhello\n").unwrap();
        assert!(everything(text).starts_with(b"*** This port takes TLS alone"));
    }
    assert_eq!(daemon.wait_for_status(|status| status.connections == 2).refused, 200);
    pair.finish();
}

#[test]
fn no_close_notify_in_tls_1_2() {
    let (daemon, pair) = start("");
    let mut observer = daemon.join("ana");
    let (mut eve, mut socket) = shaken(&daemon, &rustls::version::TLS12);
    socket.write_all(&sealed(&mut eve, "eve\none\nhalf a line")).unwrap();
    expect(&mut observer, "eve: one");
    socket.shutdown(Shutdown::Write).unwrap();
    expect(&mut observer, "*** eve has left (connection broken");
    pair.finish();
}

#[test]
fn chains_and_keys_of_every_size() {
    let certificates = Certificates::new();
    certificates.issue("authority", "server", "100");
    let tls = certificates.section("server") + &certificates.client_ca("optional");
    let (daemon, pair) = start(&tls);
    // Big ones that are good: RSA, and a certificate of 40 KB.
    certificates.issue_rsa("authority", "rsa", "4096", "DNS:localhost");
    let names: Vec<String> = (0..1000).map(|number| format!("DNS:{}{number}.example.org", "x".repeat(20))).collect();
    certificates.issue_rsa("authority", "big", "2048", &names.join(","));
    for name in ["rsa", "big"] {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let mut eve = Client::tls_with(daemon.tls(), certificates.client(name, version)).unwrap();
            eve.login(name);
            eve.say("/quit");
            eve.rest();
        }
    }
    // Chains that lead nowhere: as long as a message may be, and endless.
    certificates.authority("stranger");
    certificates.issue("stranger", "mallory", "100");
    for (count, length) in [(1, 100), (2, 2000)] {
        let chain = certificates.client_with_chain("mallory", "stranger", length);
        let mut tls = ClientConnection::new(chain, "localhost".try_into().unwrap()).unwrap();
        let mut socket = TcpStream::connect(daemon.tls()).unwrap();
        while tls.is_handshaking() && tls.complete_io(&mut socket).is_ok() {}
        while tls.wants_write() && tls.write_tls(&mut socket).is_ok() {}
        everything(socket);
        daemon.wait_for_log_count("a connection was refused: the TLS handshake failed: ", count);
        pair.go_on();
    }
    pair.finish();
}
