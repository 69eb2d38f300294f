//! How much may be said in the room: bytes in a second, in all and from each address (`limits.room-rate`). Each author has
//! said a message at once, and waits with the next until it is paid for. So when too much is said, all take turns, and who
//! says something now and then waits for nobody.

use crate::chat::{Event, Now};
use crate::config::Limits;
use crate::net::Admission;
use crate::room::Outcome;

/// What may be said at once: as much as in this time, in ticks.
const AT_ONCE: u64 = 2_000_000;
/// What a line has besides its text: a name, perhaps a time and more.
const FRAME: usize = 64;

/// The budget of the room.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// When everything that was said so far is paid for, in ticks.
    paid: u64,
}

impl Budget {
    /// Counts what somebody has done. Returns when they may do more, in ticks.
    pub(super) fn spend(&mut self, now: Now, limits: &Limits, author: &Admission, outcome: &Outcome<'_>) -> u64 {
        let Outcome::Done(_, event) = outcome else { return 0 };
        let bytes = (size(event) + FRAME) as u64;
        // What a single client may say by `message-rate` is always allowed.
        let alone = u64::from(limits.message_rate) * limits.line_length as u64;
        let price = |rate: usize| bytes * 1_000_000 / alone.max(rate as u64).max(1);
        self.paid = self.paid.max(now.ticks) + price(limits.room_rate);
        let address = author.pay(now.ticks, price(limits.per_address(author.address().ip()).room_rate));
        self.paid.max(address).saturating_sub(AT_ONCE)
    }
}

/// The bytes of an event's text.
fn size(event: &Event<'_>) -> usize {
    match event {
        Event::Said(_, words) => words.size(),
        Event::Topic { text, .. } | Event::Notice(text) => text.len(),
        Event::Parted(_, text) | Event::Away(_, text) => text.as_ref().map_or(0, |text| text.len()),
        Event::Redacted { reason, .. } => reason.as_ref().map_or(0, |text| text.len()),
        Event::Renamed { .. } | Event::Registered(_) | Event::Joined(_) | Event::Left(..) | Event::Described(_) => 0,
    }
}

/// Whether an event concerns who is here, which everybody is told though nothing was said, and so counts as several messages.
pub(super) fn is_change(outcome: &Outcome<'_>) -> bool {
    matches!(
        outcome,
        Outcome::Done(_, Event::Parted(..) | Event::Renamed { .. } | Event::Away(..) | Event::Described(_))
    )
}
