//! Events: what happens in the room. Each has a position in the log and a time.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Nick, Person, Reason, Words};

/// Something that happened. Texts are borrowed from the input buffer; [`into_owned`](Event::into_owned) makes an event
/// that can be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event<'a> {
    /// Somebody has taken a name but is not in the room yet. Shown only to clients that watch the name.
    Registered(Arc<Person>),
    /// Somebody entered the room.
    Joined(Arc<Person>),
    /// Somebody disconnected, and the name is free again. Shown to the room if they were in it.
    Left(Arc<Person>, Reason),
    /// Somebody left the room but is still connected; with an optional parting message.
    Parted(Arc<Person>, Option<Cow<'a, str>>),
    /// Somebody changed their name.
    Renamed {
        /// The person under the old name.
        from: Arc<Person>,
        /// The new name.
        to: Nick,
    },
    /// Somebody said something.
    Said(Arc<Person>, Words<'a>),
    /// Somebody deleted a message of their own.
    Redacted {
        /// Its author.
        by: Arc<Person>,
        /// The [sequence](Stamp) of the deleted message.
        line: u64,
        /// Why.
        reason: Option<Cow<'a, str>>,
    },
    /// A notice from the administrator.
    Notice(Cow<'a, str>),
    /// The topic changed.
    Topic {
        /// Who set it; `None`: the administrator.
        by: Option<Arc<Person>>,
        /// The new topic; empty if it was cleared.
        text: Cow<'a, str>,
    },
    /// Somebody set their away message, or cleared it. Shown to the room if they are in it.
    Away(Arc<Person>, Option<Cow<'a, str>>),
    /// Somebody changed their profile; this is the person with the new one. Shown to the room if they are in it.
    Described(Arc<Person>),
}

/// An event's position in the log, and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The position in the log: 1 for the first event, and strictly increasing.
    pub sequence: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub unix: u64,
}

impl Event<'_> {
    /// The same event, independent of the input buffer it was borrowed from.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Event::Registered(who) => Event::Registered(who),
            Event::Joined(who) => Event::Joined(who),
            Event::Left(who, reason) => Event::Left(who, reason),
            Event::Parted(who, word) => Event::Parted(who, word.map(owned)),
            Event::Renamed { from, to } => Event::Renamed { from, to },
            Event::Said(who, words) => Event::Said(who, words.into_owned()),
            Event::Redacted { by, line, reason } => Event::Redacted { by, line, reason: reason.map(owned) },
            Event::Notice(text) => Event::Notice(owned(text)),
            Event::Topic { by, text } => Event::Topic { by, text: owned(text) },
            Event::Away(who, why) => Event::Away(who, why.map(owned)),
            Event::Described(who) => Event::Described(who),
        }
    }

    /// The person concerned, for events that the room is shown only if that person is in it.
    #[must_use]
    pub fn concerns(&self) -> Option<&Arc<Person>> {
        match self {
            Event::Registered(who) | Event::Left(who, _) | Event::Away(who, _) | Event::Described(who) => Some(who),
            Event::Renamed { from, .. } => Some(from),
            _ => None,
        }
    }

    /// Who did this; `None` for the administrator.
    #[must_use]
    pub fn author(&self) -> Option<&Arc<Person>> {
        match self {
            Event::Said(who, _) | Event::Parted(who, _) | Event::Joined(who) => Some(who),
            Event::Redacted { by, .. } => Some(by),
            Event::Topic { by, .. } => by.as_ref(),
            Event::Notice(_) => None,
            _ => self.concerns(),
        }
    }
}
