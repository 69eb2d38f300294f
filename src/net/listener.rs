//! Listening sockets: bound by the daemon, or passed by systemd.
//!
//! A listener accepts sockets with their [`Address`]; it knows nothing of protocols. Its caller enforces the connection
//! limits and handles running out of descriptors.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{SocketFlags, acceptfrom_with, sockopt};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::reactor::register;
use super::stream::Address;

/// How long a connection may be idle before the kernel sends TCP keepalive probes; it sends nine, 75 s apart (tcp(7)).
const KEEPALIVE: Duration = Duration::from_secs(10 * 60);

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// A TCP socket.
    Tcp(AsyncFd<TcpListener>),
    /// A Unix socket.
    Unix {
        /// The socket file, if the daemon created it. Must be dropped before the socket, see [`SocketFile`].
        file: Option<SocketFile>,
        /// The socket.
        listener: AsyncFd<UnixListener>,
    },
}

impl Listener {
    /// Sets up a non-blocking TCP listener. Accepted connections inherit its socket options (tcp(7)), which saves
    /// system calls for each of them.
    pub(super) fn tcp(listener: TcpListener) -> io::Result<Self> {
        // Nagle's algorithm would delay lines; the delivery rounds already batch them.
        sockopt::set_tcp_nodelay(&listener, true)?;
        // Detects clients that vanished without closing, so that their names become free.
        sockopt::set_socket_keepalive(&listener, true)?;
        sockopt::set_tcp_keepidle(&listener, KEEPALIVE)?;
        Ok(Self::Tcp(register(listener, Interest::READABLE)?))
    }

    /// Sets up a non-blocking Unix listener; `file` is its file, if the daemon created it.
    pub(super) fn unix(listener: UnixListener, file: Option<SocketFile>) -> io::Result<Self> {
        Ok(Self::Unix { file, listener: register(listener, Interest::READABLE)? })
    }

    /// Accepts the next connection; the socket is non-blocking. Cancel-safe.
    ///
    /// # Errors
    /// The errors of accept(2): the client's (`ECONNABORTED`: accept again) or the process's (`EMFILE` and the like:
    /// wait a moment).
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

    /// The bound TCP address, with the port that the kernel chose if port 0 was requested; `None` for a Unix socket.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.get_ref().local_addr().ok(),
            Self::Unix { .. } => None,
        }
    }

    /// The address for messages: `127.0.0.1:6667` or the path of the socket.
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

/// The file of a Unix socket that the daemon created. Dropping it removes the file.
///
/// Another process may have replaced the file in the meantime, so it is removed only if its inode is still the one
/// created here. The inode number cannot be reused while the socket is open, so drop this before the socket.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    made: fs::Metadata,
}

impl SocketFile {
    /// The file just created at `path`.
    pub(super) fn created_at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), made: fs::symlink_metadata(path)? })
    }
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

/// Whether `path` is still this file.
pub(super) fn is_same_file(path: &Path, file: &fs::Metadata) -> bool {
    fs::symlink_metadata(path).is_ok_and(|now| (now.dev(), now.ino()) == (file.dev(), file.ino()))
}
