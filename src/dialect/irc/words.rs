//! What a client says: PRIVMSG, NOTICE, TAGMSG, and taking it back.

use std::borrow::Cow;

use super::Irc;
use super::message::{MAX_MESSAGE, Message, client_tags};
use crate::chat::{Command, Manner, Words, clean};

impl Irc {
    /// Something said to the room or to one person.
    pub(super) fn speak<'l>(
        &mut self,
        message: &Message<'l>,
        manner: Manner,
        out: &mut Vec<u8>,
    ) -> Option<Command<'l>> {
        let mut unsaid = Vec::new();
        // Nothing may answer a NOTICE by itself, not even to say that it went nowhere (RFC 2812, section 3.3.2).
        self.quiet = manner == Manner::Remark;
        let out = if self.quiet && !self.has_batch() { &mut unsaid } else { out };
        let Some(target) = message.filled(0) else {
            self.numeric(out, "411", &[], &format!("No recipient given ({})", message.command));
            return None;
        };
        if !message.tags.is_empty() && self.has_batch() && message.tag("batch").is_some() {
            self.continue_batch(message, target, manner, out);
            return None;
        }
        if target.contains(',') {
            self.numeric(out, "407", &[target], "Too many recipients: one at a time");
            return None;
        }
        let words = self.words(message, target, manner, out)?;
        self.address(target, words, out)
    }

    /// The words of a message, harmless; `None` if there are none that could be passed on, and the client is told.
    pub(super) fn words<'l>(
        &self,
        message: &Message<'l>,
        target: &str,
        manner: Manner,
        out: &mut Vec<u8>,
    ) -> Option<Words<'l>> {
        let tags = client_tags(message.tags);
        if manner == Manner::Silent {
            return Some(Words { manner, tags, ..Words::default() });
        }
        let text = message.parameter(1).unwrap_or_default();
        if text.len() + self.overhead(target) > MAX_MESSAGE {
            self.numeric(out, "417", &[], "Input line was too long");
            return None;
        }
        let (manner, text) = match (text.strip_prefix('\u{1}'), manner) {
            (None, _) => (manner, text),
            // An answer to a request that was not passed on either.
            (Some(_), Manner::Remark) => return None,
            (Some(request), _) => match request.strip_prefix("ACTION ") {
                Some(action) => (Manner::Action, action.strip_suffix('\u{1}').unwrap_or(action)),
                None => {
                    self.numeric(
                        out,
                        "404",
                        &[target],
                        "Cannot send: requests between clients (CTCP) are not passed on",
                    );
                    return None;
                }
            },
        };
        let text = clean(text.as_bytes(), self.line_length).text;
        if text.is_empty() {
            self.numeric(out, "412", &[], "No text to send");
            return None;
        }
        Some(Words { manner, text, tags, more: Vec::new() })
    }

    /// Sends words on their way.
    pub(super) fn address<'l>(&self, target: &'l str, words: Words<'l>, out: &mut Vec<u8>) -> Option<Command<'l>> {
        if self.server.is_room(target) {
            if self.in_room {
                return Some(Command::Say(words));
            }
            self.numeric(out, "404", &[target], "Cannot send to channel: you are not in it");
            return None;
        }
        if target.starts_with('#') {
            self.no_such_channel(target, out);
            return None;
        }
        Some(Command::Private { to: Cow::Borrowed(target), words })
    }

    /// Bytes of a message to `target` as others get it, without its text.
    fn overhead(&self, target: &str) -> usize {
        let source = self.nick().len() + self.profile().user.len() + self.server.name.len();
        ":!@ PRIVMSG  :".len() + source + target.len()
    }

    pub(super) fn redact<'l>(&mut self, message: &Message<'l>, out: &mut Vec<u8>) -> Option<Command<'l>> {
        let (Some(target), Some(id)) = (message.filled(0), message.filled(1)) else {
            self.fail(out, "REDACT", "NEED_MORE_PARAMS", &[], "REDACT takes a channel and a message identifier");
            return None;
        };
        self.exchange().wanted = format!("{target} {id}").into();
        if !self.server.is_room(target) {
            self.fail(out, "REDACT", "INVALID_TARGET", &[target], "Only what was said in the room can be taken back");
            return None;
        }
        match self.server.parse_id(id) {
            None => {
                self.refuse_redaction(out, "UNKNOWN_MSGID", "This message is not kept");
                None
            }
            Some(line) => {
                let reason = super::registration::last_word(message.parameter(2));
                Some(Command::Redact { line, reason })
            }
        }
    }

    pub(super) fn refuse_redaction(&self, out: &mut Vec<u8>, code: &str, text: &str) {
        self.fail(out, "REDACT", code, &[self.wanted()], text);
    }
}
