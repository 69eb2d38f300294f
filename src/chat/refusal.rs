//! Why something that was asked for is not done.

use super::NickError;

/// Said to whoever asked, in their dialect's manner; the `Display` is a whole sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody here already has this name.
    #[error("The name {0} is taken.")]
    NameTaken(Box<str>),
    /// The name is not allowed.
    #[error("That name is not possible: {0}.")]
    NameNotAllowed(NickError),
    /// Nobody here has this name.
    #[error("Nobody here is called {0}.")]
    NoSuchUser(Box<str>),
    /// That can only be done by somebody who is in the room.
    #[error("You are not in the room.")]
    NotInRoom,
    /// There is no such line in the history any more.
    #[error("That line is not kept.")]
    NoSuchLine,
    /// A topic or a reason for being away is longer than this many bytes.
    #[error("That is too long: {0} bytes are the most.")]
    TextTooLong(usize),
    /// Only the one who has said a line may take it back.
    #[error("That line is somebody else's.")]
    NotYours,
}
