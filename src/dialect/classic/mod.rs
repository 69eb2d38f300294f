//! The protocols of networking courses, driven by descriptions.
//!
//! The varieties differ only in their texts and their framing. A [`Description`] holds these for one variety, and the
//! same code implements all of them. Most course clients assume that one `send` is one message, received by one `recv`.
//! For them, an incoming message ends with a newline or when the client falls silent, and outgoing messages are sent
//! one at a time with a pause.

mod compose;
mod description;
mod encoding;
mod form;
mod framing;
mod presets;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use description::{
    Description, LINE_ENDINGS, MAX_QUIT, MAX_TEMPLATE, MAX_TEMPLATES, MIN_BUFFER, Shown, fill, placeholders,
};
pub use encoding::Encoding;
pub use framing::{DIGITS, Framing, Incoming, Length, Padding};
pub use presets::{PRESETS, Preset};

use super::Input;
use crate::chat::{Answer, Command, Event, Form, Nick, Now, Reason, Reply, View, Words, clean};
use form::ClassicForm;

/// How long to wait for the rest of an incomplete character.
const TORN: Duration = Duration::from_secs(1);
/// The journal's hint if a name cannot be decoded.
const NO_TEXT: &str = "it is not text in the `encoding` of this listener; if its client puts a length before each \
    message, `framing-in` must say so, see chatd.toml(5)";
/// Why a client is disconnected whose length prefix is invalid.
const NO_LENGTH: &str = "there is no length before a message; framing-in does not fit the client";

/// One client of a classic protocol.
#[derive(Serialize, Deserialize)]
pub struct Classic {
    description: Arc<Description>,
    line_length: usize,
    incoming: Incoming,
    /// When its last input arrived, in ticks.
    last: u64,
    /// The name that the client program puts before its lines, once known.
    called: Option<String>,
    named: bool,
    /// Whether nothing has arrived except perhaps the preamble.
    fresh: bool,
    /// A message that arrived together with the name, to be said once the name is registered.
    said: Option<String>,
    /// Whether the hint has been logged.
    hinted: bool,
}

impl Classic {
    /// `line_length`: the maximum size of a message in bytes; a longer one is split.
    #[must_use]
    pub fn new(description: Arc<Description>, line_length: usize) -> Classic {
        let Description { framing_in, encoding, .. } = *description;
        let incoming = Incoming::new(framing_in, encoding, line_length);
        let (last, called, named, fresh, said, hinted) = (0, None, false, true, None, false);
        Classic { description, line_length, incoming, last, called, named, fresh, said, hinted }
    }

    /// Interprets one message.
    fn interpret(&mut self, message: &[u8], out: &mut Vec<u8>) -> Input<'static> {
        let description = self.description.clone();
        let words = &*description;
        let message = words.encoding.read(message);
        let mut message = message.strip_suffix(b"\r").unwrap_or(&message).to_vec();
        if matches!(words.framing_in, Framing::Length(_)) {
            // A message must be a single line for all other clients.
            let text = message.trim_ascii_end().len();
            message.truncate(text);
            message.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        }
        let cleaned = clean(&message, self.line_length);
        let mut text = &*cleaned.text;
        if std::mem::take(&mut self.fresh) && !words.preamble.is_empty() {
            // The preamble's line end does not belong to the message after it.
            text = text.strip_prefix(words.preamble.trim_end_matches(['\r', '\n'])).unwrap_or(text);
        }
        let text = self.without_own_prefix(text);
        if !words.quit.is_empty() && text.trim() == words.quit {
            return Input::Command(Command::Quit(None));
        }
        if text.trim().is_empty() {
            return Input::Answered;
        }
        if self.named {
            if cleaned.changes.replaced > 0 || cleaned.changes.cut {
                words.send_notice("A part of your line was no text in this encoding, and is replaced or lost.", out);
            }
            return Input::Command(Command::Say(Words::plain(text.to_owned())));
        }
        if cleaned.changes.replaced > 0 || message.iter().any(|byte| *byte < b' ' && *byte != b'\t') {
            self.refuse("That is not text. Send another name.", out);
            return if std::mem::replace(&mut self.hinted, true) { Input::Answered } else { Input::Invalid(NO_TEXT) };
        }
        self.log_in(text, out)
    }

    /// Interprets a message from a client without a name.
    fn log_in(&mut self, text: &str, out: &mut Vec<u8>) -> Input<'static> {
        let words = &*self.description;
        let name = match (&*words.login, &self.called) {
            // The name in its prefix was refused, so it is removed; the rest is the user's next choice.
            ("", Some(_)) => Some(text),
            ("", None) => words.name_before(text).map(|(name, said)| {
                self.said = Some(said.trim_end()).filter(|said| !said.is_empty()).map(str::to_owned);
                name
            }),
            _ => words.login_name(text),
        };
        let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else {
            let (login, any) = (&words.login, [("name", "NAME"), ("any", "ANYTHING")]);
            let login = if login.is_empty() { format!("{}TEXT", words.prefix("NAME")) } else { fill(login, &any) };
            self.refuse(&format!("Say first who you are: {login}"), out);
            return Input::Answered;
        };
        let name = name.to_owned();
        // A client program keeps its first name in its prefix, even if its user had to choose another.
        self.called.get_or_insert_with(|| name.clone());
        Input::Command(Command::Name(name.into()))
    }

    fn refuse(&self, reason: &str, out: &mut Vec<u8>) {
        self.description.send_long(&self.description.refused, ("reason", reason), &[], out);
    }

    /// Removes the prefix that the client program adds. A prefix with another name is ordinary text.
    fn without_own_prefix<'a>(&self, text: &'a str) -> &'a str {
        let Some(called) = &self.called else { return text };
        let prefix = self.description.prefix(called);
        if prefix.is_empty() {
            return text;
        }
        text.strip_prefix(&*prefix).or_else(|| text.strip_prefix(prefix.trim_end())).unwrap_or(text)
    }

    /// Whether the input starts a new message, because it starts with the prefix that this client adds to all messages.
    fn starts_message(&self, input: &[u8]) -> bool {
        let Some(called) = self.called.as_ref().filter(|_| self.incoming.has_beginning()) else { return false };
        let words = &*self.description;
        let mut prefix = Vec::new();
        words.encoding.write(&words.prefix(called), &mut prefix);
        !prefix.is_empty() && input.starts_with(&prefix)
    }
}

/// See [`Dialect`](super::Dialect).
impl Classic {
    pub(super) fn greet(&mut self, answer: &mut Answer<'_>) {
        let (room, out) = (answer.view.room(), &mut *answer.bytes);
        let words = &*self.description;
        words.send_literal(&words.keyword, out);
        words.send(&words.greeting, &[("room", room), ("quit", &words.quit)], out);
    }

    pub(super) fn next<'i>(&mut self, now: Now, input: &mut &'i [u8], answer: &mut Answer<'_>) -> Input<'i> {
        if let Some(said) = self.said.take_if(|_| self.named) {
            return Input::Command(Command::Say(Words::plain(said)));
        }
        self.last = now.ticks;
        let message = match self.starts_message(input) {
            true => Some(self.incoming.end()),
            false => self.incoming.next(input),
        };
        message.map_or(Input::Incomplete, |message| self.interpret(&message, answer.bytes))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.said.is_some() && self.named
    }

    pub(super) fn last_end(&self) -> &'static [u8] {
        self.incoming.last_end()
    }

    pub(super) fn due(&self) -> Option<u64> {
        if self.incoming.is_broken() {
            return Some(0);
        }
        let words = &*self.description;
        let unended = self.incoming.unended()?;
        let quiet = if words.encoding.is_torn(unended) { TORN } else { words.quiet };
        Some(self.last.saturating_add(u64::try_from(quiet.as_micros()).unwrap_or(u64::MAX)))
    }

    pub(super) fn expire(&mut self, _now: Now, answer: &mut Answer<'_>) -> Result<Input<'static>, Reason> {
        if self.incoming.is_broken() {
            return Err(Reason::WrongProtocol(NO_LENGTH.into()));
        }
        let message = self.incoming.end();
        Ok(self.interpret(&message, answer.bytes))
    }

    pub(super) fn echoes(&self) -> bool {
        self.description.echo
    }

    pub(super) fn pace(&self) -> Option<Duration> {
        // A client with framing can read several messages at once.
        let words = &*self.description;
        (words.framing_out == Framing::None).then_some(words.gap)
    }

    pub(super) fn resets(&self) -> bool {
        self.description.reset
    }

    pub(super) fn reply(&mut self, reply: Reply<'_>, answer: &mut Answer<'_>) {
        let words = &*self.description;
        let (view, out) = (answer.view, &mut *answer.bytes);
        match reply {
            // In this protocol, whoever has a name joins the room at once.
            Reply::Done(_, Event::Registered(_)) => self.named = true,
            Reply::Done(stamp, Event::Joined(person)) => {
                let (name, time) = (words.name(&person.nick), words.time(stamp.unix));
                let values = [("name", &*name), ("time", &time), ("room", view.room()), ("quit", &words.quit)];
                if words.own_join {
                    words.send(&words.join, &values, out);
                }
                words.send(&words.welcome, &values, out);
                words.send_users(present(view).filter(|nick| words.users_with_self || **nick != person.nick), out);
            }
            Reply::Refused(refusal) if self.named => words.send_notice(&refusal.to_string(), out),
            Reply::Refused(refusal) => {
                self.said = None;
                self.refuse(&format!("{refusal} Send another one."), out);
            }
            Reply::Private { stamp, from, words: said, .. } => {
                let (name, time) = (words.name(&from.nick), words.time(stamp.unix));
                for line in said.lines() {
                    let line = format!("(to you alone) {line}");
                    words.send_long(&words.line, ("text", &line), &[("name", &name), ("time", &time)], out);
                }
            }
            // These clients have no commands to which these replies could be sent.
            Reply::Sent { .. } | Reply::Done(..) | Reply::Presence { .. } | Reply::Watched(..) | Reply::Read { .. } => {
            }
            Reply::Closing(Reason::Quit(_)) => words.send_literal(&words.quit_answer, out),
            Reply::Closing(reason) => words.send_notice(&format!("Goodbye: {reason}."), out),
        }
    }

    pub(super) fn form(&self) -> Arc<dyn Form> {
        Arc::new(ClassicForm::new(self.description.clone()))
    }
}

/// The names of the users in the room.
fn present(view: &dyn View) -> impl Iterator<Item = &Nick> {
    view.people().filter(|seen| seen.present).map(|seen| &seen.person.nick)
}
