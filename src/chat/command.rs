//! What a client asks of the room.

use std::borrow::Cow;

use super::{Nick, Profile, Words};

/// One request, as a dialect understood it; texts are already harmless (see [`clean`](super::clean)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// Be known by this name from now on. The first one is the login of somebody who gives nothing but a name; it
    /// brings them into the room.
    Name(Cow<'a, str>),
    /// Be known by this name, or by the first free one that is made of it and a number.
    Guest(Cow<'a, str>),
    /// Be known by this name and profile; the first request of somebody who gives more than a name.
    Register {
        /// The name.
        name: Cow<'a, str>,
        /// What else they tell of themselves.
        profile: Box<Profile>,
        /// Whether to go into the room as well.
        enter: bool,
        /// Whether a number may be added to the name until nobody has it.
        guest: bool,
    },
    /// Go into the room.
    Enter,
    /// Go out of the room and stay connected, perhaps with a last word.
    Exit(Option<Cow<'a, str>>),
    /// Be sent the room's events in the dialect's present [form](super::Form), which is another one now.
    ChangeForm,
    /// Say this to everybody.
    Say(Words<'a>),
    /// Say this to one person alone.
    Private {
        /// The person's name.
        to: Cow<'a, str>,
        /// What they are told.
        words: Words<'a>,
    },
    /// Take back what was said in this event of the log.
    Redact {
        /// The event's [sequence](super::Stamp).
        line: u64,
        /// Why.
        reason: Option<Cow<'a, str>>,
    },
    /// Make this the topic.
    SetTopic(Cow<'a, str>),
    /// Be away for this reason, or here again.
    Away(Option<Cow<'a, str>>),
    /// Be known by another profile.
    Describe(Box<Profile>),
    /// Be told when people with these names come and go, with these added and those taken away.
    Watch {
        /// Names to be told of.
        add: Vec<Nick>,
        /// Names to be told of no more.
        remove: Vec<Nick>,
    },
    /// Note that the client has read so far.
    MarkRead {
        /// What it has read, in lower case.
        target: Cow<'a, str>,
        /// Up to which time, in milliseconds since 1970-01-01 UTC.
        time: u64,
    },
    /// Leave, perhaps with a last word.
    Quit(Option<Cow<'a, str>>),
}

impl Command<'_> {
    /// The same request, held for longer than the input that it came in.
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
            Command::Redact { line, reason } => Command::Redact { line, reason: reason.map(owned) },
            Command::SetTopic(topic) => Command::SetTopic(owned(topic)),
            Command::Away(why) => Command::Away(why.map(owned)),
            Command::Describe(profile) => Command::Describe(profile),
            Command::Watch { add, remove } => Command::Watch { add, remove },
            Command::MarkRead { target, time } => Command::MarkRead { target: owned(target), time },
            Command::Quit(word) => Command::Quit(word.map(owned)),
        }
    }
}
