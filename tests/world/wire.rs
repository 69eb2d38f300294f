//! The fake transport: two byte streams with a bound, and a peer that reads, writes, stalls and vanishes as told.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;
use std::task::Poll;

use chatd::net::{Readiness, Transport};

/// Bytes that are sealed at once.
const RECORD: usize = 1024;

/// The server's end.
pub struct Wire(pub Rc<RefCell<Streams>>);

/// Both ends' streams.
#[derive(Default)]
pub struct Streams {
    /// From the client, not read yet.
    pub to_server: VecDeque<u8>,
    /// Bytes that one read brings at most.
    pub piece: usize,
    /// Whether the client has ended its side.
    pub client_ended: bool,
    /// The connection is broken: every call fails.
    pub broken: bool,
    /// In the client's socket, not read by it yet.
    pub to_client: VecDeque<u8>,
    /// How much fits there.
    pub capacity: usize,
    /// Whether the server has ended its side.
    pub server_ended: bool,
    /// As TLS does it: takes a whole record and sends what there is room for; the rest is pending.
    pub seals: bool,
    /// The kernel, short of memory, never says that there is room again.
    pub deaf: bool,
    /// Sealed, and not in the client's socket yet.
    pending: VecDeque<u8>,
    /// As the poller tells it: only what has changed.
    readable: bool,
    writable: bool,
}

impl Streams {
    pub fn new(capacity: usize, piece: usize) -> Streams {
        Streams { capacity, piece, writable: true, ..Streams::default() }
    }

    fn room(&self) -> usize {
        self.capacity.saturating_sub(self.to_client.len())
    }

    /// Whether everything that is pending is sent.
    fn flush(&mut self) -> bool {
        let length = self.pending.len().min(self.room());
        self.to_client.extend(self.pending.drain(..length));
        self.writable &= self.pending.is_empty();
        self.pending.is_empty()
    }
}

impl Transport for Wire {
    fn note(&mut self, readiness: Readiness) {
        let streams = &mut *self.0.borrow_mut();
        streams.readable |= readiness.readable || readiness.ended;
        streams.writable |= readiness.writable;
    }

    fn is_readable(&self) -> bool {
        self.0.borrow().readable
    }

    fn is_writable(&self) -> bool {
        self.0.borrow().writable
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let streams = &mut *self.0.borrow_mut();
        if streams.broken {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let length = streams.to_server.len().min(streams.piece).min(buffer.len());
        if length == 0 {
            streams.readable = streams.client_ended;
            return if streams.client_ended { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        for (place, byte) in buffer.iter_mut().zip(streams.to_server.drain(..length)) {
            *place = byte;
        }
        streams.readable = !streams.to_server.is_empty() || streams.client_ended;
        Ok(length)
    }

    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let streams = &mut *self.0.borrow_mut();
        if streams.broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        assert!(!streams.server_ended, "nothing is written after the end");
        let mut written = 0;
        if streams.seals {
            if !streams.flush() {
                return Err(ErrorKind::WouldBlock.into());
            }
            for piece in pieces {
                let length = piece.len().min(RECORD - written);
                streams.pending.extend(&piece[..length]);
                written += length;
            }
            streams.flush();
            return Ok(written);
        }
        for piece in pieces {
            let length = piece.len().min(streams.room());
            streams.to_client.extend(&piece[..length]);
            written += length;
            if length < piece.len() {
                streams.writable = false;
                break;
            }
        }
        let nothing = pieces.iter().all(|piece| piece.is_empty());
        if written == 0 && !nothing { Err(ErrorKind::WouldBlock.into()) } else { Ok(written) }
    }

    fn flush(&mut self) -> io::Result<Poll<()>> {
        let streams = &mut *self.0.borrow_mut();
        if streams.broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        Ok(if streams.flush() { Poll::Ready(()) } else { Poll::Pending })
    }

    fn has_unsent(&self) -> bool {
        !self.0.borrow().pending.is_empty()
    }

    fn end(&mut self) -> io::Result<Poll<()>> {
        let streams = &mut *self.0.borrow_mut();
        if streams.broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        assert!(!streams.server_ended, "the end is the end");
        if !streams.flush() {
            return Ok(Poll::Pending);
        }
        streams.server_ended = true;
        Ok(Poll::Ready(()))
    }
}
