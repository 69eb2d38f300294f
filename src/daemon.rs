//! The daemon's start and stop, in order, and nothing else.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::UnixListener;
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::arguments::{self, DaemonArguments};
use crate::config::file::LoadError;
use crate::config::{Config, Endpoint, Place};
use crate::dialect::Protocol;
use crate::directories::{Directories, DirectoryError, admin_socket_candidates};
use crate::handover::{self, Handover, Parcel};
use crate::invitation::{Address, invitation};
use crate::net::tls::{TlsError, TlsInForce};
use crate::net::{BindError, Inherited, InheritedError, Listener, SocketFile};
use crate::server::{Bound, Server, Source, allow_all_descriptors, allow_descriptors};
use crate::signals::{self, Signals, Wanted};
use crate::systemd::Watchdog;
use crate::{admin, check, closed, log, systemd, trial};

/// How long to wait at exit for the log to be written.
const LAST_ENTRIES: Duration = Duration::from_secs(1);

/// How long the first events after a restart are kept, for administrators who watch and come back.
const BEGINNING_KEPT: Duration = Duration::from_secs(30);

/// Why the daemon cannot start. Each message is one sentence; [`exit_status`](Failure::exit_status) is for scripts.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Log(#[from] log::Error),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("{0}")]
    Tls(String),
    #[error(transparent)]
    Inherited(#[from] InheritedError),
    /// The message, with the address's place in the configuration, and the exit status.
    #[error("{0}")]
    Bind(String, u8),
    #[error("the admin socket {0} is not a Unix socket; admin.socket takes a path, admin.systemd such a socket's name")]
    AdminSocket(String),
    #[error("{0} clients were disconnected, because they could not be handed over to the next process: {1}")]
    Handover(usize, #[source] io::Error),
    #[error("the operating system refuses what every daemon needs: {0}")]
    System(#[from] io::Error),
}

impl Failure {
    fn bind(error: &BindError, config: &Config, place: Place) -> Failure {
        Failure::Bind(place.complaint(config.file.as_deref(), &error.to_string()), error.exit_status())
    }

    fn tls(error: &TlsError, config: &Config) -> Failure {
        Failure::Tls(error.place().complaint(config.file.as_deref(), &error.to_string()))
    }

    /// The exit status, by sysexits.h and the manual page.
    fn exit_status(&self) -> u8 {
        match self {
            Failure::Load(e) => e.exit_status(),
            Failure::Bind(_, status) => *status,
            Failure::Directory(_) => 77,
            // Both kinds, wrong sockets from systemd and a wrong configuration, are for the administrator to fix.
            Failure::Inherited(_) | Failure::AdminSocket(_) | Failure::Log(_) | Failure::Tls(_) => 78,
            Failure::System(_) | Failure::Handover(..) => 71,
        }
    }

    /// The failure as messages: one for each mistake in a configuration.
    fn sentences(&self) -> Vec<String> {
        self.to_string().lines().map(str::to_owned).collect()
    }
}

/// How the daemon has ended.
enum End {
    /// Its process is to end.
    Stop,
    /// The program is to be executed anew, with this.
    Restart(Box<Handover>),
}

/// chatd's `main`.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: DaemonArguments = arguments::parse();
    let source = Source { path: arguments.config, directories: Directories::of_daemon() };
    if arguments.check_config {
        return check::check(&source);
    }
    if arguments.try_classic {
        return trial::run(&source);
    }
    // Must run before any thread starts, because it changes the environment.
    let inherited = Inherited::from_environment(handover::NAME);
    // So must this, so that none of them is ended by a signal.
    let held = signals::hold();
    // Must start before the configuration is read, so that mistakes in it can be logged.
    let started = log::start().map_err(Failure::from).and_then(|()| {
        held?;
        Ok(inherited?)
    });
    let code = match started {
        Ok(inherited) => run_until_stopped(&source, inherited),
        Err(failure) => report(&failure),
    };
    log::flush(LAST_ENTRIES);
    code
}

/// Runs the daemon, and again in its own place when it is to restart.
fn run_until_stopped(source: &Source, mut inherited: Inherited) -> ExitCode {
    let parcel = handover::received().or_else(|| {
        let parcel = inherited.take_handover()?.into();
        systemd::forget(handover::NAME);
        Some(parcel)
    });
    let mut arrived = parcel.and_then(unpack);
    if arrived.is_none() {
        signals::let_stop();
    }
    loop {
        log::keep_beginning(arrived.is_some());
        if let Some(arrived) = &mut arrived {
            inherited.add_bound(std::mem::take(&mut arrived.listeners));
        }
        match run(source.clone(), &mut inherited, &mut arrived) {
            Ok(End::Stop) => return ExitCode::SUCCESS,
            Ok(End::Restart(handover)) => {
                log::flush(LAST_ENTRIES);
                // The next program has the whole time for its start.
                systemd::keep_alive();
                let error = handover.pack().map_or_else(|error| error, |parcel| handover::execute(&parcel));
                error!(chatd.event = "failed", "chatd cannot be executed anew and goes on as it is: {error}");
                arrived = Some(handover.reread());
            }
            Err(failure) => {
                let code = report(&failure);
                if let Some(arrived) = arrived {
                    warn!(
                        chatd.event = "handover",
                        "nobody goes on with the clients of the process before; disconnected: {}",
                        arrived.turn_away()
                    );
                }
                signals::let_stop();
                closed::turn_away(&inherited, failure.sentences());
                return code;
            }
        }
    }
}

/// Takes out what was handed over.
fn unpack(parcel: Parcel) -> Option<Handover> {
    // There may be more descriptors than the limit allows before the configuration is read.
    allow_all_descriptors();
    Handover::unpack(parcel)
        .inspect_err(|error| {
            warn!(chatd.event = "handover", "what the process before has handed over cannot be read: {error}");
        })
        .ok()
}

fn report(failure: &Failure) -> ExitCode {
    let sentences = failure.sentences();
    for sentence in &sentences {
        match failure {
            Failure::Load(LoadError::Mistakes(_)) => error!(chatd.event = "configuration", "{sentence}"),
            _ => error!(chatd.event = "failed", "chatd does not start: {sentence}"),
        }
    }
    systemd::status(sentences.first().map(String::as_str).unwrap_or_default());
    log::flush(LAST_ENTRIES);
    ExitCode::from(failure.exit_status())
}

fn run(source: Source, inherited: &mut Inherited, arrived: &mut Option<Handover>) -> Result<End, Failure> {
    let mut config = source.load()?;
    log::configure(&config.log)?;
    source.directories.create_state()?;
    if let Endpoint::Unix(socket) = &config.admin.endpoint {
        source.directories.create_runtime_for(socket)?;
    }
    config.limits.connections = allow_descriptors(&config);
    // One thread: measurements show it to be faster and smaller than two.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(source, config, inherited, arrived));
    // Does not wait for blocking reads, perhaps from a disk that does not respond; nobody needs them any more.
    runtime.shutdown_background();
    outcome
}

async fn serve(
    source: Source,
    config: Config,
    inherited: &mut Inherited,
    arrived: &mut Option<Handover>,
) -> Result<End, Failure> {
    let signals = Signals::new()?;
    let tls = match config.listen.iter().any(|listen| listen.tls) {
        true => {
            let tls = TlsInForce::new(config.tls.as_ref(), &source.directories.state, SystemTime::now());
            Some(tls.map_err(|error| Failure::tls(&error, &config))?)
        }
        false => None,
    };
    let is_wanted = |endpoint: &Endpoint| {
        *endpoint == config.admin.endpoint || config.listen.iter().any(|listen| listen.endpoint == *endpoint)
    };
    Listener::close_unwanted(inherited, is_wanted).await;
    let bound = bind(&config, inherited).await?;
    let admin = bind_admin(&config, inherited).await?;
    for name in inherited.unused() {
        warn!(chatd.event = "configuration", "the socket {name:?} was handed over, but no listener takes it");
    }
    for warning in config.warnings("") {
        warn!(chatd.event = "configuration", "{warning}");
    }
    *inherited = Inherited::none();
    let invited = std::env::var_os("NOTIFY_SOCKET").is_none() && arrived.is_none();
    let greeting = invited.then(|| invite(&config, &bound));
    let (administrators, admin_endpoint) = (config.admin.connections, config.admin.endpoint.clone());

    let server = Server::new(source, config, tls, &bound, arrived).map_err(Failure::System)?;
    let server = Arc::new(server);
    let watchdog = Watchdog::default();
    for (listener, how) in &bound {
        let tls = if how.tls { " with TLS" } else { "" };
        info!(chatd.event = "listen", "listening on {}{tls}", listener.description());
    }
    let mut accepting = server.run(&bound, &watchdog);
    let (socket_file, listener, admin_socket) = admin;
    let administration = tokio::spawn(admin::service::serve(listener, server.clone(), administrators));
    tokio::spawn(async move { watchdog.run().await });
    systemd::ready();
    info!(chatd.event = "start", "chatd {} is ready", env!("CARGO_PKG_VERSION"));
    tokio::spawn(async {
        sleep(BEGINNING_KEPT).await;
        log::keep_beginning(false);
    });
    if let Some(greeting) = greeting {
        // For interactive use only, so a closed standard output is not an error.
        let _ = io::stdout().write_all(greeting.as_bytes());
    }

    let mut wanted = signals.until_end(&server).await;
    if wanted != Wanted::Restart {
        systemd::stopping();
    }
    accepting.shutdown().await;
    if wanted != Wanted::Stop {
        match server.keeps_clients() {
            true => server.settle().await,
            false => server.say_goodbye().await,
        }
        // Last, so that those who watch miss nothing.
        server.tell_administrators().await;
    }
    administration.abort();
    // It was aborted.
    let _ = administration.await;
    if wanted == Wanted::Restart && signals.is_stop_wanted() {
        // The program that is executed anew would not know of it.
        systemd::stopping();
        wanted = Wanted::Stop;
    }
    if wanted == Wanted::Stop {
        drop((bound, socket_file));
        server.say_goodbye().await;
        server.stop_store().await;
        info!(chatd.event = "stop", "chatd has stopped");
        return Ok(End::Stop);
    }
    if let Some(file) = socket_file {
        file.keep();
    }
    let mut listeners = descriptors(bound);
    listeners.push((admin_endpoint, vec![admin_socket]));
    if wanted == Wanted::HandOver {
        // The next process is passed systemd's own by systemd, which could not bind them anew if they were kept elsewhere.
        listeners.retain(|(endpoint, _)| !matches!(endpoint, Endpoint::Systemd(_)));
    }
    let handover = server.hand_over(listeners).await;
    if wanted == Wanted::Restart {
        return Ok(End::Restart(Box::new(handover)));
    }
    // If that fails, it cannot go on as it is: systemd is about to end it.
    let stored = handover.pack().and_then(store);
    stored.map(|()| End::Stop).map_err(|error| Failure::Handover(handover.turn_away(), error))
}

/// Has systemd keep what is handed over.
fn store(parcel: Parcel) -> io::Result<()> {
    systemd::store(handover::NAME, parcel.descriptor())?;
    match parcel.is_kept()? {
        true => Ok(()),
        false => Err(io::Error::other("systemd does not keep it, see FileDescriptorStoreMax= of the service")),
    }
}

/// The sockets of each endpoint.
fn descriptors(bound: Vec<Bound>) -> Vec<(Endpoint, Vec<OwnedFd>)> {
    let mut descriptors: Vec<(Endpoint, Vec<OwnedFd>)> = Vec::new();
    let mut last = None;
    for (listener, how) in bound {
        // The accept loops have ended, so there is nobody else who has it.
        let Some(descriptor) = Arc::into_inner(listener).map(Listener::into_descriptor) else { continue };
        match descriptors.last_mut() {
            Some((_, same)) if last.as_ref() == Some(&how) => same.push(descriptor),
            _ => descriptors.push((how.endpoint.clone(), vec![descriptor])),
        }
        last = Some(how);
    }
    descriptors
}

async fn bind(config: &Config, inherited: &mut Inherited) -> Result<Vec<Bound>, Failure> {
    let mut bound: Vec<Bound> = Vec::new();
    for how in &config.listen {
        let listeners = Listener::bind(&how.endpoint, inherited).await.map_err(|error| {
            let error = explain(error, &bound, inherited);
            Failure::bind(&error, config, how.place)
        })?;
        bound.extend(listeners.into_iter().map(|listener| (Arc::new(listener), how.clone())));
    }
    Ok(bound)
}

/// Improves the message if chatd itself already has the port.
fn explain(error: BindError, bound: &[Bound], inherited: &Inherited) -> BindError {
    let BindError::InUse { address } = error else { return error };
    let Some(port) = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()) else {
        return BindError::InUse { address };
    };
    let ours = |address: &SocketAddr| address.port() == port;
    if let Some((name, unit)) = inherited.on_port(port) {
        return BindError::InUseBySystemd { address, name, unit };
    }
    match bound.iter().find_map(|(listener, _)| listener.tcp_address().filter(ours)) {
        Some(other) => BindError::InUseHere { address, other: other.to_string() },
        None => BindError::InUse { address },
    }
}

/// Binds the admin socket. Also returns its file, if the daemon created it; dropping that at exit removes it. And its
/// descriptor once more, for the next process.
async fn bind_admin(
    config: &Config,
    inherited: &mut Inherited,
) -> Result<(Option<SocketFile>, UnixListener, OwnedFd), Failure> {
    let admin = &config.admin;
    let bound = Listener::bind(&admin.endpoint, inherited).await;
    match bound.map_err(|error| Failure::bind(&error, config, admin.place))?.into_iter().next() {
        Some(Listener::Unix { file, listener }) => {
            let listener = listener.into_inner();
            let descriptor = listener.as_fd().try_clone_to_owned()?;
            Ok((file, UnixListener::from_std(listener)?, descriptor))
        }
        Some(other) => Err(Failure::AdminSocket(other.description())),
        None => Err(Failure::AdminSocket("that was handed over".to_owned())),
    }
}

fn invite(config: &Config, bound: &[Bound]) -> String {
    let addresses: Vec<_> = bound
        .iter()
        // PodSixNet cannot be typed by hand.
        .filter(|(_, how)| !matches!(how.protocol, Some(Protocol::PodSixNet(_))))
        .filter_map(|(listener, how)| {
            let door = match (&how.endpoint, listener.tcp_address()) {
                (_, Some(address)) => Address::Tcp(address),
                (Endpoint::Unix(path), None) => Address::Unix(path),
                (_, None) => return None,
            };
            Some((door, how.tls))
        })
        .collect();
    let socket = match &config.admin.endpoint {
        Endpoint::Unix(path) if admin_socket_candidates().first() != Some(path) => Some(path.as_path()),
        _ => None,
    };
    invitation(&config.room.name, &addresses, std::env::var_os("CARGO").is_some(), socket)
}
