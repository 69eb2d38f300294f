//! Stored events and their encoding, which other processes, versions and machines may read.

use serde::{Deserialize, Serialize};

use super::{Event, Manner, Stamp};

/// The version of the encoding, stored in its first byte. It changes whenever older bytes would be read differently.
const VERSION: u8 = 1;

/// An event with its position and time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its position and time.
    pub stamp: Stamp,
    /// The event.
    pub event: Event<'static>,
}

/// Why bytes cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// There are no bytes.
    #[error("it is empty")]
    Empty,
    /// The version is unknown to this program.
    #[error("it has version {0}; this program reads version {VERSION}")]
    Version(u8),
    /// The bytes are damaged.
    #[error("it is damaged: {0}")]
    Damaged(postcard::Error),
    /// This many bytes follow the record.
    #[error("it is followed by {0} bytes more")]
    Trailing(usize),
}

impl Record {
    /// Encodes the record: a version byte, then postcard.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Serializing into a vector fails only for types without a length known in advance; this one has none of them.
        postcard::to_extend(self, vec![VERSION]).unwrap_or_default()
    }

    /// Decodes a record from exactly these bytes.
    ///
    /// # Errors
    /// The version is unknown, the bytes are damaged, or others follow.
    pub fn decode(bytes: &[u8]) -> Result<Record, RecordError> {
        let (version, bytes) = bytes.split_first().ok_or(RecordError::Empty)?;
        if *version != VERSION {
            return Err(RecordError::Version(*version));
        }
        let (record, rest) = postcard::take_from_bytes(bytes).map_err(RecordError::Damaged)?;
        if rest.is_empty() { Ok(record) } else { Err(RecordError::Trailing(rest.len())) }
    }

    /// Whether newcomers are shown this event as history: messages, but not joins and leaves.
    #[must_use]
    pub fn is_shown_to_newcomers(event: &Event<'_>) -> bool {
        match event {
            Event::Said(_, words) => words.manner != Manner::TagsOnly,
            Event::Notice(_) => true,
            _ => false,
        }
    }

    /// The length of its text in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.event {
            Event::Said(_, words) => words.size(),
            Event::Notice(text) | Event::Topic { text, .. } => text.len(),
            _ => 0,
        }
    }
}
