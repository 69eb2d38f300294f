//! A client's byte stream and address, for TCP and Unix sockets alike.
//!
//! A stream stores the readiness that the [`Poller`](super::Poller) reported, which avoids system calls that would only
//! return EAGAIN. It has no buffer: an idle client costs a descriptor and three flags. It does not deal with TLS;
//! rustls writes to a [`Stream`] through [`io::Write`].

use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipnet::IpNet;
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, sockopt};

/// The maximum number of buffers in one writev(2) (`IOV_MAX`).
const MAX_PIECES: usize = 1024;

/// How long the peer of a closed connection may take nothing of what the kernel still has for it, in milliseconds. Such a
/// connection counts for no limit any more, and its buffer may hold megabytes; without this, the kernel keeps them for
/// minutes.
const PATIENCE_AFTER_CLOSE: u32 = 15_000;

/// A connected, non-blocking stream socket; a TCP one has Nagle's algorithm disabled.
#[derive(Debug)]
pub struct Stream {
    socket: OwnedFd,
    /// There may be input.
    readable: bool,
    /// There may be space in the send buffer.
    writable: bool,
    /// The peer has shut down its side or the connection broke. Reading reports which, after all other input.
    ended: bool,
    /// The connection broke, and nobody has asked why.
    broken: bool,
}

/// What has happened to a socket since the last report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Input has arrived, or the end of the stream, or an error.
    pub readable: bool,
    /// There is space in the send buffer again.
    pub writable: bool,
    /// The peer has shut down its side, or the connection broke.
    pub ended: bool,
    /// The connection broke: the peer has reset it, or was not heard of for too long.
    pub broken: bool,
}

impl From<OwnedFd> for Stream {
    /// Wraps a non-blocking socket; nothing is assumed about its readiness.
    fn from(socket: OwnedFd) -> Stream {
        Stream { socket, readable: false, writable: true, ended: false, broken: false }
    }
}

impl From<Stream> for OwnedFd {
    fn from(stream: Stream) -> OwnedFd {
        stream.socket
    }
}

impl Stream {
    /// Records an event from the poller.
    pub fn note(&mut self, readiness: Readiness) {
        self.ended |= readiness.ended;
        self.broken |= readiness.broken;
        self.readable |= readiness.readable || readiness.ended;
        self.writable |= readiness.writable;
    }

    /// Whether there may be input, including the end of the stream and errors.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Whether there may be space in the send buffer.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Reads available input. Returns 0 at the end of the stream and [`ErrorKind::WouldBlock`] if there is no input
    /// yet.
    ///
    /// A short read has emptied the socket, which saves a second `recv` that would only return EAGAIN (epoll(7),
    /// question 9). Urgent data and passed descriptors also cut a read short; input from a client that sends those is
    /// read on when more arrives.
    ///
    /// # Errors
    /// The socket's error.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.readable {
            return Err(ErrorKind::WouldBlock.into());
        }
        let wanted = buffer.len();
        let read = rustix::io::read(&self.socket, buffer).map_err(io::Error::from);
        match &read {
            // The end of the stream causes no further event, so it must be read now.
            Ok(length) if 0 < *length && *length < wanted => self.readable = self.ended,
            Err(e) if e.kind() == ErrorKind::WouldBlock => self.readable = false,
            _ => {}
        }
        read
    }

    /// Writes as much as fits into the send buffer; [`ErrorKind::WouldBlock`] if nothing does.
    ///
    /// # Errors
    /// The socket's error.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.writable {
            return Err(ErrorKind::WouldBlock.into());
        }
        let written = rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL);
        self.note_written(written, bytes.len())
    }

    /// Like [`Stream::write`], from several buffers in one system call; uses the first 1024 if there are more.
    ///
    /// # Errors
    /// The socket's error.
    pub fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        // writev(2) rejects more. They are cut off first, so that they do not make the write look like a short one.
        let pieces = pieces.get(..MAX_PIECES).unwrap_or(pieces);
        if !self.writable {
            return Err(ErrorKind::WouldBlock.into());
        }
        // No SIGPIPE: Rust's standard library ignores it at startup.
        let written = rustix::io::writev(&self.socket, pieces);
        self.note_written(written, pieces.iter().map(|piece| piece.len()).sum())
    }

    /// A short write has filled the send buffer (epoll(7), question 9). A kernel that has no memory for it at the moment says
    /// nothing about the connection: that counts as a full buffer, too, although no event will tell when there is space.
    fn note_written(&mut self, written: Result<usize, Errno>, wanted: usize) -> io::Result<usize> {
        match written {
            Ok(length) => {
                self.writable = length == wanted;
                Ok(length)
            }
            Err(Errno::WOULDBLOCK | Errno::NOBUFS | Errno::NOMEM) => {
                self.writable = false;
                Err(ErrorKind::WouldBlock.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Acknowledges the input at once (tcp(7), `TCP_QUICKACK`). A peer with Nagle's algorithm, the default, would
    /// otherwise hold back its next message until the delayed acknowledgement.
    pub fn acknowledge(&self) {
        // Fails for a Unix socket, which has no delayed acknowledgements.
        let _ = sockopt::set_tcp_quickack(&self.socket, true);
    }

    /// The error that broke the connection, once. Unlike [`read`](Self::read), it does not wait for the input that came
    /// before the error to be read.
    pub fn take_error(&mut self) -> Option<io::Error> {
        if !std::mem::take(&mut self.broken) {
            return None;
        }
        sockopt::socket_error(&self.socket).ok()?.err().map(io::Error::from)
    }

    /// Bounds how long the kernel keeps what it has not sent when the connection is closed.
    pub fn hurry_at_close(&self) {
        // Fails for a Unix socket, whose unsent bytes are the peer's memory.
        let _ = sockopt::set_tcp_user_timeout(&self.socket, PATIENCE_AFTER_CLOSE);
    }

    /// Makes closing a TCP connection that is still open send a reset and drop what is unsent.
    pub fn reset_at_close(&self) {
        // Fails for a Unix socket or a closed connection; then an ordinary close has to do.
        let _ = sockopt::set_socket_linger(&self.socket, Some(std::time::Duration::ZERO));
    }

    /// Shuts down the sending side (shutdown(2), `SHUT_WR`). Input can still be read.
    ///
    /// # Errors
    /// [`ErrorKind::NotConnected`] if the connection is already gone.
    pub fn shutdown_write(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.socket, Shutdown::Write)?)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// For rustls' `write_tls`: like [`Stream::write`]; there is nothing to flush.
impl io::Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Stream::write(self, bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Stream::write_vectored(self, pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The peer of a [`Stream`], as far as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Address {
    /// A peer on the network. IPv4-mapped IPv6 addresses are converted to IPv4.
    Tcp(SocketAddr),
    /// A process on this machine.
    Unix {
        /// Its effective user ID when it connected (unix(7), `SO_PEERCRED`).
        uid: u32,
    },
}

impl Address {
    /// What counts as one address: the IPv4 address, or the IPv6 /64, because one IPv6 host has a whole /64. `None` for a
    /// Unix socket, whose clients are users of this machine.
    #[must_use]
    pub fn network(&self) -> Option<IpNet> {
        let ip = self.ip()?;
        network(ip, if ip.is_ipv4() { 32 } else { 64 })
    }

    /// The IPv6 /48 that the address is in, as it is given to one site.
    #[must_use]
    pub fn site(&self) -> Option<IpNet> {
        self.ip().filter(IpAddr::is_ipv6).and_then(|ip| network(ip, 48))
    }

    /// The address on the network; `None` for a Unix socket.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Unix { .. } => None,
        }
    }

    /// Whether the peer is on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix { .. } => true,
        }
    }
}

fn network(ip: IpAddr, length: u8) -> Option<IpNet> {
    IpNet::new(ip, length).ok().map(|network| network.trunc())
}

impl From<SocketAddr> for Address {
    /// Converts `::ffff:192.0.2.1`, as reported by a socket on `[::]`, to `192.0.2.1`.
    fn from(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => Self::Tcp(SocketAddr::new(IpAddr::V4(ip), address.port())),
            IpAddr::V6(_) => Self::Tcp(address), // keeps the scope of a link-local address
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { uid } => write!(f, "unix:uid={uid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_memory_breaks_no_connection() {
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut stream = Stream::from(OwnedFd::from(socket));
        for error in [Errno::NOBUFS, Errno::NOMEM, Errno::AGAIN] {
            stream.note(Readiness { writable: true, ..Readiness::default() });
            assert_eq!(stream.note_written(Err(error), 7).unwrap_err().kind(), ErrorKind::WouldBlock, "{error}");
            assert!(!stream.is_writable(), "it is not tried again at once");
        }
        assert_eq!(stream.note_written(Err(Errno::PIPE), 7).unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
