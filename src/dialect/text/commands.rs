//! The commands that begin with a slash.

use std::borrow::Cow;

use super::{head, say, tail, trimmed};
use crate::chat::{Command, Words};

/// A command that begins with a slash: its word, its arguments for people, what it does, and how it is understood, if it
/// can be.
pub struct Slash {
    word: &'static str,
    pub arguments: &'static str,
    does: &'static str,
    pub parse: for<'a> fn(Cow<'a, str>) -> Option<Wish<'a>>,
}

/// What a slash command comes to.
pub enum Wish<'a> {
    /// Something that the room does.
    Room(Command<'a>),
    /// The list of commands.
    Help,
    /// What was said.
    History,
    /// The client's own lines, or none of them.
    Echo(bool),
}

/// All commands; `/help` is made from this table.
const COMMANDS: &[Slash] = &[
    Slash { word: "help", arguments: "", does: "shows this", parse: |_| Some(Wish::Help) },
    Slash { word: "who", arguments: "", does: "lists who is here", parse: |_| Some(Wish::Room(Command::Look)) },
    Slash { word: "history", arguments: "", does: "shows what was said", parse: |_| Some(Wish::History) },
    Slash {
        word: "topic",
        arguments: "[TEXT]",
        does: "shows the topic, or changes it",
        parse: |text| Some(Wish::Room(if text.is_empty() { Command::Topic } else { Command::SetTopic(text) })),
    },
    Slash {
        word: "me",
        arguments: "TEXT",
        does: "says what you do: * NAME TEXT",
        parse: |text| (!text.is_empty()).then(|| Wish::Room(Command::Say(Words::action(text)))),
    },
    Slash { word: "msg", arguments: "NAME TEXT", does: "tells one person alone", parse: private },
    Slash {
        word: "nick",
        arguments: "NAME",
        does: "changes your name",
        parse: |name| (!name.is_empty()).then_some(Wish::Room(Command::Name(name))),
    },
    Slash {
        word: "away",
        arguments: "[TEXT]",
        does: "tells others why you do not answer, or that you are back",
        parse: |text| Some(Wish::Room(Command::Away((!text.is_empty()).then_some(text)))),
    },
    Slash {
        word: "echo",
        arguments: "on|off",
        does: "says whether your own lines come back to you",
        parse: |word| match &*word {
            "on" => Some(Wish::Echo(true)),
            "off" => Some(Wish::Echo(false)),
            _ => None,
        },
    },
    Slash {
        word: "quit",
        arguments: "[TEXT]",
        does: "leaves, with a last word",
        parse: |text| Some(Wish::Room(Command::Quit((!text.is_empty()).then_some(text)))),
    },
];

/// The command of this word.
pub fn find(word: &str) -> Option<&'static Slash> {
    COMMANDS.iter().find(|slash| slash.word == word)
}

pub fn help(out: &mut Vec<u8>) {
    for slash in COMMANDS {
        let space = if slash.arguments.is_empty() { "" } else { " " };
        say(out, &["/", slash.word, space, slash.arguments, " ", slash.does]);
    }
    say(out, &["//TEXT says /TEXT"]);
}

fn private(arguments: Cow<'_, str>) -> Option<Wish<'_>> {
    let space = arguments.find(char::is_whitespace)?;
    let text = trimmed(tail(&arguments, space));
    let to = head(arguments, space);
    (!text.is_empty()).then(|| Wish::Room(Command::Private { to, words: Words::plain(text) }))
}
