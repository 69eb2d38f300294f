//! What is sent to a single client, and the view of the room from which its answer is made.

use std::collections::vec_deque;

use serde::{Deserialize, Serialize};

use super::{Ban, Event, Gone, Nick, Now, Person, PersonView, Reason, Record, Refusal, Stamp, Words};

/// Users, sorted by name.
pub type People<'a> = Box<dyn Iterator<Item = PersonView<'a>> + 'a>;

/// What one client can see of the room at one moment.
pub trait View {
    /// The room's name.
    fn room(&self) -> &str;
    /// The room's topic.
    fn topic(&self) -> &Topic;
    /// The client's own user, once it has a name.
    fn own(&self) -> Option<PersonView<'_>>;
    /// The names that the client [watches](super::Command::Watch).
    fn watched(&self) -> &[Nick];
    /// The client's read marker for a target, given in lower case: milliseconds since 1970-01-01 UTC.
    fn read_marker(&self, target: &str) -> Option<u64>;
    /// The user with this name.
    fn find(&self, nick: &Nick) -> Option<PersonView<'_>>;
    /// Everybody who has a name, in the room or not, starting after this [key](Nick::key).
    fn people_after(&self, key: Option<&str>) -> People<'_>;
    /// Everybody who has a name, in the room or not.
    fn people(&self) -> People<'_> {
        self.people_after(None)
    }
    /// The names of all members, unsorted, joined by spaces, in pieces of at most 256 bytes. The pieces are kept ready
    /// to send, because a newcomer may have to be sent thousands of names.
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_>;
    /// The number of users who have a name.
    fn named(&self) -> usize;
    /// The number of users in the room.
    fn present(&self) -> usize;
    /// The largest number of users that have had a name at the same time.
    fn peak(&self) -> usize;
    /// Names that were given up, most recent first; only a limited number is kept.
    fn gone(&self) -> Box<dyn Iterator<Item = &Gone> + '_>;
    /// Who is kept out at this time, the latest first.
    fn bans(&self, now: Now) -> Box<dyn Iterator<Item = &Ban> + '_>;
    /// The history, oldest first.
    fn history(&self) -> vec_deque::Iter<'_, Record>;
}

/// The buffer for a client's answer, with the view of the room that it is made from.
pub struct Answer<'a> {
    /// The room, as this client sees it.
    pub view: &'a dyn View,
    /// The answer so far.
    pub bytes: &'a mut Vec<u8>,
}

impl Answer<'_> {
    /// Appends these pieces to the answer.
    pub fn write(&mut self, pieces: &[&str]) {
        pieces.iter().for_each(|piece| self.bytes.extend_from_slice(piece.as_bytes()));
    }
}

/// The room's topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// One line; empty if there is none.
    pub text: Box<str>,
    /// The name of the user who set it; `None` for the administrator.
    pub by: Option<Nick>,
    /// When it was set, in milliseconds since 1970-01-01 UTC.
    pub unix: u64,
}

/// What is sent to a single client; its dialect renders it.
#[derive(Debug, Clone, Copy)]
pub enum Reply<'a> {
    /// Your command was refused.
    Refused(&'a Refusal),
    /// Your command has taken effect. After [`Event::Registered`] the name is yours. After [`Event::Joined`] you are in
    /// the room and receive its events. A client whose dialect [echoes](crate::dialect::Dialect::echoes) receives any
    /// other event from the room as well; outside the room, this reply is all that it receives.
    Done(Stamp, &'a Event<'a>),
    /// Somebody sent you a private message.
    Private {
        /// When.
        stamp: Stamp,
        /// The sender.
        from: &'a Person,
        /// Your name at that time.
        to: &'a Nick,
        /// The message.
        words: &'a Words<'a>,
    },
    /// Your private message was sent.
    Sent {
        /// When.
        stamp: Stamp,
        /// The recipient.
        to: PersonView<'a>,
        /// The message.
        words: &'a Words<'a>,
    },
    /// Somebody on your [watch list](super::Command::Watch) connected or disconnected.
    Presence {
        /// Who.
        person: &'a Person,
        /// Whether they are connected now.
        here: bool,
    },
    /// Somebody on your watch list did this, and you do not receive it from the room because you are not both in it.
    Watched(Stamp, &'a Event<'a>),
    /// Another client of your account has moved its [read marker](super::Command::MarkRead).
    Read {
        /// What was read, in lower case.
        target: &'a str,
        /// Up to which time, in milliseconds since 1970-01-01 UTC.
        time: u64,
    },
    /// The connection is being closed for this reason.
    Closing(&'a Reason),
}
