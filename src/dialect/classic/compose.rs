//! Composes messages for clients of one variety: no message exceeds the client's buffer, no character is split, and
//! every line carries its author's name.

use std::borrow::Cow;

use any_ascii::any_ascii_char;

use super::description::{Description, Shown, fill, placeholders};
use super::encoding::Encoding;
use super::framing::Framing;
use crate::chat::Nick;
use crate::dialect::END;

/// The maximum length of a name in ASCII, in bytes.
const MAX_NAME: usize = 128;

impl Description {
    /// Sends templates with short values.
    pub(super) fn send(&self, shown: &Shown, values: &[(&str, &str)], out: &mut Vec<u8>) {
        for template in shown.iter().filter(|template| !template.is_empty()) {
            self.message(&fill(template, values), &self.line_ending, out);
        }
    }

    /// Sends templates with one value that may be long. The value is split over as many messages as necessary, each
    /// with the short values: otherwise a long line could be made to look as if its end came from another user.
    pub(super) fn send_long(
        &self,
        shown: &Shown,
        (long, text): (&str, &str),
        values: &[(&str, &str)],
        out: &mut Vec<u8>,
    ) {
        let filled = |piece| values.iter().copied().chain([(long, piece)]).collect::<Vec<_>>();
        let Some(holder) = shown.iter().find(|template| placeholders(template).any(|name| name == long)) else {
            return self.send(shown, values, out);
        };
        // The smallest buffer and the longest template leave more space than one character needs.
        let room = self.room().saturating_sub(self.size(&fill(holder, &filled("")))).max(Encoding::MAX_CHARACTER);
        let text = self.encoding.readable(text);
        let mut rest = &*text;
        loop {
            let (piece, after) = rest.split_at(self.floor(rest, room));
            self.send(shown, &filled(piece), out);
            if after.is_empty() {
                return;
            }
            rest = after;
        }
    }

    /// Sends the list of users, in as many messages as necessary. A client that takes each message for the whole list
    /// is sent one message, with only the first names.
    pub(super) fn send_users<'a>(&self, names: impl Iterator<Item = &'a Nick>, out: &mut Vec<u8>) {
        let empty: usize = self.users.iter().map(|template| self.size(&fill(template, &[]))).max().unwrap_or(0);
        let room = self.room().saturating_sub(empty);
        let mut line = String::new();
        for name in names {
            let name = self.name(name);
            if !line.is_empty() && self.size(&line) + self.size(&self.users_separator) + self.size(&name) > room {
                if self.users_on_change {
                    break;
                }
                self.send(&self.users, &[("users", &line)], out);
                line.clear();
            }
            if !line.is_empty() {
                line.push_str(&self.users_separator);
            }
            line.push_str(&name);
        }
        if line.is_empty() {
            self.send(&self.empty, &[], out);
        } else {
            self.send(&self.users, &[("users", &line)], out);
        }
    }

    /// Sends a notice from the server.
    pub(super) fn send_notice(&self, text: &str, out: &mut Vec<u8>) {
        self.send_long(&self.notice, ("text", text), &[], out);
    }

    /// Sends text that the client compares literally: only the framing is added.
    pub(super) fn send_literal(&self, words: &str, out: &mut Vec<u8>) {
        if !words.is_empty() {
            self.message(words, if self.framing_out == Framing::Line { &self.line_ending } else { "" }, out);
        }
    }

    /// A name in characters that the client can read. If it had to be changed, it ends with a question mark, which no
    /// name contains, so that it cannot look like another user's.
    pub(super) fn name<'a>(&self, nick: &'a Nick) -> Cow<'a, str> {
        let name = nick.as_str();
        if self.encoding != Encoding::Ascii || name.is_ascii() {
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

    fn message(&self, text: &str, ending: &str, out: &mut Vec<u8>) {
        // Only a configured text can be too long here, if it grows in this encoding.
        let text = self.encoding.readable(text);
        let text = text.get(..self.floor(&text, self.room())).unwrap_or_default();
        if let Framing::Length(length) = self.framing_out {
            length.write(self.size(text) + self.size(ending), out);
        }
        self.encoding.write(text, out);
        self.encoding.write(ending, out);
        if self.framing_out == Framing::None {
            out.extend_from_slice(END);
        }
    }

    /// The maximum size of a message in bytes, without its line ending.
    fn room(&self) -> usize {
        let most = match self.framing_out {
            Framing::Length(length) => length.peak().min(self.buffer),
            _ => self.buffer,
        };
        most.saturating_sub(self.size(&self.line_ending))
    }

    fn size(&self, text: &str) -> usize {
        self.encoding.readable(text).chars().map(|c| self.encoding.size(c)).sum()
    }

    /// The last position at which a readable text can be split so that the first part takes at most `limit` bytes.
    fn floor(&self, text: &str, limit: usize) -> usize {
        let mut size = 0;
        let fits = |(_, c): &(usize, char)| {
            size += self.encoding.size(*c);
            size <= limit
        };
        text.char_indices().take_while(fits).last().map_or(0, |(at, c)| at + c.len_utf8())
    }
}
