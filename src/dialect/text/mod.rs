//! The text protocol: UTF-8 lines for `nc`, `telnet`, `openssl s_client -quiet` and scripts.
//!
//! The first line is the name. Each further line is a message to the room, unless it starts with a slash. Lines from
//! the server start with `*** `, and lines of the history with their time.

mod commands;
mod history;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Input, Lines};
use crate::chat::{
    Answer, Changes, Command, Event, Form, Found, Lookup, Manner, Now, Person, PersonView, Reason, Reply, Stamp, View,
    Words, clean,
};
use commands::Meaning;
use history::Asked;

/// The number of names per line in a list of users.
const NAMES_PER_LINE: usize = 16;
/// The maximum number of names shown to a newcomer; `/who` shows all.
const NAMES_AT_WELCOME: usize = 64;
/// How many lines of names `/who` writes in one step.
const LINES_PER_STEP: usize = 64;

/// One client of the text protocol.
#[derive(Serialize, Deserialize)]
pub struct Text {
    lines: Lines,
    /// Whether the client receives its own messages.
    echo: bool,
    /// The key of the last name that an unfinished `/who` has shown.
    listed: Option<Arc<str>>,
    /// What the client has asked of the history and is not answered yet.
    asked: Option<Asked>,
}

impl Text {
    /// `line_length`: the maximum size of a message in bytes. A longer one is truncated, and its author is told.
    #[must_use]
    pub fn new(line_length: usize) -> Text {
        Text { lines: Lines::new(line_length), echo: true, listed: None, asked: None }
    }

    /// Writes the greeting.
    pub(super) fn greet(&mut self, answer: &mut Answer<'_>) {
        write_notice(answer.bytes, &["This is ", answer.view.room(), ", a chat room."]);
        ask_for_name(answer.bytes);
    }

    /// See [`Dialect::next`](super::Dialect::next).
    pub(super) fn next<'i>(&mut self, now: Now, input: &mut &'i [u8], answer: &mut Answer<'_>) -> Input<'i> {
        let mut lookup = None;
        let command = if self.is_busy() {
            self.list_more(answer);
            None
        } else {
            let Some(line) = self.lines.next(input) else { return Input::Incomplete };
            let line = match line {
                Cow::Borrowed(line) => cleaned(line, self.lines.limit(), answer.bytes),
                Cow::Owned(line) => Cow::Owned(cleaned(&line, self.lines.limit(), answer.bytes).into_owned()),
            };
            match answer.view.own() {
                Some(_) => self.parse_line(now, line, answer, &mut lookup),
                None => login(line, answer.bytes),
            }
        };
        match (command, lookup) {
            (_, Some(lookup)) => Input::Lookup(lookup),
            (Some(command), None) => Input::Command(command),
            (None, None) if self.is_busy() => Input::Unfinished,
            (None, None) => Input::Answered,
        }
    }

    /// Whether a `/who` is unfinished.
    pub(super) fn is_busy(&self) -> bool {
        self.listed.is_some()
    }

    /// Whether the client receives its own messages from the room like everybody else.
    pub(super) fn echoes(&self) -> bool {
        self.echo
    }

    /// Renders a reply for this client.
    pub(super) fn reply(&mut self, reply: Reply<'_>, answer: &mut Answer<'_>) {
        let (view, out) = (answer.view, &mut *answer.bytes);
        match reply {
            Reply::Done(stamp, Event::Joined(person)) => welcome(person, stamp, view, out),
            Reply::Done(_, Event::Away(_, Some(why))) => {
                write_notice(out, &["Others are told that you are away: ", why])
            }
            Reply::Done(_, Event::Away(_, None)) => write_notice(out, &["You are back."]),
            // With echo off, the client does not receive its own events from the room. All of them except its own
            // messages are shown to it here.
            Reply::Done(stamp, event) if !self.echo && !matches!(event, Event::Said(..)) => {
                TextForm.render(stamp, event, view, out);
            }
            Reply::Done(..) | Reply::Presence { .. } | Reply::Watched(..) | Reply::Read { .. } => {}
            Reply::Refused(refusal) => {
                write_notice(out, &[&refusal.to_string()]);
                if view.own().is_none() {
                    ask_for_name(out);
                }
            }
            Reply::Private { from, words, .. } => {
                words.lines().for_each(|line| write(out, &["[", from.as_str(), "] ", &line, "\n"]));
            }
            Reply::Sent { to, words, .. } => {
                let nick = to.person.as_str();
                words.lines().for_each(|line| write_notice(out, &["You to ", nick, ": ", &line]));
                if let Some(why) = to.away {
                    write_notice(out, &[nick, " is away: ", why]);
                }
            }
            Reply::Closing(reason) => {
                if reason.is_lag() {
                    // Ends a line that may be incomplete.
                    out.push(b'\n');
                }
                // The parting message is for the others.
                let reason = if let Reason::Quit(_) = reason { &Reason::Quit(None) } else { reason };
                write_notice(out, &["Goodbye: ", &reason.to_string(), "."]);
            }
        }
    }

    /// See [`Dialect::found`](super::Dialect::found).
    pub(super) fn found(&mut self, now: Now, found: &Found, answer: &mut Answer<'_>) {
        if let Some(asked) = self.asked.take() {
            history::write_found(answer.bytes, asked, found, now.unix, answer.view);
        }
    }

    /// The form for this client.
    pub(super) fn form(&self) -> Arc<dyn Form> {
        Arc::new(TextForm)
    }

    /// Interprets a line from a named user.
    fn parse_line<'a>(
        &mut self,
        now: Now,
        line: Cow<'a, str>,
        answer: &mut Answer<'_>,
        lookup: &mut Option<Lookup>,
    ) -> Option<Command<'a>> {
        if is_quit(&line) {
            return Some(Command::Quit(None));
        }
        if line.trim().is_empty() {
            return None;
        }
        if !line.starts_with('/') {
            return Some(Command::Say(Words::plain(line)));
        }
        if line.starts_with("//") {
            return Some(Command::Say(Words::plain(tail(&line, 1))));
        }
        let length = line.find(char::is_whitespace).unwrap_or(line.len());
        let word = tail(&line, 1).chars().take_while(|c| !c.is_whitespace()).collect::<String>();
        let out = &mut *answer.bytes;
        let Some(slash) = commands::find(&word) else {
            write_notice(
                out,
                &["There is no command /", &word, "; /help lists them. To say it, begin with two slashes."],
            );
            return None;
        };
        match (slash.parse)(trimmed(tail(&line, length))) {
            Meaning::Command(command) => return Some(command),
            Meaning::Help => commands::help(out),
            Meaning::Who => self.list_more(answer),
            Meaning::Topic => write_notice(out, &["Topic: ", &answer.view.topic().text]),
            Meaning::History(arguments) => match history::parse(&arguments, now.unix) {
                Some((asked, what)) => (self.asked, *lookup) = (Some(asked), Some(what)),
                None => write_notice(out, &["Say: /", &word, " ", slash.arguments]),
            },
            Meaning::Search(words) => {
                (self.asked, *lookup) = (Some(Asked::Search), Some(history::search(&words)));
            }
            Meaning::Echo(true) => {
                self.echo = true;
                write_notice(out, &["Your own lines come back to you."]);
            }
            Meaning::Echo(false) => {
                self.echo = false;
                write_notice(out, &["Your own lines do not come back to you."]);
            }
            Meaning::Nothing => write_notice(out, &["Say: /", &word, " ", slash.arguments]),
        }
        None
    }

    /// Writes the list of users, or its next part.
    fn list_more(&mut self, answer: &mut Answer<'_>) {
        let after = self.listed.take();
        let mut people = answer.view.people_after(after.as_deref()).filter(|seen| seen.present);
        for _ in 0..LINES_PER_STEP {
            let line: Vec<_> = people.by_ref().take(NAMES_PER_LINE).collect();
            let Some(last) = line.last() else { return self.listed = None };
            let names: Vec<_> = line.iter().map(name).collect();
            write_notice(answer.bytes, &["Here: ", &names.join(", ")]);
            self.listed = Some(last.person.nick.key().clone());
        }
    }
}

/// The text protocol's form, the same for all clients.
struct TextForm;

impl Form for TextForm {
    fn id(&self) -> (&'static str, u64) {
        ("text", 0)
    }

    fn render(&self, _stamp: Stamp, event: &Event<'_>, _view: &dyn View, out: &mut Vec<u8>) {
        match event {
            Event::Said(who, words) => write_said(out, who, words),
            Event::Joined(who) => write_notice(out, &[who.as_str(), " has joined"]),
            Event::Left(who, reason) => write_notice(out, &[who.as_str(), " has left (", &reason.to_string(), ")"]),
            Event::Parted(who, None) => write_notice(out, &[who.as_str(), " has left the room"]),
            Event::Parted(who, Some(word)) => write_notice(out, &[who.as_str(), " has left the room (", word, ")"]),
            Event::Renamed { from, to } => write_notice(out, &[from.as_str(), " is now known as ", to.as_str()]),
            Event::Notice(text) => write_notice(out, &["notice: ", text]),
            Event::Topic { by: None, text } => write_notice(out, &["Topic: ", text]),
            Event::Topic { by: Some(who), text } => {
                write_notice(out, &[who.as_str(), " has changed the topic: ", text])
            }
            Event::Redacted { by, .. } => write_notice(out, &[by.as_str(), " has taken a line back"]),
            // Not shown; `/who` has the current state.
            Event::Registered(_) | Event::Away(..) | Event::Described(_) => {}
        }
    }
}

/// Writes a message, with a separate line for each of its lines.
fn write_said(out: &mut Vec<u8>, who: &Person, words: &Words<'_>) {
    let (before, after) = match words.manner {
        Manner::Plain | Manner::Notice => ("", ": "),
        Manner::Action => ("* ", " "),
        Manner::TagsOnly => return,
    };
    words.lines().for_each(|line| write(out, &[before, who.as_str(), after, &line, "\n"]));
}

/// Parses the first line: a name, `USER name` as sent by course clients, or a quit word.
fn login<'a>(line: Cow<'a, str>, out: &mut Vec<u8>) -> Option<Command<'a>> {
    if is_quit(&line) || line.trim() == "/quit" {
        return Some(Command::Quit(None));
    }
    let name = rest_after(&line, "USER").unwrap_or(line);
    if name.trim().is_empty() {
        ask_for_name(out);
        return None;
    }
    Some(Command::Name(name))
}

/// What a newcomer is shown: the users, the topic and the history.
fn welcome(person: &Person, stamp: Stamp, view: &dyn View, out: &mut Vec<u8>) {
    write_notice(
        out,
        &["Welcome to ", view.room(), ", ", person.as_str(), ". /help lists the commands, /quit leaves."],
    );
    let present: Vec<_> = view.people().filter(|seen| seen.present).take(NAMES_AT_WELCOME).collect();
    for people in present.chunks(NAMES_PER_LINE) {
        let names: Vec<_> = people.iter().map(name).collect();
        write_notice(out, &["Here: ", &names.join(", ")]);
    }
    let more = view.present().saturating_sub(present.len());
    if more > 0 {
        write_notice(out, &["and ", &more.to_string(), " more; /who lists them all"]);
    }
    write_notice(out, &["Topic: ", &view.topic().text]);
    history::remind(out, person, stamp.unix, view);
}

/// A user in the list of users.
fn name<'a>(seen: &PersonView<'a>) -> Cow<'a, str> {
    match seen.away {
        None => Cow::Borrowed(seen.person.as_str()),
        Some(_) => Cow::Owned(format!("{} (away)", seen.person.as_str())),
    }
}

/// Quit words of course servers.
fn is_quit(line: &str) -> bool {
    matches!(line.trim_end(), "{quit}" | "QUIT")
}

fn ask_for_name(out: &mut Vec<u8>) {
    write_notice(out, &["What is your name?"]);
}

/// Makes a message safe to show and tells its author what was changed.
fn cleaned<'a>(line: &'a [u8], limit: usize, out: &mut Vec<u8>) -> Cow<'a, str> {
    let cleaned = clean(line, limit);
    let Changes { removed, sequences, replaced, cut } = cleaned.changes;
    if sequences > 0 {
        write_notice(
            out,
            &["Arrow keys and the like do not edit a line here; taken out of it: ", &sequences.to_string(), "."],
        );
    }
    if removed > 0 {
        write_notice(out, &["Control characters were taken out of your line: ", &removed.to_string(), "."]);
    }
    if replaced > 0 {
        write_notice(out, &["Your line was not UTF-8; replaced in it: ", &replaced.to_string(), "."]);
    }
    if cut {
        write_notice(out, &["Your line was too long; what is beyond ", &limit.to_string(), " bytes is lost."]);
    }
    cleaned.text
}

fn write_notice(out: &mut Vec<u8>, parts: &[&str]) {
    out.extend_from_slice(b"*** ");
    write(out, parts);
    out.push(b'\n');
}

fn write(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

/// The rest of the line after `word` and white space.
fn rest_after<'a>(line: &Cow<'a, str>, word: &str) -> Option<Cow<'a, str>> {
    let rest = line.strip_prefix(word)?;
    rest.starts_with(char::is_whitespace).then(|| trimmed(tail(line, word.len())))
}

/// The text from byte `from` on, still borrowed if possible.
fn tail<'a>(text: &Cow<'a, str>, from: usize) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(from..).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(from..).unwrap_or_default().to_owned()),
    }
}

/// The text up to byte `to`.
fn head(text: Cow<'_, str>, to: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..to).unwrap_or_default()),
        Cow::Owned(mut text) => {
            text.truncate(to);
            Cow::Owned(text)
        }
    }
}

/// `None` if the text is empty.
fn filled(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then_some(text)
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}
