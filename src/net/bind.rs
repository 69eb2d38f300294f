//! Binds the listeners of an endpoint in the configuration.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::sockopt;
use tokio::net::{TcpSocket, UnixSocket, UnixStream};

use super::bind_error::{BindError, MAX_PATH};
use super::inherited::Inherited;
use super::listener::{Listener, SocketFile, is_same_file};
use crate::config::Endpoint;

/// The accept queue: completed connections that the kernel holds until they are accepted. `net.core.somaxconn` limits
/// it further.
const BACKLOG: u32 = 4096;

/// The mode of a Unix socket bound by the daemon: its owner and group may connect.
const MODE: Mode = Mode::from_raw_mode(0o660);

impl Listener {
    /// Closes what the process before had bound and nobody wants any more, because it may keep an address from one that
    /// is wanted.
    pub async fn close_unwanted(inherited: &mut Inherited, is_wanted: impl Fn(&Endpoint) -> bool) {
        for endpoint in inherited.close_unwanted(is_wanted) {
            if let Endpoint::Unix(path) = endpoint {
                // A file that is left is in nobody's way.
                let _ = remove_stale(&path).await;
            }
        }
    }

    /// Listens on `endpoint`, with the sockets of the process before if it had some; the list is never empty.
    ///
    /// A host name gives a listener for each of its addresses, a systemd name one for each socket passed under it. If a
    /// name has several addresses and this machine lacks one of them (`localhost` is also `::1`, even with IPv6
    /// disabled), that one is skipped with a warning. `[::]` accepts IPv4 clients too. Must be called on the runtime
    /// that will serve the listeners.
    ///
    /// # Errors
    /// A [`BindError`] that says what to do; no socket stays bound.
    pub async fn bind(endpoint: &Endpoint, inherited: &mut Inherited) -> Result<Vec<Self>, BindError> {
        let bound = inherited.take_bound(endpoint);
        if !bound.is_empty() {
            return Ok(bound);
        }
        match endpoint {
            Endpoint::Tcp(address) => bind_tcp(address).await,
            Endpoint::Unix(path) => Ok(vec![bind_unix(path).await?]),
            Endpoint::Systemd(name) => Ok(inherited.take(name)?),
        }
    }
}

async fn bind_tcp(address: &str) -> Result<Vec<Listener>, BindError> {
    // Every kernel with a network has IPv4. Checked first, because names cannot be resolved in the sandbox either.
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
        // `[::]` means all addresses, as documented, whatever net.ipv6.bindv6only says.
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.set_reuseaddr(true)?; // old connections in TIME-WAIT do not keep a restarted daemon from its port
    socket.bind(address)?;
    Listener::tcp(socket.listen(BACKLOG)?.into_std()?)
}

async fn bind_unix(path: &Path) -> Result<Listener, BindError> {
    if path.as_os_str().len() > MAX_PATH {
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

    let file = SocketFile::created_at(path).map_err(error)?;
    let listener = socket.listen(BACKLOG).and_then(tokio::net::UnixListener::into_std).map_err(error)?;
    Listener::unix(listener, Some(file)).map_err(error)
}

/// Binds so that the file has [`MODE`] from the moment it exists; with a chmod afterwards it could briefly be opened
/// with another mode.
///
/// The kernel sets the mode to the socket's less the umask. The umask belongs to the whole process, so no two threads
/// may change it at once. This one leaves the owner all rights, so that a directory created by another thread in the
/// meantime remains usable.
fn bind_with_mode(socket: &UnixSocket, path: &Path) -> io::Result<()> {
    static UMASK: Mutex<()> = Mutex::new(());
    rustix::fs::fchmod(socket, MODE)?;
    let _alone = UMASK.lock().unwrap_or_else(PoisonError::into_inner);
    let umask = rustix::process::umask(Mode::RWXO);
    let bound = socket.bind(path);
    rustix::process::umask(umask);
    bound
}

/// Removes a stale socket at `path` that nobody listens on, left behind by a daemon that crashed.
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
        // If another daemon has replaced it in the meantime, bind(2) reports that.
        io::ErrorKind::ConnectionRefused if is_same_file(path, &found) => fs::remove_file(path).map_err(other),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(()),
        // The accept queue is full, so a daemon is listening.
        io::ErrorKind::WouldBlock => Err(BindError::AnotherDaemon { path: path.to_owned() }),
        // A datagram socket.
        _ if Errno::from_io_error(&error) == Some(Errno::PROTOTYPE) => {
            Err(BindError::NotASocket { path: path.to_owned() })
        }
        _ => Err(other(error)),
    }
}
