//! How long other clients are delayed by what one of them, or an administrator, requests.
//!
//! A real daemon with a full room runs in its own process. A probe, an IRC client outside the room, sends PING and
//! waits for PONG in a loop: first while nothing else happens, then while one action is repeated. The longest round
//! trip shows the longest step of the daemon's one thread, if the machine has a processor to spare. To tell a step that
//! is always long from a single outlier, "each" is the median, over all repetitions, of the longest round trip in each.
//! Only ratios to the quiet round trips of the same run are meaningful.
//!
//! The users in the room do not read during a measurement, which would take CPU time from the daemon and the probe.
//! What they are sent meanwhile fits into their socket buffers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that meets what it does not expect stops, and says where"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "a benchmark needs only some of what tests need")]
mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use support::client::Client;
use support::daemon::Daemon;

/// The number of users in the room, unless given on the command line.
const PEOPLE: usize = 2000;
/// How many users join at the same time.
const BATCH: usize = 1000;
/// How many clients connect at the same time.
const NEWCOMERS: usize = 100;
/// How many clients send WHO at the same time, with a mask of the maximum length.
const ASKING: usize = 64;
/// TLS handshakes per second, with an RSA key whose signatures take milliseconds.
const HANDSHAKES: usize = 200;
/// How many clients do them.
const SHAKING: usize = 4;
/// How long each action is measured.
const MEASURED: Duration = Duration::from_secs(2);

const CONFIG: &str = r#"
[room]
history = 0
[irc]
autojoin = false
[[listen]]
address = "127.0.0.1:0"
protocol = "text"
[[listen]]
address = "127.0.0.1:0"
protocol = "irc"
[[listen]]
address = "127.0.0.1:0"
protocol = "text"
[[listen]]
address = "127.0.0.1:0"
tls = true
[tls]
certificate = "CERTIFICATES/certificate.pem"
private-key = "CERTIFICATES/key.pem"
[limits]
connections = 100000
connections-per-address = 100000
message-rate = 1000000
message-burst = 1000000
max-lag = "256MiB"
login-timeout = "10min"
"#;

fn main() {
    // `cargo bench` passes --bench.
    let people = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(PEOPLE);
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();

    let certificates = rsa_certificate();
    let config = CONFIG.replace("CERTIFICATES", certificates.path().to_str().unwrap());
    let daemon = Daemon::start_with(&config, |_| {});
    let [people_at, irc_at, newcomers_at, tls_at, ..] = daemon.listeners()[..] else { panic!("listeners") };
    let mut administrator = Administrator::connect(&daemon);
    let mut crowd = Crowd::enter(people_at, people, &mut administrator);
    // The most recent client is the last to be sent an event.
    let mut last = daemon.join("last");
    let mut probe = irc(irc_at, "probe");
    let mut guest = irc(irc_at, "guest");
    let mut asking: Vec<_> = (0..ASKING).map(|number| irc(irc_at, &format!("asks{number}"))).collect();
    for client in &mut asking {
        client.say("JOIN #lobby\r");
        while !client.line().contains(" 366 ") {}
    }
    crowd.catch_up(&mut administrator);

    println!("{people} people in the room; PING to PONG in microseconds, and as multiples of the quiet ones");
    println!("meanwhile       times      p50      p99     each  longest   p50 x  longest x");
    let quiet = measure(&mut probe, || std::thread::sleep(MEASURED / 10));
    quiet.show("nothing", &quiet);
    let mut show = |name, action: &mut (dyn FnMut(&mut Administrator) + Send)| {
        measure(&mut probe, || action(&mut administrator)).show(name, &quiet);
        crowd.catch_up(&mut administrator);
    };
    show("join and leave", &mut |_| {
        guest.say("JOIN #lobby");
        while !guest.line().contains(" 366 ") {}
        guest.say("PART #lobby");
        while !guest.line().contains(" PART ") {}
    });
    show("list", &mut |administrator| drop(administrator.ask("List", &json!({}))));
    show("reload", &mut |administrator| drop(administrator.call("Reload", &json!({}))));
    let mut number = 0;
    show("notice", &mut |administrator| {
        number += 1;
        administrator.call("Notice", &json!({"text": format!("number {number}")}));
        last.expect(&format!("*** notice: number {number}"));
    });
    show("100 connect", &mut |_| {
        let mut clients: Vec<_> = (0..NEWCOMERS).map(|_| Client::plain(newcomers_at)).collect();
        clients.iter_mut().for_each(|client| client.expect("*** What is your name?"));
        // Reset, so that no port stays in TIME_WAIT.
        clients.into_iter().for_each(Client::reset);
    });
    let mask = "*c?".repeat(30);
    show("64 ask WHO", &mut |_| {
        asking.iter_mut().for_each(|client| client.say(&format!("WHO {mask}\r")));
        for client in &mut asking {
            while !client.line().contains(" 315 ") {}
        }
    });
    show("200 RSA-4096/s", &mut |_| {
        std::thread::scope(|scope| {
            for _ in 0..SHAKING {
                scope.spawn(|| {
                    for _ in 0..HANDSHAKES / SHAKING {
                        let next = Instant::now() + Duration::from_secs(1) / (HANDSHAKES / SHAKING) as u32;
                        Client::tls(tls_at).reset();
                        std::thread::sleep(next.saturating_duration_since(Instant::now()));
                    }
                });
            }
        });
    });
}

/// A certificate with slow signatures.
fn rsa_certificate() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:4096", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout"])
        .arg(path("key.pem"))
        .arg("-out")
        .arg(path("certificate.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    directory
}

/// An IRC client outside the room.
fn irc(address: SocketAddr, name: &str) -> Client {
    let mut client = Client::plain(address);
    client.say(&format!("NICK {name}\r\nUSER {name} 0 * {name}\r"));
    while !client.line().contains(" 422 ") {}
    client
}

/// Round trips, and the longest during each repetition of the action, both sorted.
struct Measured {
    trips: Vec<Duration>,
    longest: Vec<Duration>,
}

/// Measures round trips while `action` is repeated.
fn measure(probe: &mut Client, mut action: impl FnMut() + Send) -> Measured {
    let (over, times) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut trips, mut longest) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                action();
                times.fetch_add(1, Ordering::Relaxed);
            }
        });
        let start = Instant::now();
        while start.elapsed() < MEASURED {
            let (time, asked) = (times.load(Ordering::Relaxed), Instant::now());
            probe.say("PING now\r");
            while !probe.line().contains(" PONG ") {}
            let trip = asked.elapsed();
            trips.push(trip);
            longest.resize(longest.len().max(time + 1), Duration::ZERO);
            longest[time] = trip.max(longest[time]);
        }
        over.store(true, Ordering::Relaxed);
    });
    trips.sort_unstable();
    longest.sort_unstable();
    Measured { trips, longest }
}

impl Measured {
    /// The upper bound, in microseconds, of the fastest `part` thousandths of the round trips.
    fn micros(&self, part: usize) -> f64 {
        self.trips[(self.trips.len() - 1) * part / 1000].as_secs_f64() * 1e6
    }

    fn show(&self, name: &str, quiet: &Measured) {
        let [half, most, all] = [500, 990, 1000].map(|part| self.micros(part));
        let (half_x, all_x) = (half / quiet.micros(500), all / quiet.micros(1000));
        let (times, each) = (self.longest.len(), self.longest[self.longest.len() / 2].as_secs_f64() * 1e6);
        println!("{name:14} {times:6} {half:8.0} {most:8.0} {each:8.0} {all:8.0} {half_x:7.1} {all_x:10.1}");
    }
}

/// A connection to the admin socket.
struct Administrator {
    stream: BufReader<UnixStream>,
}

impl Administrator {
    fn connect(daemon: &Daemon) -> Administrator {
        let stream = UnixStream::connect(daemon.path("run").join("admin.sock")).unwrap();
        stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
        Administrator { stream: BufReader::new(stream) }
    }

    /// Calls a method and returns the reply's bytes.
    fn ask(&mut self, method: &str, parameters: &Value) -> Vec<u8> {
        let call = json!({"method": format!("org.chatd.Admin.{method}"), "parameters": parameters});
        self.stream.get_mut().write_all(format!("{call}\0").as_bytes()).unwrap();
        let mut reply = Vec::new();
        self.stream.read_until(0, &mut reply).unwrap();
        assert_eq!(reply.pop(), Some(0), "the whole reply");
        reply
    }

    /// Calls a method and returns the parsed reply.
    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        let reply: Value = serde_json::from_slice(&self.ask(method, parameters)).unwrap();
        assert!(reply.get("error").is_none(), "{reply}");
        reply
    }
}

/// The users in the room, silent clients of the text protocol.
struct Crowd {
    people: Vec<TcpStream>,
    /// How often they have caught up.
    rounds: usize,
}

impl Crowd {
    fn enter(address: SocketAddr, size: usize, administrator: &mut Administrator) -> Crowd {
        let mut crowd = Crowd { people: Vec::new(), rounds: 0 };
        while crowd.people.len() < size {
            let present = crowd.people.len();
            for number in present..size.min(present + BATCH) {
                let mut person = TcpStream::connect(address).unwrap();
                person.set_read_timeout(Some(support::PATIENCE)).unwrap();
                person.write_all(format!("c{number}\n").as_bytes()).unwrap();
                crowd.people.push(person);
            }
            crowd.people[present..].iter_mut().for_each(|person| read_to(person, "*** Topic: Welcome to the lobby\n"));
            crowd.catch_up(administrator);
        }
        crowd
    }

    /// Makes everybody read all that they were sent.
    fn catch_up(&mut self, administrator: &mut Administrator) {
        self.rounds += 1;
        let text = format!("round {}", self.rounds);
        administrator.call("Notice", &json!({"text": text}));
        let line = format!("*** notice: {text}\n");
        self.people.iter_mut().for_each(|person| read_to(person, &line));
    }
}

/// Reads until this text has arrived.
fn read_to(person: &mut TcpStream, text: &str) {
    let (mut buffer, mut kept) = (vec![0; 64 * 1024], 0);
    loop {
        let length = person.read(&mut buffer[kept..]).unwrap();
        assert_ne!(length, 0, "closed before {text:?}");
        let filled = kept + length;
        if memchr::memmem::find(&buffer[..filled], text.as_bytes()).is_some() {
            return;
        }
        // The start of `text` may have arrived already.
        kept = filled.min(text.len());
        buffer.copy_within(filled - kept..filled, 0);
    }
}
