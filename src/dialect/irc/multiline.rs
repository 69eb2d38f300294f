//! Messages of several lines (IRCv3 draft/multiline): a client sends them as a batch, and they are one event.

use std::borrow::Cow;

use super::Irc;
use super::capability::{MULTILINE_BYTES, MULTILINE_LINES};
use super::message::{Message, client_tags};
use crate::chat::{Command, Further, Manner, Words, clean};

/// A message that is not complete yet.
pub struct Batch {
    name: Box<str>,
    target: Box<str>,
    label: Option<Box<str>>,
    words: Words<'static>,
    lines: usize,
}

impl Irc {
    /// BATCH: the beginning or the end.
    pub(super) fn batch<'l>(&mut self, message: &Message<'_>, out: &mut Vec<u8>) -> Option<Command<'l>> {
        let name = message.filled(0)?;
        if let (Some(name), Some("draft/multiline"), Some(target)) =
            (name.strip_prefix('+'), message.parameter(1), message.filled(2))
        {
            if self.has_batch() {
                self.invalid(out, "There is an unfinished message already");
                return None;
            }
            let tags = Cow::Owned(client_tags(message.tags).into_owned());
            let words = Words { tags, ..Words::default() };
            let label = self.exchange().label.take();
            self.kept().batch = Some(Batch { name: name.into(), target: target.into(), label, words, lines: 0 });
            return None;
        }
        let batch = self.take_batch();
        let Some(batch) = batch.filter(|batch| name.strip_prefix('-') == Some(&*batch.name)) else {
            self.invalid(out, "There is no such unfinished message");
            return None;
        };
        self.exchange().label = batch.label;
        if batch.words.lines().next().is_none() {
            self.invalid(out, "The message has no text");
            return None;
        }
        self.address(&batch.target, batch.words, out).map(Command::into_owned)
    }

    /// One line of it.
    pub(super) fn continue_batch(&mut self, message: &Message<'_>, target: &str, manner: Manner, out: &mut Vec<u8>) {
        let Some(mut batch) = self.take_batch() else { return };
        let text = message.parameter(1).unwrap_or_default();
        let joined = message.tag("draft/multiline-concat").is_some();
        let same = batch.lines == 0 || batch.words.manner == manner;
        if message.tag("batch").as_deref() != Some(&*batch.name) || !target.eq_ignore_ascii_case(&batch.target) {
            return self.invalid(out, "A line has another batch or target than the message that it is part of");
        }
        if !same || text.starts_with('\u{1}') || (joined && (text.is_empty() || batch.lines == 0)) {
            return self.invalid(out, "A line does not fit the message that it is part of");
        }
        if batch.lines == MULTILINE_LINES {
            let limit = MULTILINE_LINES.to_string();
            return self.fail(out, "BATCH", "MULTILINE_MAX_LINES", &[&limit], "The message has too many lines");
        }
        if batch.words.size() - batch.words.tags.len() + text.len() > MULTILINE_BYTES {
            let limit = MULTILINE_BYTES.to_string();
            return self.fail(out, "BATCH", "MULTILINE_MAX_BYTES", &[&limit], "The message is too long");
        }
        let text = clean(text.as_bytes(), self.line_length).text.into_owned();
        if batch.lines == 0 {
            batch.words.manner = manner;
            batch.words.text = Cow::Owned(text);
        } else {
            batch.words.more.push(Further { text: text.into(), joined });
        }
        batch.lines += 1;
        self.kept().batch = Some(batch);
    }

    fn invalid(&self, out: &mut Vec<u8>, text: &str) {
        self.fail(out, "BATCH", "MULTILINE_INVALID", &[], text);
    }
}
