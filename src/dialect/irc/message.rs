//! The grammar of a message: tags, command, parameters (RFC 1459 with IRCv3 message tags). Nothing is copied.

use std::borrow::Cow;

/// Bytes of tags that a client may send, the `@` and the space included (IRCv3 message-tags).
pub const MAX_TAGS: usize = 4096;
/// Bytes of everything else, without CR LF (RFC 1459, section 2.3).
pub const MAX_MESSAGE: usize = 510;
/// Parameters of one message; what is beyond them belongs to the last one.
const MAX_PARAMETERS: usize = 15;

/// One message, as it stands in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// What stands between `@` and the first space, not unescaped.
    pub tags: &'a str,
    /// The command, as it is written.
    pub command: &'a str,
    parameters: [&'a str; MAX_PARAMETERS],
    count: usize,
}

impl<'a> Message<'a> {
    /// Takes a line without its end apart; `None` if it has no command. Where it claims to come from does not matter.
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

    /// The parameter at this place, if there is one.
    #[must_use]
    pub fn parameter(&self, index: usize) -> Option<&'a str> {
        self.parameters().get(index).copied()
    }

    /// The parameter at this place, if there is one and it is not empty.
    #[must_use]
    pub fn filled(&self, index: usize) -> Option<&'a str> {
        self.parameter(index).filter(|parameter| !parameter.is_empty())
    }

    /// The value of a tag, unescaped; empty if it has none. Of two with the same name, the last one counts.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<Cow<'a, str>> {
        tags(self.tags).filter(|(key, _)| *key == name).last().map(|(_, value)| unescape(value))
    }
}

/// The tags of a message, each with its value as it is written.
pub fn tags(tags: &str) -> impl Iterator<Item = (&str, &str)> {
    tags.split(';').filter(|tag| !tag.is_empty()).map(|tag| tag.split_once('=').unwrap_or((tag, "")))
}

/// The value of a tag as it is meant.
#[must_use]
pub fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match c {
            // A lone backslash at the end stands for nothing.
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

/// Appends the value of a tag as it is written.
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

/// The tags that clients may send to each other, as they were written; borrowed if there are no others. What could end
/// a line early in somebody's client is left out.
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
    !key.is_empty() && key.bytes().all(allowed) && !tag.contains(char::is_control)
}

/// The part of `text` up to the first space, and what follows all spaces there.
fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim_start_matches(' '))
}
