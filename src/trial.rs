//! `chatd --try-classic`: serves only the classic listeners of a configuration and shows on the terminal what clients
//! send, how it is interpreted, and what they are sent. For a teacher who is describing a client that chatd does not
//! know yet.
//!
//! Clients are served by the same code as in the daemon, with a transport that shows its bytes and a
//! witness that shows how they are interpreted. Administration and everything that outlives the process are
//! left out.

use std::convert::Infallible;
use std::io::{self, BufRead as _, IoSlice, Write as _};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;

use crate::chat::{Command, Event, Now, PersonId, Words, clean};
use crate::config::file::LoadError;
use crate::config::{Config, Endpoint};
use crate::connections::Seen;
use crate::dialect::Protocol;
use crate::net::{Address, Admissions, Inherited, Listener, Readiness, Socket, Stream, Transport};
use crate::people::SessionId;
use crate::room::{Actor, Outcome, State};
use crate::server::{Bound, Clock, Driver, Source, no_connections};
use crate::session::{Origin, Session, Step};

/// The name under which text typed at the terminal is said.
const TEACHER: &str = "teacher";
/// The teacher has no connection.
const NO_CONNECTION: SessionId = SessionId::MAX;
/// How long to pause after accept fails because the process or the system is out of descriptors or memory.
const REST: Duration = Duration::from_secs(1);

/// Why the trial cannot start.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("there is no [[listen]] with protocol = \"classic\" and an address to be tried; write one")]
    NoListener,
    /// The message, with the address's place in the configuration, and the exit status.
    #[error("{0}")]
    Bind(String, u8),
    #[error("the operating system refuses what every daemon needs: {0}")]
    System(#[from] io::Error),
}

/// Runs until it is interrupted.
pub fn run(source: &Source) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let failure = match runtime.map_err(Failure::System).and_then(|runtime| runtime.block_on(serve(source))) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    complain(&failure.to_string());
    ExitCode::from(match failure {
        Failure::Load(error) => error.exit_status(),
        Failure::NoListener => 78,
        Failure::Bind(_, status) => status,
        Failure::System(_) => 71,
    })
}

async fn serve(source: &Source) -> Result<Infallible, Failure> {
    let config = source.load()?;
    let bound = bind(&config).await?;
    let clock = Clock::default();
    let mut connections = no_connections(&config, clock.now(), None);
    connections.set_witness(show);
    let teacher = take_in_teacher(&mut connections.state, clock.now());
    let driver = Arc::new(Driver::new(clock, connections)?);
    let admissions = Arc::default();
    for (listener, how) in bound {
        let tls = if how.tls { ", without TLS" } else { "" };
        say(&format!("Waiting for clients on {}{tls}.", listener.description()));
        tokio::spawn(accept(driver.clone(), Arc::clone(&admissions), listener, how.protocol));
    }
    say(&format!("What you type here is said by {TEACHER}. Interrupt it when you have seen enough."));
    if let Some(teacher) = teacher {
        let driver = driver.clone();
        std::thread::spawn(move || teach(&driver, teacher));
    }
    drive(driver).await
}

/// Opens the classic listeners.
async fn bind(config: &Config) -> Result<Vec<Bound>, Failure> {
    let mut bound: Vec<Bound> = Vec::new();
    for how in config.listen.iter().filter(|how| matches!(how.protocol, Some(Protocol::Classic(_)))) {
        if let Endpoint::Systemd(name) = &how.endpoint {
            complain(&format!("the classic listener on systemd's socket {name:?} is left out; give it an address"));
            continue;
        }
        let listeners = Listener::bind(&how.endpoint, &mut Inherited::none()).await.map_err(|error| {
            let sentence = how.place.complaint(config.file.as_deref(), &error.to_string());
            Failure::Bind(sentence, error.exit_status())
        })?;
        bound.extend(listeners.into_iter().map(|listener| (listener, how.clone())));
    }
    if bound.is_empty() { Err(Failure::NoListener) } else { Ok(bound) }
}

fn take_in_teacher(state: &mut State, now: Now) -> Option<PersonId> {
    let mut teacher = Actor { person: None, session: NO_CONNECTION };
    let name = Command::Register { name: TEACHER.into(), profile: Box::default(), enter: true, guest: false };
    if let Ok(Outcome::Done(_, Event::Registered(person))) = state.perform(now, teacher, name) {
        teacher.person = Some(person.id);
    }
    state.perform(now, teacher, Command::Enter).ok()?;
    teacher.person
}

/// Says each line typed at the terminal in the room, until the end of the input.
fn teach(driver: &Driver<Watched>, teacher: PersonId) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let mut connections = driver.lock();
        let line = clean(line.as_bytes(), connections.limits().line_length).text.into_owned();
        if !line.is_empty() {
            let actor = Actor { person: Some(teacher), session: NO_CONNECTION };
            // Cannot be refused: the teacher is in the room.
            let _ = connections.state.perform(driver.clock.now(), actor, Command::Say(Words::plain(line)));
        }
    }
}

/// Accepts clients; never returns.
async fn accept(
    driver: Arc<Driver<Watched>>,
    admissions: Arc<Admissions>,
    listener: Listener,
    protocol: Option<Protocol>,
) {
    loop {
        admissions.wait(|| driver.lock().limits().connections).await;
        match listener.accept().await {
            Ok((socket, address)) => welcome(&driver, &admissions, socket, address, protocol.as_ref()),
            Err(e) => {
                say(&format!("Nobody is accepted for a moment: {e}."));
                sleep(REST).await;
            }
        }
    }
}

fn welcome(
    driver: &Driver<Watched>,
    admissions: &Arc<Admissions>,
    socket: OwnedFd,
    address: Address,
    protocol: Option<&Protocol>,
) {
    let mut connections = driver.lock();
    let most = connections.limits().connections_per_address;
    let Some(admission) = admissions.enter(address, most) else {
        return say(&format!("A client is turned away: connections-per-address is {most}."));
    };
    let (id, now) = (connections.next_id(), driver.clock.now());
    let socket = Watched { id, socket: Socket::new(Stream::from(socket), None) };
    if let Err(e) = driver.poller.add(socket.socket.descriptor(), id) {
        return say(&format!("A client is turned away: the kernel cannot watch its socket: {e}."));
    }
    tell(id, "connects");
    let origin = Origin { address, encrypted: false, account: None, connected: now };
    connections.insert(now, origin, protocol, socket, admission);
}

/// Runs the driver's three tasks, like the daemon.
async fn drive(driver: Arc<Driver<Watched>>) -> Result<Infallible, Failure> {
    let delivering = driver.clone();
    tokio::spawn(async move {
        loop {
            delivering.appended().await;
            delivering.deliver().await;
        }
    });
    let ringing = driver.clone();
    tokio::spawn(async move { ringing.ring().await });
    let mut events = Vec::new();
    loop {
        driver.ready(&mut events).await?;
        driver.serve(&mut events).await;
    }
}

/// A client's socket that shows all its traffic on the terminal.
struct Watched {
    id: SessionId,
    socket: Socket,
}

impl Transport for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.socket.read(buffer);
        if let Ok(length @ 1..) = read {
            tell(self.id, &format!("-> received {}", quoted(buffer.get(..length).unwrap_or_default())));
        }
        read
    }

    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.socket.write(pieces);
        if let Ok(length @ 1..) = written {
            let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter()).copied().take(length).collect();
            tell(self.id, &format!("<- sent     {}", quoted(&bytes)));
        }
        written
    }

    fn note(&mut self, readiness: Readiness) {
        self.socket.note(readiness);
    }

    fn is_readable(&self) -> bool {
        self.socket.is_readable()
    }

    fn is_writable(&self) -> bool {
        self.socket.is_writable()
    }

    fn flush(&mut self) -> io::Result<Poll<()>> {
        self.socket.flush()
    }

    fn has_unsent(&self) -> bool {
        self.socket.has_unsent()
    }

    fn acknowledge(&self) {
        self.socket.acknowledge();
    }

    fn reset_at_close(&self) {
        self.socket.reset_at_close();
    }

    fn end(&mut self) -> io::Result<Poll<()>> {
        self.socket.end()
    }
}

/// Shows how a client's input is interpreted.
fn show(id: SessionId, session: &Session, seen: Seen<'_>) {
    let what = match seen {
        Seen::Step(Step::Command(Command::Register { name, .. })) => format!("   the name {name:?}"),
        Seen::Step(Step::Command(Command::Say(words))) => format!("   says {:?}", words.text),
        // Not shown: in these protocols, whoever has a name joins at once.
        Seen::Step(Step::Command(Command::Enter)) => return,
        Seen::Step(Step::Command(command)) => format!("   asks for something else: {command:?}"),
        Seen::Step(Step::Nonsense(hint)) => format!("   no name: {hint}"),
        Seen::Step(Step::Answered) => "   nothing that others are told".to_owned(),
        Seen::Step(Step::TooFast) => "   faster than message-rate allows: what follows waits".to_owned(),
        Seen::Step(Step::Wait) if session.awaits_silence() => {
            "   no newline: complete when nothing more comes".to_owned()
        }
        Seen::Step(Step::Wait | Step::More | Step::Pause) => return,
        Seen::Refused(refusal) => format!("   refused: {refusal}"),
        Seen::Ended(reason) => format!("is gone: {reason}"),
    };
    tell(id, &what);
}

/// Bytes in readable form: as text if they are text.
fn quoted(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("\"{}\" (bytes that are not UTF-8)", bytes.escape_ascii()),
    }
}

/// Prints a line about a client.
fn tell(id: SessionId, what: &str) {
    say(&format!("{} {what}", u64::from(id) + 1));
}

/// Prints a line; the trial ends if standard output is closed.
fn say(line: &str) {
    if writeln!(io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

fn complain(sentence: &str) {
    // If standard error is closed, the exit status is still right.
    let _ = writeln!(io::stderr(), "{sentence}");
}
