//! Listening sockets passed by systemd, selected by name (sd_listen_fds(3)).
//!
//! A socket becomes a listener only when the configuration asks for its name. Only then is it checked: a descriptor
//! that is not a listening stream socket is rejected and otherwise left alone.

use std::collections::BTreeSet;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use listenfd::ListenFd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use thiserror::Error;

use super::listener::{Listener, SocketFile};
use crate::config::Endpoint;

/// The socket units that the package installs, each with its `FileDescriptorName=`.
const UNITS: &[(&str, &str)] =
    &[("plain", "chatd.socket"), ("tls", "chatd-tls.socket"), ("admin", "chatd-admin.socket")];

/// The sockets passed by systemd, and those that the process before had bound. All stay open until the daemon has taken
/// those it needs.
pub struct Inherited {
    /// Passed by systemd, in its order; names may repeat.
    sockets: Vec<(String, Socket)>,
    /// Bound by the process before.
    bound: Vec<(Endpoint, Vec<Socket>)>,
    /// The socket that holds what the process before has handed over.
    handover: Option<OwnedFd>,
    /// Names that have been taken.
    taken: Vec<String>,
}

/// One passed descriptor.
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
    /// Not a stream socket.
    Other,
}

/// Why a passed socket cannot be used.
#[derive(Debug, Error)]
pub enum InheritedError {
    /// `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` are inconsistent, or name descriptors that are not open.
    #[error("the sockets that systemd announces in LISTEN_FDS cannot be taken over: {0}")]
    Environment(#[source] io::Error),
    /// The daemon was not started by systemd.
    #[error(
        "the socket {name:?} is systemd's to hand over, but this chatd was not started by systemd: \
         start it with \"systemctl start chatd\", or with --config and a file that has addresses of its own"
    )]
    NoSystemd {
        /// The requested name.
        name: String,
    },
    /// systemd passed no socket with this name.
    #[error("systemd handed over no socket named {name:?}{}: {}", only(present), advice(name))]
    Missing {
        /// The requested name.
        name: String,
        /// The names that were passed, without duplicates.
        present: Vec<String>,
    },
    /// The same name was requested twice.
    #[error("the socket named {name:?} is already in use by another listener of the configuration")]
    Taken {
        /// The requested name.
        name: String,
    },
    /// A datagram socket, a FIFO, a connection or the like.
    #[error(
        "what systemd handed over as {name:?} is not a listening TCP or Unix stream socket: \
         its .socket unit needs ListenStream= and Accept=no"
    )]
    Kind {
        /// The requested name.
        name: String,
    },
    /// The socket is right, but the runtime could not use it.
    #[error("the socket that systemd handed over as {name:?} cannot be used: {source}")]
    Unusable {
        /// The requested name.
        name: String,
        /// The kernel's error.
        source: io::Error,
    },
}

impl Inherited {
    /// No sockets, as if the daemon had not been started by systemd.
    pub fn none() -> Self {
        Self { sockets: Vec::new(), bound: Vec::new(), handover: None, taken: Vec::new() }
    }

    /// Takes over the sockets announced in the environment; none if the variables are unset or meant for another
    /// process. `handover`: the name of the socket for [`take_handover`](Self::take_handover).
    ///
    /// Removes `LISTEN_PID` and `LISTEN_FDS` from the environment, so call it once, before any other thread starts.
    ///
    /// # Errors
    /// [`InheritedError::Environment`] if the variables are inconsistent.
    pub fn from_environment(handover: &str) -> Result<Self, InheritedError> {
        let announced = sd_notify::listen_fds_with_names().map_err(InheritedError::Environment)?;
        let names: Vec<String> = announced.map(|(_, name)| name).collect();
        if names.is_empty() {
            return Ok(Self::none());
        }
        let mut descriptors = ListenFd::from_env();
        if descriptors.len() != names.len() {
            let mismatch = io::Error::new(io::ErrorKind::InvalidInput, "their number and their names differ");
            return Err(InheritedError::Environment(mismatch));
        }
        // `listenfd` rejects a wrong family or type without taking the descriptor.
        let mut inherited = Self::none();
        for (index, name) in names.into_iter().enumerate() {
            if name == handover {
                let family = i32::from(AddressFamily::UNIX.as_raw());
                // A number below 16.
                let kind = SocketType::SEQPACKET.as_raw() as i32;
                // One that is something else is ignored, like whatever nobody asks for.
                inherited.handover =
                    descriptors.take_custom(index, family, kind, "what was handed over").ok().flatten();
            } else {
                let socket = match descriptors.take_tcp_listener(index) {
                    Ok(Some(socket)) => Socket::Tcp(socket),
                    _ => descriptors.take_unix_listener(index).ok().flatten().map_or(Socket::Other, Socket::Unix),
                };
                inherited.sockets.push((name, socket));
            }
        }
        Ok(inherited)
    }

    /// Removes and returns the socket that holds what the process before has handed over.
    pub fn take_handover(&mut self) -> Option<OwnedFd> {
        self.handover.take()
    }

    /// Adds the listeners of the process before. A name that systemd has passed sockets for, too, means these.
    pub fn add_bound(&mut self, listeners: Vec<(Endpoint, Vec<OwnedFd>)>) {
        for (endpoint, sockets) in listeners {
            let sockets = sockets.into_iter().map(|socket| match sockopt::socket_domain(&socket) {
                _ if sockopt::socket_acceptconn(&socket) != Ok(true) => Socket::Other,
                Ok(AddressFamily::UNIX) => Socket::Unix(socket.into()),
                _ => Socket::Tcp(socket.into()),
            });
            match endpoint {
                Endpoint::Systemd(name) if self.names().any(|known| *known == name) => {}
                Endpoint::Systemd(name) => self.sockets.extend(sockets.map(|socket| (name.clone(), socket))),
                endpoint => self.bound.push((endpoint, sockets.collect())),
            }
        }
    }

    /// Closes what the process before had bound for endpoints that are not wanted, and returns these.
    pub(super) fn close_unwanted(&mut self, is_wanted: impl Fn(&Endpoint) -> bool) -> Vec<Endpoint> {
        let unwanted = self.bound.extract_if(.., |(endpoint, _)| !is_wanted(endpoint));
        unwanted.map(|(endpoint, _)| endpoint).collect()
    }

    /// Removes and returns the listeners that the process before had bound for this endpoint; empty if there are none that
    /// can be used. Must be called on the runtime that will serve them.
    pub(super) fn take_bound(&mut self, endpoint: &Endpoint) -> Vec<Listener> {
        let Some(place) = self.bound.iter().position(|(known, _)| known == endpoint) else { return Vec::new() };
        let listener = |socket| match (socket, endpoint) {
            (Socket::Tcp(socket), _) => Listener::tcp(socket).ok(),
            // Without its file, nobody can connect to it.
            (Socket::Unix(socket), Endpoint::Unix(path)) => {
                Listener::unix(socket, Some(SocketFile::created_at(path).ok()?)).ok()
            }
            _ => None,
        };
        self.bound.remove(place).1.into_iter().filter_map(listener).collect()
    }

    /// All sockets with this name, in the order of the unit's `ListenStream=` lines; never empty.
    ///
    /// Must be called on the runtime that will serve them.
    ///
    /// # Errors
    /// Any [`InheritedError`] except [`InheritedError::Environment`].
    pub fn take(&mut self, name: &str) -> Result<Vec<Listener>, InheritedError> {
        let named = self.sockets.iter().filter(|(known, _)| known == name);
        let listeners = named.map(|(_, socket)| listener(socket, name)).collect::<Result<Vec<_>, _>>()?;
        let name = name.to_owned();
        if self.taken.contains(&name) {
            return Err(InheritedError::Taken { name });
        }
        if listeners.is_empty() {
            return Err(match std::env::var_os("NOTIFY_SOCKET") {
                None if self.sockets.is_empty() => InheritedError::NoSystemd { name },
                _ => InheritedError::Missing { name, present: each_once(self.names()) },
            });
        }
        self.taken.push(name);
        Ok(listeners)
    }

    /// The names that no listener has taken, without duplicates. Their clients would wait in vain.
    pub fn unused(&self) -> Vec<String> {
        each_once(self.names().filter(|name| !self.taken.contains(name)))
    }

    /// The name of the TCP socket that was passed for this port, and its unit.
    pub fn on_port(&self, port: u16) -> Option<(String, String)> {
        let here = |socket: &Socket| match socket {
            Socket::Tcp(socket) => socket.local_addr().is_ok_and(|address| address.port() == port),
            _ => false,
        };
        let (name, _) = self.sockets.iter().find(|(_, socket)| here(socket))?;
        Some((name.clone(), unit(name).map_or_else(|| "its .socket unit".to_owned(), str::to_owned)))
    }

    /// Accepts at most one connection from each socket, taken or not, with whether the client is on this machine (a
    /// Unix socket). Waits up to `patience` for the first one.
    ///
    /// # Errors
    /// poll(2) failed or was interrupted by a signal.
    pub fn accept_waiting(&self, patience: Duration) -> io::Result<Vec<(OwnedFd, bool)>> {
        let mut waited: Vec<PollFd<'_>> = Vec::new();
        for (_, socket) in &self.sockets {
            match socket {
                Socket::Tcp(socket) => waited.push(PollFd::new(socket, PollFlags::IN)),
                Socket::Unix(socket) => waited.push(PollFd::new(socket, PollFlags::IN)),
                Socket::Other => {}
            }
        }
        let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
        poll(&mut waited, Some(&patience))?;
        let accepted = self.sockets.iter().filter_map(|(_, socket)| match socket {
            Socket::Tcp(socket) => Some((accept(socket)?, false)),
            Socket::Unix(socket) => Some((accept(socket)?, true)),
            Socket::Other => None,
        });
        Ok(accepted.collect())
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.sockets.iter().map(|(name, _)| name)
    }
}

fn listener(socket: &Socket, name: &str) -> Result<Listener, InheritedError> {
    let unusable = |source| InheritedError::Unusable { name: name.to_owned(), source };
    match socket {
        Socket::Tcp(socket) => {
            require_listening(socket, name)?;
            socket.set_nonblocking(true).and_then(|()| Listener::tcp(socket.try_clone()?)).map_err(unusable)
        }
        Socket::Unix(socket) => {
            require_listening(socket, name)?;
            socket.set_nonblocking(true).and_then(|()| Listener::unix(socket.try_clone()?, None)).map_err(unusable)
        }
        Socket::Other => Err(InheritedError::Kind { name: name.to_owned() }),
    }
}

/// Accepts a connection if one is waiting. The new socket is blocking, whatever the listening socket is.
fn accept(socket: &impl AsFd) -> Option<OwnedFd> {
    rustix::io::ioctl_fionbio(socket, true).ok()?;
    rustix::net::accept_with(socket, SocketFlags::CLOEXEC).ok()
}

/// Rejects a connected socket, which a unit with `Accept=yes` passes.
fn require_listening(socket: &impl AsFd, name: &str) -> Result<(), InheritedError> {
    match rustix::net::sockopt::socket_acceptconn(socket) {
        Ok(true) => Ok(()),
        Ok(false) => Err(InheritedError::Kind { name: name.to_owned() }),
        Err(errno) => Err(InheritedError::Unusable { name: name.to_owned(), source: errno.into() }),
    }
}

fn each_once<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let names: BTreeSet<&String> = names.into_iter().collect();
    names.into_iter().cloned().collect()
}

/// The names that were passed, if any, for an error message.
fn only(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    if quoted.is_empty() { String::new() } else { format!(", only {}", quoted.join(", ")) }
}

fn unit(name: &str) -> Option<&'static str> {
    UNITS.iter().find(|(known, _)| *known == name).map(|(_, unit)| *unit)
}

/// What to do about a missing name.
fn advice(name: &str) -> String {
    match unit(name) {
        // Start the socket and not restart it: systemd refuses to start a socket whose service is running, and a
        // service that fails to start counts as running for a while.
        Some(unit) => format!(
            "{unit} is not running; \"systemctl status {unit}\" says why, and afterwards: systemctl stop chatd && \
             systemctl start {unit} chatd"
        ),
        None => format!(
            "the .socket unit with FileDescriptorName={name} and Service=chatd.service is not running; \
             \"systemctl list-units --all --type=socket\" says why"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_socket_unit_sets_its_descriptor_name() {
        for (name, unit) in UNITS {
            let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(unit);
            let text = std::fs::read_to_string(file).unwrap();
            assert!(text.contains(&format!("\nFileDescriptorName={name}\n")), "{unit}");
        }
    }
}
