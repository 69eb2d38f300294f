//! The message grammar: tags, command, parameters (RFC 1459 with IRCv3 message tags). Parsing copies nothing.

use std::borrow::Cow;

use crate::harmless::is_harmful;

/// The maximum length of a client's tags in bytes, including the `@` and the space (IRCv3 message-tags).
pub const MAX_TAGS: usize = 4096;
/// The maximum length of the rest in bytes, without CR LF (RFC 1459, section 2.3).
pub const MAX_MESSAGE: usize = 510;
/// The maximum number of parameters; the last one includes the rest of the line.
const MAX_PARAMETERS: usize = 15;

/// A parsed message, borrowed from its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The tags between `@` and the first space, still escaped.
    pub tags: &'a str,
    /// The command as written.
    pub command: &'a str,
    parameters: [&'a str; MAX_PARAMETERS],
    count: usize,
}

impl<'a> Message<'a> {
    /// Parses a line without its line end; `None` if it has no command. A source (`:nick`) is ignored.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Message<'a>> {
        let mut rest = line.trim_start_matches(' ');
        let mut tags = "";
        if let Some(tagged) = rest.strip_prefix('@') {
            let (found, after) = word(tagged);
            (tags, rest) = (found, after);
        }
        if let Some(sourced) = rest.strip_prefix(':') {
            rest = word(sourced).1;
        }
        let (command, mut rest) = word(rest);
        if command.is_empty() || command.starts_with([':', '@']) {
            return None;
        }
        let (mut parameters, mut count) = ([""; MAX_PARAMETERS], 0);
        while !rest.is_empty() {
            let Some(place) = parameters.get_mut(count) else { break };
            let trailing = rest.strip_prefix(':');
            (*place, rest) = match trailing {
                Some(trailing) => (trailing, ""),
                None if count + 1 == MAX_PARAMETERS => (rest, ""),
                None => word(rest),
            };
            count += 1;
        }
        Some(Message { tags, command, parameters, count })
    }

    /// All parameters.
    #[must_use]
    pub fn parameters(&self) -> &[&'a str] {
        self.parameters.get(..self.count).unwrap_or_default()
    }

    /// The parameter with this index.
    #[must_use]
    pub fn parameter(&self, index: usize) -> Option<&'a str> {
        self.parameters().get(index).copied()
    }

    /// The parameter with this index, unless it is empty.
    #[must_use]
    pub fn filled(&self, index: usize) -> Option<&'a str> {
        self.parameter(index).filter(|parameter| !parameter.is_empty())
    }

    /// The value of a tag, unescaped; empty if it has no value. If a tag occurs twice, the last one counts.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<Cow<'a, str>> {
        tags(self.tags).filter(|(key, _)| *key == name).last().map(|(_, value)| unescape(value))
    }
}

/// The tags of a message with their values, still escaped.
pub fn tags(tags: &str) -> impl Iterator<Item = (&str, &str)> {
    tags.split(';').filter(|tag| !tag.is_empty()).map(|tag| tag.split_once('=').unwrap_or((tag, "")))
}

/// Unescapes a tag value.
#[must_use]
pub fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match c {
            // A lone backslash at the end is dropped.
            '\\' => plain.extend(characters.next().map(|c| match c {
                ':' => ';',
                's' => ' ',
                'r' => '\r',
                'n' => '\n',
                other => other,
            })),
            c => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

/// Escapes a tag value and appends it.
pub fn escape(value: &str, out: &mut Vec<u8>) {
    for byte in value.bytes() {
        match byte {
            b';' => out.extend_from_slice(b"\\:"),
            b' ' => out.extend_from_slice(b"\\s"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\n' => out.extend_from_slice(b"\\n"),
            byte => out.push(byte),
        }
    }
}

/// The client-only tags, still escaped; borrowed if there are no other tags. Leaves out those with
/// [harmful](is_harmful) characters, even if they are escaped.
#[must_use]
pub fn client_tags(all: &str) -> Cow<'_, str> {
    if all.is_empty() || all.split(';').all(is_client_tag) {
        return Cow::Borrowed(all);
    }
    let mut kept = all.split(';').filter(|tag| is_client_tag(tag));
    let first = kept.next().unwrap_or_default().to_owned();
    Cow::Owned(kept.fold(first, |tags, tag| tags + ";" + tag))
}

fn is_client_tag(tag: &str) -> bool {
    let Some(tag) = tag.strip_prefix('+') else { return false };
    let key = tag.split('=').next().unwrap_or_default();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    !key.is_empty() && key.bytes().all(allowed) && !unescape(tag).contains(is_harmful)
}

/// Splits `text` at the first run of spaces.
fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim_start_matches(' '))
}
