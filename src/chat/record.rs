//! An event that is kept, and its byte form: what the disk, the next process and one day another machine read.

use serde::{Deserialize, Serialize};

use super::{Event, Manner, Stamp};

/// The version of the byte form, its first byte. It changes whenever older bytes would be understood differently.
const VERSION: u8 = 1;

/// An event with its place and time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its place and time.
    pub stamp: Stamp,
    /// What happened.
    pub event: Event<'static>,
}

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// There are none.
    #[error("it is empty")]
    Empty,
    /// They are of a version that this program does not know.
    #[error("it has version {0}; this program reads version {VERSION}")]
    Version(u8),
    /// They are damaged.
    #[error("it is damaged: {0}")]
    Damaged(postcard::Error),
    /// Something follows them.
    #[error("it is followed by {0} bytes more")]
    Trailing(usize),
}

impl Record {
    /// Its byte form: a version byte, and then the record in postcard's encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Serializing into a vector fails only for types that have no length in advance, and these have one.
        postcard::to_extend(self, vec![VERSION]).unwrap_or_default()
    }

    /// The record that these bytes are, all of them.
    ///
    /// # Errors
    /// They are of another version, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Record, RecordError> {
        let (version, bytes) = bytes.split_first().ok_or(RecordError::Empty)?;
        if *version != VERSION {
            return Err(RecordError::Version(*version));
        }
        let (record, rest) = postcard::take_from_bytes(bytes).map_err(RecordError::Damaged)?;
        if rest.is_empty() { Ok(record) } else { Err(RecordError::Trailing(rest.len())) }
    }

    /// Whether newcomers are shown it: what was said, not who came and went.
    #[must_use]
    pub fn is_shown_to_newcomers(event: &Event<'_>) -> bool {
        match event {
            Event::Said(_, words) => words.manner != Manner::Silent,
            Event::Notice(_) => true,
            _ => false,
        }
    }

    /// Bytes of its text.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.event {
            Event::Said(_, words) => words.size(),
            Event::Notice(text) | Event::Topic { text, .. } => text.len(),
            _ => 0,
        }
    }
}
