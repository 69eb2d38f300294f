//! PodSixNet, a game library that courses use for chats. Each frame is a dictionary with an `action`.
//!
//! Clients may send the actions of the course document (`username`, `message`) or of the library's sample (`nickname`,
//! `message`, `players`); every message sent to them has the fields of both. The version of the wire format is detected
//! from a client's first frame or set in the configuration, which is the only way for a client that waits for the
//! server to speak first.

mod form;
pub mod rencode;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Input;
use crate::chat::{Answer, Changes, Command, Event, Form, Now, Reply, Words, clean};
use form::PodSixNetForm;
use rencode::{Value, Version, decode, encode};

/// The terminator of a frame.
pub const TERMINATOR: &[u8] = b"\0---\0";
/// The name of a client that never sends one.
const ANONYMOUS: &str = "anonymous";
/// The sender of server messages; no user can have this name.
const SERVER: &str = "***";
/// How much larger than its text a frame may be, in bytes, for the other fields and their names.
const FRAME_EXTRA: usize = 1024;

/// One PodSixNet client.
#[derive(Serialize, Deserialize)]
pub struct PodSixNet {
    line_length: usize,
    /// Known after the first frame.
    version: Option<Version>,
    partial: Vec<u8>,
    named: bool,
    guest: Guest,
    /// A message that arrived before the client had a name.
    said: Option<String>,
}

/// Whether the client is assigned a guest name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Guest {
    /// No.
    No,
    /// Yes, before any further input is processed.
    Due,
    /// The name has been requested.
    AskedFor,
}

impl PodSixNet {
    /// `version`: the version of all clients of the listener; `None` to detect it for each. `line_length`: the maximum
    /// size of a message in bytes; a longer one is truncated, and its author is told.
    #[must_use]
    pub fn new(version: Option<Version>, line_length: usize) -> PodSixNet {
        PodSixNet { line_length, version, partial: Vec::new(), named: false, guest: Guest::No, said: None }
    }

    /// Takes the next frame from the front of `input`. A frame that is too long is returned truncated, still long
    /// enough to show that it is.
    fn frame<'i>(&mut self, input: &mut &'i [u8]) -> Option<Cow<'i, [u8]>> {
        let whole = *input;
        let kept = self.partial.len();
        // The terminator may start in the buffered part.
        let seam_start = kept.saturating_sub(TERMINATOR.len() - 1);
        let mut seam = self.partial.get(seam_start..).unwrap_or_default().to_vec();
        seam.extend_from_slice(whole.get(..TERMINATOR.len() - 1).unwrap_or(whole));
        let end = memchr::memmem::find(&seam, TERMINATOR).map(|at| seam_start + at);
        let end = end.or_else(|| memchr::memmem::find(whole, TERMINATOR).map(|at| kept + at));
        let Some(end) = end else {
            *input = &[];
            self.buffer(whole);
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

    /// Buffers a part of a frame. Of one that is too long, drops the excess but keeps the end, which may be the start
    /// of a terminator.
    fn buffer(&mut self, bytes: &[u8]) {
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

    /// The maximum size of a frame in bytes.
    fn limit(&self) -> usize {
        2 * self.line_length + FRAME_EXTRA
    }

    /// Decodes a frame; the first one also determines the version.
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

    fn interpret(&mut self, value: &Value, out: &mut Vec<u8>) -> Input<'static> {
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
                    self.take_deferred().map_or(Input::Answered, Input::Command)
                }
            },
            // Other actions are game-specific.
            _ => Input::Answered,
        }
    }

    /// Deferred work that must be done before any further input is processed.
    fn take_deferred(&mut self) -> Option<Command<'static>> {
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

    /// Nothing can be sent before the version is known.
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
        if let Some(command) = self.take_deferred() {
            return Input::Command(command);
        }
        let Some(frame) = self.frame(input) else { return Input::Incomplete };
        let Some(value) = self.read(&frame, answer.bytes) else { return Input::Answered };
        self.interpret(&value, answer.bytes)
    }

    pub(super) fn is_mute(&self) -> bool {
        self.version.is_none()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.guest == Guest::Due || (self.said.is_some() && self.named)
    }

    pub(super) fn reply(&mut self, reply: Reply<'_>, answer: &mut Answer<'_>) {
        let out = &mut *answer.bytes;
        match reply {
            // In this protocol, whoever has a name joins the room at once.
            Reply::Done(_, Event::Registered(_)) => (self.named, self.guest) = (true, Guest::No),
            Reply::Done(_, Event::Joined(person)) => {
                self.send(&form::players(answer.view), out);
                self.notice(&format!("Welcome, {}.", person.nick), out);
            }
            Reply::Refused(refusal) => {
                self.notice(&refusal.to_string(), out);
                // The client program will not choose another name, so its user gets a guest name if possible.
                let has_other_name = self.named || self.guest == Guest::AskedFor;
                self.guest = if has_other_name { Guest::No } else { Guest::Due };
            }
            Reply::Private { from, words, .. } => {
                for line in words.lines() {
                    self.send(&form::message(from.as_str(), &format!("(to you alone) {line}")), out);
                }
            }
            // These clients have no commands to which these replies could be sent.
            Reply::Sent { .. } | Reply::Done(..) | Reply::Presence { .. } | Reply::Watched(..) | Reply::Read { .. } => {
            }
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
