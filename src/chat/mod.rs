//! The vocabulary shared by the room and every dialect: names, texts, commands, events and refusals.
//!
//! Plain values only. Nothing here does I/O, reads a clock or knows a wire format.

mod ban;
mod command;
mod durable;
mod event;
mod form;
mod look;
mod lookup;
mod message_id;
mod moment;
mod nick;
mod person;
mod reason;
mod record;
mod refusal;
mod reply;
mod text;
mod words;

pub use ban::{BAN_REASON_LENGTH, Ban, Subject, SubjectError, parse_network, single};
pub use command::Command;
pub use durable::{Durable, Gap};
pub use event::{Event, Stamp};
pub use form::Form;
pub use look::{Look, are_alike};
pub use lookup::{Entry, Found, Lookup, LookupError, Page, Point, Selection};
pub use message_id::{message_id, parse_message_id, write_message_id};
pub use moment::parse_moment;
pub use nick::{MAX_WIDTH, Nick, NickError};
pub use person::{Gone, Person, PersonId, PersonView, Profile};
pub use reason::Reason;
pub use record::{Record, RecordError};
pub use refusal::Refusal;
pub use reply::{Answer, People, Reply, Topic, View};
pub use text::{Changes, Cleaned, TEXT_LENGTH, clean, shorten};
pub use words::{Further, Manner, Words};

/// A point in time on both clocks. It is passed down from the one place that reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Now {
    /// Microseconds, monotonic: since the system started. For deadlines and rates.
    pub ticks: u64,
    /// Milliseconds since 1970-01-01 UTC, by the system clock. For people and protocols.
    pub unix: u64,
}
