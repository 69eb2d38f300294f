//! The signals that the daemon handles, and what they ask for.

use std::cell::Cell;
use std::io;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::hangup::Hangup;
use crate::server::Server;
use crate::systemd;

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

/// The signals that the daemon handles.
pub struct Signals {
    hangup: Hangup,
    reload: Signal,
    restart: Signal,
    announce: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on, these signals are noticed.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn new() -> io::Result<Signals> {
        Ok(Signals {
            hangup: Hangup::of_this_process(),
            reload: signal(SignalKind::hangup())?,
            restart: signal(SignalKind::user_defined2())?,
            announce: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Reloads on every SIGHUP. Returns on SIGTERM, SIGINT, the hangup of the terminal, or when the daemon is to restart.
    pub async fn until_end(&mut self, server: &Server) -> Wanted {
        let announced: Cell<Option<Instant>> = Cell::default();
        let announcements = async {
            loop {
                self.announce.recv().await;
                announced.set(Some(Instant::now()));
            }
        };
        let reloads = async {
            loop {
                self.reload.recv().await;
                if self.hangup.is_end() {
                    return;
                }
                // The result is reported by the log and the status line.
                let _ = server.reload(None).await;
            }
        };
        let restarts = async {
            loop {
                self.restart.recv().await;
                // The result is reported by the log.
                let _ = server.restart(None).await;
            }
        };
        tokio::select! {
            // An announcement comes before the SIGTERM that it is about.
            biased;
            () = announcements => {}
            () = reloads => {}
            () = restarts => {}
            _ = self.interrupt.recv() => {}
            () = server.restart_requested() => return Wanted::Restart,
            _ = self.terminate.recv() => {
                let is_announced = announced.get().is_some_and(|at| at.elapsed() < ANNOUNCED);
                // Nobody else keeps what is handed over.
                if is_announced && systemd::is_there() && server.can_be_followed().await {
                    return Wanted::HandOver;
                }
            }
        }
        Wanted::Stop
    }

    /// Whether a signal to stop has come since [`until_end`](Self::until_end) has returned.
    #[must_use]
    pub fn is_stop_wanted(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let mut stops = [&mut self.terminate, &mut self.interrupt].into_iter();
        stops.any(|signal| signal.poll_recv(&mut context).is_ready())
    }
}
