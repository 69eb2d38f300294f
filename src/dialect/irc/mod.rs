//! IRC: RFC 1459 and 2812 as described in modern.ircdocs.horse, with IRCv3.
//!
//! The room is the only channel. This dialect handles registration, PING and capabilities itself and answers all
//! queries from the [`View`]; everything else becomes a [`Command`] for the room. Addresses are never shown: every
//! user's host is the server name.

mod bans;
pub mod capability;
mod client;
mod commands;
mod form;
mod history;
mod isupport;
mod labels;
mod listing;
mod markers;
pub mod message;
mod multiline;
mod numerics;
mod queries;
mod registration;
mod search;
mod server;
mod who;
mod words;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ClientContext, Input, Lines};
#[cfg(doc)]
use crate::chat::View;
use crate::chat::{Answer, Command, Event, Form, Manner, Now, PersonView, Reason, Refusal, Reply, Stamp, Words};
use capability::Capabilities;
use client::{Extras, Phase, Request};
use form::{About, IrcForm};
use message::{MAX_MESSAGE, MAX_TAGS, Message};
use registration::Registration;
pub use server::Server;

/// How long a client may be silent before the server sends a PING, in ticks.
const SILENCE: u64 = 120_000_000;
/// How long it may take to answer the PING, in ticks.
const PATIENCE: u64 = 60_000_000;

/// One IRC client.
#[derive(Serialize, Deserialize)]
pub struct Irc {
    lines: Lines,
    line_length: usize,
    /// Not serialized; [`attach`](Self::attach) restores it.
    #[serde(skip)]
    server: Arc<Server>,
    encrypted: bool,
    /// Whether the client is told about TLS (STS). Not over the loopback interface, where no certificate matches the
    /// host name.
    offers_sts: bool,
    capabilities: Capabilities,
    /// Whether it has requested capabilities with version 302 or later.
    version_302: bool,
    phase: Phase,
    /// Whether errors about the current message are suppressed.
    quiet: bool,
    /// Whether a PING has not been answered yet.
    pinged: bool,
    /// When the client last sent something or was sent a PING, in ticks.
    last: u64,
    /// The number of batches so far; each is named by its number.
    batches: u32,
    request: Option<Box<Request>>,
    extras: Option<Box<Extras>>,
}

impl Irc {
    /// A client that has just connected.
    #[must_use]
    pub fn new(now: Now, client: ClientContext<'_>) -> Irc {
        let ClientContext { line_length, encrypted, local, account, irc } = client;
        Irc {
            lines: Lines::new(MAX_TAGS + MAX_MESSAGE),
            line_length,
            server: irc.clone(),
            encrypted,
            offers_sts: !local && irc.secure_port.is_some(),
            capabilities: Capabilities::default(),
            version_302: false,
            phase: Phase::Registering(Box::new(Registration::new(account, encrypted))),
            quiet: false,
            pinged: false,
            last: now.ticks,
            batches: 0,
            request: None,
            extras: None,
        }
    }

    /// Restores what is not serialized.
    pub(super) fn attach(&mut self, server: &Arc<Server>) {
        self.server = server.clone();
    }

    fn has(&self, capability: Capabilities) -> bool {
        self.capabilities.has(capability)
    }

    fn own_form(&self) -> IrcForm {
        IrcForm { server: self.server.clone(), capabilities: self.capabilities }
    }

    /// See [`Dialect::next`](super::Dialect::next).
    pub(super) fn next<'i>(&mut self, now: Now, input: &mut &'i [u8], answer: &mut Answer<'_>) -> Input<'i> {
        let command = if self.is_busy() {
            self.list_more(answer);
            None
        } else {
            let Some(line) = self.lines.next(input) else { return Input::Incomplete };
            (self.last, self.pinged) = (now.ticks, false);
            match line {
                Cow::Borrowed(line) => self.take(now, line, answer),
                Cow::Owned(line) => self.take(now, &line, answer).map(Command::into_owned),
            }
        };
        let lookup = self.extras.as_mut().and_then(|extras| extras.lookup.take());
        match (command, lookup) {
            (_, Some(lookup)) => Input::Lookup(*lookup),
            (Some(command), None) => Input::Command(command),
            (None, None) if self.is_busy() => Input::Unfinished,
            (None, None) => self.take_refused().map_or(Input::Answered, Input::Invalid),
        }
    }

    fn take<'l>(&mut self, now: Now, line: &'l [u8], answer: &mut Answer<'_>) -> Option<Command<'l>> {
        let text = match std::str::from_utf8(line) {
            Ok(text) => text,
            Err(_) => {
                let text = String::from_utf8_lossy(line);
                let message = Message::parse(&text)?;
                self.note_label(&message);
                if !self.refuse_multiline(&message) {
                    return None;
                }
                let command = message.command.to_ascii_uppercase();
                self.fail(answer, &command, "INVALID_UTF8", &[], "Your message was not UTF-8; it was dropped");
                return None;
            }
        };
        let message = Message::parse(text)?;
        self.note_label(&message);
        let tags = if message.tags.is_empty() { 0 } else { message.tags.len() + 2 };
        if tags > MAX_TAGS || text.len() - tags.min(text.len()) > MAX_MESSAGE {
            if self.refuse_multiline(&message) {
                self.numeric(answer, "417", &[], "Input line was too long");
            }
            return None;
        }
        match self.phase {
            Phase::Registering(_) => self.register(&message, answer),
            Phase::Registered => self.execute(now, message, answer),
        }
    }

    fn note_label(&mut self, message: &Message<'_>) {
        if self.has(Capabilities::LABELS.with(Capabilities::BATCH)) && !message.tags.is_empty() {
            let label = message.tag("label").filter(|label| !label.is_empty());
            self.request().label = label.map(|label| label.into());
        }
    }

    /// Whether an answer is not complete yet.
    pub(super) fn is_busy(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.listing.as_ref().is_some_and(|listing| !listing.is_finished))
    }

    /// When the silence becomes too long.
    pub(super) fn due(&self) -> Option<u64> {
        // Before registration, the login timeout applies.
        let registered = matches!(self.phase, Phase::Registered);
        registered.then(|| self.last + if self.pinged { PATIENCE } else { SILENCE })
    }

    /// See [`Dialect::expire`](super::Dialect::expire).
    pub(super) fn expire(&mut self, now: Now, answer: &mut Answer<'_>) -> Result<Input<'static>, Reason> {
        if self.pinged {
            return Err(Reason::NoAnswer);
        }
        (self.last, self.pinged) = (now.ticks, true);
        answer.write(&["PING :", &self.server.name, "\r\n"]);
        Ok(Input::Incomplete)
    }

    /// See [`Dialect::finish`](super::Dialect::finish).
    pub(super) fn finish(&mut self, answer: &mut Vec<u8>) {
        self.quiet = false;
        let label = self.request.take().and_then(|request| request.label);
        let server = &self.server.name;
        let listing = self.extras.as_mut().and_then(|extras| extras.listing.as_mut());
        match listing.filter(|listing| listing.batch.is_some() || !listing.is_finished) {
            Some(listing) => {
                if label.is_some() {
                    self.batches = self.batches.wrapping_add(1);
                    listing.batch = Some(self.batches);
                }
                if let Some(batch) = listing.batch {
                    labels::label_part(label.as_deref(), server, batch, listing.is_finished, answer);
                }
            }
            None => {
                if let Some(label) = label {
                    self.batches = self.batches.wrapping_add(1);
                    labels::label(&label, server, self.batches, answer);
                }
            }
        }
        if let Some(extras) = &mut self.extras {
            extras.listing.take_if(|listing| listing.is_finished);
        }
    }

    /// Renders a reply for this client.
    pub(super) fn reply(&mut self, reply: Reply<'_>, answer: &mut Answer<'_>) {
        match reply {
            Reply::Refused(refusal) => self.refused(refusal, answer),
            Reply::Done(stamp, event) => self.done(stamp, event, answer),
            Reply::Private { stamp, from, to, words } => {
                let about = About { stamp, who: Some(from), batch: None };
                self.own_form().write_message(about, &[to.as_str()], words, answer.bytes);
            }
            Reply::Sent { stamp, to, words } => self.sent(stamp, to, words, answer),
            Reply::Presence { person, here: true } => {
                let name = format!("{}!{}@{}", person.as_str(), person.profile.user, self.server.name);
                self.numeric(answer, "730", &[], &name);
            }
            Reply::Presence { person, here: false } => self.numeric(answer, "731", &[], person.as_str()),
            Reply::Watched(stamp, event) => {
                if self.has(Capabilities::EXTENDED_MONITOR) {
                    self.own_form().render(stamp, event, answer.view, answer.bytes);
                }
            }
            Reply::Read { target, time } => self.marker_moved(target, time, answer),
            Reply::Closing(reason) => {
                if reason.is_lag() {
                    // Ends a line that may be incomplete.
                    answer.write(&["\r\n"]);
                }
                if let (Phase::Registering(_), Reason::Banned { .. } | Reason::NotAllowed) = (&self.phase, reason) {
                    self.numeric(answer, "465", &[], &format!("You may not come in: {reason}"));
                }
                self.line(answer, &["ERROR :Closing link: ", &reason.to_string()]);
            }
        }
    }

    fn refused(&mut self, refusal: &Refusal, answer: &mut Answer<'_>) {
        match refusal {
            Refusal::NoSuchUser(_) if self.quiet => {}
            Refusal::NameTaken(name) => self.numeric(answer, "433", &[name], "Nickname is already in use"),
            Refusal::NameLooksTaken { name, like } => {
                self.numeric(answer, "433", &[name], &format!("Nickname looks like {like}, which is in use"));
            }
            Refusal::NameReserved(name) => {
                self.numeric(answer, "432", &[name], "Erroneous nickname: it is reserved");
            }
            Refusal::NameLooksReserved { name, like } => {
                let why = format!("Erroneous nickname: it looks like {like}, which is reserved");
                self.numeric(answer, "432", &[name], &why);
            }
            Refusal::NameNotAllowed(why) => {
                self.numeric(answer, "432", &[self.subject()], &format!("Erroneous nickname: {why}"));
            }
            Refusal::Banned(_) => {
                self.numeric(answer, "432", &[self.subject()], &format!("Erroneous nickname: {refusal}"));
            }
            Refusal::NoSuchUser(name) => self.numeric(answer, "401", &[name], "No such nick"),
            Refusal::NotInRoom => self.not_in_room(answer),
            Refusal::NoSuchLine => self.refuse_redaction(answer, "UNKNOWN_MSGID", "This message is not kept"),
            Refusal::TextTooLong(_) => self.numeric(answer, "417", &[], &refusal.to_string()),
            Refusal::NotYours => {
                self.refuse_redaction(answer, "REDACT_FORBIDDEN", "This message is somebody else's");
            }
        }
        if let Phase::Registering(registration) = &mut self.phase {
            registration.nick = None;
        }
    }

    fn done(&mut self, stamp: Stamp, event: &Event<'_>, answer: &mut Answer<'_>) {
        match event {
            Event::Registered(_) => {
                self.phase = Phase::Registered;
                return self.registered(answer);
            }
            Event::Joined(_) => return self.welcome(stamp, event, answer),
            // Clients receive their own messages only with echo-message.
            Event::Said(..) if !self.has(Capabilities::ECHO) => return,
            Event::Away(_, Some(_)) => {
                return self.numeric(answer, "306", &[], "You have been marked as being away");
            }
            Event::Away(_, None) => {
                return self.numeric(answer, "305", &[], "You are no longer marked as being away");
            }
            Event::Described(person) if self.request.as_ref().is_some_and(|request| request.is_mode) => {
                let mode = if person.profile.bot { "+B" } else { "-B" };
                let (nick, user) = (person.as_str(), &person.profile.user);
                return self.line(answer, &[":", nick, "!", user, "@", &self.server.name, " MODE ", nick, " ", mode]);
            }
            Event::Parted(..) => self.extras().shown = stamp.sequence,
            _ => {}
        }
        self.own_form().render(stamp, event, answer.view, answer.bytes);
    }

    fn sent(&mut self, stamp: Stamp, to: PersonView<'_>, words: &Words<'_>, answer: &mut Answer<'_>) {
        let nick = to.person.as_str();
        if let Some(own) = answer.view.own().filter(|_| self.has(Capabilities::ECHO)) {
            let about = About { stamp, who: Some(own.person), batch: None };
            self.own_form().write_message(about, &[nick], words, answer.bytes);
        }
        // A NOTICE must not be answered automatically, so it gets no away reply.
        if let (Some(why), Manner::Plain | Manner::Action) = (to.away, words.manner) {
            self.numeric(answer, "301", &[nick], why);
        }
    }

    /// The form for this client's capabilities.
    #[must_use]
    pub(super) fn form(&self) -> Arc<dyn Form> {
        Arc::new(self.own_form())
    }
}

fn write(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

/// Ends the line that begins at `start`, after its tags; truncates it to the maximum length of a message.
fn end_line(out: &mut Vec<u8>, start: usize) {
    let most = start + MAX_MESSAGE;
    if out.len() > most {
        let is_boundary = |at: &usize| out.get(*at).is_some_and(|byte| byte & 0xc0 != 0x80);
        let end = (start..=most).rev().find(is_boundary).unwrap_or(most);
        out.truncate(end);
    }
    out.extend_from_slice(b"\r\n");
}
