//! Input and output of one connection, with or without TLS.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::task::Poll;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::encrypted::Encrypted;
use super::handshaken::Handshaken;
use super::records::SavedTls;
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
    /// [`io::ErrorKind::WouldBlock`] if there is no input; otherwise the connection has failed, with
    /// [`io::ErrorKind::InvalidData`] for a TLS error of the peer.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Accepts bytes for sending.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if there is no space; otherwise the connection has failed.
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

/// A client's socket, after the handshake if it uses TLS. Without a task; an idle one has no buffer but rustls'.
pub struct Socket {
    stream: Stream,
    tls: Option<Box<Encrypted>>,
}

/// What another process needs beside the descriptor to continue a connection.
#[derive(Debug, Serialize, Deserialize)]
pub enum SavedTransport {
    /// Without TLS, the kernel knows everything.
    Plain,
    /// With TLS. It holds secrets.
    Tls(Box<SavedTls>),
}

/// A connection that cannot be continued by another process.
#[derive(Debug, Error)]
#[error("{why}")]
pub struct NotSaved {
    /// Its descriptor, to be closed.
    pub descriptor: OwnedFd,
    /// One clause.
    pub why: &'static str,
}

/// A saved connection that cannot be continued.
#[derive(Debug, Error)]
#[error("{why}")]
pub struct NotRestored {
    /// Its descriptor, to be closed.
    pub descriptor: OwnedFd,
    /// One clause.
    pub why: &'static str,
}

impl Socket {
    /// Wraps a connection.
    #[must_use]
    pub fn new(stream: Stream, tls: Option<Handshaken>) -> Socket {
        Socket { stream, tls: tls.map(|tls| Box::new(Encrypted::new(tls))) }
    }

    /// The descriptor to register with the poller.
    #[must_use]
    pub fn descriptor(&self) -> &impl AsFd {
        &self.stream
    }

    /// Why another process cannot continue this connection, if so. One clause.
    #[must_use]
    pub fn cannot_be_saved(&self) -> Option<&'static str> {
        self.tls.as_ref()?.cannot_be_saved()
    }

    /// Takes the connection apart, for another process: its descriptor, and what has to be known about it.
    ///
    /// # Errors
    /// It cannot be continued. Beside [`cannot_be_saved`](Self::cannot_be_saved), which is worth asking before because a
    /// goodbye can be sent then, that is so only after hundreds of changes of its TLS key.
    pub fn save(self) -> Result<(OwnedFd, SavedTransport), NotSaved> {
        let saved = match self.tls {
            None => Ok(SavedTransport::Plain),
            Some(tls) => tls.save().map(|saved| SavedTransport::Tls(Box::new(saved))),
        };
        let descriptor = self.stream.into();
        match saved {
            Ok(saved) => Ok((descriptor, saved)),
            Err(why) => Err(NotSaved { descriptor, why }),
        }
    }

    /// Puts a saved connection together again. As after [`new`](Self::new), the poller reports the socket's readiness when it
    /// is registered; but there may be input and unsent output that the poller knows nothing of
    /// ([`is_readable`](Transport::is_readable), [`has_unsent`](Transport::has_unsent)).
    ///
    /// # Errors
    /// What was saved makes no sense.
    pub fn restore(descriptor: OwnedFd, saved: SavedTransport) -> Result<Socket, NotRestored> {
        let tls = match saved {
            SavedTransport::Plain => None,
            SavedTransport::Tls(saved) => match Encrypted::restore(*saved) {
                Ok(tls) => Some(Box::new(tls)),
                Err(why) => return Err(NotRestored { descriptor, why }),
            },
        };
        Ok(Socket { stream: Stream::from(descriptor), tls })
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
        match &mut self.tls {
            None => self.stream.read(buffer),
            Some(tls) => tls.read(&mut self.stream, buffer),
        }
    }

    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match (&mut self.tls, pieces) {
            (Some(tls), pieces) => tls.write(&mut self.stream, pieces),
            (None, [one]) => self.stream.write(one),
            (None, many) => self.stream.write_vectored(many),
        }
    }

    fn flush(&mut self) -> io::Result<Poll<()>> {
        match &mut self.tls {
            None => Ok(Poll::Ready(())),
            Some(tls) => tls.flush(&mut self.stream),
        }
    }

    fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.has_unsent())
    }

    fn end(&mut self) -> io::Result<Poll<()>> {
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
