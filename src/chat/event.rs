//! What happens in the room.

use std::fmt;

use super::{Manner, Nick, Person, Topic, Words};

/// Something that happened, seen by everybody in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// Somebody came in.
    Joined(&'a Person),
    /// Somebody is gone.
    Left(&'a Person, &'a Reason),
    /// Somebody went out of the room, perhaps with a last word, and is still connected.
    Parted(&'a Person, Option<&'a str>),
    /// Somebody has another name.
    Renamed {
        /// Who they were until now.
        from: &'a Person,
        /// The name from now on.
        to: &'a Nick,
    },
    /// Somebody speaks.
    Said(&'a Person, &'a Words<'a>),
    /// Somebody takes back what they have said.
    Redacted {
        /// Who.
        by: &'a Person,
        /// The [sequence](Stamp) of what they had said.
        line: u64,
        /// Why.
        reason: Option<&'a str>,
    },
    /// The administrator speaks.
    Notice(&'a str),
    /// The topic is another one.
    Topic {
        /// Who has set it; `None`: the administrator.
        by: Option<&'a Person>,
        /// The topic from now on.
        topic: &'a Topic,
    },
    /// Somebody is away for this reason, or here again.
    Away(&'a Person, Option<&'a str>),
    /// Somebody tells something else of themselves now.
    Described(&'a Person),
}

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The event's place in the log; the first one is 1, and every next one is larger.
    pub sequence: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub unix: u64,
}

/// Why somebody left or was sent away. Its `Display` is what people read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// They said so, perhaps with a last word.
    Quit(Option<Box<str>>),
    /// Their side closed the connection.
    Closed,
    /// Their connection broke; the operating system's word for it.
    Broken(std::io::ErrorKind),
    /// Their TLS went wrong; what the library says of it.
    Tls(Box<str>),
    /// They lagged more than this many bytes behind the room.
    TooSlow(usize),
    /// They did not answer in time when they were asked whether they are still there.
    NoAnswer,
    /// They had no name in time.
    LoginTimeout,
    /// The administrator disconnected them, perhaps saying why.
    Kicked(Option<Box<str>>),
    /// They speak another protocol than this port's.
    WrongProtocol(&'static str),
    /// The daemon stops.
    Stopping,
}

impl Reason {
    /// One word for it that holds nothing anybody wrote, for the journal.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Reason::Quit(_) => "quit",
            Reason::Closed => "closed",
            Reason::Broken(_) => "broken",
            Reason::Tls(_) => "tls",
            Reason::TooSlow(_) => "too-slow",
            Reason::NoAnswer => "no-answer",
            Reason::LoginTimeout => "login-timeout",
            Reason::Kicked(_) => "kicked",
            Reason::WrongProtocol(_) => "wrong-protocol",
            Reason::Stopping => "stopping",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Quit(None) => f.write_str("quit"),
            Reason::Quit(Some(word)) => write!(f, "quit: {word}"),
            Reason::Closed => f.write_str("connection closed"),
            Reason::Broken(kind) => write!(f, "connection broken: {kind}"),
            Reason::Tls(what) => write!(f, "TLS error: {what}"),
            Reason::TooSlow(limit) => write!(f, "too slow: more than {limit} bytes behind"),
            Reason::NoAnswer => f.write_str("no answer to PING"),
            Reason::LoginTimeout => f.write_str("no name was given in time"),
            Reason::Kicked(None) => f.write_str("kicked"),
            Reason::Kicked(Some(why)) => write!(f, "kicked: {why}"),
            Reason::WrongProtocol(what) => f.write_str(what),
            Reason::Stopping => f.write_str("the server is stopping"),
        }
    }
}

/// An event that is kept for newcomers: what was said, not who came and went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    stamp: Stamp,
    kind: PastKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PastKind {
    Said(Person, Words<'static>),
    Notice(Box<str>),
}

impl Past {
    /// The event as it is kept, if it is of a kind that newcomers are shown.
    #[must_use]
    pub fn keep(stamp: Stamp, event: Event<'_>) -> Option<Past> {
        let kind = match event {
            Event::Said(_, words) if words.manner == Manner::Silent => return None,
            Event::Said(who, words) => PastKind::Said(who.clone(), words.to_owned()),
            Event::Notice(text) => PastKind::Notice(text.into()),
            _ => return None,
        };
        Some(Past { stamp, kind })
    }

    /// Bytes of its text.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.kind {
            PastKind::Said(_, words) => words.size(),
            PastKind::Notice(text) => text.len(),
        }
    }

    /// When it happened.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// What happened.
    #[must_use]
    pub fn event(&self) -> Event<'_> {
        match &self.kind {
            PastKind::Said(who, words) => Event::Said(who, words),
            PastKind::Notice(text) => Event::Notice(text),
        }
    }
}
