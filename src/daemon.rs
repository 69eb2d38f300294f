//! The order of starting and stopping, and nothing else.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use crate::arguments::{self, DaemonArguments};
use crate::config::file::LoadError;
use crate::config::{Config, Endpoint};
use crate::dialect::Protocol;
use crate::directories::{Directories, DirectoryError, admin_socket_candidates};
use crate::invitation::{Door, invitation};
use crate::net::tls::{TlsError, TlsInForce};
use crate::net::{BindError, Inherited, InheritedError, Listener, SocketFile};
use crate::server::{Bound, Server, Source};
use crate::systemd::Pulse;
use crate::{admin, log, systemd};

/// How long the log may take to be written at the end.
const LAST_ENTRIES: Duration = Duration::from_secs(1);
/// Descriptors that are needed beside the clients'.
const OWN_DESCRIPTORS: u64 = 64;

/// Why the daemon does not start. Each is one sentence; [`exit_status`](Failure::exit_status) is for scripts.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Log(#[from] log::Error),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Inherited(#[from] InheritedError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("the admin socket {0} is not a Unix socket; admin.socket takes a path, admin.systemd such a socket's name")]
    AdminSocket(String),
    #[error("the operating system refuses what every daemon needs: {0}")]
    System(#[from] io::Error),
}

impl Failure {
    /// As in sysexits.h and the manual page.
    fn exit_status(&self) -> u8 {
        match self {
            Failure::Load(e) => e.exit_status(),
            Failure::Bind(e) if e.is_permission() => 77,
            Failure::Directory(_) => 77,
            // What systemd hands over and what the configuration asks for are both the administrator's to mend.
            Failure::Bind(BindError::Inherited(_)) | Failure::Inherited(_) | Failure::AdminSocket(_) => 78,
            Failure::Bind(_) => 69,
            Failure::Log(_) | Failure::Tls(_) => 78,
            Failure::System(_) => 71,
        }
    }
}

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: DaemonArguments = arguments::parse();
    let source = Source { path: arguments.config, directories: Directories::of_daemon() };
    if arguments.check_config {
        return check(&source);
    }
    // Before any thread starts: what systemd has said of them is taken out of the environment.
    let inherited = Inherited::from_environment();
    // Before the configuration is read, so that what is wrong with it can be told.
    let outcome = log::start().map_err(Failure::from).and_then(|()| run(source, inherited?));
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(&failure);
            ExitCode::from(failure.exit_status())
        }
    };
    log::flush(LAST_ENTRIES);
    code
}

/// `--check-config`: every mistake on a line of its own.
fn check(source: &Source) -> ExitCode {
    match source.load() {
        Ok(_) => ExitCode::SUCCESS,
        Err(e) => {
            // Standard error is where mistakes go; if it is closed, the exit status still tells.
            let _ = writeln!(io::stderr(), "{e}");
            ExitCode::from(e.exit_status())
        }
    }
}

fn report(failure: &Failure) {
    let text = failure.to_string();
    match failure {
        Failure::Load(LoadError::Mistakes(_)) => {
            text.lines().for_each(|line| error!(chatd.event = "configuration", "{line}"));
        }
        _ => error!(chatd.event = "failed", "chatd does not start: {text}"),
    }
    systemd::status(text.lines().next().unwrap_or_default());
}

fn run(source: Source, inherited: Inherited) -> Result<(), Failure> {
    let config = source.load()?;
    log::configure(&config.log)?;
    source.directories.create_state()?;
    if let Endpoint::Unix(socket) = &config.admin.endpoint {
        source.directories.create_runtime_for(socket)?;
    }
    allow_descriptors(config.limits.connections as u64 + OWN_DESCRIPTORS);
    // One thread: measured, it serves a room faster and in less memory than two.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(source, config, inherited));
    // Whatever is still being read, perhaps from a disk that does not answer, is of no use any more.
    runtime.shutdown_background();
    outcome
}

async fn serve(source: Source, config: Config, mut inherited: Inherited) -> Result<(), Failure> {
    let signals = Signals::new()?;
    let tls = match config.listen.iter().any(|listen| listen.tls) {
        true => Some(TlsInForce::new(config.tls.as_ref(), &source.directories.state, SystemTime::now())?),
        false => None,
    };
    let bound = bind(&config, &mut inherited).await?;
    let admin = bind_admin(&config.admin.endpoint, &mut inherited).await?;
    for name in inherited.unused() {
        warn!(chatd.event = "configuration", "the socket {name:?} was handed over, but no listener takes it");
    }
    let invited = std::env::var_os("NOTIFY_SOCKET").is_none();
    let greeting = invited.then(|| invite(&config, &bound));
    let administrators = config.admin.connections;

    let server = Arc::new(Server::new(source, config, tls, &bound).map_err(Failure::System)?);
    let pulse = Pulse::default();
    for (listener, how) in &bound {
        let tls = if how.tls { " with TLS" } else { "" };
        info!(chatd.event = "listen", "listening on {}{tls}", listener.description());
    }
    let accepting = server.run(bound, &pulse);
    let (socket_file, listener) = admin;
    let administration = tokio::spawn(admin::service::serve(listener, server.clone(), administrators));
    tokio::spawn(async move { pulse.run().await });
    systemd::ready();
    info!(chatd.event = "start", "chatd {} is ready", env!("CARGO_PKG_VERSION"));
    if let Some(greeting) = greeting {
        // For a person; a closed standard output is nobody's loss.
        let _ = io::stdout().write_all(greeting.as_bytes());
    }

    signals.until_stop(&server).await;

    systemd::stopping();
    drop(accepting);
    administration.abort();
    drop(socket_file);
    server.stop().await;
    info!(chatd.event = "stop", "chatd has stopped");
    Ok(())
}

async fn bind(config: &Config, inherited: &mut Inherited) -> Result<Vec<Bound>, BindError> {
    let mut bound = Vec::new();
    for how in &config.listen {
        let listeners = Listener::bind(&how.endpoint, inherited).await?;
        bound.extend(listeners.into_iter().map(|listener| (listener, how.clone())));
    }
    Ok(bound)
}

/// The admin socket, and its file if it is ours: kept until the end, then removed.
async fn bind_admin(
    endpoint: &Endpoint,
    inherited: &mut Inherited,
) -> Result<(Option<SocketFile>, UnixListener), Failure> {
    match Listener::bind(endpoint, inherited).await?.into_iter().next() {
        Some(Listener::Unix { file, listener }) => {
            let listener = UnixListener::from_std(listener.into_inner()).map_err(Failure::System)?;
            Ok((file, listener))
        }
        Some(other) => Err(Failure::AdminSocket(other.description())),
        None => Err(Failure::AdminSocket("that was handed over".to_owned())),
    }
}

fn invite(config: &Config, bound: &[Bound]) -> String {
    let doors: Vec<_> = bound
        .iter()
        // Nobody speaks PodSixNet by hand.
        .filter(|(_, how)| !matches!(how.protocol, Some(Protocol::PodSixNet(_))))
        .filter_map(|(listener, how)| {
            let door = match (&how.endpoint, listener.tcp_address()) {
                (_, Some(address)) => Door::Tcp(address),
                (Endpoint::Unix(path), None) => Door::Unix(path),
                (_, None) => return None,
            };
            Some((door, how.tls))
        })
        .collect();
    let socket = match &config.admin.endpoint {
        Endpoint::Unix(path) if admin_socket_candidates().first() != Some(path) => Some(path.as_path()),
        _ => None,
    };
    invitation(&config.room.name, &doors, std::env::var_os("CARGO").is_some(), socket)
}

/// Raises the limit of open files to what the connections need, as far as this process may.
fn allow_descriptors(needed: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return;
    }
    let possible = maximum.map_or(needed, |maximum| maximum.min(needed));
    if setrlimit(Resource::Nofile, Rlimit { current: Some(possible), maximum }).is_err() || possible < needed {
        warn!(
            chatd.event = "limit",
            "limits.connections needs {needed} open files, but only {possible} are allowed; raise LimitNOFILE="
        );
    }
}

/// What the operating system tells us.
struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            reload: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Reloads as often as SIGHUP asks, until SIGTERM or SIGINT.
    async fn until_stop(mut self, server: &Server) {
        let reload_for_ever = async {
            loop {
                self.reload.recv().await;
                // The log and the status line say what came of it.
                let _ = server.reload(None).await;
            }
        };
        tokio::select! {
            () = reload_for_ever => {}
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
