//! IRC: RFC 1459 and 2812 as modern.ircdocs.horse describes what is spoken today, with IRCv3.
//!
//! The room is the one channel there is. Registration, PING and capabilities live here; what the room has to do goes out
//! as a [`Command`], and what must be looked up is asked for with [`Command::Look`] and answered when the view comes.
//! Nobody's address is shown to anybody: everybody's host is the server.

pub mod capability;
mod client;
mod commands;
mod form;
mod history;
mod isupport;
mod labels;
pub mod markers;
pub mod message;
mod multiline;
mod queries;
mod registration;
mod who;
mod words;

use std::borrow::Cow;
use std::sync::Arc;

use super::{Dialect, Input, Lines, Setting};
use crate::chat::{Command, Event, Form, Manner, Now, Person, Reason, Refusal, Reply, Seen, Stamp, Words};
use capability::Capabilities;
use client::{Exchange, Kept, Standing};
use form::{About, IrcForm};
use markers::AccountMarkers;
use message::{MAX_MESSAGE, MAX_TAGS, Message};
use queries::Query;
use registration::Registration;

/// How long a client may be silent before it is asked whether it is still there, in ticks.
const SILENCE: u64 = 120_000_000;
/// How long it may then take to answer, in ticks.
const PATIENCE: u64 = 60_000_000;

/// What IRC tells of this server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name, with a dot in it.
    pub name: Box<str>,
    /// The room's name, without the `#`.
    pub room: Box<str>,
    /// Whether a client is put into the room when it has registered.
    pub autojoin: bool,
    /// When it was started, in milliseconds since 1970-01-01 UTC.
    pub started: u64,
    /// Where it can be reached over TLS with a certificate that strangers can verify, if it can.
    pub secure_port: Option<u16>,
    /// How far those who have an account have read.
    pub markers: Arc<AccountMarkers>,
}

impl Server {
    /// Appends the identifier of an event: no other one has the same, also after a restart.
    fn write_id(&self, sequence: u64, out: &mut Vec<u8>) {
        write_hex(self.started, out);
        out.push(b'-');
        write_hex(sequence, out);
    }

    /// The event that an identifier means, if it is one of this run of the server.
    fn parse_id(&self, id: &str) -> Option<u64> {
        let (started, sequence) = id.split_once('-')?;
        let started = u64::from_str_radix(started, 16).ok()?;
        (started == self.started).then(|| u64::from_str_radix(sequence, 16).ok())?
    }

    /// Whether `channel` is the room; in the names of channels, ASCII letters are the same in either case.
    fn is_room(&self, channel: &str) -> bool {
        channel.strip_prefix('#').is_some_and(|name| name.eq_ignore_ascii_case(&self.room))
    }
}

/// One IRC client.
pub struct Irc {
    lines: Lines,
    line_length: usize,
    server: Arc<Server>,
    encrypted: bool,
    /// Whether the client is told where TLS is: not over the loopback, where nobody's certificate fits.
    strict: bool,
    capabilities: Capabilities,
    /// Whether it has asked for capabilities in version 302 or later.
    version_302: bool,
    standing: Standing,
    in_room: bool,
    away: bool,
    /// Whether the client is not to be told why its message is not passed on.
    quiet: bool,
    /// Whether it has been asked whether it is still there.
    asked: bool,
    /// When it was heard or asked last, in ticks.
    last: u64,
    /// Answers that are counted for their labels' batches.
    batches: u32,
    exchange: Option<Box<Exchange>>,
    kept: Option<Box<Kept>>,
}

impl Irc {
    /// A client that has just connected.
    #[must_use]
    pub fn new(now: Now, setting: Setting<'_>) -> Irc {
        let Setting { line_length, encrypted, local, account, irc } = setting;
        Irc {
            lines: Lines::new(MAX_TAGS + MAX_MESSAGE),
            line_length,
            server: irc.clone(),
            encrypted,
            strict: !local && irc.secure_port.is_some(),
            capabilities: Capabilities::default(),
            version_302: false,
            standing: Standing::Registering(Box::new(Registration::new(account, encrypted))),
            in_room: false,
            away: false,
            quiet: false,
            asked: false,
            last: now.ticks,
            batches: 0,
            exchange: None,
            kept: None,
        }
    }

    fn has(&self, capability: Capabilities) -> bool {
        self.capabilities.has(capability)
    }

    fn own_form(&self) -> IrcForm {
        IrcForm { server: self.server.clone(), capabilities: self.capabilities }
    }

    fn take<'l>(&mut self, now: Now, line: &'l [u8], out: &mut Vec<u8>) -> Option<Command<'l>> {
        let text = match std::str::from_utf8(line) {
            Ok(text) => text,
            Err(_) => {
                let text = String::from_utf8_lossy(line);
                let message = Message::parse(&text)?;
                self.note_label(&message);
                let command = message.command.to_ascii_uppercase();
                self.fail(out, &command, "INVALID_UTF8", &[], "Your message was not UTF-8; it was dropped");
                return None;
            }
        };
        let message = Message::parse(text)?;
        self.note_label(&message);
        let tags = if message.tags.is_empty() { 0 } else { message.tags.len() + 2 };
        if tags > MAX_TAGS || text.len() - tags.min(text.len()) > MAX_MESSAGE {
            self.numeric(out, "417", &[], "Input line was too long");
            return None;
        }
        match self.standing {
            Standing::Registering(_) => self.register(&message, out),
            Standing::Registered(_) => self.obey(now, message, out),
        }
    }

    fn note_label(&mut self, message: &Message<'_>) {
        if self.has(Capabilities::LABELS.with(Capabilities::BATCH)) && !message.tags.is_empty() {
            let label = message.tag("label").filter(|label| !label.is_empty());
            self.exchange().label = label.map(|label| label.into());
        }
    }

    /// `:server NUMBER nick PARAMETERS :TEXT`
    fn numeric(&self, out: &mut Vec<u8>, number: &str, parameters: &[&str], text: &str) {
        self.begin(out, number, parameters);
        write(out, &[" :", text, "\r\n"]);
    }

    /// `:server NUMBER nick PARAMETERS`, without the end.
    fn begin(&self, out: &mut Vec<u8>, number: &str, parameters: &[&str]) {
        write(out, &[":", &self.server.name, " ", number, " ", self.nick()]);
        parameters.iter().for_each(|parameter| write(out, &[" ", parameter]));
    }

    /// A standard reply (IRCv3) that says what has failed, for programs and for people.
    fn fail(&self, out: &mut Vec<u8>, command: &str, code: &str, context: &[&str], text: &str) {
        write(out, &[":", &self.server.name, " FAIL ", command, " ", code]);
        context.iter().for_each(|parameter| write(out, &[" ", parameter]));
        write(out, &[" :", text, "\r\n"]);
    }

    fn need_more(&self, out: &mut Vec<u8>, command: &str) {
        self.numeric(out, "461", &[command], "Not enough parameters");
    }

    /// A message from this client to itself, such as its own MODE.
    fn say_own(&self, out: &mut Vec<u8>, pieces: &[&str]) {
        write(out, &[":", self.nick(), "!", &self.profile().user, "@", &self.server.name, " "]);
        write(out, pieces);
        write(out, &["\r\n"]);
    }

    fn refused(&mut self, refusal: &Refusal, out: &mut Vec<u8>) {
        match refusal {
            Refusal::NoSuchUser(_) if self.quiet => {}
            Refusal::NameTaken(name) => self.numeric(out, "433", &[name], "Nickname is already in use"),
            Refusal::NameNotAllowed(why) => {
                self.numeric(out, "432", &[self.wanted()], &format!("Erroneous nickname: {why}"));
            }
            Refusal::NoSuchUser(name) => self.numeric(out, "401", &[name], "No such nick"),
            Refusal::NotInRoom => self.not_in_room(out),
            Refusal::NoSuchLine => self.refuse_redaction(out, "UNKNOWN_MSGID", "This message is not kept"),
            Refusal::NotYours => self.refuse_redaction(out, "REDACT_FORBIDDEN", "This message is somebody else's"),
        }
        if let Standing::Registering(registration) = &mut self.standing {
            registration.nick = None;
        }
    }

    fn not_in_room(&self, out: &mut Vec<u8>) {
        self.numeric(out, "442", &[&format!("#{}", self.server.room)], "You're not on that channel");
    }

    fn done(&mut self, stamp: Stamp, event: Event<'_>, out: &mut Vec<u8>) {
        match event {
            // One's own words come back only to those who have asked for that.
            Event::Said(..) if !self.has(Capabilities::ECHO) => return,
            Event::Renamed { from, to } => {
                self.own_form().render(stamp, event, out);
                self.standing = Standing::Registered(Arc::new(Person { nick: to.clone(), ..from.clone() }));
                return;
            }
            Event::Parted(..) => {
                self.in_room = false;
                self.kept().shown = stamp.sequence;
            }
            Event::Away(_, why) => {
                self.away = why.is_some();
                return match why {
                    Some(_) => self.numeric(out, "306", &[], "You have been marked as being away"),
                    None => self.numeric(out, "305", &[], "You are no longer marked as being away"),
                };
            }
            Event::Described(person) => {
                self.standing = Standing::Registered(Arc::new(person.clone()));
                if self.exchange().query.take_if(|query| matches!(query, Query::BotMode)).is_some() {
                    let mode = if self.profile().bot { "+B" } else { "-B" };
                    return self.say_own(out, &["MODE ", self.nick(), " ", mode]);
                }
            }
            _ => {}
        }
        self.own_form().render(stamp, event, out);
    }

    fn sent(&mut self, stamp: Stamp, from: &Person, to: Seen<'_>, words: &Words<'_>, out: &mut Vec<u8>) {
        let nick = to.person.as_str();
        if self.has(Capabilities::ECHO) {
            let about = About { stamp, who: Some(from), batch: None };
            self.own_form().speak(about, &[nick], words, out);
        }
        // Nothing may answer a remark by itself.
        if let (Some(why), Manner::Plain | Manner::Action) = (to.away, words.manner) {
            self.numeric(out, "301", &[nick], why);
        }
    }
}

impl Dialect for Irc {
    fn greet(&mut self, _room: &str, _out: &mut Vec<u8>) {
        // In IRC, the client speaks first.
    }

    fn next<'i>(&mut self, now: Now, input: &mut &'i [u8], out: &mut Vec<u8>) -> Input<'i> {
        let Some(line) = self.lines.next(input) else { return Input::Incomplete };
        (self.last, self.asked) = (now.ticks, false);
        let command = match line {
            Cow::Borrowed(line) => self.take(now, line, out),
            Cow::Owned(line) => self.take(now, &line, out).map(Command::into_owned),
        };
        command.map_or(Input::Answered, Input::Command)
    }

    fn due(&self) -> Option<u64> {
        // Before that, there is the login's own limit.
        let registered = matches!(self.standing, Standing::Registered(_));
        registered.then(|| self.last + if self.asked { PATIENCE } else { SILENCE })
    }

    fn expire(&mut self, now: Now, out: &mut Vec<u8>) -> Result<Input<'static>, Reason> {
        if self.asked {
            return Err(Reason::NoAnswer);
        }
        (self.last, self.asked) = (now.ticks, true);
        write(out, &["PING :", &self.server.name, "\r\n"]);
        Ok(Input::Incomplete)
    }

    /// Its own events are written for it alone: labelled, and only those that it wants.
    fn echoes(&self) -> bool {
        false
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.quiet = false;
        if let Some(label) = self.exchange.take().and_then(|exchange| exchange.label) {
            self.batches = self.batches.wrapping_add(1);
            labels::label(&label, &self.server.name, self.batches, out);
        }
    }

    fn reply(&mut self, reply: Reply<'_>, out: &mut Vec<u8>) {
        match reply {
            Reply::Registered { person, view } => self.registered(person, view, out),
            Reply::Welcome { person, stamp, view } => self.welcome(person, stamp, view, out),
            Reply::Refused(refusal) => self.refused(refusal, out),
            Reply::Look(view) => {
                if let Some(query) = self.exchange().query.take() {
                    self.answer(query, view, out);
                }
            }
            Reply::Topic(topic) => self.topic(topic, true, out),
            Reply::Done(stamp, event) => self.done(stamp, event, out),
            Reply::Private { stamp, from, to, words } => {
                let about = About { stamp, who: Some(from), batch: None };
                self.own_form().speak(about, &[to.as_str()], words, out);
            }
            Reply::Sent { stamp, from, to, words } => self.sent(stamp, from, to, words, out),
            Reply::Presence { person, here: true } => {
                self.begin(out, "730", &[]);
                write(out, &[" :", person.as_str(), "!", &person.profile.user, "@", &self.server.name, "\r\n"]);
            }
            Reply::Presence { person, here: false } => self.numeric(out, "731", &[], person.as_str()),
            Reply::Watched(stamp, event) => {
                if self.has(Capabilities::EXTENDED_MONITOR) {
                    self.own_form().render(stamp, event, out);
                }
            }
            Reply::Closing(reason) => {
                if matches!(reason, Reason::TooSlow(_)) {
                    // Whatever line it was in the middle of ends here.
                    write(out, &["\r\n"]);
                }
                write(out, &["ERROR :Closing link: ", &reason.to_string(), "\r\n"]);
            }
        }
    }

    fn form(&self) -> Arc<dyn Form> {
        Arc::new(self.own_form())
    }
}

fn write(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

fn write_hex(number: u64, out: &mut Vec<u8>) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (number >> (4 * place) & 0xf) as u8;
        out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
}
