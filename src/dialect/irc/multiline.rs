//! Multiline messages (IRCv3 draft/multiline): the client sends a batch, which becomes one event.
//!
//! If any line is refused, so is the whole message. The client is told once, and the remaining lines are dropped.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Irc;
use super::capability::{Capabilities, MULTILINE_BYTES, MULTILINE_LINES};
use super::message::{Message, client_tags};
use crate::chat::{Answer, Command, Further, Manner, Words, clean};

/// An incomplete message.
#[derive(Serialize, Deserialize)]
pub struct Batch {
    name: Box<str>,
    target: Box<str>,
    label: Option<Box<str>>,
    words: Words<'static>,
    lines: usize,
}

/// Why a line is refused: the error code, the limit if there is one, and a sentence.
type Problem = (&'static str, Option<usize>, &'static str);

const INVALID: &str = "MULTILINE_INVALID";

impl Irc {
    /// Handles BATCH, the start or the end.
    pub(super) fn batch<'l>(&mut self, message: &Message<'_>, answer: &mut Answer<'_>) -> Option<Command<'l>> {
        let name = message.filled(0)?;
        match name.strip_prefix('+') {
            Some(name) => {
                self.begin_multiline(name, message, answer);
                None
            }
            None => self.end_multiline(name.strip_prefix('-').unwrap_or(name), answer),
        }
    }

    fn begin_multiline(&mut self, name: &str, message: &Message<'_>, answer: &mut Answer<'_>) {
        let problem = match (message.parameter(1), message.filled(2)) {
            (Some("draft/multiline"), Some(target)) if self.open_multiline().is_none() => {
                let tags = Cow::Owned(client_tags(message.tags).into_owned());
                let words = Words { tags, ..Words::default() };
                let label = self.request().label.take();
                let extras = self.extras();
                extras.refused.take_if(|refused| **refused == *name);
                extras.multiline = Some(Batch { name: name.into(), target: target.into(), label, words, lines: 0 });
                return;
            }
            (Some("draft/multiline"), Some(_)) => "There is an unfinished message already",
            _ => "Only draft/multiline can be begun, with the target of the message",
        };
        self.extras().refused = Some(name.into());
        self.fail(answer, "BATCH", INVALID, &[], problem);
    }

    fn end_multiline<'l>(&mut self, name: &str, answer: &mut Answer<'_>) -> Option<Command<'l>> {
        if self.extras().refused.take_if(|refused| **refused == *name).is_some() {
            return None;
        }
        let Some(batch) = self.take_multiline(name) else {
            self.fail(answer, "BATCH", INVALID, &[], "There is no such unfinished message");
            return None;
        };
        self.request().label = batch.label;
        if batch.words.lines().next().is_none() {
            self.fail(answer, "BATCH", INVALID, &[], "The message has no text");
            return None;
        }
        self.quiet = batch.words.manner == Manner::Notice;
        let mut unsaid = Vec::new();
        let bytes = if self.quiet { &mut unsaid } else { &mut *answer.bytes };
        let answer = &mut Answer { view: answer.view, bytes };
        self.address(&batch.target, batch.words, answer).map(Command::into_owned)
    }

    /// Adds a line to the message.
    pub(super) fn continue_multiline(&mut self, message: &Message<'_>, manner: Manner, answer: &mut Answer<'_>) {
        let name = message.tag("batch").unwrap_or_default();
        if self.is_refused(&name) {
            return;
        }
        let Some(mut batch) = self.take_multiline(&name) else {
            self.extras().refused = Some(name.into());
            return self.fail(answer, "BATCH", INVALID, &[], "There is no such unfinished message");
        };
        match batch.add(message, manner, self.line_length) {
            Ok(()) => self.extras().multiline = Some(batch),
            Err((code, limit, text)) => {
                self.refuse(batch);
                let limit = limit.map(|limit| limit.to_string());
                self.fail(answer, "BATCH", code, limit.as_deref().as_slice(), text);
            }
        }
    }

    /// Refuses the multiline message to which an unparsable line belongs, if any. Returns whether to tell the client;
    /// it has already been told if the message was refused before.
    pub(super) fn refuse_multiline(&mut self, message: &Message<'_>) -> bool {
        let name = message.tag("batch").filter(|_| self.has(Capabilities::MULTILINE));
        let Some(name) = name else { return true };
        if let Some(batch) = self.take_multiline(&name) {
            self.refuse(batch);
            return true;
        }
        !self.is_refused(&name)
    }

    /// Refuses the message, with the label of its BATCH.
    fn refuse(&mut self, batch: Batch) {
        self.request().label = batch.label;
        self.extras().refused = Some(batch.name);
    }

    fn open_multiline(&self) -> Option<&Batch> {
        self.extras.as_ref()?.multiline.as_ref()
    }

    fn take_multiline(&mut self, name: &str) -> Option<Batch> {
        self.extras.as_mut()?.multiline.take_if(|batch| *batch.name == *name)
    }

    fn is_refused(&self, name: &str) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.refused.as_deref() == Some(name))
    }
}

impl Batch {
    fn add(&mut self, message: &Message<'_>, manner: Manner, line_length: usize) -> Result<(), Problem> {
        let text = message.parameter(1).unwrap_or_default();
        let joined = message.tag("draft/multiline-concat").is_some();
        let is_first = self.lines == 0;
        if !message.filled(0).unwrap_or_default().eq_ignore_ascii_case(&self.target) {
            return Err((INVALID, None, "A line has another target than the message that it is part of"));
        }
        let fits = manner != Manner::TagsOnly && (is_first || self.words.manner == manner);
        if !fits || text.starts_with('\u{1}') || (joined && (text.is_empty() || is_first)) {
            return Err((INVALID, None, "A line does not fit the message that it is part of"));
        }
        if self.lines == MULTILINE_LINES {
            return Err(("MULTILINE_MAX_LINES", Some(MULTILINE_LINES), "The message has too many lines"));
        }
        if self.words.size() - self.words.tags.len() + text.len() > MULTILINE_BYTES {
            return Err(("MULTILINE_MAX_BYTES", Some(MULTILINE_BYTES), "The message is too long"));
        }
        let text = clean(text.as_bytes(), line_length).text.into_owned();
        if is_first {
            self.words.manner = manner;
            self.words.text = Cow::Owned(text);
        } else {
            self.words.more.push(Further { text: text.into(), joined });
        }
        self.lines += 1;
        Ok(())
    }
}
