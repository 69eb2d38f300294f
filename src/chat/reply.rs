//! What the room answers to one client alone.

use std::collections::vec_deque;

use super::{Nick, Past, Reason, Refusal};

/// The names of those present, in order.
pub type Names<'a> = Box<dyn Iterator<Item = &'a Nick> + 'a>;

/// An answer that goes to one session, which its dialect puts into words.
pub enum Reply<'a> {
    /// The name is yours and you are in the room.
    Welcome {
        /// The name, as everybody sees it.
        nick: &'a Nick,
        /// The room's name.
        room: &'a str,
        /// The room's topic.
        topic: &'a str,
        /// Everybody who is here, the newcomer included.
        names: Names<'a>,
        /// What was said before, oldest first.
        history: vec_deque::Iter<'a, Past>,
    },
    /// What you asked for is not done.
    Refused(&'a Refusal),
    /// Everybody who is here.
    Who(Names<'a>),
    /// The room's topic.
    Topic(&'a str),
    /// Somebody tells you alone.
    Private {
        /// Who says it.
        from: &'a Nick,
        /// What they say.
        text: &'a str,
    },
    /// Your private message is on its way.
    Sent {
        /// Who gets it.
        to: &'a Nick,
        /// What you said.
        text: &'a str,
    },
    /// The connection ends, and this is why.
    Closing(&'a Reason),
}
