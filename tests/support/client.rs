//! A client of the text protocol over a real socket, plaintext or TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, sockopt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use super::PATIENCE;

/// A connection that is read line by line. Every wait has a timeout, and a failure shows what was read before.
pub struct Client {
    stream: Transport,
    unread: Vec<u8>,
    seen: Vec<String>,
}

pub enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Client {
    pub fn plain(address: SocketAddr) -> Client {
        Client::over(Transport::Plain(socket(address)))
    }

    /// Connects over TLS and accepts any certificate.
    pub fn tls(address: SocketAddr) -> Client {
        Client::tls_with(address, trusting()).unwrap()
    }

    /// Connects over TLS with this configuration and completes the handshake.
    pub fn tls_with(address: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<Client> {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(config, name).unwrap();
        let mut stream = StreamOwned::new(connection, socket(address));
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Client::over(Transport::Tls(Box::new(stream))))
    }

    /// Connects over plaintext from this address, which is one of this machine's own.
    pub fn plain_from(own: [u8; 4], address: SocketAddr) -> Client {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddr::from((own, 0))).unwrap();
        rustix::net::connect(&socket, &address).unwrap();
        Client::over(Transport::Plain(prepared(socket.into())))
    }

    /// Connects over plaintext with the smallest possible receive buffer, for clients that do not read.
    pub fn plain_with_small_buffer(address: SocketAddr) -> Client {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket(family, SocketType::STREAM, None).unwrap();
        sockopt::set_socket_recv_buffer_size(&socket, 1).unwrap();
        rustix::net::connect(&socket, &address).unwrap();
        Client::over(Transport::Plain(prepared(socket.into())))
    }

    fn over(stream: Transport) -> Client {
        Client { stream, unread: Vec::new(), seen: Vec::new() }
    }

    /// The TLS connection, for checking what was negotiated.
    pub fn tls_connection(&self) -> &ClientConnection {
        match &self.stream {
            Transport::Tls(stream) => &stream.conn,
            Transport::Plain(_) => panic!("not a TLS client"),
        }
    }

    pub fn socket(&self) -> &TcpStream {
        match &self.stream {
            Transport::Plain(stream) => stream,
            Transport::Tls(stream) => &stream.sock,
        }
    }

    pub fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap();
    }

    /// Like [`send_bytes`](Self::send_bytes), but the server may have closed the connection.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.stream {
            Transport::Plain(stream) => stream.write_all(bytes),
            Transport::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Sends a line.
    pub fn say(&mut self, line: &str) {
        self.send(&format!("{line}\n"));
    }

    /// Logs in and reads up to the topic, the last line before the history.
    pub fn login(&mut self, name: &str) {
        self.say(name);
        self.expect_start("*** Topic: ");
    }

    /// The next line without its line end; `None` if the server has closed the connection properly.
    pub fn next_line(&mut self) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = self.unread.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = String::from_utf8(line[..end].to_vec()).unwrap();
                self.seen.push(line.clone());
                return Some(line);
            }
            assert!(Instant::now() < deadline, "no line came in time; before that:\n{}", self.seen.join("\n"));
            let mut buffer = [0; 65536];
            let read = match &mut self.stream {
                Transport::Plain(stream) => stream.read(&mut buffer),
                Transport::Tls(stream) => stream.read(&mut buffer),
            };
            match read {
                Ok(0) if self.unread.is_empty() => return None,
                Ok(0) => panic!("closed in the middle of a line: {:?}", String::from_utf8_lossy(&self.unread)),
                Ok(length) => self.unread.extend_from_slice(&buffer[..length]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => panic!("cannot read: {e}; before that:\n{}", self.seen.join("\n")),
            }
        }
    }

    pub fn line(&mut self) -> String {
        self.next_line().unwrap_or_else(|| panic!("closed; before that:\n{}", self.seen.join("\n")))
    }

    /// Reads until this line arrives.
    pub fn expect(&mut self, expected: &str) {
        while self.line() != expected {}
    }

    /// Reads until a line with this prefix arrives, and returns it.
    pub fn expect_start(&mut self, start: &str) -> String {
        loop {
            let line = self.line();
            if line.starts_with(start) {
                return line;
            }
        }
    }

    /// Expects exactly this as the next line.
    pub fn expect_next(&mut self, expected: &str) {
        assert_eq!(self.line(), expected, "after:\n{}", self.seen.join("\n"));
    }

    /// The next `count` lines.
    pub fn lines(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.line()).collect()
    }

    /// Reads until the server closes the connection properly.
    pub fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next_line()).collect()
    }

    /// Shuts down the sending side; input can still be read.
    pub fn finish(&mut self) {
        if let Transport::Tls(stream) = &mut self.stream {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    /// Reads what has arrived, and then a reset.
    pub fn expect_reset(&mut self) {
        let end = std::io::copy(&mut self.socket(), &mut std::io::sink());
        assert_eq!(end.map_err(|e| e.kind()), Err(ErrorKind::ConnectionReset));
    }

    /// Closes the connection with a reset.
    pub fn reset(self) {
        sockopt::set_socket_linger(self.socket(), Some(Duration::ZERO)).unwrap();
    }
}

fn socket(address: SocketAddr) -> TcpStream {
    prepared(TcpStream::connect(address).unwrap())
}

fn prepared(socket: TcpStream) -> TcpStream {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// A TLS configuration that accepts any certificate.
pub fn trusting() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let verifier = Arc::new(AnyCertificate(provider));
    Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

#[derive(Debug)]
pub struct AnyCertificate(pub Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
