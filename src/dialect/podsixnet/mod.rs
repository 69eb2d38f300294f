//! PodSixNet, a library for games that courses use for chats: dictionaries with an `action`, each in a frame.
//!
//! The document's actions (`username`, `message`) and those of the library's own sample (`nickname`, `message`,
//! `players`) are understood, and every message has the fields of both. The two versions of the wire format are told
//! by a client's first frame.

mod form;
pub mod rencode;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Dialect, Input};
use crate::chat::{Changes, Command, Form, Now, Reason, Reply, Words, clean};
use form::PodSixNetForm;
use rencode::{Value, Version, decode, encode};

/// Ends every frame.
pub const TERMINATOR: &[u8] = b"\0---\0";
/// Who never says a name.
const ANONYMOUS: &str = "anonymous";
/// Who speaks for the server; nobody else can have this name.
const SERVER: &str = "***";
/// How long a client may take to send its first frame, before it is taken for one of the present version that waits for
/// the server to speak, and for somebody without a name.
const SPEAK_FIRST: Duration = Duration::from_secs(10);
/// Bytes of a frame beyond those of its text: its other fields and their names.
const FRAME_EXTRA: usize = 1024;

/// What a listener says of its clients.
pub struct Variety {
    version: Option<Version>,
    old: Arc<PodSixNetForm>,
    new: Arc<PodSixNetForm>,
}

impl Variety {
    /// `version`: what all clients of the listener speak; `None`: found out for each.
    #[must_use]
    pub fn new(version: Option<Version>) -> Variety {
        let form = |version| Arc::new(PodSixNetForm::new(version));
        Variety { version, old: form(Version::Old), new: form(Version::New) }
    }

    fn form(&self, version: Version) -> &Arc<PodSixNetForm> {
        match version {
            Version::Old => &self.old,
            Version::New => &self.new,
        }
    }
}

impl fmt::Debug for Variety {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variety").field("version", &self.version).finish_non_exhaustive()
    }
}

impl PartialEq for Variety {
    fn eq(&self, other: &Variety) -> bool {
        self.version == other.version
    }
}

impl Eq for Variety {}

/// One client that uses PodSixNet.
pub struct PodSixNet {
    variety: Arc<Variety>,
    line_length: usize,
    /// Known from the first frame on.
    version: Option<Version>,
    partial: Vec<u8>,
    /// When a client without a name gets one, in ticks.
    silent: u64,
    named: bool,
    /// It is to be given a name now.
    nameless: bool,
    /// Said before it had a name.
    said: Option<String>,
}

impl PodSixNet {
    /// `line_length`: bytes of one message; the rest of a longer one is dropped, and its author told.
    #[must_use]
    pub fn new(variety: Arc<Variety>, now: Now, line_length: usize) -> PodSixNet {
        let silent = now.ticks + u64::try_from(SPEAK_FIRST.as_micros()).unwrap_or(u64::MAX);
        let version = variety.version;
        PodSixNet {
            variety,
            line_length,
            version,
            partial: Vec::new(),
            silent,
            named: false,
            nameless: false,
            said: None,
        }
    }

    /// Takes the next frame off the front of `input`; of one that is too long, only so much that this can be seen.
    fn frame(&mut self, input: &mut &[u8]) -> Option<Vec<u8>> {
        let limit = 2 * self.line_length + FRAME_EXTRA;
        let seen = self.partial.len().saturating_sub(TERMINATOR.len() - 1);
        let before = self.partial.len();
        self.partial.extend_from_slice(input);
        let end = memchr::memmem::find(self.partial.get(seen..).unwrap_or_default(), TERMINATOR);
        let Some(end) = end.map(|end| seen + end) else {
            *input = &[];
            if self.partial.len() > limit {
                // The end is kept, in case it is the start of the terminator, and so is the excess.
                let tail = self.partial.split_off(self.partial.len() - (TERMINATOR.len() - 1));
                self.partial.truncate(limit + 1);
                self.partial.extend(tail);
            }
            return None;
        };
        *input = input.get((end + TERMINATOR.len()).saturating_sub(before)..).unwrap_or_default();
        let mut frame = std::mem::take(&mut self.partial);
        frame.truncate(end);
        Some(frame)
    }

    /// What a frame says; the first one also tells the version.
    fn read(&mut self, frame: &[u8], out: &mut Vec<u8>) -> Option<Value> {
        let is_too_long = frame.len() > 2 * self.line_length + FRAME_EXTRA;
        let versions = [Version::New, Version::Old];
        let read = |version: &Version| decode(frame, *version).ok().filter(|value| value.get("action").is_some());
        if is_too_long {
            self.notice("Your message was too long and is lost.", out);
            return None;
        }
        if let Some(version) = &self.version {
            return read(version);
        }
        let (version, value) = versions.iter().find_map(|version| Some((*version, read(version)?)))?;
        self.version = Some(version);
        self.connected(out);
        Some(value)
    }

    fn obey(&mut self, value: &Value, out: &mut Vec<u8>) -> Input<'static> {
        let text = |key: &str| value.get(key).and_then(Value::bytes).map(|bytes| clean(bytes, self.line_length));
        match value.get("action").and_then(Value::bytes) {
            Some(b"username") => text("username").map_or(Input::Answered, |name| named(name.text.into_owned())),
            Some(b"nickname") => text("nickname").map_or(Input::Answered, |name| named(name.text.into_owned())),
            Some(b"message") => match text("message") {
                None => Input::Answered,
                Some(cleaned) if cleaned.text.trim().is_empty() => Input::Answered,
                Some(cleaned) => {
                    let Changes { cut, replaced, .. } = cleaned.changes;
                    let said = cleaned.text.into_owned();
                    if cut || replaced > 0 {
                        self.notice("A part of your message was not text or is too long, and is lost.", out);
                    }
                    if self.named {
                        return Input::Command(Command::Say(Words::plain(said)));
                    }
                    self.said = Some(said);
                    self.nameless = true;
                    self.put_off().map_or(Input::Answered, Input::Command)
                }
            },
            // What else there may be is between the players of some game.
            _ => Input::Answered,
        }
    }

    /// What is to be done before anything else is read.
    fn put_off(&mut self) -> Option<Command<'static>> {
        if std::mem::take(&mut self.nameless) && !self.named {
            return Some(Command::Guest(ANONYMOUS.into()));
        }
        self.said.take_if(|_| self.named).map(|said| Command::Say(Words::plain(said)))
    }

    fn connected(&self, out: &mut Vec<u8>) {
        self.send(&Value::Dict(vec![(Value::text("action"), Value::text("connected"))]), out);
    }

    fn notice(&self, text: &str, out: &mut Vec<u8>) {
        self.send(&form::message(SERVER, text), out);
    }

    /// To a client whose version is not known nothing can be said.
    fn send(&self, value: &Value, out: &mut Vec<u8>) {
        if let Some(version) = self.version {
            frame(value, version, out);
        }
    }
}

fn named(name: String) -> Input<'static> {
    Input::Command(Command::Name(name.into()))
}

/// Appends a frame.
fn frame(value: &Value, version: Version, out: &mut Vec<u8>) {
    encode(value, version, out);
    out.extend_from_slice(TERMINATOR);
}

impl Dialect for PodSixNet {
    fn greet(&mut self, _room: &str, out: &mut Vec<u8>) {
        self.connected(out);
    }

    fn next<'i>(&mut self, _now: Now, input: &mut &'i [u8], out: &mut Vec<u8>) -> Input<'i> {
        if let Some(command) = self.put_off() {
            return Input::Command(command);
        }
        let Some(frame) = self.frame(input) else { return Input::Incomplete };
        let Some(value) = self.read(&frame, out) else { return Input::Answered };
        self.obey(&value, out)
    }

    fn due(&self) -> Option<u64> {
        match (self.nameless || self.said.is_some(), self.named) {
            (true, _) => Some(0),
            (false, false) => Some(self.silent),
            (false, true) => None,
        }
    }

    fn expire(&mut self, now: Now, out: &mut Vec<u8>) -> Result<Input<'static>, Reason> {
        if !self.named && self.silent <= now.ticks {
            self.nameless = true;
            if self.version.is_none() {
                self.version = Some(Version::New);
                self.connected(out);
            }
        }
        Ok(self.put_off().map_or(Input::Incomplete, Input::Command))
    }

    fn reply(&mut self, reply: Reply<'_>, out: &mut Vec<u8>) {
        match reply {
            // The room follows: whoever has a name comes in.
            Reply::Registered { .. } => self.named = true,
            Reply::Welcome { person, view, .. } => {
                if let Some(version) = self.version {
                    let form = self.variety.form(version);
                    form.set_players(view);
                    frame(&form.players(), version, out);
                }
                self.notice(&format!("Welcome, {}.", person.nick), out);
            }
            Reply::Refused(refusal) => {
                self.notice(&refusal.to_string(), out);
                // A program does not choose again; its user can still be in the room.
                self.nameless = !self.named;
            }
            Reply::Private { from, words, .. } => {
                for line in words.lines() {
                    self.send(&form::message(from.as_str(), &format!("(to you alone) {line}")), out);
                }
            }
            // These clients know no commands that these would answer.
            Reply::Look(_) | Reply::Topic(_) | Reply::Sent { .. } => {}
            Reply::Done(..) | Reply::Presence { .. } | Reply::Watched(..) => {}
            Reply::Closing(reason) => self.notice(&format!("Goodbye: {reason}."), out),
        }
    }

    fn form(&self) -> Arc<dyn Form> {
        self.variety.form(self.version.unwrap_or(Version::New)).clone()
    }
}
