//! Why a connection ends.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why somebody left or was disconnected. The `Display` text is shown to users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The user quit, with an optional parting message.
    Quit(Option<Box<str>>),
    /// The client closed the connection.
    Closed,
    /// The connection broke; the operating system's error text.
    Broken(Box<str>),
    /// TLS failed; the library's error text.
    Tls(Box<str>),
    /// The client lagged more than this many bytes behind the room.
    TooSlow(usize),
    /// All clients together lagged more than this many bytes behind, and this one was the furthest behind.
    Backlog(usize),
    /// The client read nothing of what it was sent for this many seconds.
    Stalled(u64),
    /// The client did not answer a ping in time.
    NoAnswer,
    /// The client gave no name in time.
    LoginTimeout,
    /// The administrator disconnected the user, with an optional reason.
    Kicked(Option<Box<str>>),
    /// The client speaks another protocol than the one configured for this port.
    WrongProtocol(Cow<'static, str>),
    /// The daemon is stopping.
    Stopping,
}

impl Reason {
    /// One word for the journal. It never contains text written by a user.
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

    /// Whether unsent data is dropped, perhaps in the middle of a line, instead of being sent before the close.
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
