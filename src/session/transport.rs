//! Bytes in and out of one connection, with or without TLS. rustls is driven directly: no task, no buffer and no
//! copy beside its own.

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::os::fd::AsFd;
use std::task::Poll;

use rustls::ServerConnection;

use crate::net::{Readiness, Stream};

/// One connection.
pub struct Transport {
    stream: Stream,
    tls: Option<Box<ServerConnection>>,
}

impl Transport {
    /// A connection whose handshake, if it has TLS, is done.
    #[must_use]
    pub fn new(stream: Stream, tls: Option<Box<ServerConnection>>) -> Transport {
        Transport { stream, tls }
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> &impl AsFd {
        &self.stream
    }

    /// Its TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&ServerConnection> {
        self.tls.as_deref()
    }

    /// Takes note of what has happened to the socket.
    pub fn note(&mut self, readiness: Readiness) {
        self.stream.note(readiness);
    }

    /// Whether something may have arrived.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.stream.is_readable()
    }

    /// Whether the socket may have room.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.stream.is_writable()
    }

    /// Reads what has arrived. `Ok(0)`: the peer has ended its side properly.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when nothing has arrived; otherwise the connection is broken, with
    /// [`ErrorKind::InvalidData`] for what is wrong with the peer's TLS.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.stream.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            tls.read_tls(&mut self.stream)?;
            if let Err(e) = tls.process_new_packets() {
                // The alert that tells the peer what it did wrong; if it does not fit, the peer will see the end.
                let _ = tls.write_tls(&mut self.stream);
                return Err(io::Error::new(ErrorKind::InvalidData, e));
            }
        }
    }

    /// Takes bytes for sending; all of a round's into as few TLS records as they fill.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when none could be taken; otherwise the connection is broken.
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.tls.is_some() && self.flush()?.is_pending() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if let Some(tls) = &mut self.tls {
            let taken = tls.writer().write_vectored(slices)?;
            // What does not go out now is asked for by `has_unsent`.
            let _ = self.flush()?;
            return Ok(taken);
        }
        match slices {
            [one] => self.stream.write(one),
            many => self.stream.write_vectored(many),
        }
    }

    /// Sends what TLS has encrypted already. Pending: the socket is full.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn flush(&mut self) -> io::Result<Poll<()>> {
        let Transport { stream, tls: Some(tls) } = self else { return Ok(Poll::Ready(())) };
        while tls.wants_write() {
            match tls.write_tls(stream) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(Poll::Pending),
                sent => sent?,
            };
        }
        Ok(Poll::Ready(()))
    }

    /// Whether TLS holds encrypted bytes that the socket had no room for.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Ends our side properly; everything must have been sent. Pending: the socket is full.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn end(&mut self) -> io::Result<Poll<()>> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        let sent = self.flush()?;
        if sent.is_ready() {
            self.stream.shutdown_write()?;
        }
        Ok(sent)
    }
}
