//! Why a connection ends.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why somebody left or was sent away. Its `Display` is what people read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// They said so, perhaps with a last word.
    Quit(Option<Box<str>>),
    /// Their side closed the connection.
    Closed,
    /// Their connection broke; the operating system's word for it.
    Broken(Box<str>),
    /// Their TLS went wrong; what the library says of it.
    Tls(Box<str>),
    /// They lagged more than this many bytes behind the room.
    TooSlow(usize),
    /// They were the furthest behind when all clients together lagged more than this many bytes behind.
    Backlog(usize),
    /// They read nothing of what they were sent for this many seconds.
    Stalled(u64),
    /// They did not answer in time when they were asked whether they are still there.
    NoAnswer,
    /// They had no name in time.
    LoginTimeout,
    /// The administrator disconnected them, perhaps saying why.
    Kicked(Option<Box<str>>),
    /// They speak another protocol than this port's.
    WrongProtocol(Cow<'static, str>),
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
            Reason::Backlog(_) => "backlog",
            Reason::Stalled(_) => "stalled",
            Reason::NoAnswer => "no-answer",
            Reason::LoginTimeout => "login-timeout",
            Reason::Kicked(_) => "kicked",
            Reason::WrongProtocol(_) => "wrong-protocol",
            Reason::Stopping => "stopping",
        }
    }

    /// Whether what the client has not been sent yet is dropped, perhaps in the middle of a line.
    #[must_use]
    pub fn is_lag(&self) -> bool {
        matches!(self, Reason::TooSlow(_) | Reason::Backlog(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Quit(None) => f.write_str("quit"),
            Reason::Quit(Some(word)) => write!(f, "quit: {word}"),
            Reason::Closed => f.write_str("connection closed"),
            Reason::Broken(what) => write!(f, "connection broken: {what}"),
            Reason::Tls(what) => write!(f, "TLS error: {what}"),
            Reason::TooSlow(limit) => write!(f, "too slow: more than {limit} bytes behind"),
            Reason::Backlog(limit) => {
                write!(
                    f,
                    "too slow: the furthest behind while all clients together were more than {limit} bytes behind"
                )
            }
            Reason::Stalled(seconds) => write!(f, "nothing was read for {seconds} seconds"),
            Reason::NoAnswer => f.write_str("no answer to PING"),
            Reason::LoginTimeout => f.write_str("no name was given in time"),
            Reason::Kicked(None) => f.write_str("kicked"),
            Reason::Kicked(Some(why)) => write!(f, "kicked: {why}"),
            Reason::WrongProtocol(what) => f.write_str(what),
            Reason::Stopping => f.write_str("the server is stopping"),
        }
    }
}
