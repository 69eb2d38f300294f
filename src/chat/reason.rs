//! Why a connection ends.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Why somebody left or was disconnected. The `Display` text is shown to users. A part of the history's format: new ones
/// go to the end.
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
    /// The administrator keeps them out.
    Banned {
        /// Until when, in milliseconds since 1970-01-01 UTC; `None`: for good.
        until: Option<u64>,
        /// Why.
        reason: Option<Box<str>>,
    },
    /// The room is for other networks only.
    NotAllowed,
    /// The daemon restarts and cannot take this connection along: why, as a clause.
    Restarting(Cow<'static, str>),
    /// So many names or logins of the client were refused.
    TooManyAttempts(u16),
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
            Reason::Banned { .. } => "banned",
            Reason::NotAllowed => "not-allowed",
            Reason::Restarting(_) => "restarting",
            Reason::TooManyAttempts(_) => "login-attempts",
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
            Reason::Banned { until, reason } => {
                f.write_str("banned")?;
                if let Some(until) = until {
                    write!(f, " until {}", minute(*until))?;
                }
                reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
            }
            Reason::NotAllowed => f.write_str("this room is not open to your address"),
            Reason::Restarting(why) => write!(f, "the server restarts, and {why}; please connect again"),
            Reason::TooManyAttempts(count) => write!(f, "{count} names or logins were refused, which is too many"),
        }
    }
}

/// A time for people: `2026-01-31 14:05 UTC`, the end of its minute.
pub(super) fn minute(unix: u64) -> String {
    let end = UNIX_EPOCH.checked_add(Duration::from_millis(unix.div_ceil(60_000).saturating_mul(60_000)));
    let text = humantime::format_rfc3339_seconds(end.unwrap_or(UNIX_EPOCH)).to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {} UTC", time.get(..5).unwrap_or(time))
}
