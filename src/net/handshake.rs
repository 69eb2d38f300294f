//! The TLS handshake, by tokio-rustls; what comes after it is driven by the session.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{SendFlags, Shutdown};
use rustls::ServerConnection;
use rustls::server::Acceptor;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio_rustls::LazyConfigAcceptor;

use super::tls::{ALPN_IRC, TlsInForce};
use super::watched::watched;

/// Shakes hands over a non-blocking socket; `irc`: IRC is spoken here, if the client asks for it. Without a time limit.
///
/// # Errors
/// The client went away, or what it sent is not acceptable TLS.
pub async fn handshake(tls: &TlsInForce, irc: bool, socket: OwnedFd) -> io::Result<(OwnedFd, Box<ServerConnection>)> {
    let socket = Socket(watched(socket, Interest::READABLE | Interest::WRITABLE)?);
    let hello = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
    let asked = hello.client_hello().alpn().is_some_and(|mut asked| asked.any(|protocol| protocol == ALPN_IRC));
    let config = if irc && asked { tls.current_irc() } else { tls.current() };
    let (socket, connection) = hello.into_stream(config).await?.into_inner();
    Ok((socket.0.into_inner(), Box::new(connection)))
}

/// A socket as tokio-rustls wants it.
struct Socket(AsyncFd<OwnedFd>);

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            let read = |socket: &AsyncFd<OwnedFd>| Ok(rustix::io::read(socket, buffer.initialize_unfilled())?);
            if let Ok(read) = ready.try_io(read) {
                buffer.advance(read?);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_write_ready(cx))?;
            let send = |socket: &AsyncFd<OwnedFd>| Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?);
            if let Ok(sent) = ready.try_io(send) {
                return Poll::Ready(sent);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(rustix::net::shutdown(self.0.as_fd(), Shutdown::Write)?))
    }
}
