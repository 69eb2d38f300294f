//! TLS over a [`Stream`]: what was received and not used yet, and who encrypts.
//!
//! An idle connection has no buffer here: records are read into the buffer of whoever asks, and decrypted there.

use std::io::{self, ErrorKind, IoSlice};
use std::task::Poll;

use super::Stream;
use super::handshaken::{Driven, Handshaken, Opened};
use super::records::{Layer, RecordError, SavedTls, frame};

/// The most decrypted bytes that a saved connection may have. They come from one record, or what one read brings.
const MOST_UNREAD: usize = 128 * 1024;

/// The TLS of one connection.
pub struct Encrypted {
    protection: Protection,
    /// The beginning of a record that has not arrived completely; usually nothing.
    partial: Vec<u8>,
    /// Decrypted bytes that the reader had no space for; usually nothing.
    unread: Vec<u8>,
    input: Input,
    /// Whether our `close_notify` was sent.
    has_ended: bool,
}

/// Who makes the records.
enum Protection {
    /// rustls, in the process that has made the handshake.
    Driven(Driven),
    /// The record layer, in any later one.
    Carried(Box<Layer>),
}

/// What follows the decrypted bytes.
enum Input {
    More,
    /// The peer has ended its side, and that was not reported yet.
    End,
    /// The connection has failed, and that was not reported yet.
    Failure(io::Error),
    /// The end was reported.
    Ended,
    /// The failure was reported.
    Failed,
}

impl Encrypted {
    /// Goes on after a handshake.
    pub fn new(handshaken: Handshaken) -> Encrypted {
        let Handshaken { mut driven, partial } = handshaken;
        let (unread, opened) = driven.take_early();
        let mut new = Encrypted { unread, partial, ..Encrypted::with(Protection::Driven(driven)) };
        new.note(opened);
        new
    }

    fn with(protection: Protection) -> Encrypted {
        Encrypted { protection, partial: Vec::new(), unread: Vec::new(), input: Input::More, has_ended: false }
    }

    /// Whether there is something to read that the socket knows nothing of.
    pub fn has_something(&self) -> bool {
        !self.unread.is_empty() || matches!(self.input, Input::End | Input::Failure(_))
    }

    /// As [`Transport::read`](super::Transport::read).
    pub fn read(&mut self, stream: &mut Stream, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.unread.is_empty() {
                return Ok(self.take_unread(buffer));
            }
            match std::mem::replace(&mut self.input, Input::More) {
                Input::More => {}
                Input::End => {
                    self.input = Input::Ended;
                    return Ok(0);
                }
                Input::Failure(error) => {
                    self.input = Input::Failed;
                    // Sends the alert that tells the peer its error; if it does not fit, the peer sees only the close.
                    let _ = self.protection.send(stream);
                    return Err(error);
                }
                Input::Ended => {
                    self.input = Input::Ended;
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                Input::Failed => {
                    self.input = Input::Failed;
                    return Err(failed());
                }
            }
            let length = self.receive(stream, buffer)?;
            if length > 0 {
                return Ok(length);
            }
        }
    }

    /// Reads from the socket, and decrypts what is whole: into the buffer, or else into `unread`.
    fn receive(&mut self, stream: &mut Stream, buffer: &mut [u8]) -> io::Result<usize> {
        let held = self.partial.len();
        let in_place = held < buffer.len();
        let space = if in_place { buffer.get_mut(held..).unwrap_or_default() } else { &mut *buffer };
        let arrived = stream.read(space)?;
        if arrived == 0 {
            // The end of the stream without close_notify may be an attacker's truncation (RFC 8446, section 6.1).
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if in_place && let Some((before, _)) = buffer.split_at_mut_checked(held) {
            before.copy_from_slice(&self.partial);
            return Ok(self.open(buffer.get_mut(..held + arrived).unwrap_or_default()));
        }
        let mut records = std::mem::take(&mut self.partial);
        records.extend(buffer.get(..arrived).unwrap_or_default());
        let length = self.open(&mut records);
        records.truncate(length);
        self.unread = records;
        Ok(0)
    }

    /// Decrypts whole records in place, keeps the rest, and returns how much data is at the beginning.
    fn open(&mut self, received: &mut [u8]) -> usize {
        let (records, rest) = received.split_at_mut(frame::whole(received, usize::MAX));
        self.partial.clear();
        if rest.is_empty() {
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(rest);
        }
        let opened = self.protection.open(records);
        self.note(opened)
    }

    /// Records what follows the data; nothing counts behind that.
    fn note(&mut self, opened: Opened) -> usize {
        let Opened { length, ended, failure } = opened;
        self.input = match failure {
            Some(error) => Input::Failure(error),
            None if ended => Input::End,
            None => return length,
        };
        self.partial = Vec::new();
        length
    }

    fn take_unread(&mut self, buffer: &mut [u8]) -> usize {
        let length = self.unread.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), self.unread.get(..length)) {
            to.copy_from_slice(from);
        }
        self.unread.drain(..length);
        if self.unread.is_empty() {
            self.unread = Vec::new();
        }
        length
    }

    /// As [`Transport::write`](super::Transport::write). All pieces go into as few records as possible.
    pub fn write(&mut self, stream: &mut Stream, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.input {
            // Nothing can be sent any more. Why is told by `read`, after all that came before.
            Input::Failure(_) => return Ok(pieces.iter().map(|piece| piece.len()).sum()),
            Input::Failed => return Err(failed()),
            Input::More | Input::End | Input::Ended => {}
        }
        if self.flush(stream)?.is_pending() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let taken = self.protection.seal(pieces)?;
        // What cannot be sent now is reported by `has_unsent`.
        let _ = self.flush(stream)?;
        Ok(taken)
    }

    /// As [`Transport::flush`](super::Transport::flush).
    pub fn flush(&mut self, stream: &mut Stream) -> io::Result<Poll<()>> {
        while self.has_unsent() {
            match self.protection.send(stream) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(Poll::Pending),
                sent => sent?,
            };
        }
        Ok(Poll::Ready(()))
    }

    /// Whether there are encrypted bytes to be sent.
    pub fn has_unsent(&self) -> bool {
        match &self.protection {
            Protection::Driven(connection) => connection.has_unsent(),
            Protection::Carried(layer) => !layer.unsent().is_empty(),
        }
    }

    /// Tells the peer that nothing more will be sent.
    pub fn send_close_notify(&mut self) {
        self.has_ended = true;
        match &mut self.protection {
            Protection::Driven(connection) => connection.send_close_notify(),
            Protection::Carried(layer) => layer.send_close_notify(),
        }
    }

    /// Why it cannot be continued by another process, if so.
    pub fn cannot_be_saved(&self) -> Option<&'static str> {
        match self.input {
            Input::Failure(_) | Input::Failed => return Some("its TLS connection has failed"),
            Input::End | Input::Ended => return Some("its TLS connection is closing"),
            Input::More if self.has_ended => return Some("its TLS connection is closing"),
            Input::More => {}
        }
        match &self.protection {
            Protection::Driven(connection) => connection.cannot_be_saved(),
            Protection::Carried(layer) => layer.cannot_be_saved(),
        }
    }

    /// Takes it apart for another process. This one can encrypt nothing any more.
    ///
    /// # Errors
    /// Why it cannot be continued.
    pub fn save(self) -> Result<SavedTls, &'static str> {
        if let Some(why) = self.cannot_be_saved() {
            return Err(why);
        }
        let saved = match self.protection {
            Protection::Driven(connection) => connection.save()?,
            Protection::Carried(layer) => layer.save()?,
        };
        Ok(SavedTls { partial: self.partial, unread: self.unread, ..saved })
    }

    /// Puts it together again.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn restore(mut saved: SavedTls) -> Result<Encrypted, &'static str> {
        let (mut partial, unread) = (std::mem::take(&mut saved.partial), std::mem::take(&mut saved.unread));
        if partial.len() > frame::LONGEST || unread.len() > MOST_UNREAD {
            return Err("too much of its input is unread");
        }
        let mut restored = Encrypted::with(Protection::Carried(Box::new(Layer::restore(saved)?)));
        restored.unread = unread;
        let length = restored.open(&mut partial);
        restored.unread.extend_from_slice(partial.get(..length).unwrap_or_default());
        Ok(restored)
    }
}

impl Protection {
    fn open(&mut self, records: &mut [u8]) -> Opened {
        match self {
            Protection::Driven(connection) => connection.open(records),
            Protection::Carried(layer) => Opened {
                length: layer.open(records),
                ended: layer.peer_has_ended(),
                failure: layer.failure().map(invalid),
            },
        }
    }

    fn seal(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Protection::Driven(connection) => connection.seal(pieces),
            Protection::Carried(layer) => layer.seal(pieces).map_err(invalid),
        }
    }

    fn send(&mut self, stream: &mut Stream) -> io::Result<usize> {
        match self {
            Protection::Driven(connection) => connection.send(stream),
            Protection::Carried(layer) => {
                let sent = stream.write(layer.unsent())?;
                layer.note_sent(sent);
                Ok(sent)
            }
        }
    }
}

fn invalid(error: RecordError) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

fn failed() -> io::Error {
    ErrorKind::InvalidData.into()
}
