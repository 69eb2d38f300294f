//! What a dialect promises the room: to put events into bytes.

use super::{Event, Stamp};

/// A wire form: a dialect plus the options that change its bytes.
///
/// Every event is rendered once for each form in use and shared by all who chose it, so the bytes may depend on
/// nothing but the form and the event.
pub trait Form: Send + Sync {
    /// Two forms with the same identity produce the same bytes: the dialect's name and its options.
    fn id(&self) -> (&'static str, u64);

    /// Appends the event's bytes; none, if the form does not show such an event.
    fn render(&self, stamp: Stamp, event: Event<'_>, out: &mut Vec<u8>);
}
