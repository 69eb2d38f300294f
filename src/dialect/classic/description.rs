//! The description of one variety of the classic protocols: data only.

use std::borrow::Cow;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::encoding::Encoding;
use super::framing::Framing;

/// The maximum length of a template and of the keyword in bytes.
pub const MAX_TEMPLATE: usize = 200;
/// The maximum number of templates in one list.
pub const MAX_TEMPLATES: usize = 8;
/// The maximum length of the quit word and of its answer in bytes.
pub const MAX_QUIT: usize = 64;
/// The minimum size of a client's buffer in bytes; a template with the longest name always fits.
pub const MIN_BUFFER: usize = 512;

/// What a client is shown on one occasion: usually one message, but possibly none or several. Each is a template.
pub type Shown = Vec<Cow<'static, str>>;

/// One variety of the protocol. Every text can be configured, see chatd.toml(5).
///
/// Templates contain placeholders such as `{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Sent on connecting; nothing if there is a keyword.
    pub greeting: Shown,
    /// Sent on connecting; the client program answers it automatically with its name.
    pub keyword: Cow<'static, str>,
    /// Sent by the client before its name, and ignored.
    pub preamble: Cow<'static, str>,
    /// The template in which the name arrives; if empty, the name is in the [`own_prefix`](Self::own_prefix) of the
    /// first line.
    pub login: Cow<'static, str>,
    /// Sent if the name is refused.
    pub refused: Shown,
    /// The welcome to a newcomer.
    pub welcome: Shown,
    /// The list of other users, for a newcomer.
    pub users: Shown,
    /// Sent in place of `users` if nobody else is there.
    pub empty: Shown,
    /// The separator between names in `users`.
    pub users_separator: Cow<'static, str>,
    /// Whether `users` includes the newcomer.
    pub users_with_self: bool,
    /// Whether everybody is sent `users` whenever somebody joins, leaves or is renamed.
    pub users_on_change: bool,
    /// Somebody joined.
    pub join: Shown,
    /// Whether newcomers are sent their own join.
    pub own_join: bool,
    /// Somebody left.
    pub leave: Shown,
    /// Somebody said something.
    pub line: Shown,
    /// A notice from the server.
    pub notice: Shown,
    /// Whether a client is sent its own messages.
    pub echo: bool,
    /// What the client program puts before each line.
    pub own_prefix: Cow<'static, str>,
    /// The text with which a client quits.
    pub quit: Cow<'static, str>,
    /// The answer to `quit`, sent as a message of its own.
    pub quit_answer: Cow<'static, str>,
    /// Whether a connection that the client does not close is ended with a reset.
    pub reset: bool,
    /// The framing of messages from the client.
    pub framing_in: Framing,
    /// The framing of messages to the client.
    pub framing_out: Framing,
    /// Appended to each message that is shown to the user.
    pub line_ending: Cow<'static, str>,
    /// The character encoding.
    pub encoding: Encoding,
    /// The size of the client's receive buffer in bytes.
    pub buffer: usize,
    /// How long the client must be silent for its input to count as a complete message.
    pub quiet: Duration,
    /// The pause between two messages to a client.
    pub gap: Duration,
    /// The time zone for `{time}` in templates.
    #[serde(skip, default = "TimeZone::system")]
    pub zone: TimeZone,
}

/// All line endings, by their spelling in the configuration.
pub const LINE_ENDINGS: &[(&str, &str)] = &[("", ""), ("\n", "\n"), ("\r\n", "\r\n")];

impl Description {
    /// Formats a time of day.
    pub(super) fn time(&self, unix: u64) -> String {
        let time = i64::try_from(unix).ok().and_then(|unix| jiff::Timestamp::from_millisecond(unix).ok());
        time.map(|time| time.to_zoned(self.zone.clone()).strftime("%H:%M").to_string()).unwrap_or_default()
    }

    /// The name, if the message is a login.
    pub(super) fn login_name<'a>(&self, text: &'a str) -> Option<&'a str> {
        found(&self.login, "name", text.trim()).map(str::trim)
    }

    /// Splits a line into its name prefix and its text.
    pub(super) fn name_before<'a>(&self, text: &'a str) -> Option<(&'a str, &'a str)> {
        let (before, after) = self.own_prefix.split_once("{name}")?;
        let rest = text.strip_prefix(before)?;
        rest.split_once(after).or_else(|| rest.split_once(after.trim_end()))
    }

    /// The prefix that a client with this name puts before its lines.
    pub(super) fn prefix(&self, called: &str) -> String {
        fill(&self.own_prefix, &[("name", called)])
    }
}

/// A piece of a template.
#[derive(Clone, Copy)]
enum Piece<'a> {
    /// Literal text.
    Text(&'a str),
    /// A placeholder's name.
    Placeholder(&'a str),
}

/// The placeholders in a template: lower-case letters in braces.
pub fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    pieces(template).filter_map(|piece| match piece {
        Piece::Text(_) => None,
        Piece::Placeholder(name) => Some(name),
    })
}

fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        let (piece, after) = match placeholder(rest) {
            _ if rest.is_empty() => return None,
            Some((name, after)) => (Piece::Placeholder(name), after),
            None => {
                let mut next = rest.char_indices().skip(1).map(|(at, _)| at);
                let end = next.find(|at| rest.get(*at..).and_then(placeholder).is_some()).unwrap_or(rest.len());
                let (text, after) = rest.split_at_checked(end)?;
                (Piece::Text(text), after)
            }
        };
        rest = after;
        Some(piece)
    })
}

/// The placeholder at the start of `text`, and the rest.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    (!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase())).then_some((name, after))
}

/// Replaces the placeholders by `values`; placeholders inside the values are not replaced.
#[must_use]
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    pieces(template)
        .map(|piece| match piece {
            Piece::Text(text) => text,
            Piece::Placeholder(name) => values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value),
        })
        .collect()
}

/// Matches `text` against the template and returns the text at the placeholder `wanted`. Each placeholder matches as
/// little as possible, the last one all of the rest. Spaces at both ends of the template are ignored.
fn found<'a>(template: &str, wanted: &str, text: &'a str) -> Option<&'a str> {
    let (mut rest, mut found) = (text, None);
    let mut pieces = pieces(template.trim()).peekable();
    while let Some(piece) = pieces.next() {
        let name = match piece {
            Piece::Text(text) => {
                rest = rest.strip_prefix(text)?;
                continue;
            }
            Piece::Placeholder(name) => name,
        };
        let next = pieces.next_if(|next| matches!(next, Piece::Text(_)));
        let (value, after) = match next {
            Some(Piece::Text(text)) if pieces.peek().is_none() => (rest.strip_suffix(text)?, ""),
            Some(Piece::Text(text)) => rest.split_once(text)?,
            _ if pieces.peek().is_none() => (rest, ""),
            _ => ("", rest),
        };
        if name == wanted {
            found = Some(value);
        }
        rest = after;
    }
    found.filter(|_| rest.is_empty())
}
