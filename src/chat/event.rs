//! What happens: the events of the log, each with its place and time.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Nick, Person, Reason, Words};

/// Something that happened. Texts are borrowed from the input that they came in for as long as nobody keeps the event;
/// [`into_owned`](Event::into_owned) makes one that can be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event<'a> {
    /// Somebody has a name now, and is not in the room yet. Only those who watch the name are told.
    Registered(Arc<Person>),
    /// Somebody came into the room.
    Joined(Arc<Person>),
    /// Somebody is gone, and so is their name. The room is told if they were in it.
    Left(Arc<Person>, Reason),
    /// Somebody went out of the room, perhaps with a last word, and is still connected.
    Parted(Arc<Person>, Option<Cow<'a, str>>),
    /// Somebody has another name.
    Renamed {
        /// Who they were until now.
        from: Arc<Person>,
        /// The name from now on.
        to: Nick,
    },
    /// Somebody speaks.
    Said(Arc<Person>, Words<'a>),
    /// Somebody takes back what they have said.
    Redacted {
        /// Who.
        by: Arc<Person>,
        /// The [sequence](Stamp) of what they had said.
        line: u64,
        /// Why.
        reason: Option<Cow<'a, str>>,
    },
    /// The administrator speaks.
    Notice(Cow<'a, str>),
    /// The topic is another one.
    Topic {
        /// Who has set it; `None`: the administrator.
        by: Option<Arc<Person>>,
        /// The topic from now on; empty: there is none.
        text: Cow<'a, str>,
    },
    /// Somebody is away for this reason, or here again. The room is told if they are in it.
    Away(Arc<Person>, Option<Cow<'a, str>>),
    /// Somebody tells something else of themselves now; this is who they are from now on. The room is told if they are
    /// in it.
    Described(Arc<Person>),
}

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The event's place in the log; the first one is 1, and every next one is larger.
    pub sequence: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub unix: u64,
}

impl Event<'_> {
    /// The same event, held for longer than the input that it came in.
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

    /// Whom it is about, if the room learns of it only when they are in the room.
    #[must_use]
    pub fn concerns(&self) -> Option<&Arc<Person>> {
        match self {
            Event::Registered(who) | Event::Left(who, _) | Event::Away(who, _) | Event::Described(who) => Some(who),
            Event::Renamed { from, .. } => Some(from),
            _ => None,
        }
    }
}
