//! Listening sockets handed over by systemd, by name (sd_listen_fds(3)).
//!
//! systemd says what there is and under which names; a listener is made of a socket only when the configuration asks
//! for its name. Descriptors that are no listening stream socket are refused then, and nothing else is done to them.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;

use listenfd::ListenFd;
use thiserror::Error;

use super::listener::Listener;

/// The sockets that were handed over and are not yet in use.
pub struct Inherited {
    descriptors: ListenFd,
    /// The name of each descriptor, in systemd's order. Several may have the same one.
    names: Vec<String>,
    /// Which names a configuration has taken.
    taken: Vec<String>,
}

/// Why handed-over sockets cannot be used.
#[derive(Debug, Error)]
pub enum InheritedError {
    /// `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` do not fit together or name descriptors that are not open.
    #[error("the sockets that systemd announces in LISTEN_FDS cannot be taken over: {0}")]
    Environment(#[source] io::Error),
    /// Nothing was handed over at all.
    #[error(
        "systemd handed over no socket, but {name:?} is wanted: start the .socket unit \
         that has FileDescriptorName={name}"
    )]
    Nothing {
        /// The name that was asked for.
        name: String,
    },
    /// There are other names, but not this one.
    #[error(
        "systemd handed over no socket named {name:?}, only {}: see FileDescriptorName= in its .socket unit",
        list(present)
    )]
    Missing {
        /// The name that was asked for.
        name: String,
        /// The names there are, each once.
        present: Vec<String>,
    },
    /// The same name was asked for twice.
    #[error("the socket named {name:?} is already in use by another listener of the configuration")]
    Taken {
        /// The name that was asked for.
        name: String,
    },
    /// A datagram socket, a FIFO, a connection, …
    #[error(
        "what systemd handed over as {name:?} is not a listening TCP or Unix stream socket: \
         its .socket unit needs ListenStream= and Accept=no"
    )]
    Kind {
        /// The name that was asked for.
        name: String,
    },
    /// The socket is right, but the runtime cannot work with it.
    #[error("the socket that systemd handed over as {name:?} cannot be used: {source}")]
    Unusable {
        /// The name that was asked for.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Inherited {
    /// No sockets, as when nobody handed any over.
    pub fn none() -> Self {
        Self { descriptors: ListenFd::empty(), names: Vec::new(), taken: Vec::new() }
    }

    /// Takes over what the environment announces; nothing announced, or meant for another process, is none.
    ///
    /// Removes `LISTEN_PID` and `LISTEN_FDS` from the environment, so call it once, before the first thread starts.
    ///
    /// # Errors
    /// [`InheritedError::Environment`] when the variables make no sense.
    pub fn from_environment() -> Result<Self, InheritedError> {
        let announced = sd_notify::listen_fds_with_names().map_err(InheritedError::Environment)?;
        let names: Vec<String> = announced.map(|(_, name)| name).collect();
        if names.is_empty() {
            return Ok(Self::none());
        }
        let descriptors = ListenFd::from_env();
        if descriptors.len() != names.len() {
            let mismatch = io::Error::new(io::ErrorKind::InvalidInput, "their number and their names differ");
            return Err(InheritedError::Environment(mismatch));
        }
        Ok(Self { descriptors, names, taken: Vec::new() })
    }

    /// Every socket with this name, in the order of the unit's `ListenStream=` lines; never an empty list.
    ///
    /// Must be called on the runtime that is to serve them.
    ///
    /// # Errors
    /// Every [`InheritedError`] but [`InheritedError::Environment`].
    pub fn take(&mut self, name: &str) -> Result<Vec<Listener>, InheritedError> {
        let name = name.to_owned();
        if self.taken.contains(&name) {
            return Err(InheritedError::Taken { name });
        }
        if self.names.is_empty() {
            return Err(InheritedError::Nothing { name });
        }
        let indices: Vec<usize> = (0..).zip(&self.names).filter(|(_, n)| **n == name).map(|(index, _)| index).collect();
        if indices.is_empty() {
            return Err(InheritedError::Missing { name, present: each_once(&self.names) });
        }
        let listeners = indices.into_iter().map(|index| self.listener(index, &name)).collect::<Result<_, _>>()?;
        self.taken.push(name);
        Ok(listeners)
    }

    /// The names that no configuration has taken, each once; their clients would wait for ever.
    pub fn unused(&self) -> Vec<String> {
        each_once(self.names.iter().filter(|name| !self.taken.contains(name)))
    }

    fn listener(&mut self, index: usize, name: &str) -> Result<Listener, InheritedError> {
        // `listenfd` refuses a wrong family or type and leaves the descriptor where it is.
        if let Ok(Some(socket)) = self.descriptors.take_tcp_listener(index) {
            require_listening(&socket, name)?;
            return socket
                .set_nonblocking(true)
                .and_then(|()| Listener::tcp(socket))
                .map_err(|source| InheritedError::Unusable { name: name.to_owned(), source });
        }
        if let Ok(Some(socket)) = self.descriptors.take_unix_listener(index) {
            require_listening(&socket, name)?;
            return socket
                .set_nonblocking(true)
                .and_then(|()| Listener::unix(socket, None))
                .map_err(|source| InheritedError::Unusable { name: name.to_owned(), source });
        }
        Err(InheritedError::Kind { name: name.to_owned() })
    }
}

/// `Accept=yes` hands over a connection where a listening socket is expected.
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

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    quoted.join(", ")
}
