//! Commands: what a client can ask of the room.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Nick, Person, Profile, Words};

/// One request, as parsed by a dialect. All texts have already been through [`clean`](super::clean).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// Take this name. For a client that registers with a name alone, the first one is its login: it enters the room.
    Name(Cow<'a, str>),
    /// Take this name or, if it is taken, the first free name made of it and a number.
    Guest(Cow<'a, str>),
    /// Take this name and profile: the login of a client that gives more than a name.
    Register {
        /// The name.
        name: Cow<'a, str>,
        /// What the client says about its user.
        profile: Box<Profile>,
        /// Whether to enter the room as well.
        enter: bool,
        /// Whether to append a number to the name if it is taken.
        guest: bool,
    },
    /// Enter the room.
    Enter,
    /// Leave the room but stay connected, with an optional parting message.
    Exit(Option<Cow<'a, str>>),
    /// The client has switched to another [form](super::Form); render further events in the dialect's current one.
    ChangeForm,
    /// Say this to everybody.
    Say(Words<'a>),
    /// Send a private message.
    Private {
        /// The recipient's name.
        to: Cow<'a, str>,
        /// The message.
        words: Words<'a>,
    },
    /// Delete a message: the one said in this event of the log.
    Redact {
        /// The event's [sequence](super::Stamp).
        line: u64,
        /// Who said it, as the history on disk knows them; for a message that may no longer be in memory.
        author: Option<Arc<Person>>,
        /// Why.
        reason: Option<Cow<'a, str>>,
    },
    /// Set the topic.
    SetTopic(Cow<'a, str>),
    /// Set the away message, or clear it.
    Away(Option<Cow<'a, str>>),
    /// Replace the profile.
    Describe(Box<Profile>),
    /// Change the list of names whose comings and goings the client is told about.
    Watch {
        /// Names to add.
        add: Vec<Nick>,
        /// Names to remove.
        remove: Vec<Nick>,
    },
    /// Set a read marker: the client has read `target` up to `time`.
    MarkRead {
        /// The room or the person that was read, in lower case.
        target: Cow<'a, str>,
        /// Milliseconds since 1970-01-01 UTC.
        time: u64,
    },
    /// Disconnect, with an optional parting message.
    Quit(Option<Cow<'a, str>>),
}

impl Command<'_> {
    /// The same request, independent of the input buffer it was borrowed from.
    #[must_use]
    pub fn into_owned(self) -> Command<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Command::Name(name) => Command::Name(owned(name)),
            Command::Guest(base) => Command::Guest(owned(base)),
            Command::Register { name, profile, enter, guest } => {
                Command::Register { name: owned(name), profile, enter, guest }
            }
            Command::Enter => Command::Enter,
            Command::Exit(word) => Command::Exit(word.map(owned)),
            Command::ChangeForm => Command::ChangeForm,
            Command::Say(words) => Command::Say(words.into_owned()),
            Command::Private { to, words } => Command::Private { to: owned(to), words: words.into_owned() },
            Command::Redact { line, author, reason } => Command::Redact { line, author, reason: reason.map(owned) },
            Command::SetTopic(topic) => Command::SetTopic(owned(topic)),
            Command::Away(why) => Command::Away(why.map(owned)),
            Command::Describe(profile) => Command::Describe(profile),
            Command::Watch { add, remove } => Command::Watch { add, remove },
            Command::MarkRead { target, time } => Command::MarkRead { target: owned(target), time },
            Command::Quit(word) => Command::Quit(word.map(owned)),
        }
    }
}
