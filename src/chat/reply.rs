//! What one client alone is told, and what it may see of the room.

use std::collections::vec_deque;

use serde::{Deserialize, Serialize};

use super::{Event, Gone, Nick, Person, Reason, Record, Refusal, Seen, Stamp, Words};

/// People, in the order of their names.
pub type People<'a> = Box<dyn Iterator<Item = Seen<'a>> + 'a>;

/// What may be seen of the room at one moment, by one client.
pub trait View {
    /// The room's name.
    fn room(&self) -> &str;
    /// The room's topic.
    fn topic(&self) -> &Topic;
    /// The client itself, once it has a name.
    fn own(&self) -> Option<Seen<'_>>;
    /// The names that the client [watches](super::Command::Watch).
    fn watched(&self) -> &[Nick];
    /// How far the client has read a target, given in lower case, in milliseconds since 1970-01-01 UTC.
    fn read_marker(&self, target: &str) -> Option<u64>;
    /// The person with this name.
    fn find(&self, nick: &Nick) -> Option<Seen<'_>>;
    /// Everybody who has a name, those who are not in the room included, from the first one behind this
    /// [key](Nick::key) on.
    fn people_after(&self, key: Option<&str>) -> People<'_>;
    /// Everybody who has a name, those who are not in the room included.
    fn people(&self) -> People<'_> {
        self.people_after(None)
    }
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
    fn history(&self) -> vec_deque::Iter<'_, Record>;
}

/// Where a client's answer is written, and what may be seen of the room meanwhile.
pub struct Answer<'a> {
    /// The room, as this client sees it.
    pub view: &'a dyn View,
    /// The answer so far.
    pub bytes: &'a mut Vec<u8>,
}

impl Answer<'_> {
    /// Appends these pieces.
    pub fn write(&mut self, pieces: &[&str]) {
        pieces.iter().for_each(|piece| self.bytes.extend_from_slice(piece.as_bytes()));
    }
}

/// The room's topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// One line; empty if there is none.
    pub text: Box<str>,
    /// The name of who has set it; the administrator has none.
    pub by: Option<Nick>,
    /// When it was set, in milliseconds since 1970-01-01 UTC.
    pub unix: u64,
}

/// What one client is told alone, which its dialect puts into words.
#[derive(Debug, Clone, Copy)]
pub enum Reply<'a> {
    /// What you asked for is not done.
    Refused(&'a Refusal),
    /// What you asked for has happened. [`Event::Registered`]: the name is yours. [`Event::Joined`]: you are in the room,
    /// and are sent what happens there from now on. Of any other event, a dialect that
    /// [echoes](crate::dialect::Dialect::echoes) is sent what everybody is; if you are not in the room, this is all that
    /// you are told of it.
    Done(Stamp, &'a Event<'a>),
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
    Watched(Stamp, &'a Event<'a>),
    /// The connection ends, and this is why.
    Closing(&'a Reason),
}
