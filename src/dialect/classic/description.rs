//! What one variety of the classic protocols says, and when: data only.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bytes of a template and of the keyword at most.
pub const MAX_TEMPLATE: usize = 200;
/// Bytes of the quit word and of the answer to it at most.
pub const MAX_QUIT: usize = 64;
/// Bytes of a client's buffer at least: a template with the longest name in it always fits.
pub const MIN_BUFFER: usize = 512;

/// One variety: every word of it can be configured, see chatd.toml(5).
///
/// In a template `{name}` and the like stand for what is meant; an empty one means that nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// What a client is shown first; empty with a keyword.
    pub greeting: Cow<'static, str>,
    /// What a client program is sent first and answers with its name by itself.
    pub keyword: Cow<'static, str>,
    /// How the name arrives.
    pub login: Cow<'static, str>,
    /// Whether newcomers are sent their own join too.
    pub own_join: bool,
    /// The welcome to a newcomer.
    pub welcome: Cow<'static, str>,
    /// Who else is here, for a newcomer.
    pub users: Cow<'static, str>,
    /// The same when nobody else is here.
    pub empty: Cow<'static, str>,
    /// Somebody has come in.
    pub join: Cow<'static, str>,
    /// Somebody is gone.
    pub leave: Cow<'static, str>,
    /// Somebody speaks.
    pub line: Cow<'static, str>,
    /// The server itself speaks.
    pub notice: Cow<'static, str>,
    /// The text by which a client leaves.
    pub quit: Cow<'static, str>,
    /// The answer to that, alone in its message.
    pub quit_answer: Cow<'static, str>,
    /// Whether a client is sent its own lines.
    pub echo: bool,
    /// What a client puts before its lines by itself.
    pub own_prefix: Cow<'static, str>,
    /// What ends each message that is shown to people.
    pub line_ending: Cow<'static, str>,
    /// Bytes that a client receives at once.
    pub buffer: usize,
    /// How long a client must be quiet until what it has sent is a message.
    pub quiet: Duration,
    /// How long to wait between two messages to a client.
    pub gap: Duration,
    /// What a client can decode.
    pub encoding: Encoding,
}

/// What a client can decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// Everything.
    Utf8,
    /// ASCII alone: other characters are written with similar letters.
    Ascii,
}

impl Encoding {
    /// Every encoding, by the name that the configuration has for it.
    pub const ALL: &[(&str, Self)] = &[("utf-8", Self::Utf8), ("ascii", Self::Ascii)];
}

/// Every line ending, by the way in which the configuration writes it.
pub const LINE_ENDINGS: &[(&str, &str)] = &[("", ""), ("\n", "\n"), ("\r\n", "\r\n")];

/// A piece of a template.
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
