//! Journal entries about clients: joins, leaves and changes of names, never what is said.

use tracing::info;

use super::counters::is_refusal;
use crate::chat::{Ban, Event, Nick, Reason};
use crate::room::Outcome;
use crate::session::{Ended, Origin};

/// Logs the outcome of a client's command.
pub(super) fn log_outcome(origin: &Origin, protocol: &'static str, outcome: &Outcome<'_>) {
    let Outcome::Done(_, event) = outcome else { return };
    match event {
        Event::Joined(who) => {
            info!(chatd.event = "join", chatd.user = %who.nick, chatd.address = %origin.address,
                chatd.transport = origin.transport(), chatd.protocol = protocol, "{} has joined", who.nick);
        }
        Event::Parted(who, word) => {
            log_leave(origin, protocol, &who.nick, &Reason::Quit(word.as_deref().map(Into::into)));
        }
        Event::Renamed { from, to } => {
            info!(chatd.event = "rename", chatd.user = %to, chatd.address = %origin.address,
                chatd.transport = origin.transport(), chatd.protocol = protocol, "{} is now known as {to}", from.nick);
        }
        _ => {}
    }
}

/// Logs that a client has sent an invalid name.
pub(super) fn log_invalid_name(origin: &Origin, protocol: &'static str, hint: &str) {
    info!(chatd.event = "refused", chatd.address = %origin.address, chatd.transport = origin.transport(),
        chatd.protocol = protocol, chatd.reason = "nonsense", "a name was refused: {hint}");
}

/// Logs that a client's new name is banned.
pub(super) fn log_refused(origin: &Origin, protocol: &'static str, ban: &Ban) {
    info!(chatd.event = "refused", chatd.address = %origin.address, chatd.transport = origin.transport(),
        chatd.protocol = protocol, chatd.reason = ban.told().code(), "a name was refused: {} is banned", ban.subject);
}

/// Logs the end of a client's session.
pub(super) fn log_end(origin: &Origin, protocol: &'static str, ended: &Ended, reason: &Reason) {
    match &ended.person {
        Some(person) if ended.in_room => log_leave(origin, protocol, &person.nick, reason),
        Some(_) => {}
        None if is_refusal(reason) => {
            info!(chatd.event = "refused", chatd.address = %origin.address, chatd.transport = origin.transport(),
                chatd.protocol = protocol, chatd.reason = reason.code(), "a connection was ended: {reason}");
        }
        None => {}
    }
}

/// Logs that somebody has left whose connection could not be restored.
pub(super) fn log_lost(nick: &Nick, reason: &Reason) {
    info!(chatd.event = "leave", chatd.user = %nick, chatd.reason = reason.code(), "{nick} has left");
}

fn log_leave(origin: &Origin, protocol: &'static str, nick: &Nick, reason: &Reason) {
    info!(chatd.event = "leave", chatd.user = %nick, chatd.address = %origin.address,
        chatd.transport = origin.transport(), chatd.protocol = protocol, chatd.reason = reason.code(),
        "{nick} has left");
}
