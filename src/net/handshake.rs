//! The TLS handshake, with tokio-rustls. After it, the session drives TLS itself.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags, Shutdown};
use rustls::server::Acceptor;
use rustls::{AlertDescription, CertificateError, Error};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest, ReadBuf};
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use super::handshaken::{Handshaken, watched};
use super::reactor::register;
use super::records::frame;
use super::tls::{ALPN_IRC, TlsInForce};

/// The maximum plaintext kept for detecting the protocol, and the maximum discarded afterwards, in bytes.
const MAX_PEEK: usize = 1024;
const MAX_DISCARD: usize = 64 * 1024;

/// Why a handshake failed.
#[derive(Debug)]
pub enum HandshakeError {
    /// The client speaks a plaintext protocol.
    Plaintext(Plaintext),
    /// The client or the connection failed; one sentence.
    Failed(String),
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        Self::Failed(explain(&error))
    }
}

/// A client that has begun a TLS handshake.
pub struct ClientHello(StartHandshake<ByRecord>);

/// A client that has begun with plaintext.
#[derive(Debug)]
pub struct Plaintext {
    socket: Socket,
    /// Its first bytes.
    pub said: Vec<u8>,
}

/// Waits for the client's first bytes on a non-blocking socket. Has no time limit.
///
/// # Errors
/// The client disconnected, or its first message is not acceptable TLS.
pub async fn read_client_hello(socket: OwnedFd) -> Result<ClientHello, HandshakeError> {
    let socket = Socket(register(socket, Interest::READABLE | Interest::WRITABLE)?);
    let mut said = vec![0; MAX_PEEK];
    let peek = |socket: &OwnedFd| Ok(rustix::net::recv(socket, said.as_mut_slice(), RecvFlags::PEEK)?.0);
    let length = socket.0.async_io(Interest::READABLE, peek).await?;
    said.truncate(length);
    if said.first().is_some_and(is_text) {
        return Err(HandshakeError::Plaintext(Plaintext { socket, said }));
    }
    Ok(ClientHello(LazyConfigAcceptor::new(Acceptor::default(), ByRecord::new(socket)).await?))
}

/// TLS starts with 0x16, its oldest version with 0x80. Text starts with neither: this accepts UTF-8 letters and white
/// space.
fn is_text(first: &u8) -> bool {
    matches!(first, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0xc2..=0xf4)
}

impl ClientHello {
    /// Completes the handshake with the current certificate. `irc`: offer the ALPN protocol `irc`. Has no time limit.
    ///
    /// # Errors
    /// The client disconnected, was rejected, or rejected the server.
    pub async fn answer(self, tls: &TlsInForce, irc: bool) -> Result<(OwnedFd, Handshaken), HandshakeError> {
        let asked = self.0.client_hello().alpn().is_some_and(|mut asked| asked.any(|protocol| protocol == ALPN_IRC));
        let config = if irc && asked { tls.current_irc() } else { tls.current() };
        let (config, secrets) = watched(&config);
        let (stream, connection) = self.0.into_stream(config).await?.into_inner();
        let ByRecord { socket, record, .. } = stream;
        Ok((socket.0.into_inner(), Handshaken::new(connection, &secrets, record)))
    }
}

impl Plaintext {
    /// Sends `answer` and closes the connection. Reads what the client still sends, because closing a socket with
    /// unread input would discard the answer. Has no time limit.
    ///
    /// # Errors
    /// The client disconnected.
    pub async fn answer(mut self, answer: &[u8]) -> io::Result<()> {
        self.socket.write_all(answer).await?;
        self.socket.shutdown().await?;
        let mut rest = self.socket.take(MAX_DISCARD as u64);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.map(drop)
    }
}

/// Explains a failed handshake to the administrator.
fn explain(error: &io::Error) -> String {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                "the client went away".to_owned()
            }
            _ => error.to_string(),
        };
    };
    match tls {
        Error::NoCertificatesPresented => {
            "the client shows no certificate, and tls.client-certificates is \"required\"".to_owned()
        }
        Error::InvalidCertificate(error) => format!("the client's certificate {}", explain_certificate(error)),
        Error::AlertReceived(alert) => {
            let why = match alert {
                AlertDescription::CertificateExpired => "finds the server's certificate expired",
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnsupportedCertificate => "does not trust the server's certificate",
                _ => "has given up",
            };
            format!("the client {why} (TLS alert {})", u8::from(*alert))
        }
        Error::PeerIncompatible(_) => {
            "the client offers no version of TLS, or no cipher, that is safe; TLS 1.2 or 1.3 is needed".to_owned()
        }
        Error::General(_) | Error::FailedToGetCurrentTime | Error::FailedToGetRandomBytes | Error::EncryptError => {
            format!("a fault on this side: {tls}")
        }
        _ => "what the client sends is not proper TLS".to_owned(),
    }
}

fn explain_certificate(error: &CertificateError) -> &'static str {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => "has expired",
        E::NotValidYet | E::NotValidYetContext { .. } => "is not valid yet",
        E::UnknownIssuer => "is not from an authority in tls.client-ca",
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => "is not meant for clients (extendedKeyUsage)",
        E::BadSignature => "is forged or damaged",
        E::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
            Some(webpki::Error::UnsupportedCertVersion) => {
                "is of X.509 version 1, and TLS needs version 3; `openssl x509 -req` makes that with -extfile FILE, \
                 where FILE has the line extendedKeyUsage=clientAuth"
            }
            _ => "cannot be used",
        },
        _ => "cannot be used",
    }
}

/// A socket with the traits that tokio-rustls needs.
#[derive(Debug)]
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

/// A socket that gives whole records only. tokio-rustls reads on when the handshake is complete; what has arrived of the
/// next record by then stays here.
struct ByRecord {
    socket: Socket,
    /// A record, or its beginning; and how much of a whole one was given.
    record: Vec<u8>,
    given: usize,
}

impl ByRecord {
    fn new(socket: Socket) -> ByRecord {
        ByRecord { socket, record: Vec::new(), given: 0 }
    }
}

impl AsyncRead for ByRecord {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { socket, record, given } = self.get_mut();
        while let Some(missing @ 1..) = frame::missing(record) {
            let held = record.len();
            record.resize(held + missing, 0);
            let mut space = ReadBuf::new(record.get_mut(held..).unwrap_or_default());
            let read = Pin::new(&mut *socket).poll_read(cx, &mut space);
            let arrived = space.filled().len();
            record.truncate(held + arrived);
            ready!(read)?;
            if arrived == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let rest = record.get(*given..).unwrap_or_default();
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..length).unwrap_or_default());
        *given += length;
        if *given == record.len() {
            record.clear();
            *given = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ByRecord {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
