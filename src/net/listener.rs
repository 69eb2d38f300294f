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

/// How long nothing may arrive before the kernel asks whether the client is still there (tcp(7), `TCP_KEEPIDLE`). A client
/// whose machine has vanished keeps its name until [`VANISHED`] is over. So it is short; the system's default is two hours.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(45);
/// The time between two such questions. Several, because a network may lose one.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How many of them may stay unanswered.
const KEEPALIVE_PROBES: u32 = 3;
/// How long a client may neither acknowledge what was sent nor have space for it (tcp(7), `TCP_USER_TIMEOUT`). It is the
/// time that the questions take, because the kernel asks none while data waits, and applies this limit to them, too. It is
/// longer than the limit for a client that reads nothing, whose reason says more than "timed out".
const VANISHED: Duration = KEEPALIVE_IDLE.saturating_add(KEEPALIVE_INTERVAL.saturating_mul(KEEPALIVE_PROBES));

/// What the kernel may keep for a client that reads nothing, and of one whose input is not read yet, in bytes (socket(7),
/// `SO_SNDBUF`). It adds as much for its own. By itself it would let each of them grow to megabytes, which count as the
/// daemon's memory (`MemoryMax=`) and which no other limit knows of. It is enough for `room-rate` over the slowest of networks.
const KERNEL_BUFFER: usize = 64 << 10;

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
        sockopt::set_socket_send_buffer_size(&listener, KERNEL_BUFFER)?;
        sockopt::set_socket_recv_buffer_size(&listener, KERNEL_BUFFER)?;
        // Detects clients that vanished without closing, so that their names become free.
        sockopt::set_socket_keepalive(&listener, true)?;
        sockopt::set_tcp_keepidle(&listener, KEEPALIVE_IDLE)?;
        sockopt::set_tcp_keepintvl(&listener, KEEPALIVE_INTERVAL)?;
        sockopt::set_tcp_keepcnt(&listener, KEEPALIVE_PROBES)?;
        sockopt::set_tcp_user_timeout(&listener, u32::try_from(VANISHED.as_millis()).unwrap_or(u32::MAX))?;
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

    /// The descriptor, for the next process. The socket's file stays.
    pub fn into_descriptor(self) -> OwnedFd {
        match self {
            Self::Tcp(listener) => listener.into_inner().into(),
            Self::Unix { file, listener } => {
                if let Some(file) = file {
                    file.keep();
                }
                listener.into_inner().into()
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

    /// Leaves the file, because another process goes on with the socket.
    pub fn keep(self) {
        std::mem::forget(self);
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

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn an_accepted_connection_is_bounded_and_ends_when_its_client_has_vanished() {
        let listener = TcpListener::bind("[::1]:0").or_else(|_| TcpListener::bind("127.0.0.1:0")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = Listener::tcp(listener).unwrap();
        let _client = TcpStream::connect(listener.tcp_address().unwrap()).unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        assert!(sockopt::socket_keepalive(&socket).unwrap());
        let idle = sockopt::tcp_keepidle(&socket).unwrap();
        let asking = sockopt::tcp_keepintvl(&socket).unwrap() * sockopt::tcp_keepcnt(&socket).unwrap();
        assert_eq!(idle + asking, Duration::from_secs(90));
        assert_eq!(sockopt::tcp_user_timeout(&socket).unwrap(), 90_000);
        assert_eq!(sockopt::socket_send_buffer_size(&socket).unwrap(), 2 * KERNEL_BUFFER);
        assert_eq!(sockopt::socket_recv_buffer_size(&socket).unwrap(), 2 * KERNEL_BUFFER);
    }
}
