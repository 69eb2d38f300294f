//! The slash commands.

use std::borrow::Cow;

use super::{filled, head, tail, trimmed, write_notice};
use crate::chat::{Command, Words};

/// A slash command: its word, its arguments for `/help`, its description, and its parser.
pub struct Slash {
    word: &'static str,
    pub arguments: &'static str,
    does: &'static str,
    pub parse: for<'a> fn(Cow<'a, str>) -> Meaning<'a>,
}

/// A parsed slash command.
pub enum Meaning<'a> {
    /// A command for the room.
    Command(Command<'a>),
    /// Show the commands.
    Help,
    /// Show the users.
    Who,
    /// Show the topic.
    Topic,
    /// Show this part of the history.
    History(Cow<'a, str>),
    /// Search the history for these words.
    Search(Cow<'a, str>),
    /// Turn the echo of the client's own messages on or off.
    Echo(bool),
    /// The arguments are invalid.
    Nothing,
}

/// All commands. `/help` is generated from this table.
const COMMANDS: &[Slash] = &[
    Slash { word: "help", arguments: "", does: "shows this", parse: |_| Meaning::Help },
    Slash { word: "who", arguments: "", does: "lists who is here", parse: |_| Meaning::Who },
    Slash {
        word: "history",
        arguments: "[COUNT | since TIME]",
        does: "shows what was said; TIME is 14:30, 2026-11-20, or 2h ago",
        parse: |arguments| Meaning::History(arguments),
    },
    Slash {
        word: "search",
        arguments: "WORDS",
        does: "finds lines with all these words; \"a phrase\" and beginn* work, too",
        parse: |words| filled(words).map_or(Meaning::Nothing, Meaning::Search),
    },
    Slash {
        word: "topic",
        arguments: "[TEXT]",
        does: "shows the topic, or changes it",
        parse: |text| filled(text).map_or(Meaning::Topic, |text| Meaning::Command(Command::SetTopic(text))),
    },
    Slash {
        word: "me",
        arguments: "TEXT",
        does: "says what you do: * NAME TEXT",
        parse: |text| filled(text).map(|text| Command::Say(Words::action(text))).into(),
    },
    Slash { word: "msg", arguments: "NAME TEXT", does: "tells one person alone", parse: |text| private(text).into() },
    Slash {
        word: "nick",
        arguments: "NAME",
        does: "changes your name",
        parse: |name| filled(name).map(Command::Name).into(),
    },
    Slash {
        word: "away",
        arguments: "[TEXT]",
        does: "tells others why you do not answer, or that you are back",
        parse: |text| Meaning::Command(Command::Away(filled(text))),
    },
    Slash {
        word: "echo",
        arguments: "on|off",
        does: "says whether your own lines come back to you",
        parse: |word| match &*word {
            "on" => Meaning::Echo(true),
            "off" => Meaning::Echo(false),
            _ => Meaning::Nothing,
        },
    },
    Slash {
        word: "quit",
        arguments: "[TEXT]",
        does: "leaves, with a last word",
        parse: |text| Meaning::Command(Command::Quit(filled(text))),
    },
];

impl<'a> From<Option<Command<'a>>> for Meaning<'a> {
    fn from(command: Option<Command<'a>>) -> Meaning<'a> {
        command.map_or(Meaning::Nothing, Meaning::Command)
    }
}

/// Looks up a command by its word.
pub fn find(word: &str) -> Option<&'static Slash> {
    COMMANDS.iter().find(|slash| slash.word == word)
}

pub fn help(out: &mut Vec<u8>) {
    for slash in COMMANDS {
        let space = if slash.arguments.is_empty() { "" } else { " " };
        write_notice(out, &["/", slash.word, space, slash.arguments, " ", slash.does]);
    }
    write_notice(out, &["//TEXT says /TEXT"]);
}

fn private(arguments: Cow<'_, str>) -> Option<Command<'_>> {
    let space = arguments.find(char::is_whitespace)?;
    let text = trimmed(tail(&arguments, space));
    let to = head(arguments, space);
    (!text.is_empty()).then(|| Command::Private { to, words: Words::plain(text) })
}
