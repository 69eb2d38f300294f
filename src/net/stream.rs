//! One client's byte stream and address, whichever kind of socket it came in by.
//!
//! A stream remembers what the [`Poller`](super::Poller) has told of its socket, so that nobody asks the kernel for what
//! is not there, and it has no buffer: an idle client costs a descriptor and three flags. This module knows no TLS: rustls
//! drives a [`Stream`] through [`io::Read`] and [`io::Write`].

use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{SendFlags, Shutdown, sockopt};

/// Pieces that the kernel takes at once (`IOV_MAX`).
const MOST_PIECES: usize = 1024;

/// A connected, non-blocking stream socket, for TCP with Nagle's algorithm off.
#[derive(Debug)]
pub struct Stream {
    socket: OwnedFd,
    /// There may be something to read.
    readable: bool,
    /// There may be room to write.
    writable: bool,
    /// The peer has ended its side, or the connection is broken: reading will say which, once all else is read.
    ended: bool,
}

/// What has happened to a socket since it was last told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// Something has arrived, the end of the stream and errors included.
    pub readable: bool,
    /// There is room again.
    pub writable: bool,
    /// The peer has ended its side, or the connection is broken.
    pub ended: bool,
}

impl From<OwnedFd> for Stream {
    /// Of a socket of which nothing is known yet; it must be non-blocking.
    fn from(socket: OwnedFd) -> Stream {
        Stream { socket, readable: false, writable: true, ended: false }
    }
}

impl Stream {
    /// Takes note of what has happened.
    pub fn note(&mut self, readiness: Readiness) {
        self.ended |= readiness.ended;
        self.readable |= readiness.readable || readiness.ended;
        self.writable |= readiness.writable;
    }

    /// Whether there may be something to read, the end of the stream and errors included.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Whether there may be room to write.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Reads what is there; 0 is the end of the stream, [`ErrorKind::WouldBlock`] nothing yet.
    ///
    /// A read that does not fill the buffer has emptied the socket, which saves the second `recv` that would only answer
    /// EAGAIN (epoll(7), question 9). Urgent data and passed descriptors also cut a read short; a client that sends such
    /// things is read on when it sends more.
    ///
    /// # Errors
    /// The socket's.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.readable {
            return Err(ErrorKind::WouldBlock.into());
        }
        let wanted = buffer.len();
        let read = rustix::io::read(&self.socket, buffer).map_err(io::Error::from);
        match &read {
            // The end comes without another event.
            Ok(length) if 0 < *length && *length < wanted => self.readable = self.ended,
            Err(e) if e.kind() == ErrorKind::WouldBlock => self.readable = false,
            _ => {}
        }
        read
    }

    /// Writes what there is room for; [`ErrorKind::WouldBlock`] when there is none.
    ///
    /// # Errors
    /// The socket's.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.writable {
            return Err(ErrorKind::WouldBlock.into());
        }
        let written = rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL);
        self.note_written(written.map_err(io::Error::from), bytes.len())
    }

    /// As [`Stream::write`], from several pieces in one system call; from the first 1024, if there are more.
    ///
    /// # Errors
    /// The socket's.
    pub fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        // More are not allowed (writev(2)), and what is left of them must not look like a full socket.
        let pieces = pieces.get(..MOST_PIECES).unwrap_or(pieces);
        if !self.writable {
            return Err(ErrorKind::WouldBlock.into());
        }
        // A standard library's program ignores SIGPIPE.
        let written = rustix::io::writev(&self.socket, pieces);
        self.note_written(written.map_err(io::Error::from), pieces.iter().map(|piece| piece.len()).sum())
    }

    /// A write that could not take everything has filled the socket (epoll(7), question 9).
    fn note_written(&mut self, written: io::Result<usize>, wanted: usize) -> io::Result<usize> {
        match &written {
            Ok(length) => self.writable = *length == wanted,
            Err(e) if e.kind() == ErrorKind::WouldBlock => self.writable = false,
            Err(_) => {}
        }
        written
    }

    /// Acknowledges at once what was read (tcp(7), `TCP_QUICKACK`). Until then a peer with Nagle's algorithm, which most
    /// programs have without knowing it, gathers what it sends.
    pub fn acknowledge(&self) {
        // Not every socket is TCP's; then there is no such delay.
        let _ = sockopt::set_tcp_quickack(&self.socket, true);
    }

    /// Has the connection end with a reset when it is closed, if it is TCP's and still open then.
    pub fn reset_at_close(&self) {
        // For another socket, or when the connection is gone already, closing is all that there is to do.
        let _ = sockopt::set_socket_linger(&self.socket, Some(std::time::Duration::ZERO));
    }

    /// Tells the peer that nothing more comes (shutdown(2), `SHUT_WR`); what it still sends can be read.
    ///
    /// # Errors
    /// [`ErrorKind::NotConnected`] when the connection is already gone.
    pub fn shutdown_write(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.socket, Shutdown::Write)?)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// For rustls' `read_tls`: as [`Stream::read`].
impl io::Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Stream::read(self, buffer)
    }
}

/// For rustls' `write_tls`: as [`Stream::write`], with nothing to flush.
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

/// Who is at the other end of a [`Stream`], as far as the kernel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Address {
    /// A peer on the network; never an IPv4 address in IPv6 clothes.
    Tcp(SocketAddr),
    /// A process of this machine, with the user that it ran as when it connected (unix(7), `SO_PEERCRED`).
    Unix {
        /// The effective user id.
        uid: u32,
    },
}

impl Address {
    /// What a limit per address counts by: the IPv4 address or the IPv6 /64 (its lower half zero), because one
    /// IPv6 host commands a whole /64. None for a Unix socket, whose clients are users of this machine.
    pub fn limit_key(&self) -> Option<IpAddr> {
        /// The upper 64 bits, the network.
        const NETWORK: u128 = !0 << 64;
        match self {
            Self::Tcp(address) => Some(match address.ip() {
                IpAddr::V4(ip) => IpAddr::V4(ip),
                IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & NETWORK)),
            }),
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

impl From<SocketAddr> for Address {
    /// Turns `::ffff:192.0.2.1`, as a socket on `[::]` reports it, into `192.0.2.1`.
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
