//! Connections as a client makes them: plaintext, TLS 1.2 and 1.3, a Unix socket; and the ways to lose one.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, sockopt};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::support::client::AnyCertificate;

/// How a client comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Plain,
    Tls12,
    Tls13,
    Unix,
}

/// An open connection.
pub enum Link {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// TLS configurations for the two versions, which accept any certificate.
pub struct Tls {
    old: Arc<rustls::ClientConfig>,
    new: Arc<rustls::ClientConfig>,
}

impl Tls {
    pub fn new() -> Tls {
        let only = |version| {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let builder = rustls::ClientConfig::builder_with_provider(provider.clone());
            let builder = builder.with_protocol_versions(&[version]).unwrap();
            let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)));
            Arc::new(builder.with_no_client_auth())
        };
        Tls { old: only(&TLS12), new: only(&TLS13) }
    }
}

impl Link {
    /// Connects from this address of this machine. A TCP connection within the machine is there at once, so that nothing
    /// else that this thread does comes between it and what the client says first.
    pub async fn tcp(own: [u8; 4], to: SocketAddr, way: Way, tls: &Tls) -> std::io::Result<Link> {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        rustix::net::bind(&socket, &SocketAddr::from((own, 0)))?;
        rustix::net::connect(&socket, &to)?;
        let stream = std::net::TcpStream::from(socket);
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let stream = TcpStream::from_std(stream)?;
        let config = match way {
            Way::Plain | Way::Unix => return Ok(Link::Tcp(stream)),
            Way::Tls12 => tls.old.clone(),
            Way::Tls13 => tls.new.clone(),
        };
        let name = ServerName::try_from("localhost").unwrap();
        let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await?;
        Ok(Link::Tls(Box::new(stream)))
    }

    pub async fn unix(to: &Path) -> std::io::Result<Link> {
        Ok(Link::Unix(UnixStream::connect(to).await?))
    }

    /// The certificate that was shown.
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        let Link::Tls(stream) = self else { return None };
        Some(stream.get_ref().1.peer_certificates()?.first()?.clone().into_owned())
    }

    /// Closes it with a reset, as far as there is one.
    pub fn reset(self) {
        let socket = match &self {
            Link::Tcp(stream) => stream,
            Link::Tls(stream) => stream.get_ref().0,
            Link::Unix(_) => return,
        };
        sockopt::set_socket_linger(socket, Some(Duration::ZERO)).unwrap();
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut (dyn Both + Unpin)> {
        let stream: &mut (dyn Both + Unpin) = match self.get_mut() {
            Link::Tcp(stream) => stream,
            Link::Tls(stream) => stream.as_mut(),
            Link::Unix(stream) => stream,
        };
        Pin::new(stream)
    }
}

trait Both: AsyncRead + AsyncWrite {}

impl<T: AsyncRead + AsyncWrite> Both for T {}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.stream().poll_read(context, buffer)
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.stream().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}
