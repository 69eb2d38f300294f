//! Both directions of a connection, and what its messages mean.

use std::io::IoSlice;

use super::direction::{Direction, LONGEST_PLAINTEXT, OVERHEAD};
use super::frame::{self, HEADER};
use super::{Overhead, RecordError, SavedTls, Suite};

/// Record types (RFC 8446, appendix B.1).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// Alerts that end nothing, or only one direction (section 6.1).
const CLOSE_NOTIFY: u8 = 0;
const USER_CANCELED: u8 = 90;

/// Alert levels (section 6).
const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// A `KeyUpdate` message (section 4.6.3) without its last byte, which is 1 if it wants an answer.
const KEY_UPDATE: [u8; 4] = [24, 0, 0, 1];

/// After this many records, the key is changed. AES-GCM is safe for 24 million (section 5.5); nothing is won by more.
const RECORDS_PER_KEY: u64 = 1 << 23;

/// The most encrypted bytes that wait for being sent; a little more with alerts.
const MOST_UNSENT: usize = 64 * 1024;

/// The most of those that a saved connection may have. rustls counts them before encryption.
const MOST_SAVED_UNSENT: usize = 2 * MOST_UNSENT;

/// The record layer of one connection. It does not hold input: whoever reads from the socket keeps what is no whole
/// record, and [`open`](Layer::open) decrypts in place.
pub struct Layer {
    ours: Direction,
    theirs: Direction,
    /// Encrypted bytes to be sent. Without any, it takes no memory.
    unsent: Vec<u8>,
    overhead: Overhead,
    /// How many bytes of a [`KEY_UPDATE`] have come whose rest is in the next record.
    begun: usize,
    /// The peer wants our key to be changed, before anything else is sent (section 4.6.3).
    answer_due: bool,
    /// The peer has sent `close_notify`: it sends nothing more.
    peer_has_ended: bool,
    /// `close_notify` or a fatal alert was sent: nothing more may be.
    has_ended: bool,
    failure: Option<RecordError>,
}

impl Layer {
    /// Goes on with a connection. Its input is the caller's business.
    ///
    /// # Errors
    /// What is wrong with the state.
    pub fn restore(saved: SavedTls) -> Result<Layer, &'static str> {
        let SavedTls { suite, ours, theirs, unsent, partial: _, unread: _ } = saved;
        let suite = Suite::from_number(suite).ok_or("its cipher suite is unknown")?;
        if unsent.len() > MOST_SAVED_UNSENT {
            return Err("too much is to be sent");
        }
        let direction = |saved| Direction::new(suite, saved).ok_or("its keys are not valid");
        Ok(Layer {
            ours: direction(ours)?,
            theirs: direction(theirs)?,
            unsent,
            overhead: Overhead::default(),
            begun: 0,
            answer_due: false,
            peer_has_ended: false,
            has_ended: false,
            failure: None,
        })
    }

    /// Ends this process's part in it; nothing can be encrypted any more. The caller adds its input.
    ///
    /// # Errors
    /// The connection is closing or has failed.
    pub fn save(mut self) -> Result<SavedTls, &'static str> {
        if self.has_ended || self.peer_has_ended || self.failure.is_some() {
            return Err("its TLS connection is closing");
        }
        if let Some(why) = self.cannot_be_saved() {
            return Err(why);
        }
        if self.answer_due {
            self.update_key().map_err(|_| "its TLS connection has failed")?;
        }
        Ok(SavedTls {
            suite: self.ours.suite().number(),
            ours: self.ours.save(),
            theirs: self.theirs.save(),
            partial: Vec::new(),
            unread: Vec::new(),
            unsent: self.unsent,
        })
    }

    /// Why it cannot be continued by another process at present, although nothing is wrong with it.
    pub fn cannot_be_saved(&self) -> Option<&'static str> {
        (self.begun > 0).then_some("its TLS client is in the middle of a message")
    }

    /// Decrypts whole records in place, and returns how much data they held, which is then at the beginning. What follows
    /// a `close_notify` or a failure is ignored.
    pub fn open(&mut self, records: &mut [u8]) -> usize {
        let (mut at, mut length) = (0, 0);
        while !self.peer_has_ended
            && self.failure.is_none()
            && let Some(size) = records.get(at..).and_then(frame::first)
            && let Some(record) = records.get_mut(at..at + size)
        {
            match self.open_one(record) {
                Ok(data) => {
                    let content = at + HEADER;
                    records.copy_within(content..content + data, length);
                    length += data;
                }
                Err(error) => self.fail(error),
            }
            at += size;
        }
        length
    }

    /// Decrypts one record, and returns how much data is behind its header.
    fn open_one(&mut self, record: &mut [u8]) -> Result<usize, RecordError> {
        let (kind, length) = self.theirs.open(record)?;
        let content = record.get(HEADER..HEADER + length).unwrap_or_default();
        match (kind, content) {
            (HANDSHAKE, [_, ..]) => self.take_key_update(content)?,
            // Nothing comes between the parts of a message (section 5.1).
            _ if self.begun > 0 => return Err(RecordError::Unexpected),
            (APPLICATION_DATA, _) => {}
            (ALERT, [_, CLOSE_NOTIFY]) => {
                self.peer_has_ended = true;
                return Ok(0);
            }
            // Announces a close_notify (section 6.1).
            (ALERT, [_, USER_CANCELED]) => {}
            // All others are fatal, whatever their level (section 6.2).
            (ALERT, [_, alert]) => return Err(RecordError::Alert(*alert)),
            (ALERT, [_, ..]) => return Err(RecordError::Malformed),
            // Nothing else is sent by a client after the handshake, unless it was asked for.
            _ => return Err(RecordError::Unexpected),
        }
        let data = if kind == APPLICATION_DATA { length } else { 0 };
        if self.overhead.count(record.len(), data) { Ok(data) } else { Err(RecordError::WithoutData) }
    }

    /// Follows a `KeyUpdate`, the only message that a client may send by itself; or the beginning of one.
    fn take_key_update(&mut self, content: &[u8]) -> Result<(), RecordError> {
        let message = [KEY_UPDATE.get(..self.begun).unwrap_or_default(), content].concat();
        self.begun = 0;
        match message.split_at_checked(KEY_UPDATE.len()) {
            Some((start, [wants_answer])) if start == KEY_UPDATE => {
                if *wants_answer > 1 {
                    return Err(RecordError::Illegal);
                }
                self.theirs.update()?;
                self.answer_due |= *wants_answer == 1;
                Ok(())
            }
            _ if KEY_UPDATE.starts_with(&message) => {
                self.begun = message.len();
                Ok(())
            }
            _ => Err(RecordError::Unexpected),
        }
    }

    /// Whether the peer has sent `close_notify`.
    pub fn peer_has_ended(&self) -> bool {
        self.peer_has_ended
    }

    /// Why the connection has failed. The alert that tells the peer is among the [`unsent`](Self::unsent).
    pub fn failure(&self) -> Option<RecordError> {
        self.failure
    }

    /// Encrypts for sending, into as few records as possible, and returns how much it has taken, which may be less than
    /// all.
    ///
    /// # Errors
    /// The connection has ended or failed.
    pub fn seal(&mut self, pieces: &[IoSlice<'_>]) -> Result<usize, RecordError> {
        if self.has_ended {
            return Err(self.failure.unwrap_or(RecordError::Internal));
        }
        let all: usize = pieces.iter().map(|piece| piece.len()).sum();
        let wanted = all.min(MOST_UNSENT.saturating_sub(self.unsent.len()));
        if wanted == 0 {
            return Ok(0);
        }
        let mut data = Data { pieces: pieces.iter(), current: &[] };
        let mut taken = 0;
        // One more for a changed key.
        self.unsent.reserve_exact(wanted + (wanted.div_ceil(LONGEST_PLAINTEXT) + 1) * OVERHEAD + KEY_UPDATE.len() + 1);
        while taken < wanted {
            if self.answer_due || self.ours.sequence() >= RECORDS_PER_KEY {
                self.update_key()?;
            }
            let length = LONGEST_PLAINTEXT.min(wanted - taken);
            self.ours.seal(APPLICATION_DATA, &mut self.unsent, |out| data.append(length, out))?;
            taken += length;
        }
        Ok(taken)
    }

    /// Tells the peer that nothing more will be sent.
    pub fn send_close_notify(&mut self) {
        self.send_last_alert(WARNING, CLOSE_NOTIFY);
    }

    /// Encrypted bytes to be sent.
    pub fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    /// Records that so many of the [`unsent`](Self::unsent) bytes were sent.
    pub fn note_sent(&mut self, count: usize) {
        self.unsent.drain(..count.min(self.unsent.len()));
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
        }
    }

    /// Sends a `KeyUpdate` that wants no answer, and changes our key.
    fn update_key(&mut self) -> Result<(), RecordError> {
        let [a, b, c, d] = KEY_UPDATE;
        self.ours.seal(HANDSHAKE, &mut self.unsent, |out| out.extend([a, b, c, d, 0]))?;
        self.ours.update()?;
        self.answer_due = false;
        Ok(())
    }

    fn fail(&mut self, error: RecordError) {
        self.failure = Some(error);
        match error.alert() {
            Some(alert) => self.send_last_alert(FATAL, alert),
            None => self.has_ended = true,
        }
    }

    fn send_last_alert(&mut self, level: u8, alert: u8) {
        if !self.has_ended {
            self.has_ended = true;
            // Without it, the peer sees only the close.
            let _ = self.ours.seal(ALERT, &mut self.unsent, |out| out.extend([level, alert]));
        }
    }
}

/// What is left of a list of byte strings.
struct Data<'a> {
    pieces: std::slice::Iter<'a, IoSlice<'a>>,
    current: &'a [u8],
}

impl Data<'_> {
    /// Takes so many bytes from the front.
    fn append(&mut self, mut count: usize, out: &mut Vec<u8>) {
        while count > 0 {
            if self.current.is_empty() {
                let Some(next) = self.pieces.next() else { return };
                self.current = next;
            }
            let (taken, rest) = self.current.split_at_checked(count).unwrap_or((self.current, &[]));
            out.extend(taken);
            (count, self.current) = (count - taken.len(), rest);
        }
    }
}
