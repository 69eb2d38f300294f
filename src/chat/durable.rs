//! What outlives the process, as it is handed over to be kept.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Ban, Event, Manner, Record, Stamp, Subject};

/// What outlives the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durable {
    /// Something happened.
    Event(Record),
    /// Something that happened could not be kept.
    Gap(Gap),
    /// Somebody with an account has read so far.
    Marker {
        /// The account.
        account: Box<str>,
        /// What was read, in lower case.
        target: Box<str>,
        /// Up to which time, in milliseconds since 1970-01-01 UTC.
        time: u64,
    },
    /// Somebody was banned. Kept even if no history is.
    Banned(Arc<Ban>),
    /// This is banned no more.
    Unbanned(Subject),
}

impl Durable {
    /// Whether it is part of the history, which the administrator may not want to be kept.
    #[must_use]
    pub fn is_history(&self) -> bool {
        !matches!(self, Durable::Banned(_) | Durable::Unbanned(_))
    }
}

/// A part of the history that is missing, because it could not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first missing event.
    pub first: Stamp,
    /// The last missing event.
    pub last: Stamp,
    /// How many events are missing.
    pub count: u64,
}

impl Gap {
    /// Extends the gap by one event.
    pub fn extend(&mut self, stamp: Stamp) {
        (self.last, self.count) = (stamp, self.count + 1);
    }
}

impl From<Stamp> for Gap {
    /// One missing event.
    fn from(stamp: Stamp) -> Gap {
        Gap { first: stamp, last: stamp, count: 1 }
    }
}

impl Event<'_> {
    /// Whether the history on disk includes this event, if the room was shown it.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        match self {
            Event::Registered(_) | Event::Away(..) | Event::Described(_) => false,
            // That somebody is typing means nothing a moment later.
            Event::Said(_, words) if words.manner == Manner::TagsOnly => {
                !words.tags.split(';').all(|tag| tag.starts_with("+typing") || tag.starts_with("+draft/typing"))
            }
            _ => true,
        }
    }
}
