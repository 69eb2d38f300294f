//! CHATHISTORY (IRCv3 draft/chathistory), and automatic playback for clients that do not support it.

use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::Irc;
use super::capability::Capabilities;
use super::form::{About, IrcForm, write_time};
use super::message::Message;
use crate::chat::{
    Answer, Entry, Event, Found, Lookup, Manner, Page, Point, Record, Selection, Stamp, Words, parse_message_id,
};
use crate::dialect::TimeFormatter;

/// The maximum number of messages per request.
pub const MOST: usize = 100;

/// What a client has asked of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// A part of it (CHATHISTORY).
    Part,
    /// When something was last said in the room (CHATHISTORY TARGETS).
    Targets,
}

impl Irc {
    /// Handles CHATHISTORY.
    pub(super) fn history(&mut self, message: &Message<'_>, answer: &mut Answer<'_>) {
        let Some(name) = message.filled(0) else {
            return self.fail(answer, "CHATHISTORY", "NEED_MORE_PARAMS", &[], "CHATHISTORY takes a subcommand");
        };
        let subcommand = name.to_ascii_uppercase();
        let count = match subcommand.as_str() {
            "LATEST" | "BEFORE" | "AFTER" | "AROUND" | "TARGETS" => 4,
            "BETWEEN" => 5,
            _ => {
                return self.fail(answer, "CHATHISTORY", "INVALID_PARAMS", &[name], "Unknown subcommand");
            }
        };
        let parameters = message.parameters();
        if parameters.len() < count {
            return self.fail(answer, "CHATHISTORY", "NEED_MORE_PARAMS", &[name], "Parameters are missing");
        }
        let target = message.parameter(1).unwrap_or_default();
        if subcommand != "TARGETS" && !(self.own(answer.view).in_room && self.server.is_room(target)) {
            let why = "Only the history of the room is kept, for those who are in it";
            return self.fail(answer, "CHATHISTORY", "INVALID_TARGET", &[name, target], why);
        }
        let Some((asked, lookup)) = self.parse_query(&subcommand, message, count) else {
            return self.fail(
                answer,
                "CHATHISTORY",
                "INVALID_PARAMS",
                &[name],
                "A reference or the limit cannot be understood",
            );
        };
        let extras = self.extras();
        (extras.asked, extras.lookup) = (Some(asked), Some(Box::new(lookup)));
    }

    fn parse_query(&self, subcommand: &str, message: &Message<'_>, count: usize) -> Option<(Asked, Lookup)> {
        let point = |index: usize| parse_point(message.parameter(index)?);
        let limit: usize = message.parameter(count - 1)?.parse().ok()?;
        let limit = if limit == 0 { MOST } else { limit.min(MOST) };
        let selection = match subcommand {
            "LATEST" if message.parameter(2) == Some("*") => Selection::Latest(None),
            "LATEST" => Selection::Latest(Some(point(2)?)),
            "BEFORE" => Selection::Before(point(2)?),
            "AFTER" => Selection::After(point(2)?),
            "AROUND" => Selection::Around(point(2)?),
            "BETWEEN" => Selection::Between(point(2)?, point(3)?),
            _ => match (point(1)?, point(2)?) {
                (one @ Point::Time(from), other @ Point::Time(to)) => {
                    // From the later one back: the newest message is wanted.
                    let selection =
                        Selection::Between(if from < to { other } else { one }, if from < to { one } else { other });
                    return Some((Asked::Targets, Lookup::messages(selection, 1)));
                }
                _ => return None,
            },
        };
        Some((Asked::Part, Lookup::messages(selection, limit)))
    }

    /// See [`Dialect::found`](crate::dialect::Dialect::found).
    pub(in crate::dialect) fn found(&mut self, found: &Found, answer: &mut Answer<'_>) {
        let Some(asked) = self.extras().asked.take() else { return };
        match (asked, found) {
            (_, Err(error)) => {
                self.fail(answer, "CHATHISTORY", "MESSAGE_ERROR", &[], &error.to_string());
            }
            (Asked::Part, Ok(page)) => self.play(page, answer),
            (Asked::Targets, Ok(page)) => self.targets(page, answer),
        }
    }

    fn targets(&mut self, page: &Page, answer: &mut Answer<'_>) {
        let batch = self.open_batch("draft/chathistory-targets", answer);
        if let Some(last) = page.entries.last().filter(|_| self.own(answer.view).in_room) {
            if let Some(batch) = &batch {
                answer.write(&["@batch=", batch, " "]);
            }
            answer.write(&[":", &self.server.name, " CHATHISTORY TARGETS #", &self.server.room, " "]);
            write_time(last.stamp().unix, answer.bytes);
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
                Entry::Event(past) => play_one(&form, past, batch.as_deref(), &room, "", answer.bytes),
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

    fn open_batch(&mut self, kind: &str, answer: &mut Answer<'_>) -> Option<String> {
        if !self.has(Capabilities::BATCH) {
            return None;
        }
        self.batches = self.batches.wrapping_add(1);
        let batch = format!("h{}", self.batches);
        self.line(answer, &[":", &self.server.name, " BATCH +", &batch, " ", kind]);
        Some(batch)
    }

    fn close_batch(&self, batch: Option<String>, answer: &mut Answer<'_>) {
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

fn parse_point(text: &str) -> Option<Point> {
    match text.split_once('=')? {
        // What is no identifier of ours counts as older than the whole history.
        ("msgid", id) => Some(Point::Event(parse_message_id(id).unwrap_or(0))),
        ("timestamp", time) => parse_time(time).map(Point::Time),
        _ => None,
    }
}

/// Parses an IRCv3 timestamp into milliseconds since 1970-01-01 UTC.
pub fn parse_time(text: &str) -> Option<u64> {
    let since = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}
