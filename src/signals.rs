//! The signals that the daemon handles, and what they ask for.
//!
//! They are blocked in every thread and read from a descriptor (signalfd(2)). One that comes before it can be read waits,
//! also while the program is executed anew: the next program finds it.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use crate::hangup::Hangup;
use crate::net::register;
use crate::server::Server;
use crate::systemd;

/// Those that end the daemon.
const STOPS: [Signal; 2] = [Signal::SIGTERM, Signal::SIGINT];
/// Those that do not.
const OTHERS: [Signal; 3] = [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];

/// How long the announcement of a restart holds, until SIGTERM follows.
const ANNOUNCED: Duration = Duration::from_secs(10);

/// What is to happen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The daemon stops for good, and its clients are told.
    Stop,
    /// The service manager restarts it, and the next process goes on with its clients.
    HandOver,
    /// It restarts by itself.
    Restart,
}

/// From here on the signals wait until they are read: in this thread, in those that it starts, and in the program that is
/// executed in this one's place.
///
/// # Errors
/// The system does not know these signals.
pub fn hold() -> io::Result<()> {
    Ok(all().thread_block()?)
}

/// Until the next [`Signals::new`], one that ends the daemon ends the process at once, because there are no clients to be
/// told.
pub fn let_stop() {
    // They go on waiting, otherwise.
    let _ = SigSet::from_iter(STOPS).thread_unblock();
}

fn all() -> SigSet {
    STOPS.into_iter().chain(OTHERS).collect()
}

/// The signals that the daemon handles.
pub struct Signals {
    hangup: Hangup,
    waiting: AsyncFd<SignalFd>,
}

impl Signals {
    /// From here on, these signals are noticed. Must be called on the runtime.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn new() -> io::Result<Signals> {
        hold()?;
        let waiting = SignalFd::with_flags(&all(), SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let waiting = register(waiting, Interest::READABLE)?;
        Ok(Signals { hangup: Hangup::of_this_process(), waiting })
    }

    /// Reloads on every SIGHUP. Returns on SIGTERM, SIGINT, the hangup of the terminal, or when the daemon is to restart.
    pub async fn until_end(&self, server: &Server) -> Wanted {
        let (reload, restart) = (Notify::new(), Notify::new());
        let announced: Cell<Option<Instant>> = Cell::default();
        let end = async {
            loop {
                match self.next().await {
                    Signal::SIGHUP if !self.hangup.is_end() => reload.notify_one(),
                    Signal::SIGUSR1 => announced.set(Some(Instant::now())),
                    Signal::SIGUSR2 => restart.notify_one(),
                    end => return end,
                }
            }
        };
        let reloads = async {
            loop {
                reload.notified().await;
                // The result is reported by the log and the status line.
                let _ = server.reload(None).await;
            }
        };
        let restarts = async {
            loop {
                restart.notified().await;
                // The result is reported by the log.
                let _ = server.restart(None).await;
            }
        };
        tokio::select! {
            () = reloads => {}
            () = restarts => {}
            () = server.restart_requested() => return Wanted::Restart,
            end = end => {
                let is_announced = announced.get().is_some_and(|at| at.elapsed() < ANNOUNCED);
                // Nobody else keeps what is handed over.
                let is_kept = end == Signal::SIGTERM && is_announced && systemd::is_there();
                if is_kept && server.can_be_followed().await {
                    return Wanted::HandOver;
                }
            }
        }
        Wanted::Stop
    }

    /// Whether a signal to stop has come since [`until_end`](Self::until_end) has returned. What else has come a restart
    /// does anyway.
    #[must_use]
    pub fn is_stop_wanted(&self) -> bool {
        std::iter::from_fn(|| self.read().ok()).any(|signal| STOPS.contains(&signal))
    }

    /// The next signal; of several that wait, the one with the lowest number: an announcement comes before the SIGTERM that
    /// it is about. Cancel safe.
    async fn next(&self) -> Signal {
        match self.waiting.async_io(Interest::READABLE, |_| self.read()).await {
            Ok(signal) => signal,
            // The runtime ends.
            Err(_) => pending().await,
        }
    }

    /// # Errors
    /// There is none (`WouldBlock`).
    fn read(&self) -> io::Result<Signal> {
        let read = self.waiting.get_ref().read_signal()?.ok_or(io::ErrorKind::WouldBlock)?;
        let number = i32::try_from(read.ssi_signo).map_err(io::Error::other)?;
        Ok(Signal::try_from(number)?)
    }
}
