//! What one variety of the classic protocols says, and when: data only.

use std::borrow::Cow;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::encoding::Encoding;
use super::framing::Framing;

/// Bytes of a template and of the keyword at most.
pub const MAX_TEMPLATE: usize = 200;
/// Templates in the place of one at most.
pub const MAX_TEMPLATES: usize = 8;
/// Bytes of the quit word and of the answer to it at most.
pub const MAX_QUIT: usize = 64;
/// Bytes of a client's buffer at least: a template with the longest name in it always fits.
pub const MIN_BUFFER: usize = 512;

/// What a client is shown at one occasion: mostly one message, but it may be several, or none. Each is a template.
pub type Shown = Vec<Cow<'static, str>>;

/// One variety: every word of it can be configured, see chatd.toml(5).
///
/// In a template `{name}` and the like stand for what is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// What a client is shown first; nothing with a keyword.
    pub greeting: Shown,
    /// What a client program is sent first and answers with its name by itself.
    pub keyword: Cow<'static, str>,
    /// What a client sends before its name, and is passed over.
    pub preamble: Cow<'static, str>,
    /// How the name arrives; empty: it stands in the [`own_prefix`](Self::own_prefix) of the first line.
    pub login: Cow<'static, str>,
    /// What a client is sent whose name is not accepted.
    pub refused: Shown,
    /// The welcome to a newcomer.
    pub welcome: Shown,
    /// Who else is here, for a newcomer.
    pub users: Shown,
    /// The same when nobody else is here.
    pub empty: Shown,
    /// What stands between two names in `users`.
    pub users_separator: Cow<'static, str>,
    /// Whether newcomers find their own name in `users` too.
    pub users_with_self: bool,
    /// Whether everybody is sent `users` whenever somebody comes, goes or has another name.
    pub users_on_change: bool,
    /// Somebody has come in.
    pub join: Shown,
    /// Whether newcomers are sent their own join too.
    pub own_join: bool,
    /// Somebody is gone.
    pub leave: Shown,
    /// Somebody speaks.
    pub line: Shown,
    /// The server itself speaks.
    pub notice: Shown,
    /// Whether a client is sent its own lines.
    pub echo: bool,
    /// What a client puts before its lines by itself.
    pub own_prefix: Cow<'static, str>,
    /// The text by which a client leaves.
    pub quit: Cow<'static, str>,
    /// The answer to that, alone in its message.
    pub quit_answer: Cow<'static, str>,
    /// Whether a connection that the client does not close ends with a reset.
    pub reset: bool,
    /// Where a message ends that a client sends.
    pub framing_in: Framing,
    /// How a client is told where a message ends.
    pub framing_out: Framing,
    /// What ends each message that is shown to people.
    pub line_ending: Cow<'static, str>,
    /// How text is written.
    pub encoding: Encoding,
    /// Bytes that a client receives at once.
    pub buffer: usize,
    /// How long a client must be quiet until what it has sent is a message.
    pub quiet: Duration,
    /// How long to wait between two messages to a client.
    pub gap: Duration,
    /// Where the `{time}` of a template is the time of day.
    #[serde(skip, default = "TimeZone::system")]
    pub zone: TimeZone,
}

/// Every line ending, by the way in which the configuration writes it.
pub const LINE_ENDINGS: &[(&str, &str)] = &[("", ""), ("\n", "\n"), ("\r\n", "\r\n")];

impl Description {
    /// The time of day, as people read it.
    pub(super) fn time(&self, unix: u64) -> String {
        let time = i64::try_from(unix).ok().and_then(|unix| jiff::Timestamp::from_millisecond(unix).ok());
        time.map(|time| time.to_zoned(self.zone.clone()).strftime("%H:%M").to_string()).unwrap_or_default()
    }

    /// The name in a message that is a login.
    pub(super) fn login_name<'a>(&self, text: &'a str) -> Option<&'a str> {
        found(&self.login, "name", text.trim()).map(str::trim)
    }

    /// The name that a line has before it, and the line.
    pub(super) fn name_before<'a>(&self, text: &'a str) -> Option<(&'a str, &'a str)> {
        let (before, after) = self.own_prefix.split_once("{name}")?;
        let rest = text.strip_prefix(before)?;
        rest.split_once(after).or_else(|| rest.split_once(after.trim_end()))
    }

    /// What a client puts before its lines that calls itself this.
    pub(super) fn prefix(&self, called: &str) -> String {
        fill(&self.own_prefix, &[("name", called)])
    }
}

/// A piece of a template.
#[derive(Clone, Copy)]
enum Piece<'a> {
    /// As it stands.
    Text(&'a str),
    /// The name between the braces.
    Placeholder(&'a str),
}

/// The names in a template's braces. What looks like a placeholder is one: lower-case letters in braces.
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

/// The placeholder at the start of `text`, and what follows it.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    (!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase())).then_some((name, after))
}

/// A template with `values` in the place of its placeholders; what the values contain stays as it is.
#[must_use]
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    pieces(template)
        .map(|piece| match piece {
            Piece::Text(text) => text,
            Piece::Placeholder(name) => values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value),
        })
        .collect()
}

/// What `text` has in the place of a placeholder, if it is a text by this template. A placeholder stands for as little
/// as possible; the last one for all that is left. Spaces at the ends of the template do not count.
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
