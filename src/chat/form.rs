//! The interface through which the room renders events.

use super::{Event, Stamp, View};

/// A wire form: a dialect plus the options that change its bytes.
///
/// The room renders each event once for each form in use, and all clients with that form share the bytes. So the bytes
/// may depend only on the form, the event and the room's state.
pub trait Form: Send + Sync {
    /// The form's identity: the dialect's name and its options. Two forms with the same identity must produce the same
    /// bytes.
    fn id(&self) -> (&'static str, u64);

    /// Appends the event's bytes, or nothing if the form does not show this kind of event. `view` is the room after the
    /// event, from no particular client's point of view.
    fn render(&self, stamp: Stamp, event: &Event<'_>, view: &dyn View, out: &mut Vec<u8>);
}
