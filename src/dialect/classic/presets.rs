//! The varieties that come ready made: one for each of the exercises that are known to be taught.

use std::borrow::Cow::Borrowed;
use std::time::Duration;

use super::description::{Description, Encoding};

/// Every preset, by the name that the configuration has for it.
pub const PRESETS: &[(&str, Preset)] =
    &[("chatter", chatter), ("keyword", keyword), ("quit-echo", quit_echo), ("user-quit", user_quit), ("nic", nic)];

/// Makes a preset's description.
pub type Preset = fn() -> Description;

/// What all of them have in common, or most.
fn base() -> Description {
    Description {
        greeting: Borrowed(""),
        keyword: Borrowed(""),
        login: Borrowed("{name}"),
        own_join: false,
        welcome: Borrowed(""),
        users: Borrowed(""),
        empty: Borrowed(""),
        join: Borrowed(""),
        leave: Borrowed(""),
        line: Borrowed("{name}: {text}"),
        notice: Borrowed("*** {text}"),
        quit: Borrowed(""),
        quit_answer: Borrowed(""),
        echo: true,
        own_prefix: Borrowed(""),
        line_ending: Borrowed(""),
        buffer: 1024,
        quiet: Duration::from_millis(50),
        gap: Duration::from_millis(20),
        encoding: Encoding::Utf8,
    }
}

/// "Chatter", a window that greets from the cave.
fn chatter() -> Description {
    Description {
        greeting: Borrowed("Greetings from the cave! Now type your name and press enter!"),
        welcome: Borrowed("Welcome {name}! If you ever want to quit, type {quit} to exit."),
        users: Borrowed("Connected users: {users}"),
        empty: Borrowed("The chat room is empty!"),
        join: Borrowed("{name} has joined the chat!"),
        leave: Borrowed("{name} has left the chat."),
        quit: Borrowed("{quit}"),
        ..base()
    }
}

/// A client on the command line that answers a keyword with its name, and puts that before its lines.
fn keyword() -> Description {
    Description {
        keyword: Borrowed("nombre del cliente"),
        own_join: true,
        welcome: Borrowed("Conectado al servidor"),
        join: Borrowed("{name} ha entrado en el chat"),
        leave: Borrowed("{name} ha salido del chat"),
        own_prefix: Borrowed("{name}: "),
        ..base()
    }
}

/// A window whose client speaks first, and is told `{quit}` when it leaves.
fn quit_echo() -> Description {
    Description {
        welcome: Borrowed("Welcome {name}: if you want left the chat, write {quit} "),
        join: Borrowed("User {name} has joined the chat "),
        leave: Borrowed("{name} has left the chat. "),
        line: Borrowed("{name} : {text}"),
        quit: Borrowed("{quit}"),
        quit_answer: Borrowed("{quit}"),
        ..base()
    }
}

/// A terminal client with `USER` and `QUIT`.
fn user_quit() -> Description {
    Description {
        login: Borrowed("USER {name}"),
        users: Borrowed("Utilisateurs présents : {users}"),
        empty: Borrowed("Il n'y a personne d'autre."),
        join: Borrowed("{name} est là"),
        leave: Borrowed("{name} est parti"),
        quit: Borrowed("QUIT"),
        echo: false,
        line_ending: Borrowed("\n"),
        ..base()
    }
}

/// A window whose client answers `NIC` with its name, and puts that before its lines.
fn nic() -> Description {
    Description {
        keyword: Borrowed("NIC"),
        own_join: true,
        welcome: Borrowed("Connected to the server."),
        join: Borrowed("{name} joined the chat 😀\n"),
        leave: Borrowed("{name} left the chat\n"),
        line: Borrowed("{name}: {text}\n"),
        notice: Borrowed("*** {text}\n"),
        own_prefix: Borrowed("{name}: "),
        ..base()
    }
}
