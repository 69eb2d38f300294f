//! What happens in the room.

use std::fmt;

use super::Nick;

/// Something that happened, seen by everybody in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// Somebody came in.
    Joined(&'a Nick),
    /// Somebody is gone.
    Left(&'a Nick, &'a Reason),
    /// Somebody has another name.
    Renamed {
        /// The name until now.
        from: &'a Nick,
        /// The name from now on.
        to: &'a Nick,
    },
    /// Somebody speaks.
    Said(&'a Nick, &'a str),
    /// Somebody does something: `/me`.
    Acted(&'a Nick, &'a str),
    /// The administrator speaks.
    Notice(&'a str),
    /// The topic is another one.
    Topic(&'a str),
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
    text: Box<str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PastKind {
    Said(Nick),
    Acted(Nick),
    Notice,
}

impl Past {
    /// The event as it is kept, if it is of a kind that newcomers are shown.
    #[must_use]
    pub fn keep(stamp: Stamp, event: Event<'_>) -> Option<Past> {
        let (kind, text) = match event {
            Event::Said(who, text) => (PastKind::Said(who.clone()), text),
            Event::Acted(who, text) => (PastKind::Acted(who.clone()), text),
            Event::Notice(text) => (PastKind::Notice, text),
            Event::Joined(_) | Event::Left(..) | Event::Renamed { .. } | Event::Topic(_) => return None,
        };
        Some(Past { stamp, kind, text: text.into() })
    }

    /// Bytes of its text.
    #[must_use]
    pub fn size(&self) -> usize {
        self.text.len()
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
            PastKind::Said(who) => Event::Said(who, &self.text),
            PastKind::Acted(who) => Event::Acted(who, &self.text),
            PastKind::Notice => Event::Notice(&self.text),
        }
    }
}
