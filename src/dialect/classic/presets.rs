//! The presets: one for each known course exercise.

use std::borrow::Cow;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::description::{Description, Shown};
use super::encoding::Encoding;
use super::framing::{Framing, Length, Padding};

/// All presets, by their names in the configuration.
pub const PRESETS: &[(&str, Preset)] = &[
    ("chatter", chatter),
    ("keyword", keyword),
    ("quit-echo", quit_echo),
    ("user-quit", user_quit),
    ("nic", nic),
    ("header10", header10),
    ("header64", header64),
];

/// A function that returns a preset's description.
pub type Preset = fn() -> Description;

/// The values that all or most presets share.
fn base() -> Description {
    Description {
        greeting: nothing(),
        keyword: Cow::Borrowed(""),
        preamble: Cow::Borrowed(""),
        login: Cow::Borrowed("{name}"),
        refused: one("*** {reason}"),
        welcome: nothing(),
        users: nothing(),
        empty: nothing(),
        users_separator: Cow::Borrowed(" "),
        users_with_self: false,
        users_on_change: false,
        join: nothing(),
        own_join: false,
        leave: nothing(),
        line: one("{name}: {text}"),
        notice: one("*** {text}"),
        echo: true,
        own_prefix: Cow::Borrowed(""),
        quit: Cow::Borrowed(""),
        quit_answer: Cow::Borrowed(""),
        reset: false,
        framing_in: Framing::None,
        framing_out: Framing::None,
        line_ending: Cow::Borrowed(""),
        encoding: Encoding::Utf8,
        buffer: 1024,
        quiet: Duration::from_millis(5),
        gap: Duration::from_millis(20),
        zone: TimeZone::UTC,
    }
}

fn nothing() -> Shown {
    Vec::new()
}

fn one(template: &'static str) -> Shown {
    vec![template.into()]
}

/// "Chatter", a window that greets from the cave.
fn chatter() -> Description {
    Description {
        greeting: one("Greetings from the cave! Now type your name and press enter!"),
        welcome: one("Welcome {name}! If you ever want to quit, type {quit} to exit."),
        users: one("Connected users: {users}"),
        empty: one("The chat room is empty!"),
        join: one("{name} has joined the chat!"),
        leave: one("{name} has left the chat."),
        quit: "{quit}".into(),
        reset: true,
        ..base()
    }
}

/// A client on the command line that answers a keyword with its name, and puts that before its lines.
fn keyword() -> Description {
    Description {
        keyword: "nombre del cliente".into(),
        welcome: one("Conectado al servidor"),
        join: one("{name} ha entrado en el chat"),
        own_join: true,
        leave: one("{name} ha salido del chat"),
        own_prefix: "{name}: ".into(),
        reset: true,
        ..base()
    }
}

/// A window whose client speaks first, and is told `{quit}` when it leaves.
fn quit_echo() -> Description {
    Description {
        welcome: one("Welcome {name}: if you want left the chat, write {quit} "),
        join: one("User {name} has joined the chat "),
        leave: one("{name} has left the chat. "),
        line: one("{name} : {text}"),
        quit: "{quit}".into(),
        quit_answer: "{quit}".into(),
        ..base()
    }
}

/// A terminal client with `USER` and `QUIT`.
fn user_quit() -> Description {
    Description {
        login: "USER {name}".into(),
        users: one("Utilisateurs présents : {users}"),
        empty: one("Il n'y a personne d'autre."),
        join: one("{name} est là"),
        leave: one("{name} est parti"),
        quit: "QUIT".into(),
        echo: false,
        line_ending: "\n".into(),
        ..base()
    }
}

/// A window whose client answers `NIC` with its name, and puts that before its lines.
fn nic() -> Description {
    Description {
        keyword: "NIC".into(),
        refused: one("*** {reason}\n"),
        welcome: one("Connected to the server.\n"),
        join: one("{name} joined the chat 😀\n"),
        own_join: true,
        leave: one("{name} left the chat\n"),
        line: one("{name}: {text}\n"),
        notice: one("*** {text}\n"),
        own_prefix: "{name}: ".into(),
        reset: true,
        ..base()
    }
}

/// A client on the command line with ten characters of length before each name and each text.
fn header10() -> Description {
    let server = |text: &'static str| vec!["***".into(), text.into()];
    let framing = Framing::Length(Length::Digits(10, Padding::Right));
    Description {
        refused: server("{reason}"),
        users: server("Here: {users}"),
        empty: server("Nobody else is here."),
        join: server("{name} has joined"),
        leave: server("{name} has left"),
        line: vec!["{name}".into(), "{text}".into()],
        notice: server("{text}"),
        echo: false,
        framing_in: framing,
        framing_out: framing,
        ..base()
    }
}

/// A client on the command line with 64 characters of length before what it sends; it reads one answer to each message.
fn header64() -> Description {
    Description {
        welcome: one("Welcome, {name}. !DISCONNECT leaves."),
        join: one("{name} has joined"),
        leave: one("{name} has left"),
        quit: "!DISCONNECT".into(),
        quit_answer: "Msg received".into(),
        framing_in: Framing::Length(Length::Digits(64, Padding::Right)),
        buffer: 2048,
        ..base()
    }
}
