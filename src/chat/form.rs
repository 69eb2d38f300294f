//! What a dialect promises the room: to put events into bytes.

use super::{Event, Stamp, View};

/// A wire form: a dialect plus the options that change its bytes.
///
/// Every event is rendered once for each form in use and shared by all who chose it, so the bytes may depend on
/// nothing but the form, the event, and the room that it happens in.
pub trait Form: Send + Sync {
    /// Two forms with the same identity produce the same bytes: the dialect's name and its options.
    fn id(&self) -> (&'static str, u64);

    /// Appends the event's bytes; none, if the form does not show such an event. `view`: the room, as the event has made
    /// it, seen by nobody in particular.
    fn render(&self, stamp: Stamp, event: &Event<'_>, view: &dyn View, out: &mut Vec<u8>);
}
