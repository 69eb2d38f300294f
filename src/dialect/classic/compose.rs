//! Messages as a client of one variety is sent them: none larger than its buffer, none torn inside a character, and
//! each line under its author's name.

use std::borrow::Cow;

use any_ascii::any_ascii_char;

use super::description::{Description, Encoding, fill};
use crate::chat::Nick;
use crate::dialect::END;

/// Bytes of a name written in ASCII.
const MAX_NAME: usize = 128;

impl Description {
    /// One message by a template whose values are short.
    pub(super) fn tell(&self, template: &str, values: &[(&str, &str)], out: &mut Vec<u8>) {
        if !template.is_empty() {
            self.message(&self.encoded(&fill(template, values)), out);
        }
    }

    /// What somebody says or does: as many messages as it takes, and the name in all of them, so that nobody can fill a
    /// message in such a way that the next begins with somebody else's name.
    pub(super) fn tell_text(&self, template: &str, name: &str, text: &str, out: &mut Vec<u8>) {
        let empty = self.encoded(&fill(template, &[("name", name), ("text", "")])).len();
        let room = self.buffer.saturating_sub(empty + self.line_ending.len());
        let text = self.encoded(text);
        let mut rest = &*text;
        loop {
            // The least that a buffer and a template leave is more than any character takes.
            let (piece, after) = rest.split_at(floor(rest, room.max(4)));
            self.tell(template, &[("name", name), ("text", piece)], out);
            if after.is_empty() {
                return;
            }
            rest = after;
        }
    }

    /// The names of those who are here, in as many messages as it takes.
    pub(super) fn tell_users<'a>(&self, names: impl Iterator<Item = &'a Nick>, out: &mut Vec<u8>) {
        let empty = self.encoded(&fill(&self.users, &[])).len();
        let room = self.buffer.saturating_sub(empty + self.line_ending.len());
        let mut line = String::new();
        for name in names {
            let name = self.name(name);
            if !line.is_empty() && line.len() + 1 + name.len() > room {
                self.tell(&self.users, &[("users", &line)], out);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&name);
        }
        if line.is_empty() {
            self.tell(&self.empty, &[], out);
        } else {
            self.tell(&self.users, &[("users", &line)], out);
        }
    }

    /// Something of the server's own.
    pub(super) fn tell_notice(&self, text: &str, out: &mut Vec<u8>) {
        self.tell_text(&self.notice, "", text, out);
    }

    /// A name as the client can read it. One that had to be changed ends with a question mark, which no name contains:
    /// it must not look like somebody else's.
    pub(super) fn name<'a>(&self, nick: &'a Nick) -> Cow<'a, str> {
        let name = nick.as_str();
        if self.encoding == Encoding::Utf8 || name.is_ascii() {
            return Cow::Borrowed(name);
        }
        let mut written = String::new();
        for c in name.chars() {
            let letters = if c.is_ascii() { "" } else { any_ascii_char(c) };
            let is_word = !letters.is_empty() && letters.bytes().all(|b| b.is_ascii_alphanumeric());
            if c.is_ascii() {
                written.push(c);
            } else {
                written.push_str(if is_word { letters } else { "?" });
            }
        }
        written.truncate(MAX_NAME - 1);
        written.push('?');
        Cow::Owned(written)
    }

    /// A text as the client can read it; what cannot be written in similar letters is a question mark.
    fn encoded<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.encoding == Encoding::Utf8 || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut written = String::new();
        for c in text.chars() {
            let letters = any_ascii_char(c);
            if c.is_ascii() {
                written.push(c);
            } else if letters.is_empty() || letters.bytes().any(|b| b.is_ascii_control()) {
                written.push('?');
            } else {
                written.push_str(letters);
            }
        }
        Cow::Owned(written)
    }

    fn message(&self, text: &str, out: &mut Vec<u8>) {
        // Nothing is cut here but words of the configuration that have become many letters in ASCII.
        let end = floor(text, self.buffer.saturating_sub(self.line_ending.len()));
        out.extend_from_slice(text.get(..end).unwrap_or_default().as_bytes());
        out.extend_from_slice(self.line_ending.as_bytes());
        out.push(END);
    }
}

/// The last place not after `limit` where a text can be cut.
fn floor(text: &str, limit: usize) -> usize {
    (0..=limit.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
