//! PodSixNet, a library for games that courses use for chats: dictionaries with an `action`, each in a frame.
//!
//! The document's actions (`username`, `message`) and those of the library's own sample (`nickname`, `message`,
//! `players`) are understood, and every message has the fields of both. The two versions of the wire format are told
//! by a client's first frame, or by the configuration: it alone can say what a client speaks that waits for the server.

mod form;
pub mod rencode;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Input;
use crate::chat::{Answer, Changes, Command, Event, Form, Now, Reply, Words, clean};
use form::PodSixNetForm;
use rencode::{Value, Version, decode, encode};

/// Ends every frame.
pub const TERMINATOR: &[u8] = b"\0---\0";
/// Who never says a name.
const ANONYMOUS: &str = "anonymous";
/// Who speaks for the server; nobody else can have this name.
const SERVER: &str = "***";
/// Bytes of a frame beyond those of its text: its other fields and their names.
const FRAME_EXTRA: usize = 1024;

/// One client that uses PodSixNet.
#[derive(Serialize, Deserialize)]
pub struct PodSixNet {
    line_length: usize,
    /// Known from the first frame on.
    version: Option<Version>,
    partial: Vec<u8>,
    named: bool,
    guest: Guest,
    /// Said before it had a name.
    said: Option<String>,
}

/// Whether the client is to be given a name by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Guest {
    /// No.
    No,
    /// Yes, before anything else is read.
    Due,
    /// It is being done.
    AskedFor,
}

impl PodSixNet {
    /// `version`: what all clients of the listener speak; `None`: found out for each. `line_length`: bytes of one
    /// message; the rest of a longer one is dropped, and its author told.
    #[must_use]
    pub fn new(version: Option<Version>, line_length: usize) -> PodSixNet {
        PodSixNet { line_length, version, partial: Vec::new(), named: false, guest: Guest::No, said: None }
    }

    /// Takes the next frame off the front of `input`; of one that is too long, only so much that this can be seen.
    fn frame<'i>(&mut self, input: &mut &'i [u8]) -> Option<Cow<'i, [u8]>> {
        let whole = *input;
        let kept = self.partial.len();
        // A terminator may begin in what was kept.
        let seam_start = kept.saturating_sub(TERMINATOR.len() - 1);
        let mut seam = self.partial.get(seam_start..).unwrap_or_default().to_vec();
        seam.extend_from_slice(whole.get(..TERMINATOR.len() - 1).unwrap_or(whole));
        let end = memchr::memmem::find(&seam, TERMINATOR).map(|at| seam_start + at);
        let end = end.or_else(|| memchr::memmem::find(whole, TERMINATOR).map(|at| kept + at));
        let Some(end) = end else {
            *input = &[];
            self.keep(whole);
            return None;
        };
        *input = whole.get((end + TERMINATOR.len()).saturating_sub(kept)..).unwrap_or_default();
        let arrived = whole.get(..end.saturating_sub(kept)).unwrap_or_default();
        if kept == 0 {
            return Some(Cow::Borrowed(arrived));
        }
        let mut frame = std::mem::take(&mut self.partial);
        frame.truncate(end);
        frame.extend_from_slice(arrived);
        Some(Cow::Owned(frame))
    }

    /// Keeps a part of a frame: of one that is too long the excess, and the end, in case it begins a terminator.
    fn keep(&mut self, bytes: &[u8]) {
        let (most, tail) = (self.limit() + 1, TERMINATOR.len() - 1);
        if self.partial.len() + bytes.len() <= most + tail {
            return self.partial.extend_from_slice(bytes);
        }
        let mut end = self.partial.get(self.partial.len().saturating_sub(tail)..).unwrap_or_default().to_vec();
        end.extend_from_slice(bytes.get(bytes.len().saturating_sub(tail)..).unwrap_or_default());
        let room = most.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.partial.truncate(most);
        self.partial.extend_from_slice(end.get(end.len().saturating_sub(tail)..).unwrap_or_default());
    }

    /// Bytes of a frame.
    fn limit(&self) -> usize {
        2 * self.line_length + FRAME_EXTRA
    }

    /// What a frame says; the first one also tells the version.
    fn read(&mut self, frame: &[u8], out: &mut Vec<u8>) -> Option<Value> {
        let is_too_long = frame.len() > self.limit();
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
                    self.guest = Guest::Due;
                    self.put_off().map_or(Input::Answered, Input::Command)
                }
            },
            // What else there may be is between the players of some game.
            _ => Input::Answered,
        }
    }

    /// What is to be done before anything else is read.
    fn put_off(&mut self) -> Option<Command<'static>> {
        if self.guest == Guest::Due {
            self.guest = Guest::AskedFor;
            return Some(Command::Guest(ANONYMOUS.into()));
        }
        let is_named = self.named;
        self.said.take_if(|_| is_named).map(|said| Command::Say(Words::plain(said)))
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

/// See [`Dialect`](super::Dialect).
impl PodSixNet {
    pub(super) fn greet(&mut self, answer: &mut Answer<'_>) {
        self.connected(answer.bytes);
    }

    pub(super) fn next<'i>(&mut self, _now: Now, input: &mut &'i [u8], answer: &mut Answer<'_>) -> Input<'i> {
        if let Some(command) = self.put_off() {
            return Input::Command(command);
        }
        let Some(frame) = self.frame(input) else { return Input::Incomplete };
        let Some(value) = self.read(&frame, answer.bytes) else { return Input::Answered };
        self.obey(&value, answer.bytes)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.guest == Guest::Due || (self.said.is_some() && self.named)
    }

    pub(super) fn reply(&mut self, reply: Reply<'_>, answer: &mut Answer<'_>) {
        let out = &mut *answer.bytes;
        match reply {
            // The room follows: whoever has a name comes in.
            Reply::Done(_, Event::Registered(_)) => (self.named, self.guest) = (true, Guest::No),
            Reply::Done(_, Event::Joined(person)) => {
                self.send(&form::players(answer.view), out);
                self.notice(&format!("Welcome, {}.", person.nick), out);
            }
            Reply::Refused(refusal) => {
                self.notice(&refusal.to_string(), out);
                // A program does not choose again; its user can still be in the room, if there is any name for them.
                let has_other_name = self.named || self.guest == Guest::AskedFor;
                self.guest = if has_other_name { Guest::No } else { Guest::Due };
            }
            Reply::Private { from, words, .. } => {
                for line in words.lines() {
                    self.send(&form::message(from.as_str(), &format!("(to you alone) {line}")), out);
                }
            }
            // These clients know no commands that these would answer.
            Reply::Sent { .. } | Reply::Done(..) | Reply::Presence { .. } | Reply::Watched(..) => {}
            Reply::Closing(reason) => self.notice(&format!("Goodbye: {reason}."), out),
        }
    }

    pub(super) fn form(&self) -> Arc<dyn Form> {
        Arc::new(PodSixNetForm(self.version.unwrap_or(Version::New)))
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
