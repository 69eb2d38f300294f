//! Why a command is refused.

use std::sync::Arc;

use super::{Ban, NickError, Subject};

/// Sent to the client that issued the command, in its own protocol; the `Display` text is a whole sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name is in use.
    #[error("The name {0} is taken.")]
    NameTaken(Box<str>),
    /// The name looks like one that is in use.
    #[error("That name looks like \"{like}\", which is taken.")]
    NameLooksTaken {
        /// The name that was asked for.
        name: Box<str>,
        /// The one in use.
        like: Box<str>,
    },
    /// The name is reserved.
    #[error("The name {0} is reserved.")]
    NameReserved(Box<str>),
    /// The name looks like one that is reserved.
    #[error("That name looks like \"{like}\", which is reserved.")]
    NameLooksReserved {
        /// The name that was asked for.
        name: Box<str>,
        /// The reserved one.
        like: Box<str>,
    },
    /// The name is not allowed.
    #[error("That name is not possible: {0}.")]
    NameNotAllowed(NickError),
    /// Nobody with this name is connected.
    #[error("Nobody here is called {0}.")]
    NoSuchUser(Box<str>),
    /// The command is only for members of the room.
    #[error("You are not in the room.")]
    NotInRoom,
    /// The message is no longer in the history.
    #[error("That line is not kept.")]
    NoSuchLine,
    /// A topic or away message is longer than this many bytes.
    #[error("That is too long: {0} bytes are the most.")]
    TextTooLong(usize),
    /// The administrator keeps out whoever wants to have this name or has this account.
    #[error("{}.", told(.0))]
    Banned(Arc<Ban>),
    /// A message can be deleted only by its author.
    #[error("That line is somebody else's.")]
    NotYours,
}

fn told(ban: &Ban) -> String {
    match &ban.subject {
        Subject::Name(name) => format!("The name {name} is {}", ban.told()),
        _ => format!("You are {}", ban.told()),
    }
}
