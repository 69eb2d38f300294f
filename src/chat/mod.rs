//! The vocabulary of a chat: who, what, and why not.
//!
//! Plain values that every dialect and the room share. Nothing here does I/O, asks a clock or knows how anything
//! looks on a wire.

mod command;
mod event;
mod form;
mod nick;
mod person;
mod reason;
mod record;
mod refusal;
mod reply;
mod text;
mod words;

pub use command::Command;
pub use event::{Event, Stamp};
pub use form::Form;
pub use nick::{MAX_WIDTH, Nick, NickError};
pub use person::{Gone, Person, PersonId, Profile, Seen};
pub use reason::Reason;
pub use record::{Record, RecordError};
pub use refusal::Refusal;
pub use reply::{Answer, People, Reply, Topic, View};
pub use text::{Changes, Cleaned, TEXT_LENGTH, clean, shorten};
pub use words::{Further, Manner, Words};

/// A moment, as the one who holds the clock hands it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Now {
    /// Microseconds since the daemon started; never goes back. For deadlines and rates.
    pub ticks: u64,
    /// Milliseconds since 1970-01-01 UTC; follows the machine's clock. For what people and protocols read.
    pub unix: u64,
}
