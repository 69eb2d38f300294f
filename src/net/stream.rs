//! One client's byte stream and address, whichever kind of socket it came in by.
//!
//! A session asks for readiness first and reads or writes then, without blocking and without a buffer of its own while
//! nothing happens. This module knows no TLS: rustls drives a [`Stream`] through [`io::Read`] and [`io::Write`].

use std::fmt;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

use rustix::net::Shutdown;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A connected, non-blocking stream socket that belongs to the runtime.
#[derive(Debug)]
pub enum Stream {
    /// A TCP connection, Nagle's algorithm off.
    Tcp(TcpStream),
    /// A connection to a Unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// Ready when there may be something to read, the end of the stream and errors included.
    ///
    /// Only the task that asked last is woken.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(context),
            Self::Unix(stream) => stream.poll_read_ready(context),
        }
    }

    /// Ready when there may be room to write.
    ///
    /// Only the task that asked last is woken.
    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(context),
            Self::Unix(stream) => stream.poll_write_ready(context),
        }
    }

    /// Reads what is there; 0 is the end of the stream, [`io::ErrorKind::WouldBlock`] nothing yet.
    ///
    /// A read that does not fill the buffer has emptied the socket: readiness is cleared at once, which saves the
    /// second `recv` that would only answer EAGAIN (epoll(7), question 9). The end of the stream is not forgotten by
    /// that, the runtime keeps it apart. Urgent data and passed descriptors also cut a read short; a client that sends
    /// such things is read on when it sends more.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut short = None;
        let wanted = buffer.len();
        let read = || match rustix::io::read(self, buffer) {
            Ok(n) if 0 < n && n < wanted => {
                short = Some(n);
                Err(io::ErrorKind::WouldBlock.into())
            }
            result => result.map_err(io::Error::from),
        };
        let result = match self {
            Self::Tcp(stream) => stream.try_io(Interest::READABLE, read),
            Self::Unix(stream) => stream.try_io(Interest::READABLE, read),
        };
        short.map_or(result, Ok)
    }

    /// Writes what there is room for; [`io::ErrorKind::WouldBlock`] when there is none.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// As [`Stream::try_write`], from several pieces in one system call (at most 1024 of them, see writev(2)).
    pub fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(pieces),
            Self::Unix(stream) => stream.try_write_vectored(pieces),
        }
    }

    /// Tells the peer that nothing more comes (shutdown(2), `SHUT_WR`); what it still sends can be read.
    ///
    /// Fails with [`io::ErrorKind::NotConnected`] when the connection is already gone.
    pub fn shutdown_write(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(self, Shutdown::Write)?)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// For rustls' `read_tls`: as [`Stream::try_read`].
impl io::Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.try_read(buffer)
    }
}

/// For rustls' `write_tls`: as [`Stream::try_write`], with nothing to flush.
impl io::Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Who is at the other end of a [`Stream`], as far as the kernel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
