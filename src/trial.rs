//! `chatd --try-classic`: serves only the classic listeners of a configuration and shows on the terminal what clients
//! send, how it is interpreted, and what they are sent. For a teacher who is describing a client that chatd does not
//! know yet.
//!
//! Clients are served by the same code as in the daemon, with a transport that shows its bytes and a
//! observer that shows how they are interpreted. Administration and everything that outlives the process are
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
use crate::connections::Observation;
use crate::dialect::Protocol;
use crate::net::{Address, Admissions, Inherited, Listener, Readiness, Socket, Stream, Transport};
use crate::people::SessionId;
use crate::room::{Actor, Outcome, State};
use crate::server::{Bound, Driver, Source, clock, empty_connections};
use crate::session::{Origin, Session, Step};

/// The name under which text typed at the terminal is said.
const TEACHER: &str = "teacher";
/// The teacher has no connection.
const NO_CONNECTION: SessionId = SessionId::MAX;
/// How long to pause after accept fails because the process or the system is out of descriptors or memory.
const ACCEPT_BACKOFF: Duration = Duration::from_secs(1);

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
    print_error(&failure.to_string());
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
    let mut connections = empty_connections(&config, clock::now(), None);
    connections.set_observer(print_observation);
    let teacher = add_teacher(&mut connections.state, clock::now());
    let driver = Arc::new(Driver::new(connections)?);
    let admissions = Arc::default();
    for (listener, how) in bound {
        let tls = if how.tls { ", without TLS" } else { "" };
        print_line(&format!("Waiting for clients on {}{tls}.", listener.description()));
        tokio::spawn(accept(driver.clone(), Arc::clone(&admissions), listener, how.protocol));
    }
    print_line(&format!("What you type here is said by {TEACHER}. Interrupt it when you have seen enough."));
    if let Some(teacher) = teacher {
        let driver = driver.clone();
        std::thread::spawn(move || say_typed_lines(&driver, teacher));
    }
    drive(driver).await
}

/// Opens the classic listeners.
async fn bind(config: &Config) -> Result<Vec<Bound>, Failure> {
    let mut bound: Vec<Bound> = Vec::new();
    for how in config.listen.iter().filter(|how| matches!(how.protocol, Some(Protocol::Classic(_)))) {
        if let Endpoint::Systemd(name) = &how.endpoint {
            print_error(&format!("the classic listener on systemd's socket {name:?} is left out; give it an address"));
            continue;
        }
        let listeners = Listener::bind(&how.endpoint, &mut Inherited::none()).await.map_err(|error| {
            let sentence = how.place.complaint(config.file.as_deref(), &error.to_string());
            Failure::Bind(sentence, error.exit_status())
        })?;
        bound.extend(listeners.into_iter().map(|listener| (Arc::new(listener), how.clone())));
    }
    if bound.is_empty() { Err(Failure::NoListener) } else { Ok(bound) }
}

fn add_teacher(state: &mut State, now: Now) -> Option<PersonId> {
    let mut teacher = Actor { person: None, session: NO_CONNECTION };
    let name = Command::Register { name: TEACHER.into(), profile: Box::default(), enter: true, guest: false };
    if let Ok(Outcome::Done(_, Event::Registered(person))) = state.perform(now, teacher, name) {
        teacher.person = Some(person.id);
    }
    state.perform(now, teacher, Command::Enter).ok()?;
    teacher.person
}

/// Says each line typed at the terminal in the room, until the end of the input.
fn say_typed_lines(driver: &Driver<TracedSocket>, teacher: PersonId) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let mut connections = driver.lock();
        let line = clean(line.as_bytes(), connections.limits().line_length).text.into_owned();
        if !line.is_empty() {
            let actor = Actor { person: Some(teacher), session: NO_CONNECTION };
            // Cannot be refused: the teacher is in the room.
            let _ = connections.state.perform(clock::now(), actor, Command::Say(Words::plain(line)));
        }
    }
}

/// Accepts clients; never returns.
async fn accept(
    driver: Arc<Driver<TracedSocket>>,
    admissions: Arc<Admissions>,
    listener: Arc<Listener>,
    protocol: Option<Protocol>,
) {
    loop {
        admissions.wait(|| driver.lock().limits().connections).await;
        match listener.accept().await {
            Ok((socket, address)) => welcome(&driver, &admissions, socket, address, protocol.as_ref()),
            Err(e) => {
                print_line(&format!("Nobody is accepted for a moment: {e}."));
                sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

fn welcome(
    driver: &Driver<TracedSocket>,
    admissions: &Arc<Admissions>,
    socket: OwnedFd,
    address: Address,
    protocol: Option<&Protocol>,
) {
    let mut connections = driver.lock();
    let most = connections.limits().per_address(address.ip()).connections;
    let Some(admission) = admissions.enter(address, most) else {
        return print_line(&format!("A client is turned away: connections-per-address is {most}."));
    };
    let (id, now) = (connections.next_id(), clock::now());
    let socket = TracedSocket { id, socket: Socket::new(Stream::from(socket), None) };
    if let Err(e) = driver.poller.add(socket.socket.descriptor(), id) {
        return print_line(&format!("A client is turned away: the kernel cannot watch its socket: {e}."));
    }
    print_about(id, "connects");
    let origin = Origin { address, encrypted: false, account: None, connected: now };
    connections.insert(now, origin, protocol, socket, admission);
}

/// Runs the driver's three tasks, like the daemon.
async fn drive(driver: Arc<Driver<TracedSocket>>) -> Result<Infallible, Failure> {
    let delivering = driver.clone();
    tokio::spawn(async move {
        loop {
            delivering.appended().await;
            delivering.deliver().await;
        }
    });
    let alarms = driver.clone();
    tokio::spawn(async move { alarms.run_alarms().await });
    let mut events = Vec::new();
    loop {
        driver.ready(&mut events).await?;
        driver.serve(&mut events).await;
    }
}

/// A client's socket that shows all its traffic on the terminal.
struct TracedSocket {
    id: SessionId,
    socket: Socket,
}

impl Transport for TracedSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.socket.read(buffer);
        if let Ok(length @ 1..) = read {
            print_about(self.id, &format!("-> received {}", quoted(buffer.get(..length).unwrap_or_default())));
        }
        read
    }

    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.socket.write(pieces);
        if let Ok(length @ 1..) = written {
            let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter()).copied().take(length).collect();
            print_about(self.id, &format!("<- sent     {}", quoted(&bytes)));
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

    fn take_error(&mut self) -> Option<io::Error> {
        self.socket.take_error()
    }

    fn reset_at_close(&self) {
        self.socket.reset_at_close();
    }

    fn hurry_at_close(&self) {
        self.socket.hurry_at_close();
    }

    fn end(&mut self) -> io::Result<Poll<()>> {
        self.socket.end()
    }
}

/// Shows how a client's input is interpreted.
fn print_observation(id: SessionId, session: &Session, seen: Observation<'_>) {
    let what = match seen {
        Observation::Step(Step::Command(Command::Register { name, .. })) => format!("   the name {name:?}"),
        Observation::Step(Step::Command(Command::Say(words))) => format!("   says {:?}", words.text),
        // Not shown: in these protocols, whoever has a name joins at once.
        Observation::Step(Step::Command(Command::Enter)) => return,
        Observation::Step(Step::Command(command)) => format!("   asks for something else: {command:?}"),
        Observation::Step(Step::Invalid(hint)) => format!("   no name: {hint}"),
        Observation::Step(Step::Answered | Step::Lookup(_)) => "   nothing that others are told".to_owned(),
        Observation::Step(Step::TooFast) => "   faster than message-rate allows: what follows waits".to_owned(),
        Observation::Step(Step::Wait) if session.awaits_silence() => {
            "   no newline: complete when nothing more comes".to_owned()
        }
        Observation::Step(Step::Wait | Step::More | Step::Pause) => return,
        Observation::Refused(refusal) => format!("   refused: {refusal}"),
        Observation::Ended(reason) => format!("is gone: {reason}"),
    };
    print_about(id, &what);
}

/// Bytes in readable form: as text if they are text.
fn quoted(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("\"{}\" (bytes that are not UTF-8)", bytes.escape_ascii()),
    }
}

/// Prints a line about a client.
fn print_about(id: SessionId, what: &str) {
    print_line(&format!("{} {what}", u64::from(id) + 1));
}

/// Prints a line; the trial ends if standard output is closed.
fn print_line(line: &str) {
    if writeln!(io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

fn print_error(sentence: &str) {
    // If standard error is closed, the exit status is still right.
    let _ = writeln!(io::stderr(), "{sentence}");
}
