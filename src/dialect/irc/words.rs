//! PRIVMSG, NOTICE, TAGMSG and REDACT.

use std::borrow::Cow;

use super::Irc;
use super::capability::Capabilities;
use super::client::Own;
use super::history::Asked;
use super::message::{MAX_MESSAGE, Message, client_tags};
use crate::chat::{
    Answer, Command, Entry, Event, Found, Lookup, Manner, Point, Record, Selection, Words, clean, parse_message_id,
};

impl Irc {
    /// Handles a message to the room or to one user.
    pub(super) fn say<'l>(
        &mut self,
        message: &Message<'l>,
        manner: Manner,
        answer: &mut Answer<'_>,
    ) -> Option<Command<'l>> {
        let has_batch = !message.tags.is_empty() && message.tag("batch").is_some();
        if has_batch && self.has(Capabilities::MULTILINE) {
            self.continue_multiline(message, manner, answer);
            return None;
        }
        // A NOTICE must not be answered automatically, not even with an error (RFC 2812, section 3.3.2).
        self.quiet = manner == Manner::Notice;
        let mut unsaid = Vec::new();
        let bytes = if self.quiet { &mut unsaid } else { &mut *answer.bytes };
        let answer = &mut Answer { view: answer.view, bytes };
        let Some(target) = message.filled(0) else {
            self.numeric(answer, "411", &[], &format!("No recipient given ({})", message.command));
            return None;
        };
        if target.contains(',') {
            self.numeric(answer, "407", &[target], "Too many recipients: one at a time");
            return None;
        }
        let words = self.words(message, target, manner, answer)?;
        self.address(target, words, answer)
    }

    /// The content of a message, safe to show. `None` if nothing is left to pass on; the client is told.
    pub(super) fn words<'l>(
        &self,
        message: &Message<'l>,
        target: &str,
        manner: Manner,
        answer: &mut Answer<'_>,
    ) -> Option<Words<'l>> {
        let tags = client_tags(message.tags);
        if manner == Manner::TagsOnly {
            return Some(Words { manner, tags, ..Words::default() });
        }
        let text = message.parameter(1).unwrap_or_default();
        if text.len() + overhead(&self.own(answer.view), &self.server.name, target) > MAX_MESSAGE {
            self.numeric(answer, "417", &[], "Input line was too long");
            return None;
        }
        let (manner, text) = match (text.strip_prefix('\u{1}'), manner) {
            (None, _) => (manner, text),
            // A CTCP reply in a NOTICE: requests of this kind are not passed on, so the reply is dropped too.
            (Some(_), Manner::Notice) => return None,
            (Some(request), _) => match request.strip_prefix("ACTION ") {
                Some(action) => (Manner::Action, action.strip_suffix('\u{1}').unwrap_or(action)),
                None => {
                    let why = "Cannot send: requests between clients (CTCP) are not passed on";
                    self.numeric(answer, "404", &[target], why);
                    return None;
                }
            },
        };
        let text = clean(text.as_bytes(), self.line_length).text;
        if text.is_empty() {
            self.numeric(answer, "412", &[], "No text to send");
            return None;
        }
        Some(Words { manner, text, tags, more: Vec::new() })
    }

    /// Addresses a message to the room or to one user.
    pub(super) fn address<'l>(
        &self,
        target: &'l str,
        words: Words<'l>,
        answer: &mut Answer<'_>,
    ) -> Option<Command<'l>> {
        if self.server.is_room(target) {
            if self.own(answer.view).in_room {
                return Some(Command::Say(words));
            }
            self.numeric(answer, "404", &[target], "Cannot send to channel: you are not in it");
            return None;
        }
        if target.starts_with('#') {
            self.no_such_channel(answer, target);
            return None;
        }
        Some(Command::Private { to: Cow::Borrowed(target), words })
    }

    pub(super) fn redact<'l>(&mut self, message: &Message<'l>, answer: &mut Answer<'_>) -> Option<Command<'l>> {
        let (Some(target), Some(id)) = (message.filled(0), message.filled(1)) else {
            self.fail(answer, "REDACT", "NEED_MORE_PARAMS", &[], "REDACT takes a channel and a message identifier");
            return None;
        };
        self.request().subject = format!("{target} {id}").into();
        if !self.server.is_room(target) {
            self.fail(
                answer,
                "REDACT",
                "INVALID_TARGET",
                &[target],
                "Only what was said in the room can be taken back",
            );
            return None;
        }
        let Some(line) = parse_message_id(id) else {
            self.refuse_redaction(answer, "UNKNOWN_MSGID", "This message is not kept");
            return None;
        };
        let reason = super::registration::optional_text(message.parameter(2));
        let known = answer.view.history().any(|record| record.stamp.sequence == line);
        if known || !self.own(answer.view).in_room {
            return Some(Command::Redact { line, author: None, reason });
        }
        let lookup = Lookup { events: true, ..Lookup::messages(Selection::Around(Point::Event(line)), 1) };
        self.look_up(Asked::Redaction { line, reason: reason.map(|reason| reason.as_ref().into()) }, lookup);
        None
    }

    /// Goes on with a REDACT for whose line the history on disk had to be asked.
    pub(super) fn redact_found(
        &mut self,
        line: u64,
        reason: Option<Box<str>>,
        found: &Found,
        answer: &mut Answer<'_>,
    ) -> Option<Command<'static>> {
        let page = match found {
            Ok(page) => page,
            Err(error) => {
                self.refuse_redaction(answer, "UNKNOWN_MSGID", &error.to_string());
                return None;
            }
        };
        let author = page.entries.iter().find_map(|entry| match entry {
            Entry::Event(Record { stamp, event: Event::Said(who, _) }) if stamp.sequence == line => Some(who.clone()),
            _ => None,
        });
        Some(Command::Redact { line, author, reason: reason.map(|reason| Cow::Owned(reason.into())) })
    }

    pub(super) fn refuse_redaction(&self, answer: &mut Answer<'_>, code: &str, text: &str) {
        self.fail(answer, "REDACT", code, &[self.subject()], text);
    }
}

/// The size in bytes of a message to `target` as others receive it, without its text.
fn overhead(own: &Own<'_>, server: &str, target: &str) -> usize {
    let source = own.nick.len() + own.profile.user.len() + server.len();
    ":!@ PRIVMSG  :".len() + source + target.len()
}
