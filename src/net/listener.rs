//! Listening sockets: bound here, or handed over by systemd.
//!
//! A listener answers with a socket and an [`Address`] and knows nothing of what is then spoken. How many clients there
//! may be, and what to do when the process runs out of descriptors, is up to whoever accepts.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with, sockopt};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpSocket, UnixSocket, UnixStream};

use super::bind_error::BindError;
use super::inherited::Inherited;
use super::stream::Address;
use super::watched::watched;
use crate::config::Endpoint;

/// Connections that the kernel completes and keeps until they are accepted; `net.core.somaxconn` bounds it further.
const BACKLOG: u32 = 4096;

/// How long a connection may be silent before the kernel asks whether its peer is still there; it then asks nine times,
/// at intervals of 75 s (tcp(7)).
const KEEPALIVE: Duration = Duration::from_secs(10 * 60);

/// The longest path of a Unix socket in bytes (unix(7): `sun_path` less its final zero).
pub(super) const LONGEST_PATH: usize = 107;

/// Who may connect to a Unix socket made here: its owner and its group.
const MODE: Mode = Mode::from_raw_mode(0o660);

/// A socket that clients connect to.
#[derive(Debug)]
pub enum Listener {
    /// On one TCP address.
    Tcp(AsyncFd<TcpListener>),
    /// On a Unix socket.
    Unix {
        /// The socket file, when it was made here; dropped first, see [`SocketFile`].
        file: Option<SocketFile>,
        /// The socket.
        listener: AsyncFd<UnixListener>,
    },
}

impl Listener {
    /// Listens where `endpoint` says; never an empty list.
    ///
    /// A host name listens on every address it has, a name of systemd's on every socket handed over under it. One
    /// address of several that this machine does not have (`localhost` is also `::1` where IPv6 is off) is left out
    /// with a warning. `[::]` takes IPv4 clients too. Must be called on the runtime that is to serve them.
    ///
    /// # Errors
    /// A [`BindError`] that says what to do; nothing stays bound then.
    pub async fn bind(endpoint: &Endpoint, inherited: &mut Inherited) -> Result<Vec<Self>, BindError> {
        match endpoint {
            Endpoint::Tcp(address) => bind_tcp(address).await,
            Endpoint::Unix(path) => Ok(vec![bind_unix(path).await?]),
            Endpoint::Systemd(name) => Ok(inherited.take(name)?),
        }
    }

    /// A TCP listener as clients need it. What is set on it holds for every connection that it accepts (tcp(7)), which
    /// spares each of them the calls. It must be non-blocking.
    pub(super) fn tcp(listener: TcpListener) -> io::Result<Self> {
        // A line is sent when it is said; the delivery's rounds do the batching.
        sockopt::set_tcp_nodelay(&listener, true)?;
        // Whoever has vanished without a word gives up the name some time.
        sockopt::set_socket_keepalive(&listener, true)?;
        sockopt::set_tcp_keepidle(&listener, KEEPALIVE)?;
        Ok(Self::Tcp(watched(listener, Interest::READABLE)?))
    }

    /// A Unix listener, with its file if it was made here. It must be non-blocking.
    pub(super) fn unix(listener: UnixListener, file: Option<SocketFile>) -> io::Result<Self> {
        Ok(Self::Unix { file, listener: watched(listener, Interest::READABLE)? })
    }

    /// The next client's socket, non-blocking, as soon as there is one. Cancel safe.
    ///
    /// # Errors
    /// Of accept(2): the client's own (`ECONNABORTED`; accept again) or the process's (`EMFILE`, …; wait a moment).
    pub async fn accept(&self) -> io::Result<(OwnedFd, Address)> {
        const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);
        fn accept(listener: &impl AsFd) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
            let (socket, address) = acceptfrom_with(listener, FLAGS)?;
            Ok((socket, address.and_then(|address| address.try_into().ok())))
        }
        match self {
            Self::Tcp(listener) => {
                let (socket, address) = listener.async_io(Interest::READABLE, accept).await?;
                let address = address.ok_or(io::ErrorKind::ConnectionAborted)?;
                Ok((socket, address.into()))
            }
            Self::Unix { listener, .. } => {
                let (socket, _) = listener.async_io(Interest::READABLE, accept).await?;
                let uid = sockopt::socket_peercred(&socket)?.uid.as_raw();
                Ok((socket, Address::Unix { uid }))
            }
        }
    }

    /// The TCP address in force, with the port that the kernel chose if 0 was asked for; None for a Unix socket.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.get_ref().local_addr().ok(),
            Self::Unix { .. } => None,
        }
    }

    /// Where it listens, for messages: `127.0.0.1:6667` or the path of the socket.
    pub fn description(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.get_ref().local_addr().map_or_else(|_| "a TCP socket".into(), |a| a.to_string())
            }
            Self::Unix { listener, .. } => {
                let address = listener.get_ref().local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                path.map_or_else(|| "a Unix socket without a path".into(), |path| path.display().to_string())
            }
        }
    }
}

/// The file of a Unix socket that was made here, removed when this is dropped.
///
/// Another process may have put its own socket there in the meantime, so only the very file we made is removed. That is
/// told by its inode, and the inode's number cannot have been given to another file while our socket is still open:
/// this is why it is dropped before the socket is.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    made: fs::Metadata,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if is_same_file(&self.path, &self.made)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!("cannot remove the socket {}: {error}", self.path.display());
        }
    }
}

async fn bind_tcp(address: &str) -> Result<Vec<Listener>, BindError> {
    // A kernel always has IPv4. Looked at first, because names cannot be resolved there either.
    if let Err(error) = TcpSocket::new_v4()
        && Errno::from_io_error(&error) == Some(Errno::AFNOSUPPORT)
    {
        return Err(BindError::Sandbox { address: address.to_owned() });
    }
    let resolve = |source| BindError::Resolve { address: address.to_owned(), source };
    let mut addresses: Vec<SocketAddr> = tokio::net::lookup_host(address).await.map_err(resolve)?.collect();
    addresses.sort();
    addresses.dedup();

    let mut listeners = Vec::with_capacity(addresses.len());
    let mut unavailable = None;
    for address in addresses {
        match listen_tcp(address).map_err(|error| BindError::new(address, error)) {
            Ok(listener) => listeners.push(listener),
            Err(error @ (BindError::NotAvailable { .. } | BindError::NoIpv6 { .. })) => {
                if let Some(earlier) = unavailable.replace(error) {
                    tracing::warn!("not listening there: {earlier}");
                }
            }
            Err(error) => return Err(error),
        }
    }
    match unavailable {
        Some(error) if listeners.is_empty() => Err(error),
        Some(error) => {
            tracing::warn!("not listening there: {error}");
            Ok(listeners)
        }
        None if listeners.is_empty() => Err(resolve(io::Error::new(io::ErrorKind::NotFound, "it has no address"))),
        None => Ok(listeners),
    }
}

fn listen_tcp(address: SocketAddr) -> io::Result<Listener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if address.is_ipv6() {
        // Whatever net.ipv6.bindv6only says: `[::]` means every address, as the configuration's documentation does.
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.set_reuseaddr(true)?; // old connections in TIME-WAIT do not keep a restarted daemon from its port
    socket.bind(address)?;
    Listener::tcp(socket.listen(BACKLOG)?.into_std()?)
}

async fn bind_unix(path: &Path) -> Result<Listener, BindError> {
    if path.as_os_str().len() > LONGEST_PATH {
        return Err(BindError::PathTooLong { path: path.to_owned() });
    }
    let error = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::AnotherDaemon { path: path.to_owned() },
        io::ErrorKind::NotFound => BindError::NoDirectory { path: path.to_owned() },
        _ => BindError::new(path.display(), source),
    };
    remove_stale(path).await?;

    let socket = UnixSocket::new_stream().map_err(error)?;
    bind_with_mode(&socket, path).map_err(error)?;

    let file = SocketFile { path: path.to_owned(), made: fs::symlink_metadata(path).map_err(error)? };
    let listener = socket.listen(BACKLOG).and_then(tokio::net::UnixListener::into_std).map_err(error)?;
    Listener::unix(listener, Some(file)).map_err(error)
}

/// Binds so that the file has [`MODE`] from the moment it appears; before a chmod it could be found with another one.
///
/// The kernel gives it the mode of the socket less the umask. The umask is the whole process's: two threads that change
/// it must not meet, and this one takes nothing from the owner, so that a directory that another thread makes in this
/// moment can still be entered.
fn bind_with_mode(socket: &UnixSocket, path: &Path) -> io::Result<()> {
    static UMASK: Mutex<()> = Mutex::new(());
    rustix::fs::fchmod(socket, MODE)?;
    let _alone = UMASK.lock().unwrap_or_else(PoisonError::into_inner);
    let umask = rustix::process::umask(Mode::RWXO);
    let bound = socket.bind(path);
    rustix::process::umask(umask);
    bound
}

/// Makes way for a new socket at `path` by removing one that nobody listens on, as a crashed daemon leaves behind.
async fn remove_stale(path: &Path) -> Result<(), BindError> {
    let other = |error| BindError::new(path.display(), error);
    let found = match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => found,
        Ok(_) => return Err(BindError::NotASocket { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(other(error)),
    };
    let Err(error) = UnixStream::connect(path).await else {
        return Err(BindError::AnotherDaemon { path: path.to_owned() });
    };
    match error.kind() {
        // Unless another daemon has just been quicker, whose socket bind(2) will then stumble over.
        io::ErrorKind::ConnectionRefused if is_same_file(path, &found) => fs::remove_file(path).map_err(other),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(()),
        // Its queue of connections is full, so somebody listens.
        io::ErrorKind::WouldBlock => Err(BindError::AnotherDaemon { path: path.to_owned() }),
        // A datagram socket.
        _ if Errno::from_io_error(&error) == Some(Errno::PROTOTYPE) => {
            Err(BindError::NotASocket { path: path.to_owned() })
        }
        _ => Err(other(error)),
    }
}

fn is_same_file(path: &Path, file: &fs::Metadata) -> bool {
    fs::symlink_metadata(path).is_ok_and(|now| (now.dev(), now.ino()) == (file.dev(), file.ino()))
}
