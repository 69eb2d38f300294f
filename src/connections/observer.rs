//! Reports how clients' input is interpreted, for `chatd --try-classic`. The daemon itself has no observer, so that nobody
//! can read along.

use crate::chat::{Reason, Refusal};
use crate::people::SessionId;
use crate::session::{Session, Step};

/// Called with each observation.
pub type Observer = fn(SessionId, &Session, Observation<'_>);

/// What an observer is passed.
#[derive(Debug)]
pub enum Observation<'a> {
    /// The result of a step. A command is not performed yet.
    Step(&'a Step<'a>),
    /// The command of the last step was refused.
    Refused(&'a Refusal),
    /// The session has ended.
    Ended(&'a Reason),
}

/// Does nothing.
pub(super) const NO_OBSERVER: Observer = |_, _, _| {};
