//! IRC: transcripts without a socket, properties of the grammar, and real clients of a real daemon.

mod clients;
mod forms;
mod grammar;
mod history;
mod long;
mod multiline;
mod registration;
mod room;
mod screens;
mod sockets;
mod whereabouts;

use chatd::dialect::Protocol;

use crate::support::talk::{ClientOptions, Talk};

fn connected() -> Talk {
    Talk::new(&Protocol::Irc)
}

fn connected_as(unlike: ClientOptions) -> Talk {
    Talk::with(&Protocol::Irc, unlike)
}

/// A registered client called `ana` with these capabilities.
fn registered(capabilities: &str) -> Talk {
    let mut talk = connected();
    talk.send(&format!("CAP REQ :{capabilities}\r\nNICK ana\r\nUSER ann 0 * :Ana Real\r\nCAP END\r\n"));
    talk
}

/// The same, in the room.
fn joined(capabilities: &str) -> Talk {
    let mut talk = registered(capabilities);
    talk.send("JOIN #lobby\r\n");
    talk
}
