//! Input and output of one connection, with or without TLS.

use std::io::{self, BufRead as _, ErrorKind, IoSlice, Read as _, Write as _};
use std::os::fd::AsFd;
use std::task::Poll;

use rustls::ServerConnection;

use super::{Readiness, Stream};

/// The connection under a session: [`Socket`], or a test's own. Never blocks.
pub trait Transport {
    /// Records an event from the poller.
    fn note(&mut self, readiness: Readiness);

    /// Whether there may be input, including the end of the stream and errors.
    fn is_readable(&self) -> bool;

    /// Whether there may be space for output.
    fn is_writable(&self) -> bool;

    /// Reads available input. `Ok(0)`: the peer has shut down its side properly.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if there is no input; otherwise the connection has failed, with
    /// [`ErrorKind::InvalidData`] for a TLS error of the peer.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Accepts bytes for sending.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if there is no space; otherwise the connection has failed.
    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Sends the bytes that it has buffered. Pending: the socket has no space.
    ///
    /// # Errors
    /// The connection has failed.
    fn flush(&mut self) -> io::Result<Poll<()>>;

    /// Whether it has buffered bytes that still have to be sent.
    fn has_unsent(&self) -> bool;

    /// Acknowledges input at once, if the transport delays acknowledgements.
    fn acknowledge(&self) {}

    /// The error that broke the connection, once, even if there is unread input from before.
    fn take_error(&mut self) -> Option<io::Error> {
        None
    }

    /// Makes closing send a reset and drop what is unsent, if the transport can.
    fn reset_at_close(&self) {}

    /// Bounds how long what is unsent outlives the close, if it does.
    fn hurry_at_close(&self) {}

    /// Shuts down the sending side. Everything must have been sent. Pending: the socket has no space.
    ///
    /// # Errors
    /// The connection has failed.
    fn end(&mut self) -> io::Result<Poll<()>>;
}

/// A client's socket, after the handshake if it uses TLS. rustls is driven directly, without a task, a buffer or a copy
/// beyond its own.
pub struct Socket {
    stream: Stream,
    tls: Option<Box<Tls>>,
}

/// The TLS state of a connection, and input that rustls has already decrypted.
struct Tls {
    connection: ServerConnection,
    /// Decrypted bytes that have not been read.
    decrypted: usize,
    /// Whether the peer has shut down its side, which has not been reported yet.
    ended: bool,
    /// The error after the decrypted bytes.
    failure: Option<rustls::Error>,
}

impl Socket {
    /// Wraps a connection; with TLS, its handshake must be complete.
    #[must_use]
    pub fn new(stream: Stream, tls: Option<Box<ServerConnection>>) -> Socket {
        let tls = tls.map(|connection| {
            let mut tls = Tls { connection: *connection, decrypted: 0, ended: false, failure: None };
            // Data may have arrived with the last handshake message. rustls has it already, so the socket will not
            // become readable for it.
            tls.process();
            Box::new(tls)
        });
        Socket { stream, tls }
    }

    /// The descriptor to register with the poller.
    #[must_use]
    pub fn descriptor(&self) -> &impl AsFd {
        &self.stream
    }
}

impl Transport for Socket {
    fn acknowledge(&self) {
        self.stream.acknowledge();
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.stream.take_error()
    }

    fn reset_at_close(&self) {
        self.stream.reset_at_close();
    }

    fn hurry_at_close(&self) {
        self.stream.hurry_at_close();
    }

    fn note(&mut self, readiness: Readiness) {
        self.stream.note(readiness);
    }

    fn is_readable(&self) -> bool {
        self.stream.is_readable() || self.tls.as_ref().is_some_and(|tls| tls.has_something())
    }

    fn is_writable(&self) -> bool {
        self.stream.is_writable()
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Socket { stream, tls: Some(tls) } = self else { return self.stream.read(buffer) };
        loop {
            if tls.decrypted == 0 && tls.failure.is_some() {
                tls.decrypted = tls.plaintext_before_failure();
            }
            if tls.decrypted > 0 {
                let read = tls.connection.reader().read(buffer)?;
                tls.decrypted -= read.min(tls.decrypted);
                return Ok(read);
            }
            if let Some(failure) = tls.failure.take() {
                // Sends the alert that tells the peer its error; if it does not fit, the peer sees only the close.
                let _ = tls.connection.write_tls(stream);
                return Err(io::Error::new(ErrorKind::InvalidData, failure));
            }
            if std::mem::take(&mut tls.ended) {
                return Ok(0);
            }
            if tls.connection.read_tls(stream)? == 0 {
                // The end of the stream without close_notify may be an attacker's truncation (RFC 8446, section 6.1).
                return Err(ErrorKind::UnexpectedEof.into());
            }
            tls.process();
        }
    }

    /// All of a round's buffers go into as few TLS records as possible.
    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.tls.as_ref().is_some_and(|tls| tls.failure.is_some()) {
            // Nothing can be sent any more. Why is told by `read`, after all that came before.
            return Ok(pieces.iter().map(|piece| piece.len()).sum());
        }
        if self.tls.is_some() && self.flush()?.is_pending() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if let Some(tls) = &mut self.tls {
            let taken = tls.connection.writer().write_vectored(pieces)?;
            // What cannot be sent now is reported by `has_unsent`.
            let _ = self.flush()?;
            return Ok(taken);
        }
        match pieces {
            [one] => self.stream.write(one),
            many => self.stream.write_vectored(many),
        }
    }

    fn flush(&mut self) -> io::Result<Poll<()>> {
        let Socket { stream, tls: Some(tls) } = self else { return Ok(Poll::Ready(())) };
        while tls.connection.wants_write() {
            match tls.connection.write_tls(stream) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(Poll::Pending),
                sent => sent?,
            };
        }
        Ok(Poll::Ready(()))
    }

    fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.connection.wants_write())
    }

    fn end(&mut self) -> io::Result<Poll<()>> {
        if let Some(tls) = &mut self.tls {
            tls.connection.send_close_notify();
        }
        let sent = self.flush()?;
        if sent.is_ready() {
            self.stream.shutdown_write()?;
        }
        Ok(sent)
    }
}

impl Tls {
    /// Decrypts input from the socket. Data decrypted before an error of the peer is still delivered.
    fn process(&mut self) {
        match self.connection.process_new_packets() {
            Ok(state) => {
                self.decrypted = state.plaintext_bytes_to_read();
                self.ended |= state.peer_has_closed();
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// How much was decrypted before the error. rustls does not report that, but still returns the data piece by piece.
    fn plaintext_before_failure(&mut self) -> usize {
        self.connection.reader().fill_buf().map_or(0, <[u8]>::len)
    }

    fn has_something(&self) -> bool {
        self.decrypted > 0 || self.ended || self.failure.is_some()
    }
}
