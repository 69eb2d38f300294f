//! What the room answers to one client alone.

use std::collections::vec_deque;
use std::sync::Arc;

use super::{Event, Gone, Nick, Past, Person, Reason, Refusal, Seen, Stamp, Words};

/// People, in the order of their names.
pub type People<'a> = Box<dyn Iterator<Item = Seen<'a>> + 'a>;

/// What may be seen of the room at one moment.
pub trait View {
    /// The room's name.
    fn room(&self) -> &str;
    /// The room's topic.
    fn topic(&self) -> &Topic;
    /// The person with this name.
    fn find(&self, nick: &Nick) -> Option<Seen<'_>>;
    /// Everybody who has a name, those who are not in the room included.
    fn people(&self) -> People<'_>;
    /// The names of all who are in the room, in no order, joined by spaces, in pieces of at most 256 bytes: ready to be
    /// sent, because a newcomer may have to be told thousands.
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_>;
    /// How many people have a name.
    fn named(&self) -> usize;
    /// How many of them are in the room.
    fn present(&self) -> usize;
    /// How many people have had a name at once.
    fn most(&self) -> usize;
    /// Those who are not here any more, the last one first; only the last ones are remembered.
    fn gone(&self) -> Box<dyn Iterator<Item = &Gone> + '_>;
    /// The last lines, oldest first.
    fn history(&self) -> vec_deque::Iter<'_, Past>;
}

/// The room's topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// One line; empty if there is none.
    pub text: Box<str>,
    /// The name of who has set it; the administrator has none.
    pub by: Option<Nick>,
    /// When it was set, in milliseconds since 1970-01-01 UTC.
    pub unix: u64,
}

/// An answer that goes to one session, which its dialect puts into words.
pub enum Reply<'a> {
    /// The name is yours. Whether you are in the room is another matter.
    Registered {
        /// Who you are.
        person: &'a Arc<Person>,
        /// The room.
        view: &'a dyn View,
    },
    /// You are in the room.
    Welcome {
        /// Who you are.
        person: &'a Person,
        /// Your coming in, as the others see it.
        stamp: Stamp,
        /// The room, yourself included.
        view: &'a dyn View,
    },
    /// What you asked for is not done.
    Refused(&'a Refusal),
    /// The room.
    Look(&'a dyn View),
    /// The room's topic.
    Topic(&'a Topic),
    /// What you asked for has happened. A dialect that [echoes](crate::dialect::Dialect::echoes) is sent the event as
    /// everybody is; if you are not in the room, this is all that you are told of it.
    Done(Stamp, Event<'a>),
    /// Somebody tells you alone.
    Private {
        /// When.
        stamp: Stamp,
        /// Who says it.
        from: &'a Person,
        /// Your name when they said it.
        to: &'a Nick,
        /// What they say.
        words: &'a Words<'a>,
    },
    /// Your private message is on its way.
    Sent {
        /// When.
        stamp: Stamp,
        /// Who you are.
        from: &'a Person,
        /// Who gets it.
        to: Seen<'a>,
        /// What you said.
        words: &'a Words<'a>,
    },
    /// Somebody whom you [watch](super::Command::Watch) has come, or is gone.
    Presence {
        /// Who.
        person: &'a Person,
        /// Whether they are here now.
        here: bool,
    },
    /// Somebody whom you watch has done this where you could not see it: you are not both in the room.
    Watched(Stamp, Event<'a>),
    /// The connection ends, and this is why.
    Closing(&'a Reason),
}
