//! CHATHISTORY (IRCv3 draft/chathistory), and automatic playback for clients that do not support it.

use std::ops::Range;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::Irc;
use super::capability::Capabilities;
use super::form::{About, IrcForm, write_time};
use super::message::Message;
use crate::chat::{
    Answer, Command, Entry, Event, Found, Lookup, Manner, Page, Point, Record, Selection, Stamp, View, Words,
    parse_message_id,
};
use crate::dialect::TimeFormatter;

/// The maximum number of messages per request.
pub const MOST: usize = 100;

/// What a client has asked of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// A part of it: this subcommand of CHATHISTORY, as written.
    Part(Box<str>),
    /// When something was last said in the room, if that was between these times (CHATHISTORY TARGETS).
    Targets(u64, u64),
    /// Messages that match (SEARCH).
    Search,
    /// Who said this line, to delete it (REDACT).
    Redaction {
        /// The line's [sequence](Stamp).
        line: u64,
        /// Why.
        reason: Option<Box<str>>,
    },
}

/// A request that is not valid: the standard reply.
struct Invalid<'m> {
    code: &'static str,
    context: Vec<&'m str>,
    text: &'static str,
}

impl Irc {
    /// Handles CHATHISTORY.
    pub(super) fn history(&mut self, message: &Message<'_>, answer: &mut Answer<'_>) {
        match self.parse_query(message, answer.view) {
            Ok(Some((asked, lookup))) => self.look_up(asked, lookup),
            Ok(None) => self.need_more(answer, "CHATHISTORY"),
            Err(Invalid { code, context, text }) => self.fail(answer, "CHATHISTORY", code, &context, text),
        }
    }

    /// Has the history looked up; [`found`](Self::found) continues.
    pub(super) fn look_up(&mut self, asked: Asked, lookup: Lookup) {
        let extras = self.extras();
        (extras.asked, extras.lookup) = (Some(asked), Some(Box::new(lookup)));
    }

    /// What is asked; `Ok(None)` without a subcommand.
    fn parse_query<'m>(&self, message: &Message<'m>, view: &dyn View) -> Result<Option<(Asked, Lookup)>, Invalid<'m>> {
        let Some(name) = message.filled(0) else { return Ok(None) };
        let invalid = |text| Invalid { code: "INVALID_PARAMS", context: vec![name], text };
        let subcommand = name.to_ascii_uppercase();
        let count = match subcommand.as_str() {
            "LATEST" | "BEFORE" | "AFTER" | "AROUND" | "TARGETS" => 4,
            "BETWEEN" => 5,
            _ => return Err(invalid("Unknown subcommand")),
        };
        let parameters = message.parameters();
        if parameters.len() < count {
            return Err(invalid("Insufficient parameters"));
        }
        if parameters.len() > count {
            return Err(invalid("Too many parameters"));
        }
        let parameter = |index| message.parameter(index).unwrap_or_default();
        let Ok(limit) = parameter(count - 1).parse::<usize>() else { return Err(invalid("Invalid limit")) };
        let limit = if limit == 0 { MOST } else { limit.min(MOST) };
        if subcommand == "TARGETS" {
            let time = |index| match parse_point(parameter(index)) {
                Ok(Point::Time(time)) => Ok(time),
                _ => Err(Invalid { context: vec![name, parameter(index)], ..invalid("Invalid timestamp") }),
            };
            let (one, other) = (time(1)?, time(2)?);
            let asked = Asked::Targets(one.min(other), one.max(other));
            return Ok(Some((asked, Lookup::messages(Selection::Latest(None), 1))));
        }
        let target = parameter(1);
        if !(self.own(view).in_room && self.server.is_room(target)) {
            let text = "Only the history of the room is kept, for those who are in it";
            return Err(Invalid { code: "INVALID_TARGET", context: vec![name, target], text });
        }
        let point = |index| {
            let given = parameter(index);
            parse_point(given).map_err(|wrong| match wrong {
                WrongPoint::Type => {
                    let text = "A message is referred to by its msgid or by a timestamp";
                    Invalid { code: "INVALID_MSGREFTYPE", context: vec![name, target, given], text }
                }
                WrongPoint::Time => Invalid { context: vec![name, given], ..invalid("Invalid timestamp") },
            })
        };
        let selection = match subcommand.as_str() {
            "LATEST" if parameter(2) == "*" => Selection::Latest(None),
            "LATEST" => Selection::Latest(Some(point(2)?)),
            "BEFORE" => Selection::Before(point(2)?),
            "AFTER" => Selection::After(point(2)?),
            "AROUND" => Selection::Around(point(2)?),
            _ => Selection::Between(point(2)?, point(3)?),
        };
        // Outside of a batch a join would be taken for one that happens now.
        let events = self.has(Capabilities::EVENT_PLAYBACK.with(Capabilities::BATCH));
        let lookup = Lookup { events, ..Lookup::messages(selection, limit) };
        Ok(Some((Asked::Part(name.into()), lookup)))
    }

    /// See [`Dialect::found`](crate::dialect::Dialect::found).
    pub(in crate::dialect) fn found(&mut self, found: &Found, answer: &mut Answer<'_>) -> Option<Command<'static>> {
        match (self.extras().asked.take()?, found) {
            (Asked::Redaction { line, reason }, found) => return self.redact_found(line, reason, found, answer),
            (Asked::Search, found) => self.searched(found, answer),
            (Asked::Part(_), Ok(page)) => self.play(page, answer),
            (Asked::Targets(after, before), Ok(page)) => self.targets(page, after..before, answer),
            (Asked::Part(subcommand), Err(error)) => {
                let context: &[&str] = &[&subcommand, &self.server.channel()];
                self.fail(answer, "CHATHISTORY", "MESSAGE_ERROR", context, &error.to_string());
            }
            (Asked::Targets(..), Err(error)) => {
                self.fail(answer, "CHATHISTORY", "MESSAGE_ERROR", &["TARGETS"], &error.to_string());
            }
        }
        None
    }

    fn targets(&mut self, page: &Page, times: Range<u64>, answer: &mut Answer<'_>) {
        let batch = self.open_batch("draft/chathistory-targets", answer);
        let last = page.entries.last().filter(|_| self.own(answer.view).in_room);
        if let Some(last) = last.map(Entry::stamp).filter(|last| times.contains(&last.unix) && last.unix > times.start)
        {
            if let Some(batch) = &batch {
                answer.write(&["@batch=", batch, " "]);
            }
            answer.write(&[":", &self.server.name, " CHATHISTORY TARGETS #", &self.server.room, " "]);
            write_time(last.unix, answer.bytes);
            answer.write(&["\r\n"]);
        }
        self.close_batch(batch, answer);
    }

    /// Plays back the history to a client that cannot request it, between two marker lines, because most clients show
    /// old messages as if they were new.
    pub(super) fn play_back(&mut self, now: Stamp, answer: &mut Answer<'_>) {
        // A user who left the room and rejoins has already seen what came before.
        let shown = self.extras.as_ref().map_or(0, |extras| extras.shown);
        let history: Vec<&Record> = answer.view.history().filter(|past| past.stamp.sequence > shown).collect();
        let (Some(first), Some(last)) = (history.first(), history.last()) else { return };
        let mut times = TimeFormatter::new(now.unix);
        let since = if shown == 0 { "before you came" } else { "since you left the room" };
        let begin = format!("What was said {since}, from {}", times.format(first.stamp.unix));
        let begin = format!("{begin} to {} UTC:", times.format(last.stamp.unix));
        self.mark(now, &begin, answer);
        let (form, room, shows_times) = (self.own_form(), self.server.channel(), self.shows_times());
        let batch = self.open_batch(&format!("chathistory {room}"), answer);
        for past in &history {
            let time = if shows_times { "" } else { times.format(past.stamp.unix) };
            play_one(&form, past, batch.as_deref(), &room, time, answer.bytes);
        }
        self.close_batch(batch, answer);
        self.mark(now, &format!("You are up to date; it is {} UTC.", times.format(now.unix)), answer);
    }

    fn mark(&self, stamp: Stamp, text: &str, answer: &mut Answer<'_>) {
        self.own_form().start(About { stamp, who: None, batch: None }, "", false, answer.bytes);
        answer.write(&["NOTICE #", &self.server.room, " :", text, "\r\n"]);
    }

    /// Whether the client probably displays message times. irssi (1.4) requests server-time and no other tag, but does
    /// not display it by default.
    fn shows_times(&self) -> bool {
        let others = [Capabilities::MESSAGE_TAGS, Capabilities::ACCOUNT_TAG, Capabilities::BATCH];
        self.has(Capabilities::SERVER_TIME) && others.iter().any(|tag| self.has(*tag))
    }

    /// Sends the reply to CHATHISTORY.
    fn play(&mut self, page: &Page, answer: &mut Answer<'_>) {
        let (form, room) = (self.own_form(), self.server.channel());
        let batch = self.open_batch(&format!("chathistory {room}"), answer);
        for entry in &page.entries {
            match entry {
                Entry::Event(past) => form.write_event(past.stamp, &past.event, batch.as_deref(), answer.bytes),
                Entry::Gap(gap) => {
                    let text = format!("{} lines could not be kept here", gap.count);
                    let words = Words { manner: Manner::Notice, ..Words::plain(text) };
                    let about = About { stamp: gap.first, who: None, batch: batch.as_deref() };
                    form.write_message(about, &[&room], &words, answer.bytes);
                }
            }
        }
        self.close_batch(batch, answer);
    }

    pub(super) fn open_batch(&mut self, kind: &str, answer: &mut Answer<'_>) -> Option<String> {
        if !self.has(Capabilities::BATCH) {
            return None;
        }
        self.batches = self.batches.wrapping_add(1);
        let batch = format!("h{}", self.batches);
        self.line(answer, &[":", &self.server.name, " BATCH +", &batch, " ", kind]);
        Some(batch)
    }

    pub(super) fn close_batch(&self, batch: Option<String>, answer: &mut Answer<'_>) {
        if let Some(batch) = batch {
            self.line(answer, &[":", &self.server.name, " BATCH -", &batch]);
        }
    }
}

/// One history line. `time` is written before its text, unless it is empty.
fn play_one(form: &IrcForm, past: &Record, batch: Option<&str>, room: &str, time: &str, out: &mut Vec<u8>) {
    let (who, mut words) = match &past.event {
        Event::Said(who, words) => (Some(&**who), words.clone()),
        Event::Notice(text) => (None, Words { manner: Manner::Notice, ..Words::plain(&**text) }),
        _ => return,
    };
    if !time.is_empty() {
        words.text = format!("[{time}] {}", words.text).into();
    }
    form.write_message(About { stamp: past.stamp, who, batch }, &[room], &words, out);
}

/// Why a reference is not valid.
enum WrongPoint {
    /// It is of no known type.
    Type,
    /// It is not a timestamp.
    Time,
}

fn parse_point(text: &str) -> Result<Point, WrongPoint> {
    match text.split_once('=') {
        // What is no identifier of ours counts as older than the whole history.
        Some(("msgid", id)) => Ok(Point::Event(parse_message_id(id).unwrap_or(0))),
        Some(("timestamp", time)) => parse_time(time).map(Point::Time).ok_or(WrongPoint::Time),
        _ => Err(WrongPoint::Type),
    }
}

/// Parses an IRCv3 timestamp into milliseconds since 1970-01-01 UTC.
pub fn parse_time(text: &str) -> Option<u64> {
    let since = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}
