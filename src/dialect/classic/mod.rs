//! The protocols of networking courses, where one `send` is meant to be one message and one `recv` expected to be one.
//!
//! They differ in their words, not in their nature: a [`Description`] has the words of one variety, and all of them are
//! spoken by the same code. Incoming messages end with a newline or with the client's silence; outgoing ones are sent
//! apart from each other.

mod compose;
mod description;
mod presets;

use std::hash::Hasher as _;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use description::{Description, Encoding, LINE_ENDINGS, MAX_QUIT, MAX_TEMPLATE, MIN_BUFFER, fill, placeholders};
pub use presets::{PRESETS, Preset};

use super::{END, Input};
use crate::chat::{Answer, Command, Event, Form, Manner, Nick, Now, Reason, Reply, Stamp, View, Words, clean};

/// How long a client may be quiet in the middle of a character.
const TORN: Duration = Duration::from_secs(1);
/// Bytes of one character.
const MAX_CHARACTER: usize = 4;

/// One client of a classic protocol.
#[derive(Serialize, Deserialize)]
pub struct Classic {
    description: Arc<Description>,
    line_length: usize,
    /// What has arrived of a message that is not known to be complete.
    partial: Vec<u8>,
    /// When the last of it arrived, in ticks.
    last: u64,
    /// What the client calls itself, once it has.
    called: Option<String>,
}

impl Classic {
    /// `line_length`: bytes of one message; a longer one becomes several.
    #[must_use]
    pub fn new(description: Arc<Description>, line_length: usize) -> Classic {
        Classic { description, line_length, partial: Vec::new(), last: 0, called: None }
    }

    /// Takes bytes off the front of `input` until there is a message.
    fn collect(&mut self, input: &mut &[u8]) -> Option<Vec<u8>> {
        let whole = *input;
        let end = memchr::memchr(b'\n', whole);
        let room = (self.line_length + MAX_CHARACTER).saturating_sub(self.partial.len());
        let (taken, rest) = whole.split_at_checked(end.unwrap_or(whole.len()).min(room)).unwrap_or((whole, &[]));
        self.partial.extend_from_slice(taken);
        *input = rest;
        if self.partial.len() > self.line_length {
            let rest = self.partial.split_off(boundary(&self.partial, self.line_length));
            return Some(std::mem::replace(&mut self.partial, rest));
        }
        if end != Some(taken.len()) {
            return None;
        }
        *input = rest.get(1..).unwrap_or_default();
        Some(std::mem::take(&mut self.partial))
    }

    /// What one message means.
    fn understand(&mut self, message: &[u8], answer: &mut Answer<'_>) -> Input<'static> {
        let cleaned = clean(message.strip_suffix(b"\r").unwrap_or(message), self.line_length);
        let text = self.without_own_prefix(&cleaned.text);
        let quit = &*self.description.quit;
        if !quit.is_empty() && text.trim() == quit {
            return Input::Command(Command::Quit(None));
        }
        if text.trim().is_empty() {
            return Input::Answered;
        }
        let (view, out) = (answer.view, &mut *answer.bytes);
        if view.own().is_some() {
            if cleaned.changes.replaced > 0 || cleaned.changes.cut {
                self.description.tell_notice("Your line was not UTF-8; a part of it was replaced or is lost.", out);
            }
            return Input::Command(Command::Say(Words::plain(text.to_owned())));
        }
        let Some(name) = self.login_name(text) else {
            let login = fill(&self.description.login, &[("name", "NAME")]);
            self.description.tell_notice(&format!("Say first who you are: {login}"), out);
            return Input::Answered;
        };
        let name = name.trim().to_owned();
        // A client program goes on calling itself what it did at first, also when its user has had to choose again.
        self.called.get_or_insert_with(|| name.clone());
        Input::Command(Command::Name(name.into()))
    }

    fn login_name<'a>(&self, text: &'a str) -> Option<&'a str> {
        let (before, after) = self.description.login.split_once("{name}")?;
        text.trim().strip_prefix(before.trim_start())?.strip_suffix(after.trim_end())
    }

    /// A text without the name that the client itself puts before it. Anybody else's name is simply text.
    fn without_own_prefix<'a>(&self, text: &'a str) -> &'a str {
        let Some(called) = &self.called else { return text };
        let prefix = fill(&self.description.own_prefix, &[("name", called)]);
        if prefix.is_empty() {
            return text;
        }
        text.strip_prefix(&*prefix).or_else(|| text.strip_prefix(prefix.trim_end())).unwrap_or(text)
    }
}

/// See [`Dialect`](super::Dialect).
impl Classic {
    pub(super) fn greet(&mut self, answer: &mut Answer<'_>) {
        let (room, out) = (answer.view.room(), &mut *answer.bytes);
        let Description { keyword, greeting, quit, .. } = &*self.description;
        if !keyword.is_empty() {
            out.extend_from_slice(keyword.as_bytes());
            out.push(END);
        }
        self.description.tell(greeting, &[("room", room), ("quit", quit)], out);
    }

    pub(super) fn next<'i>(&mut self, now: Now, input: &mut &'i [u8], answer: &mut Answer<'_>) -> Input<'i> {
        self.last = now.ticks;
        match self.collect(input) {
            Some(message) => self.understand(&message, answer),
            None => Input::Incomplete,
        }
    }

    pub(super) fn due(&self) -> Option<u64> {
        let quiet = if ends_torn(&self.partial) { TORN } else { self.description.quiet };
        let quiet = u64::try_from(quiet.as_micros()).unwrap_or(u64::MAX);
        (!self.partial.is_empty()).then(|| self.last.saturating_add(quiet))
    }

    pub(super) fn expire(&mut self, _now: Now, answer: &mut Answer<'_>) -> Input<'static> {
        let message = std::mem::take(&mut self.partial);
        self.understand(&message, answer)
    }

    pub(super) fn echoes(&self) -> bool {
        self.description.echo
    }

    pub(super) fn pace(&self) -> Duration {
        self.description.gap
    }

    pub(super) fn reply(&mut self, reply: Reply<'_>, answer: &mut Answer<'_>) {
        let words = &self.description;
        let (view, out) = (answer.view, &mut *answer.bytes);
        match reply {
            Reply::Done(_, Event::Joined(person)) => {
                let name = words.name(&person.nick);
                if words.own_join {
                    words.tell(&words.join, &[("name", &name)], out);
                }
                words.tell(&words.welcome, &[("name", &name), ("room", view.room()), ("quit", &*words.quit)], out);
                words.tell_users(present(view).filter(|other| **other != person.nick), out);
            }
            Reply::Refused(refusal) if view.own().is_some() => words.tell_notice(&refusal.to_string(), out),
            // Never the keyword again: a program would answer with the same name at once.
            Reply::Refused(refusal) => words.tell_notice(&format!("{refusal} Send another one."), out),
            Reply::Private { from, words: said, .. } => {
                let name = words.name(&from.nick);
                said.lines().for_each(|line| words.tell_text("[{name}] {text}", &name, &line, out));
            }
            // These clients know no commands that these would answer.
            Reply::Sent { .. } | Reply::Done(..) | Reply::Presence { .. } | Reply::Watched(..) => {}
            Reply::Closing(Reason::Quit(_)) => {
                if !words.quit_answer.is_empty() {
                    out.extend_from_slice(words.quit_answer.as_bytes());
                    out.push(END);
                }
            }
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

/// How events look in one variety.
struct ClassicForm {
    description: Arc<Description>,
    /// The same for equal descriptions: a session that is read back has one of its own.
    hash: u64,
}

impl ClassicForm {
    fn new(description: Arc<Description>) -> ClassicForm {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(&postcard::to_extend(&*description, Vec::new()).unwrap_or_default());
        ClassicForm { description, hash: hasher.finish() }
    }
}

impl Form for ClassicForm {
    fn id(&self) -> (&'static str, u64) {
        ("classic", self.hash)
    }

    fn render(&self, _stamp: Stamp, event: &Event<'_>, _view: &dyn View, out: &mut Vec<u8>) {
        let words = &*self.description;
        match event {
            Event::Said(who, said) => {
                let template = match said.manner {
                    Manner::Plain | Manner::Remark => &*words.line,
                    Manner::Action => "* {name} {text}",
                    Manner::Silent => return,
                };
                let name = words.name(&who.nick);
                said.lines().for_each(|line| words.tell_text(template, &name, &line, out));
            }
            Event::Joined(who) => words.tell(&words.join, &[("name", &words.name(&who.nick))], out),
            Event::Left(who, _) | Event::Parted(who, _) => {
                words.tell(&words.leave, &[("name", &words.name(&who.nick))], out);
            }
            Event::Renamed { from, to } => {
                let (from, to) = (words.name(&from.nick), words.name(to));
                words.tell_notice(&format!("{from} is now known as {to}"), out);
            }
            Event::Redacted { by, .. } => {
                words.tell_notice(&format!("{} has taken a line back", words.name(&by.nick)), out);
            }
            Event::Notice(text) => words.tell_notice(text, out),
            Event::Topic { text, .. } => words.tell_notice(&format!("Topic: {text}"), out),
            Event::Registered(_) | Event::Away(..) | Event::Described(_) => {}
        }
    }
}

/// Where to cut so that the first part has at most `limit` bytes and no character is torn.
fn boundary(bytes: &[u8], limit: usize) -> usize {
    let starts_character = |at: usize| bytes.get(at).is_none_or(|byte| byte & 0xc0 != 0x80);
    (limit.saturating_sub(MAX_CHARACTER - 1)..=limit).rev().find(|at| starts_character(*at)).unwrap_or(limit)
}

/// Whether bytes end in the middle of a character.
fn ends_torn(bytes: &[u8]) -> bool {
    let tail = bytes.get(bytes.len().saturating_sub(MAX_CHARACTER - 1)..).unwrap_or_default();
    let last = tail.utf8_chunks().last().map(|chunk| chunk.invalid()).unwrap_or_default();
    let needed = match last.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 0,
    };
    last.len() < needed
}
