//! Handing over: what a daemon passes to the process that goes on in its place, so that no client notices a restart.
//!
//! The old process puts its state (people, the room, every session) into a file in memory, and that file's descriptor, its
//! clients' sockets and its listeners into one socket, as messages. The socket is then all that is to be kept: by systemd in
//! its descriptor store, from the end of the old process to the start of the next, or as the standard input of the same
//! process, which executes the program anew.
//!
//! Nothing here knows what a session is: it is told what to write, and gives back what was written. Whoever reads must
//! be prepared for anything: another version's state, a damaged one, descriptors that are missing.

mod format;
mod parcel;
mod reexec;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::net::{SendFlags, Shutdown};
use serde::{Deserialize, Serialize};

pub use format::{FormatError, VERSION};
pub use parcel::{Opened, Parcel};
pub use reexec::{execute, received};

use crate::config::Endpoint;
use crate::net::SavedTransport;
use crate::room::SavedState;
use crate::session::SavedSession;
use format::Frame;

/// The name under which systemd keeps the socket.
pub const NAME: &str = "handover";

/// What concerns all clients.
#[derive(Serialize, Deserialize)]
pub struct Common {
    /// The version of the program that has written it.
    pub program: String,
    /// People, the room, and the place in the log.
    pub state: SavedState,
    /// The topic in the configuration, by which a change of it is noticed.
    pub configured_topic: Box<str>,
}

/// A client's connection.
#[derive(Serialize, Deserialize)]
pub struct Connection {
    /// The session.
    pub session: SavedSession,
    /// Its transport, without the descriptor.
    pub transport: SavedTransport,
}

/// A client, as it is handed over.
pub struct Client {
    /// What it is sent if its session cannot be restored. Empty over TLS, where only the session can send something.
    pub goodbye: Vec<u8>,
    /// Its connection; or why that cannot be read.
    pub connection: Result<Connection, FormatError>,
    /// Its socket.
    pub socket: OwnedFd,
}

/// Everything that is handed over.
pub struct Handover {
    /// What concerns all clients; or why that cannot be read.
    pub common: Result<Common, FormatError>,
    /// The clients.
    pub clients: Vec<Client>,
    /// The listeners that the daemon has: the sockets of each endpoint in the configuration.
    pub listeners: Vec<(Endpoint, Vec<OwnedFd>)>,
}

impl Handover {
    /// Puts everything into one socket, which keeps all descriptors open.
    ///
    /// # Errors
    /// The system refuses the file in memory, or to pass so many descriptors (`RLIMIT_NOFILE`).
    pub fn pack(&self) -> io::Result<Parcel> {
        let frames = self.clients.iter().map(|client| Frame {
            goodbye: client.goodbye.clone(),
            payload: client.connection.as_ref().map(encode).unwrap_or_default(),
        });
        let endpoints: Vec<(&Endpoint, usize)> =
            self.listeners.iter().map(|(endpoint, sockets)| (endpoint, sockets.len())).collect();
        let sockets = self.listeners.iter().flat_map(|(_, sockets)| sockets);
        let order = encode(&(self.clients.len(), endpoints));
        let common = self.common.as_ref().map(encode).unwrap_or_default();
        let descriptors = self.clients.iter().map(|client| &client.socket).chain(sockets);
        let descriptors: Vec<BorrowedFd<'_>> = descriptors.map(|socket| socket.as_fd()).collect();
        Parcel::pack(&format::write(&order, &common, &frames.collect::<Vec<_>>()), &descriptors)
    }

    /// Takes everything out of a socket. What is missing or damaged is left out; nothing is trusted.
    ///
    /// # Errors
    /// The socket holds no state at all.
    pub fn unpack(parcel: Parcel) -> io::Result<Handover> {
        let opened = parcel.open()?;
        let (order, common, frames) = match format::read(&opened.state) {
            Ok(read) => (read.order, read.common.and_then(|common| decode(&common)), read.frames),
            Err(error) => (Vec::new(), Err(error), Vec::new()),
        };
        // If that is damaged, the frames are all that is known.
        let (count, endpoints): (usize, Vec<(Endpoint, usize)>) =
            decode(&order).unwrap_or_else(|_| (frames.len(), Vec::new()));
        let mut sockets = opened.descriptors.into_iter();
        let of_clients: Vec<Option<OwnedFd>> = sockets.by_ref().take(count).collect();
        let clients = frames.into_iter().zip(of_clients).filter_map(|(Frame { goodbye, payload }, socket)| {
            let connection = payload.and_then(|payload| decode(&payload));
            Some(Client { goodbye, connection, socket: socket? })
        });
        let clients = clients.collect();
        let listeners = |(endpoint, count)| (endpoint, sockets.by_ref().take(count).flatten().collect());
        let listeners = endpoints.into_iter().map(listeners).collect();
        Ok(Handover { common, clients, listeners })
    }

    /// The same as the next process would have read it, for this one to go on with.
    #[must_use]
    pub fn reread(self) -> Handover {
        let Handover { common, clients, listeners } = self;
        let reread = |Client { goodbye, connection, socket }| {
            let connection = connection.and_then(|connection| decode(&encode(&connection)));
            Client { goodbye, connection, socket }
        };
        let common = common.and_then(|common| decode(&encode(&common)));
        Handover { common, clients: clients.into_iter().map(reread).collect(), listeners }
    }

    /// Closes all clients' connections, because there is nobody who could go on with them. Returns how many there were.
    pub fn turn_away(self) -> usize {
        let all = self.clients.len();
        self.clients.into_iter().for_each(Client::turn_away);
        all
    }
}

impl Client {
    /// Closes the connection, with the goodbye if that can be sent.
    pub fn turn_away(self) {
        // Nothing more can be done for a client whose buffer is full or who is gone.
        let _ = rustix::net::send(&self.socket, &self.goodbye, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    // Serializing into a vector fails only for types without a length known in advance; these have none of them.
    postcard::to_allocvec(value).unwrap_or_default()
}

fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, FormatError> {
    postcard::from_bytes(bytes).map_err(|_| FormatError::Damaged)
}
