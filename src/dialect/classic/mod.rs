//! The protocols of networking courses, described by data.
//!
//! They differ in their words and in how one sees where a message ends, not in their nature: a [`Description`] has all
//! that of one variety, and all varieties are spoken by the same code. In most of them one `send` is meant to be one
//! message and one `recv` expected to be one: then incoming messages end with a newline or with the client's silence, and
//! outgoing ones are sent apart from each other.

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

/// How long a client may be quiet in the middle of a character.
const TORN: Duration = Duration::from_secs(1);
/// The journal's hint when a name is no text.
const NO_TEXT: &str = "it is not text in the `encoding` of this listener; if its client puts a length before each \
    message, `framing-in` must say so, see chatd.toml(5)";
/// Why a client is disconnected whose frames cannot be found.
const NO_LENGTH: &str = "there is no length before a message; framing-in does not fit the client";

/// One client of a classic protocol.
#[derive(Serialize, Deserialize)]
pub struct Classic {
    description: Arc<Description>,
    line_length: usize,
    incoming: Incoming,
    /// When the last of it arrived, in ticks.
    last: u64,
    /// What the client calls itself, once it has.
    called: Option<String>,
    named: bool,
    /// Nothing but the preamble may have come.
    fresh: bool,
    /// Said together with the name, and to be said as soon as that is there.
    said: Option<String>,
    /// The journal has its hint.
    hinted: bool,
}

impl Classic {
    /// `line_length`: bytes of one message; a longer one becomes several.
    #[must_use]
    pub fn new(description: Arc<Description>, line_length: usize) -> Classic {
        let Description { framing_in, encoding, .. } = *description;
        let incoming = Incoming::new(framing_in, encoding, line_length);
        let (last, called, named, fresh, said, hinted) = (0, None, false, true, None, false);
        Classic { description, line_length, incoming, last, called, named, fresh, said, hinted }
    }

    /// What one message means.
    fn understand(&mut self, message: &[u8], out: &mut Vec<u8>) -> Input<'static> {
        let description = self.description.clone();
        let words = &*description;
        let message = words.encoding.read(message);
        let mut message = message.strip_suffix(b"\r").unwrap_or(&message).to_vec();
        if matches!(words.framing_in, Framing::Length(_)) {
            // What is one line here must be one everywhere.
            let text = message.trim_ascii_end().len();
            message.truncate(text);
            message.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        }
        let cleaned = clean(&message, self.line_length);
        let mut text = &*cleaned.text;
        if std::mem::take(&mut self.fresh) && !words.preamble.is_empty() {
            // A line end of the preamble is none of its message any more.
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
                words.tell_notice("A part of your line was no text in this encoding, and is replaced or lost.", out);
            }
            return Input::Command(Command::Say(Words::plain(text.to_owned())));
        }
        if cleaned.changes.replaced > 0 || message.iter().any(|byte| *byte < b' ' && *byte != b'\t') {
            self.refuse("That is not text. Send another name.", out);
            return if std::mem::replace(&mut self.hinted, true) { Input::Answered } else { Input::Nonsense(NO_TEXT) };
        }
        self.log_in(text, out)
    }

    /// What a message means from somebody who has no name.
    fn log_in(&mut self, text: &str, out: &mut Vec<u8>) -> Input<'static> {
        let words = &*self.description;
        let name = match (&*words.login, &self.called) {
            // What it calls itself was refused, and is taken off: its user has answered with another name.
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
        // A client program goes on calling itself what it did at first, also when its user has had to choose again.
        self.called.get_or_insert_with(|| name.clone());
        Input::Command(Command::Name(name.into()))
    }

    fn refuse(&self, reason: &str, out: &mut Vec<u8>) {
        self.description.tell_long(&self.description.refused, ("reason", reason), &[], out);
    }

    /// A text without the name that the client itself puts before it. Anybody else's name is simply text.
    fn without_own_prefix<'a>(&self, text: &'a str) -> &'a str {
        let Some(called) = &self.called else { return text };
        let prefix = self.description.prefix(called);
        if prefix.is_empty() {
            return text;
        }
        text.strip_prefix(&*prefix).or_else(|| text.strip_prefix(prefix.trim_end())).unwrap_or(text)
    }

    /// Whether what has arrived now begins a message, because it begins as all messages of this client do.
    fn begins_anew(&self, input: &[u8]) -> bool {
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
        words.tell_exactly(&words.keyword, out);
        words.tell(&words.greeting, &[("room", room), ("quit", &words.quit)], out);
    }

    pub(super) fn next<'i>(&mut self, now: Now, input: &mut &'i [u8], answer: &mut Answer<'_>) -> Input<'i> {
        if let Some(said) = self.said.take_if(|_| self.named) {
            return Input::Command(Command::Say(Words::plain(said)));
        }
        self.last = now.ticks;
        let message = match self.begins_anew(input) {
            true => Some(self.incoming.end()),
            false => self.incoming.next(input),
        };
        message.map_or(Input::Incomplete, |message| self.understand(&message, answer.bytes))
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
        Ok(self.understand(&message, answer.bytes))
    }

    pub(super) fn echoes(&self) -> bool {
        self.description.echo
    }

    pub(super) fn pace(&self) -> Option<Duration> {
        // Whoever is told where a message ends can read several at once.
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
            // The room follows: whoever has a name comes in.
            Reply::Done(_, Event::Registered(_)) => self.named = true,
            Reply::Done(stamp, Event::Joined(person)) => {
                let (name, time) = (words.name(&person.nick), words.time(stamp.unix));
                let values = [("name", &*name), ("time", &time), ("room", view.room()), ("quit", &words.quit)];
                if words.own_join {
                    words.tell(&words.join, &values, out);
                }
                words.tell(&words.welcome, &values, out);
                words.tell_users(present(view).filter(|nick| words.users_with_self || **nick != person.nick), out);
            }
            Reply::Refused(refusal) if self.named => words.tell_notice(&refusal.to_string(), out),
            Reply::Refused(refusal) => {
                self.said = None;
                self.refuse(&format!("{refusal} Send another one."), out);
            }
            Reply::Private { stamp, from, words: said, .. } => {
                let (name, time) = (words.name(&from.nick), words.time(stamp.unix));
                for line in said.lines() {
                    let line = format!("(to you alone) {line}");
                    words.tell_long(&words.line, ("text", &line), &[("name", &name), ("time", &time)], out);
                }
            }
            // These clients know no commands that these would answer.
            Reply::Sent { .. } | Reply::Done(..) | Reply::Presence { .. } | Reply::Watched(..) => {}
            Reply::Closing(Reason::Quit(_)) => words.tell_exactly(&words.quit_answer, out),
            Reply::Closing(reason) => words.tell_notice(&format!("Goodbye: {reason}."), out),
        }
    }

    pub(super) fn form(&self) -> Arc<dyn Form> {
        Arc::new(ClassicForm::new(self.description.clone()))
    }
}

/// The names of those who are in the room.
fn present(view: &dyn View) -> impl Iterator<Item = &Nick> {
    view.people().filter(|seen| seen.present).map(|seen| &seen.person.nick)
}
