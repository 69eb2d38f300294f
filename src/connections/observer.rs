//! Lets somebody watch how clients are understood, for `chatd --try-classic`. The daemon itself has no observer: what is
//! said is nobody's business.

use crate::chat::{Reason, Refusal};
use crate::people::SessionId;
use crate::session::{Session, Step};

/// Is told what is seen of a session.
pub type Observer = fn(SessionId, &Session, Observation<'_>);

/// What there is to see.
#[derive(Debug)]
pub enum Observation<'a> {
    /// What a step of reading came to. A command has not been carried out yet.
    Step(&'a Step<'a>),
    /// The command of the last step is not carried out.
    Refused(&'a Refusal),
    /// The session has ended.
    Ended(&'a Reason),
}

/// Nobody watches.
pub(super) const NO_OBSERVER: Observer = |_, _, _| {};
