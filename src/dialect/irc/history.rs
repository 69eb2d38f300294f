//! CHATHISTORY (IRCv3 draft/chathistory), and automatic playback for clients that do not support it.

use std::time::UNIX_EPOCH;

use super::Irc;
use super::capability::Capabilities;
use super::form::{About, IrcForm, write_time};
use super::message::Message;
use crate::chat::{Answer, Event, Manner, Record, Stamp, Words};
use crate::dialect::TimeFormatter;

/// The maximum number of messages per request.
pub const MOST: usize = 100;

/// A point in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reference {
    /// The event with this sequence.
    Event(u64),
    /// This time, in milliseconds since 1970-01-01 UTC.
    Time(u64),
}

/// A parsed request.
struct Query {
    selection: Selection,
    limit: usize,
}

enum Selection {
    Latest(Option<Reference>),
    Before(Reference),
    After(Reference),
    Around(Reference),
    Between(Reference, Reference),
    /// TARGETS: the conversations with messages between these times; only the room can be one.
    Targets(u64, u64),
}

impl Reference {
    /// Compares an event with this point.
    fn compare(self, past: &Record) -> std::cmp::Ordering {
        match self {
            Reference::Event(sequence) => past.stamp.sequence.cmp(&sequence),
            Reference::Time(unix) => past.stamp.unix.cmp(&unix),
        }
    }
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
        let Some(query) = self.parse_query(&subcommand, message, count) else {
            return self.fail(
                answer,
                "CHATHISTORY",
                "INVALID_PARAMS",
                &[name],
                "A reference or the limit cannot be understood",
            );
        };
        let history: Vec<&Record> = answer.view.history().collect();
        if let Selection::Targets(from, to) = query.selection {
            return self.targets(&history, from, to, answer);
        }
        let (from, to) = select(&history, &query);
        self.play(history.get(from..to).unwrap_or_default(), answer);
    }

    fn parse_query(&self, subcommand: &str, message: &Message<'_>, count: usize) -> Option<Query> {
        let reference = |index: usize| self.parse_reference(message.parameter(index)?);
        let limit: usize = message.parameter(count - 1)?.parse().ok()?;
        let limit = if limit == 0 { MOST } else { limit.min(MOST) };
        let selection = match subcommand {
            "LATEST" if message.parameter(2) == Some("*") => Selection::Latest(None),
            "LATEST" => Selection::Latest(Some(reference(2)?)),
            "BEFORE" => Selection::Before(reference(2)?),
            "AFTER" => Selection::After(reference(2)?),
            "AROUND" => Selection::Around(reference(2)?),
            "BETWEEN" => Selection::Between(reference(2)?, reference(3)?),
            _ => match (reference(1)?, reference(2)?) {
                (Reference::Time(one), Reference::Time(other)) => Selection::Targets(one.min(other), one.max(other)),
                _ => return None,
            },
        };
        Some(Query { selection, limit })
    }

    fn parse_reference(&self, text: &str) -> Option<Reference> {
        match text.split_once('=')? {
            // An identifier from an earlier run of the server counts as older than the whole history.
            ("msgid", id) => Some(Reference::Event(self.server.parse_id(id).unwrap_or(0))),
            ("timestamp", time) => parse_time(time).map(Reference::Time),
            _ => None,
        }
    }

    fn targets(&mut self, history: &[&Record], from: u64, to: u64, answer: &mut Answer<'_>) {
        let last = history.iter().rev().map(|past| past.stamp.unix).find(|unix| from < *unix && *unix < to);
        let batch = self.open_batch("draft/chathistory-targets", answer);
        if let Some(last) = last.filter(|_| self.own(answer.view).in_room) {
            if let Some(batch) = &batch {
                answer.write(&["@batch=", batch, " "]);
            }
            answer.write(&[":", &self.server.name, " CHATHISTORY TARGETS #", &self.server.room, " "]);
            write_time(last, answer.bytes);
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
    fn play(&mut self, history: &[&Record], answer: &mut Answer<'_>) {
        let (form, room) = (self.own_form(), self.server.channel());
        let batch = self.open_batch(&format!("chathistory {room}"), answer);
        for past in history {
            play_one(&form, past, batch.as_deref(), &room, "", answer.bytes);
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

/// The range of the history that a request selects.
fn select(history: &[&Record], query: &Query) -> (usize, usize) {
    let limit = query.limit;
    let at = |reference: Reference| history.partition_point(|past| reference.compare(past).is_lt());
    let behind = |reference: Reference| history.partition_point(|past| reference.compare(past).is_le());
    let last_of = |from: usize, to: usize| (from.max(to.saturating_sub(limit)), to);
    let first_of = |from: usize, to: usize| (from, to.min(from + limit));
    match query.selection {
        Selection::Latest(None) => last_of(0, history.len()),
        Selection::Latest(Some(reference)) => last_of(behind(reference), history.len()),
        Selection::Before(reference) => last_of(0, at(reference)),
        Selection::After(reference) => first_of(behind(reference), history.len()),
        Selection::Around(reference) => {
            let middle = at(reference);
            let from = middle.saturating_sub(limit / 2);
            first_of(from, history.len())
        }
        Selection::Between(one, other) if at(one) <= at(other) => first_of(behind(one), at(other)),
        Selection::Between(one, other) => last_of(behind(other), at(one)),
        Selection::Targets(..) => (0, 0),
    }
}

/// Parses an IRCv3 timestamp into milliseconds since 1970-01-01 UTC.
pub fn parse_time(text: &str) -> Option<u64> {
    let since = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}
