//! Handing all clients over to the process that goes on in this one's place, and taking them over from the one before.

use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::{Server, clock, history_limit, reserved};
use crate::chat::{Event, Reason};
use crate::config::{Config, Endpoint};
use crate::connections::{Connections, Parted};
use crate::handover::{Client, Common, Connection, Handover};
use crate::net::Socket;
use crate::people::SessionId;
use crate::room::SavedState;
use crate::store::Kept;

/// How long those who cannot be handed over, and TLS handshakes, may take to end. The room goes on meanwhile.
const SETTLE: Duration = Duration::from_secs(1);
/// How long reading the configuration may take to see whether the next process can start.
const CHECK: Duration = Duration::from_secs(3);
/// How often to look whether they have.
const SETTLE_CHECK: Duration = Duration::from_millis(5);
/// How long administrators may take to read what is under way for them. The room goes on meanwhile.
const TELL: Duration = Duration::from_millis(100);

/// Why a client is sent away whose session cannot be read, or whose socket cannot be watched.
const UNREADABLE: Reason = restarting(NOT_KEPT);
const NOT_KEPT: &str = "your connection could not be kept";

const fn restarting(why: &'static str) -> Reason {
    Reason::Restarting(std::borrow::Cow::Borrowed(why))
}

/// Tells an administrator's connection that the daemon restarts, which waits, for a moment, until it is dropped.
#[derive(Debug)]
pub struct Restarting(watch::Receiver<bool>);

impl Restarting {
    /// Whether the daemon restarts now.
    #[must_use]
    pub fn is_now(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the daemon restarts. Cancel safe.
    pub async fn begun(&mut self) {
        if self.0.wait_for(|restarting| *restarting).await.is_err() {
            // There is no server any more that could restart.
            std::future::pending::<()>().await;
        }
    }
}

impl Server {
    /// Whether the daemon restarts. As long as what this returns is kept, that waits for a moment.
    #[must_use]
    pub fn restarting(&self) -> Restarting {
        Restarting(self.restarting.subscribe())
    }

    /// Tells administrators that the daemon restarts, and waits until what is under way for them is sent, for a moment.
    pub async fn tell_administrators(&self) {
        self.restarting.send_replace(true);
        // Who does not read is not waited for.
        let _ = timeout(TELL, self.restarting.closed()).await;
    }

    /// Whether clients stay connected when the daemon restarts.
    #[must_use]
    pub fn keeps_clients(&self) -> bool {
        self.configuration().handover.clients
    }

    /// Whether the next process can go on with the clients: they are to be kept, and it can start, as far as the
    /// configuration is concerned.
    pub async fn can_be_followed(&self) -> bool {
        if !self.keeps_clients() {
            return false;
        }
        let slow = || vec!["the configuration cannot be read in time".to_owned()];
        let checked = timeout(CHECK, self.check_restart()).await;
        let mistakes = checked.map_or_else(|_| slow(), |checked| checked.err().unwrap_or_default());
        for mistake in &mistakes {
            warn!(chatd.event = "restart-failed", "nobody can go on with the clients: {mistake}");
        }
        mistakes.is_empty()
    }

    /// Takes out everything for the next process. Clients feel nothing but a pause. Accepting must have ended, and
    /// [`settle`](Self::settle) come before.
    pub async fn hand_over(&self, listeners: Vec<(Endpoint, Vec<OwnedFd>)>) -> Handover {
        let (state, parted, handshakes) = {
            let may_tls = self.configuration().handover.tls;
            let (mut connections, now) = (self.driver.lock(), clock::now());
            // Their handshakes were over too late, or they have not taken their goodbye yet.
            for id in connections.ids() {
                if let Some(why) = cannot_be_kept(&connections, may_tls, id) {
                    connections.close(id, now, &restarting(why));
                    connections.turn(id, now);
                    connections.remove(id);
                }
            }
            self.store.keep(connections.state.take_durable());
            let handshakes = self.admissions.open().saturating_sub(connections.len());
            connections.begin_stop();
            let (state, parted) = connections.save(&UNREADABLE);
            (state, parted, handshakes)
        };
        let all = parted.len();
        let clients: Vec<Client> = parted.into_iter().filter_map(part).collect();
        info!(
            chatd.event = "handover",
            "handing over to the next process: {}",
            super::counted(clients.len() as u64, "client")
        );
        let lost = all - clients.len() + handshakes;
        if lost > 0 {
            warn!(
                chatd.event = "handover",
                "disconnected without a goodbye, because their TLS handshake was not over or their key is lost: {}",
                super::counted(lost as u64, "client")
            );
        }
        self.stop_store().await;
        let configured_topic = self.configuration().room.topic.as_str().into();
        let common = Common { program: env!("CARGO_PKG_VERSION").to_owned(), state, configured_topic };
        Handover { common: Ok(common), clients, listeners }
    }

    /// Says goodbye to those who cannot be handed over, and waits until they are gone and no handshake is under way, for a
    /// second at most. The room goes on meanwhile. Accepting must have ended.
    pub async fn settle(&self) {
        let deadline = Instant::now() + SETTLE;
        self.serve_waiting().await;
        let may_tls = self.configuration().handover.tls;
        self.driver
            .for_each(|connections, id| {
                if let Some(why) = cannot_be_kept(connections, may_tls, id) {
                    connections.close(id, clock::now(), &restarting(why));
                }
            })
            .await;
        while Instant::now() < deadline && (self.has_handshakes() || self.has_unsavable(may_tls).await) {
            sleep(SETTLE_CHECK).await;
        }
    }

    /// Whether there are connections whose handshake is not over: they are counted, but not among the connections yet.
    fn has_handshakes(&self) -> bool {
        self.admissions.open() > self.driver.lock().len()
    }

    async fn has_unsavable(&self, may_tls: bool) -> bool {
        let mut any = false;
        self.driver.for_each(|connections, id| any |= cannot_be_kept(connections, may_tls, id).is_some()).await;
        any
    }

    /// Takes over the clients of the process before. To be called before [`run`](Self::run).
    pub(super) fn take_over(&self, clients: Vec<Client>, before: &Before) {
        let (all, mut taken) = (clients.len(), 0);
        let configuration = &self.configuration().clone();
        let mut refused = Vec::new();
        for Client { goodbye, connection, socket } in clients {
            match connection {
                Ok(connection) if self.driver.lock().fits(&connection.session) => {
                    match self.restore(connection, socket, configuration, before) {
                        Ok(_) => taken += 1,
                        Err(refusal) => refused.extend(refusal),
                    }
                }
                _ => Client { goodbye, connection, socket }.turn_away(),
            }
        }
        // Only now is everybody there who is to see them leave.
        for (id, why) in refused {
            self.driver.lock().close(id, clock::now(), &restarting(why));
        }
        let lost = self.driver.lock().remove_lost(clock::now(), &UNREADABLE);
        let mut connections = self.driver.lock();
        let configured = configuration.room.topic.as_str();
        if *before.configured_topic != *configured && *connections.state.room.topic.text != *configured {
            connections.commit(clock::now(), &Event::Topic { by: None, text: configured.into() });
        }
        if configuration.handover.announce_restart {
            connections.commit(clock::now(), &Event::Notice("The server has restarted.".into()));
        }
        drop(connections);
        info!(
            chatd.event = "handover",
            "taken over from chatd {}: {taken} of {}",
            before.program,
            super::counted(all as u64, "client")
        );
        if lost > 0 {
            warn!(chatd.event = "handover", "lost in the restart: {}", super::counted(lost as u64, "user"));
        }
    }

    /// Restores a connection.
    ///
    /// # Errors
    /// It is to be closed, for this reason; or there is none.
    fn restore(
        &self,
        connection: Connection,
        socket: OwnedFd,
        configuration: &Config,
        before: &Before,
    ) -> Result<SessionId, Option<(SessionId, &'static str)>> {
        let Connection { session, transport } = connection;
        let socket = Socket::restore(socket, transport).map_err(|_| None)?;
        let (address, now) = (session.origin().address, clock::now());
        let limits = &configuration.limits;
        let full = self.admissions.open() >= limits.connections;
        let place = self.admissions.enter(address, limits.per_address(address.ip()).connections).filter(|_| !full);
        let refusal = match place {
            None => Some("there are fewer places"),
            Some(_) if *before.room != *configuration.room.name && session.protocol() == "irc" => {
                Some("the room has another name")
            }
            Some(_) => None,
        };
        let admission = place.or_else(|| self.admissions.enter(address, usize::MAX)).ok_or(None)?;
        let mut connections = self.driver.lock();
        let id = connections.insert_saved(now, session, socket, admission);
        let watched = connections.transport(id).map(|socket| self.driver.poller.add(socket.descriptor(), id));
        match (watched, refusal) {
            (Some(Ok(())), None) => Ok(id),
            (Some(Ok(())), Some(why)) => Err(Some((id, why))),
            _ => Err(Some((id, NOT_KEPT))),
        }
    }
}

/// What was handed over, if it can be read; otherwise its clients are sent away.
pub(super) fn opened(handover: Option<Handover>) -> (Option<Common>, Vec<Client>) {
    match handover {
        None => (None, Vec::new()),
        Some(Handover { common: Ok(common), clients, .. }) => (Some(common), clients),
        Some(Handover { common: Err(error), clients, listeners }) => {
            let clients = Handover { common: Err(error.clone()), clients, listeners }.turn_away();
            warn!(
                chatd.event = "handover",
                "what the process before has handed over cannot be used: {error}; disconnected: {}",
                super::counted(clients as u64, "client")
            );
            (None, Vec::new())
        }
    }
}

/// Goes on with the state of the process before, as now configured. `kept`: what is on disk; the disk may have
/// been too slow for the last of it.
pub(super) fn go_on(
    connections: &mut Connections<Socket>,
    common: Common,
    kept: Kept,
    configuration: &Config,
) -> Before {
    let reserved = reserved(&configuration.room.reserved_names, connections.irc());
    let state = &mut connections.state;
    let Common { program, state: saved, configured_topic } = common;
    let saved = SavedState { sequence: saved.sequence.max(kept.sequence), ..saved };
    let room = std::mem::replace(state, saved.restore()).room.name;
    let before = Before { program, room: std::mem::replace(&mut state.room.name, room), configured_topic };
    state.people.set_reserved(reserved);
    state.set_history_limit(history_limit(configuration));
    state.set_durable(!configuration.history.keep.is_zero());
    state.keep_bans(kept.bans);
    before
}

/// What the process before was like.
pub(super) struct Before {
    /// The version of its program.
    pub program: String,
    /// Its room's name.
    pub room: Box<str>,
    /// The topic in its configuration.
    pub configured_topic: Box<str>,
}

/// Why a client cannot be handed over, if so. `may_tls`: whether TLS connections may be.
fn cannot_be_kept(connections: &Connections<Socket>, may_tls: bool, id: SessionId) -> Option<&'static str> {
    match connections.session(id)?.origin().encrypted && !may_tls {
        true => Some("it does not keep TLS connections"),
        false => connections.transport(id)?.cannot_be_saved(),
    }
}

/// A client as it is handed over; `None` if it cannot be, and its connection is closed.
fn part(Parted { session, goodbye, transport }: Parted<Socket>) -> Option<Client> {
    let goodbye = if session.origin().encrypted { Vec::new() } else { goodbye };
    let (socket, transport) = transport.save().ok()?;
    Some(Client { goodbye, connection: Ok(Connection { session, transport }), socket })
}
