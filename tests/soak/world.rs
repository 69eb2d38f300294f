//! What clients, disturbances and the observer share. Everything runs in one thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::process::Output;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::link::Tls;
use super::observer::Observer;
use super::service::{Ports, Service, deadline};

/// What the crowd is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody comes.
    Closed,
    /// Come, talk, leave.
    Open,
    /// Stay, but say nothing new.
    Quiet,
    /// Leave, and do not come back.
    Leaving,
}

/// Whom a ban keeps out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// In lower case.
    Name(String),
    Address([u8; 4]),
}

pub struct Ban {
    pub subject: Subject,
    pub reason: String,
    /// As chatctl is told it.
    pub target: String,
    /// From when it may be in force, and from when it is.
    pub from: Instant,
    pub in_force: Option<Instant>,
    /// Until when it surely is, and may be.
    pub until: Option<Instant>,
    pub over: Option<Instant>,
}

/// How the crowd behaves.
pub struct Habits {
    /// Seconds that somebody stays, and between two of their lines.
    pub stay: f64,
    pub rest: f64,
}

pub struct World {
    pub observer: RefCell<Observer>,
    pub service: RefCell<Service>,
    pub ports: RefCell<Ports>,
    pub phase: Cell<Phase>,
    /// Counts the processes that were killed.
    pub killed: Cell<u64>,
    /// Counts the beginnings and ends of what may break a login.
    pub turbulence: Cell<u64>,
    pub turbulent: Cell<bool>,
    /// Connections that are open.
    pub connected: Cell<usize>,
    pub bans: RefCell<Vec<Ban>>,
    /// Who is to paste.
    pub pastes: RefCell<HashMap<Rc<str>, usize>>,
    /// The certificate that is shown now, and the one before.
    pub certificates: RefCell<[Vec<u8>; 2]>,
    pub tls: Tls,
    pub habits: Habits,
    /// Refusals of those who are banned, and logins that a restart or a kill has broken.
    pub refused: Cell<u64>,
    pub broken_logins: Cell<u64>,
    pub handshakes: Cell<u64>,
    pub stalled: Cell<u64>,
    /// The longest time in which this program did nothing.
    pub pause: Cell<Duration>,
    /// IRC clients that this program could not let speak in time.
    pub mistaken: Cell<u64>,
    /// Connections of those who are no clients.
    pub strangers: Cell<usize>,
}

impl World {
    pub fn new(habits: Habits) -> World {
        let mut service = Service::new();
        let certificate = service.renew();
        World {
            observer: RefCell::default(),
            service: RefCell::new(service),
            ports: RefCell::default(),
            phase: Cell::new(Phase::Closed),
            killed: Cell::new(0),
            turbulence: Cell::new(0),
            turbulent: Cell::new(false),
            connected: Cell::new(0),
            bans: RefCell::default(),
            pastes: RefCell::default(),
            certificates: RefCell::new([certificate.clone(), certificate]),
            tls: Tls::new(),
            habits,
            refused: Cell::new(0),
            broken_logins: Cell::new(0),
            handshakes: Cell::new(0),
            stalled: Cell::new(0),
            pause: Cell::new(Duration::ZERO),
            mistaken: Cell::new(0),
            strangers: Cell::new(0),
        }
    }

    pub fn fail(&self, what: String) {
        self.observer.borrow_mut().fail(what);
    }

    pub fn has_failed(&self) -> bool {
        !self.observer.borrow().failures.is_empty()
    }

    /// Waits until something holds; fails with what it says otherwise. Stops waiting when anything has failed.
    pub async fn until(&self, what: &str, mut holds: impl FnMut() -> Result<(), String>) {
        let deadline = deadline();
        while let Err(wrong) = holds() {
            if self.has_failed() {
                return;
            }
            if Instant::now() > deadline {
                return self.fail(format!("{what} did not happen: {wrong}"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs chatctl, while everybody else goes on.
    pub async fn chatctl(&self, arguments: &[&str]) -> Output {
        let mut command = self.service.borrow().chatctl(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Marks the time in which a login may break without a fault.
    pub fn set_turbulent(&self, turbulent: bool) {
        self.turbulence.set(self.turbulence.get() + 1);
        self.turbulent.set(turbulent);
        self.observer.borrow_mut().set_restarting(turbulent);
    }

    /// The ban that may have kept this client out at some time since `since`.
    pub fn may_be_banned(&self, name: &str, own: Option<[u8; 4]>, since: Instant) -> Option<String> {
        let bans = self.bans.borrow();
        let concerns = |ban: &&Ban| ban.concerns(name, own) && ban.over.is_none_or(|over| over >= since);
        bans.iter().find(concerns).map(|ban| ban.reason.clone())
    }

    /// Whether a ban surely was in force from `since` to now.
    pub fn must_be_banned(&self, name: &str, own: Option<[u8; 4]>, since: Instant) -> bool {
        let bans = self.bans.borrow();
        bans.iter()
            .any(|ban| ban.concerns(name, own) && ban.in_force.is_some_and(|from| from <= since) && ban.until.is_none())
    }
}

impl Ban {
    fn concerns(&self, name: &str, own: Option<[u8; 4]>) -> bool {
        match &self.subject {
            Subject::Name(banned) => *banned == name.to_lowercase(),
            Subject::Address(banned) => own == Some(*banned),
        }
    }
}
