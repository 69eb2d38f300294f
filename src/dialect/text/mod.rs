//! The text protocol: UTF-8 lines for `nc`, `telnet`, `openssl s_client -quiet` and scripts.
//!
//! The first line is a name; every further one is said in the room, unless it begins with a slash. Lines of the
//! server's own begin with `*** `, and what was said before somebody came begins with its time.

mod commands;
mod history;

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::Arc;

use super::{Dialect, Input, Lines};
use crate::chat::{Changes, Command, Event, Form, Manner, Now, Person, Reason, Reply, Stamp, View, Words, clean};
use commands::Wish;

/// Names on one line of the list of those present.
const NAMES_PER_LINE: usize = 16;
/// Names that a newcomer is shown; `/who` shows them all.
const NAMES_AT_WELCOME: usize = 64;

/// One client of the text protocol.
pub struct Text {
    lines: Lines,
    named: bool,
    /// Whether the client is sent its own lines.
    echo: bool,
    /// When the client asked for what was said, if that is not answered yet: milliseconds since 1970-01-01 UTC.
    history_asked: Option<NonZeroU64>,
}

impl Text {
    /// `line_length`: bytes of one message; the rest of a longer one is dropped, and its author told.
    #[must_use]
    pub fn new(line_length: usize) -> Text {
        Text { lines: Lines::new(line_length), named: false, echo: true, history_asked: None }
    }

    /// A line of somebody who is in the room.
    fn spoken<'a>(&mut self, now: Now, line: Cow<'a, str>, out: &mut Vec<u8>) -> Option<Command<'a>> {
        if is_goodbye(&line) {
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
        let Some(slash) = commands::find(&word) else {
            say(out, &["There is no command /", &word, "; /help lists them. To say it, begin with two slashes."]);
            return None;
        };
        match (slash.parse)(trimmed(tail(&line, length))) {
            None => say(out, &["Say: /", &word, " ", slash.arguments]),
            Some(Wish::Room(command)) => return Some(command),
            Some(Wish::Help) => commands::help(out),
            Some(Wish::History) => {
                self.history_asked = Some(NonZeroU64::MIN.saturating_add(now.unix));
                return Some(Command::Look);
            }
            Some(Wish::Echo(on)) => {
                self.echo = on;
                say(
                    out,
                    &[if on { "Your own lines come back to you." } else { "Your own lines do not come back to you." }],
                );
            }
        }
        None
    }
}

impl Dialect for Text {
    fn greet(&mut self, room: &str, out: &mut Vec<u8>) {
        say(out, &["This is ", room, ", a chat room."]);
        ask_for_name(out);
    }

    fn echoes(&self) -> bool {
        self.echo
    }

    fn next<'i>(&mut self, now: Now, input: &mut &'i [u8], out: &mut Vec<u8>) -> Input<'i> {
        let Some(line) = self.lines.next(input) else { return Input::Incomplete };
        let line = match line {
            Cow::Borrowed(line) => cleaned(line, self.lines.limit(), out),
            Cow::Owned(line) => Cow::Owned(cleaned(&line, self.lines.limit(), out).into_owned()),
        };
        let command = if self.named { self.spoken(now, line, out) } else { login(line, out) };
        command.map_or(Input::Answered, Input::Command)
    }

    fn reply(&mut self, reply: Reply<'_>, out: &mut Vec<u8>) {
        match reply {
            // The room follows: whoever has a name comes in.
            Reply::Registered { .. } => self.named = true,
            Reply::Welcome { person, stamp, view } => {
                let (room, nick) = (view.room(), person.as_str());
                say(out, &["Welcome to ", room, ", ", nick, ". /help lists the commands, /quit leaves."]);
                list(out, view, NAMES_AT_WELCOME);
                say(out, &["Topic: ", &view.topic().text]);
                history::remind(out, person, stamp.unix, view);
            }
            Reply::Refused(refusal) => {
                say(out, &[&refusal.to_string()]);
                if !self.named {
                    ask_for_name(out);
                }
            }
            Reply::Look(view) => match self.history_asked.take() {
                None => list(out, view, usize::MAX),
                Some(now) => {
                    if !history::play(out, view.history(), now.get(), "What was said:") {
                        say(out, &["Nothing that was said is kept."]);
                    }
                }
            },
            Reply::Topic(topic) => say(out, &["Topic: ", &topic.text]),
            Reply::Done(_, Event::Away(_, Some(why))) => say(out, &["Others are told that you are away: ", why]),
            Reply::Done(_, Event::Away(_, None)) => say(out, &["You are back."]),
            // All other events of its own come to it as they do to everybody, unless it does not want what it says.
            Reply::Done(_, Event::Said(..)) => {}
            Reply::Done(stamp, event) if !self.echo => TextForm.render(stamp, event, out),
            Reply::Done(..) | Reply::Presence { .. } | Reply::Watched(..) => {}
            Reply::Private { from, words, .. } => {
                words.lines().for_each(|line| write(out, &["[", from.as_str(), "] ", line, "\n"]));
            }
            Reply::Sent { to, words, .. } => {
                let nick = to.person.as_str();
                words.lines().for_each(|line| say(out, &["You to ", nick, ": ", line]));
                if let Some(why) = to.away {
                    say(out, &[nick, " is away: ", why]);
                }
            }
            Reply::Closing(reason) => {
                if matches!(reason, Reason::TooSlow(_)) {
                    // Whatever line it was in the middle of ends here.
                    out.push(b'\n');
                }
                // Their own last word is for the others.
                let reason = if let Reason::Quit(_) = reason { &Reason::Quit(None) } else { reason };
                say(out, &["Goodbye: ", &reason.to_string(), "."]);
            }
        }
    }

    fn form(&self) -> Arc<dyn Form> {
        Arc::new(TextForm)
    }
}

/// How events look in the text protocol: the same to everybody, the speaker included.
struct TextForm;

impl Form for TextForm {
    fn id(&self) -> (&'static str, u64) {
        ("text", 0)
    }

    fn render(&self, _stamp: Stamp, event: Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Said(who, words) => speak(out, who, words),
            Event::Joined(who) => say(out, &[who.as_str(), " has joined"]),
            Event::Left(who, reason) => say(out, &[who.as_str(), " has left (", &reason.to_string(), ")"]),
            Event::Parted(who, None) => say(out, &[who.as_str(), " has left the room"]),
            Event::Parted(who, Some(word)) => say(out, &[who.as_str(), " has left the room (", word, ")"]),
            Event::Renamed { from, to } => say(out, &[from.as_str(), " is now known as ", to.as_str()]),
            Event::Notice(text) => say(out, &["notice: ", text]),
            Event::Topic { by: None, topic } => say(out, &["Topic: ", &topic.text]),
            Event::Topic { by: Some(who), topic } => {
                say(out, &[who.as_str(), " has changed the topic: ", &topic.text]);
            }
            Event::Redacted { by, .. } => say(out, &[by.as_str(), " has taken a line back"]),
            // Whoever wants to know asks for it: /who.
            Event::Away(..) | Event::Described(_) => {}
        }
    }
}

/// A line of its own for each line of what somebody says.
fn speak(out: &mut Vec<u8>, who: &Person, words: &Words<'_>) {
    let (before, after) = match words.manner {
        Manner::Plain | Manner::Remark => ("", ": "),
        Manner::Action => ("* ", " "),
        Manner::Silent => return,
    };
    words.lines().for_each(|line| write(out, &[before, who.as_str(), after, line, "\n"]));
}

/// The first line: a name, `USER name` as the teaching clients have it, or a goodbye.
fn login<'a>(line: Cow<'a, str>, out: &mut Vec<u8>) -> Option<Command<'a>> {
    if is_goodbye(&line) || line.trim() == "/quit" {
        return Some(Command::Quit(None));
    }
    let name = rest_after(&line, "USER").unwrap_or(line);
    if name.trim().is_empty() {
        ask_for_name(out);
        return None;
    }
    Some(Command::Name(name))
}

/// The quit words of the teaching servers.
fn is_goodbye(line: &str) -> bool {
    matches!(line.trim_end(), "{quit}" | "QUIT")
}

fn ask_for_name(out: &mut Vec<u8>) {
    say(out, &["What is your name?"]);
}

/// The text made harmless; its author is told what that took.
fn cleaned<'a>(line: &'a [u8], limit: usize, out: &mut Vec<u8>) -> Cow<'a, str> {
    let cleaned = clean(line, limit);
    let Changes { removed, sequences, replaced, cut } = cleaned.changes;
    if sequences > 0 {
        say(out, &["Arrow keys and the like do not edit a line here; taken out of it: ", &sequences.to_string(), "."]);
    }
    if removed > 0 {
        say(out, &["Control characters were taken out of your line: ", &removed.to_string(), "."]);
    }
    if replaced > 0 {
        say(out, &["Your line was not UTF-8; replaced in it: ", &replaced.to_string(), "."]);
    }
    if cut {
        say(out, &["Your line was too long; what is beyond ", &limit.to_string(), " bytes is lost."]);
    }
    cleaned.text
}

fn list(out: &mut Vec<u8>, view: &dyn View, most: usize) {
    let mut names = view.people().filter(|seen| seen.present).map(|seen| match seen.away {
        None => Cow::Borrowed(seen.person.as_str()),
        Some(_) => Cow::Owned(format!("{} (away)", seen.person.as_str())),
    });
    let mut shown = 0;
    while shown < most {
        let line: Vec<_> = names.by_ref().take(NAMES_PER_LINE).collect();
        if line.is_empty() {
            return;
        }
        shown += line.len();
        say(out, &["Here: ", &line.join(", ")]);
    }
    let more = view.present().saturating_sub(shown);
    if more > 0 {
        say(out, &["and ", &more.to_string(), " more; /who lists them all"]);
    }
}

fn say(out: &mut Vec<u8>, parts: &[&str]) {
    out.extend_from_slice(b"*** ");
    write(out, parts);
    out.push(b'\n');
}

fn write(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

/// What follows `word` and white space.
fn rest_after<'a>(line: &Cow<'a, str>, word: &str) -> Option<Cow<'a, str>> {
    let rest = line.strip_prefix(word)?;
    rest.starts_with(char::is_whitespace).then(|| trimmed(tail(line, word.len())))
}

/// The part from byte `from` on; borrowed as long as the whole was.
fn tail<'a>(text: &Cow<'a, str>, from: usize) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(from..).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(from..).unwrap_or_default().to_owned()),
    }
}

/// The part up to byte `to`.
fn head(text: Cow<'_, str>, to: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..to).unwrap_or_default()),
        Cow::Owned(mut text) => {
            text.truncate(to);
            Cow::Owned(text)
        }
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}
