//! Bytes in and out of one connection, with or without TLS, as a session's driver sees them.

use std::io::{self, BufRead as _, ErrorKind, IoSlice, Read as _, Write as _};
use std::os::fd::AsFd;
use std::task::Poll;

use rustls::ServerConnection;

use super::{Readiness, Stream};

/// What carries a session's bytes: [`Socket`], or a test's own. It never blocks.
pub trait Transport {
    /// Takes note of what has happened to it.
    fn note(&mut self, readiness: Readiness);

    /// Whether there may be something to read, the end and errors included.
    fn is_readable(&self) -> bool;

    /// Whether there may be room to write.
    fn is_writable(&self) -> bool;

    /// Reads what has arrived. `Ok(0)`: the peer has ended its side properly.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when nothing has arrived; otherwise the connection is broken, with
    /// [`ErrorKind::InvalidData`] for what is wrong with the peer's TLS.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Takes bytes for sending.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when none could be taken; otherwise the connection is broken.
    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Sends what it has taken and holds itself. Pending: there is no room.
    ///
    /// # Errors
    /// The connection is broken.
    fn flush(&mut self) -> io::Result<Poll<()>>;

    /// Whether it holds bytes itself that there was no room for.
    fn has_unsent(&self) -> bool;

    /// Acknowledges at once what was read, where that makes a difference.
    fn acknowledge(&self) {}

    /// Has the connection end with a reset when it is closed, if it can.
    fn reset_at_close(&self) {}

    /// Ends our side properly; everything must have been sent. Pending: there is no room.
    ///
    /// # Errors
    /// The connection is broken.
    fn end(&mut self) -> io::Result<Poll<()>>;
}

/// A client's socket after its TLS handshake, if it has TLS. rustls is driven directly: no task, no buffer and no copy
/// beside its own.
pub struct Socket {
    stream: Stream,
    tls: Option<Box<Tls>>,
}

/// A connection's TLS, and what it has already taken out of the socket.
struct Tls {
    connection: ServerConnection,
    /// Bytes that are decrypted and not read.
    decrypted: usize,
    /// Whether the peer has ended its side, which has not been told yet.
    ended: bool,
    /// What is wrong with what came after the decrypted bytes.
    failure: Option<rustls::Error>,
}

impl Socket {
    /// A connection; its handshake, if it has TLS, is done.
    #[must_use]
    pub fn new(stream: Stream, tls: Option<Box<ServerConnection>>) -> Socket {
        let tls = tls.map(|connection| {
            let mut tls = Tls { connection: *connection, decrypted: 0, ended: false, failure: None };
            // What came along with the last message of the handshake is decrypted already: no socket will say that it
            // is there.
            tls.process();
            Box::new(tls)
        });
        Socket { stream, tls }
    }

    /// What the poller watches.
    #[must_use]
    pub fn descriptor(&self) -> &impl AsFd {
        &self.stream
    }
}

impl Transport for Socket {
    fn acknowledge(&self) {
        self.stream.acknowledge();
    }

    fn reset_at_close(&self) {
        self.stream.reset_at_close();
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
                // The alert that tells the peer what it did wrong; if it does not fit, the peer will see the end.
                let _ = tls.connection.write_tls(stream);
                return Err(io::Error::new(ErrorKind::InvalidData, failure));
            }
            if std::mem::take(&mut tls.ended) {
                return Ok(0);
            }
            if tls.connection.read_tls(stream)? == 0 {
                // The end of the stream without the end of TLS may be anybody's doing (RFC 8446, section 6.1).
                return Err(ErrorKind::UnexpectedEof.into());
            }
            tls.process();
        }
    }

    /// All of a round's pieces go into as few TLS records as they fill.
    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.tls.is_some() && self.flush()?.is_pending() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if let Some(tls) = &mut self.tls {
            let taken = tls.connection.writer().write_vectored(pieces)?;
            // What does not go out now is asked for by `has_unsent`.
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
    /// Takes in what has come out of the socket. What was decrypted before a mistake of the peer's is read first.
    fn process(&mut self) {
        match self.connection.process_new_packets() {
            Ok(state) => {
                self.decrypted = state.plaintext_bytes_to_read();
                self.ended |= state.peer_has_closed();
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// rustls does not say how much it has decrypted before it failed, but hands it out piece by piece.
    fn plaintext_before_failure(&mut self) -> usize {
        self.connection.reader().fill_buf().map_or(0, <[u8]>::len)
    }

    fn has_something(&self) -> bool {
        self.decrypted > 0 || self.ended || self.failure.is_some()
    }
}
