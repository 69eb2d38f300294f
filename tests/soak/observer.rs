//! Whether everybody saw one same order, and was told all that they were entitled to.
//!
//! The order is what the witness reads, a client that is in the room from the first line to the last. Everybody else's
//! lines, joins and leaves have to be a part of that order without a gap, from right behind their own join to right
//! before their own leave; only their own lines may be missing, of a client without echo. After a SIGKILL the order
//! goes on behind what the disk has kept.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::kinds::Protocol;
use super::reader::{Ending, Reader};

/// An event in the room. Names are never used twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    Said(Rc<str>, u64),
    Joined(Rc<str>),
    Left(Rc<str>),
}

/// An event at its place in the order.
pub struct Entry {
    pub event: Event,
    pub id: Option<String>,
    /// How many lines were said before it.
    pub lines: usize,
    /// When it was sent, if nothing was to delay it.
    pub sent: Option<Instant>,
}

/// What was counted.
#[derive(Default)]
pub struct Counts {
    pub people: u64,
    pub lines: u64,
    pub deliveries: u64,
    pub past: u64,
    pub identifiers: u64,
    pub lost_at_kills: u64,
    pub only_on_disk: u64,
    pub longest: Duration,
    /// The same while nothing was restarted, and nobody pasted a lot.
    pub longest_calm: Duration,
    pub ends: std::collections::BTreeMap<&'static str, u64>,
}

#[derive(Default)]
pub struct Observer {
    pub order: Vec<Entry>,
    pub known: HashMap<Event, usize>,
    /// The places of the lines in the order.
    pub lines: Vec<usize>,
    pub readers: HashMap<Rc<str>, Reader>,
    pub counts: Counts,
    pub failures: Vec<String>,
    /// Whether a restart is under way.
    pub restarting: bool,
    /// Whether the daemon stops.
    pub stopping: bool,
    busy: Option<Instant>,
    /// When a numbered line was sent alone.
    pub sent: HashMap<Event, Instant>,
    /// Messages that the witness has read, and the identifier of the last: a long one comes in pieces.
    pub messages: u64,
    message: Option<String>,
}

impl Observer {
    pub fn fail(&mut self, what: String) {
        eprintln!("failed: {what}");
        self.failures.push(what);
    }

    /// Somebody is about to come in under this name.
    pub fn comes(&mut self, name: &Rc<str>, protocol: Protocol, description: String) {
        self.counts.people += 1;
        self.readers.insert(name.clone(), Reader::new(protocol, description));
    }

    pub fn reader(&mut self, name: &str) -> Option<&mut Reader> {
        self.readers.get_mut(name)
    }

    /// The place of an event in the order.
    pub fn place(&self, event: &Event) -> Option<usize> {
        self.known.get(event).copied()
    }

    pub fn has_left(&self, name: &Rc<str>) -> bool {
        self.known.contains_key(&Event::Left(name.clone()))
    }

    /// For so many seconds, nobody can tell from a line's time how fast the daemon is.
    pub fn set_busy(&mut self, seconds: u64) {
        self.busy = self.busy.max(Some(Instant::now() + Duration::from_secs(seconds)));
    }

    /// How many events somebody has not read.
    pub fn behind(&self, name: &str) -> usize {
        let place = self.readers.get(name).and_then(|reader| reader.place);
        place.map_or(usize::MAX, |place| self.order.len() - 1 - place)
    }

    pub fn set_restarting(&mut self, restarting: bool) {
        self.restarting = restarting;
        self.set_busy(2);
    }

    /// The witness has read a message with this identifier. Of one that comes in pieces, the first has it.
    pub fn message(&mut self, id: Option<String>) {
        if id.is_some() && self.message != id {
            self.messages += 1;
            self.message = id;
        }
    }

    /// What the witness has read is the order.
    pub fn witnessed(&mut self, event: Event, reason: Option<&str>, id: Option<String>) {
        if let Some(place) = self.place(&event) {
            return self.fail(format!("the witness has read {event:?} twice: at {place} and {}", self.order.len()));
        }
        self.append(event, reason, id);
        let waiting = self.readers.iter().filter(|(_, reader)| !reader.queue.is_empty() || reader.place.is_none());
        let waiting: Vec<Rc<str>> = waiting.map(|(name, _)| name.clone()).collect();
        waiting.iter().for_each(|name| self.compare(name));
    }

    pub fn append(&mut self, event: Event, reason: Option<&str>, id: Option<String>) {
        let wrong = match &event {
            Event::Said(name, number) => match self.readers.get_mut(name) {
                None => Some("nobody of that name is there".to_owned()),
                Some(reader) => {
                    let before = std::mem::replace(&mut reader.accepted, *number);
                    (before + 1 != *number || *number > reader.sent)
                        .then(|| format!("it has said {before} before and sent up to {}", reader.sent))
                }
            },
            Event::Joined(name) => {
                (!self.readers.contains_key(name)).then(|| "nobody of that name has come".to_owned())
            }
            Event::Left(name) => match self.readers.get_mut(name) {
                None => Some("nobody of that name is there".to_owned()),
                Some(reader) => {
                    let wrong = reason.and_then(|reason| reader.why_not(reason));
                    *self.counts.ends.entry(Ending::class(reason.unwrap_or(""))).or_default() += 1;
                    wrong
                }
            },
        };
        if let Some(wrong) = wrong {
            let who = match &event {
                Event::Said(name, _) | Event::Joined(name) | Event::Left(name) => self.describe(name),
            };
            self.fail(format!("{event:?} ({}) at {}: {wrong}; {who}", reason.unwrap_or("-"), self.order.len()));
        }
        let lines = self.lines.len();
        if let Event::Said(..) = event {
            self.lines.push(self.order.len());
            self.counts.lines += 1;
        }
        self.known.insert(event.clone(), self.order.len());
        let sent = self.sent.remove(&event);
        self.order.push(Entry { event, id, lines, sent });
    }

    /// A client has read an event of the room.
    pub fn heard(&mut self, name: &Rc<str>, event: Event, id: Option<String>) {
        let Some(reader) = self.readers.get_mut(name) else { return };
        reader.queue.push_back((event, id, Instant::now()));
        self.compare(name);
    }

    /// A client was shown a line of the history.
    pub fn was_shown(&mut self, name: &Rc<str>, event: Event) {
        self.counts.past += 1;
        let Some(reader) = self.readers.get_mut(name) else { return };
        match reader.live {
            false => reader.past.push(event),
            true => self.fail(format!("{} was shown {event:?} of the history among new lines", self.describe(name))),
        }
    }

    /// Compares what a client has read with the order, as far as that is known.
    pub fn compare(&mut self, name: &Rc<str>) {
        let calm = !self.restarting && self.busy.is_none_or(|until| until < Instant::now());
        let mut wrong = None;
        let Some(reader) = self.readers.get_mut(name) else { return };
        if reader.place.is_none() {
            let Some(place) = self.known.get(&Event::Joined(name.clone())).copied() else { return };
            (reader.place, reader.joined) = (Some(place), place);
        }
        // Whatever is heard first comes after the history.
        if !reader.live && (reader.gone || reader.queue.front().is_some()) {
            reader.live = true;
            wrong = past_is_wrong(&reader.past, &self.known, &self.order, &self.lines, reader.joined);
            reader.past = Vec::new();
        }
        while let (Some((event, id, at)), None) = (reader.queue.front(), &wrong) {
            let Some(found) = self.known.get(event).copied() else { break };
            let next = reader.next(&self.order, name, found);
            if found != next {
                let expected = self.order.get(next).map(|entry| format!("{:?}", entry.event));
                let what = if found < next { "twice or too late" } else { "with a gap before it" };
                wrong = Some(format!(
                    "read {event:?} (place {found}) {what}; expected {} (place {next})",
                    expected.unwrap_or_default()
                ));
                break;
            }
            let entry = &mut self.order[found];
            match (&entry.id, id) {
                (Some(known), Some(id)) if known != id => {
                    wrong = Some(format!("read {event:?} with the identifier {id}, others with {known}"));
                }
                (_, Some(_)) => self.counts.identifiers += 1,
                _ => {}
            }
            if let Some(sent) = entry.sent {
                let took = at.saturating_duration_since(sent);
                if reader.reads_at_once && !reader.paced {
                    self.counts.longest = self.counts.longest.max(took);
                    if calm {
                        self.counts.longest_calm = self.counts.longest_calm.max(took);
                    }
                }
            }
            self.counts.deliveries += 1;
            reader.place = Some(found);
            reader.queue.pop_front();
        }
        if let Some(wrong) = wrong {
            reader.queue.clear();
            reader.lost = true;
            let who = self.describe(name);
            self.fail(format!("{who} {wrong}"));
        }
    }

    /// Those who are here and answer no PING; and how many of them by TCP.
    pub fn silent(&self) -> usize {
        self.readers.values().filter(|reader| !reader.gone && reader.ending == Ending::Silence).count()
    }

    pub fn silent_sockets(&self) -> usize {
        let silent = self.readers.values().filter(|reader| !reader.gone && reader.ending == Ending::Silence);
        silent.filter(|reader| reader.own.is_some()).count()
    }

    /// How many are in the room and stay.
    pub fn talking(&self) -> usize {
        let here = self.readers.values().filter(|reader| !reader.gone && reader.ending == Ending::None);
        here.filter(|reader| reader.place.is_some()).count()
    }

    /// The daemon has stopped in order: all who were here have read all, and were told why.
    pub fn stopped(&mut self) {
        let (mut wrong, order) = (Vec::new(), &self.order);
        for (name, reader) in &self.readers {
            if reader.place.is_none()
                || reader.ending != Ending::Daemon
                || reader.stalls
                || self.known.contains_key(&Event::Left(name.clone()))
            {
                continue;
            }
            if reader.next(order, name, order.len()) != order.len() || !reader.told.contains("the server is stopping") {
                wrong.push(format!(
                    "{name} ({}) has read up to {:?} of {} when the daemon stopped, and was told {:?}",
                    reader.description,
                    reader.place,
                    order.len(),
                    reader.told
                ));
            }
        }
        wrong.into_iter().for_each(|wrong| self.fail(wrong));
    }

    /// Who it is, for a failure.
    pub fn describe(&self, name: &str) -> String {
        self.readers.get(name).map_or_else(|| name.to_owned(), |reader| format!("{name} ({})", reader.description))
    }

    /// Settles those who have gone and whose end is known; returns who else there is, each with why it waits.
    pub fn settle(&mut self) -> Vec<String> {
        let names: Vec<Rc<str>> = self.readers.keys().cloned().collect();
        let mut waiting = Vec::new();
        for name in names {
            self.compare(&name);
            let joined = self.known.contains_key(&Event::Joined(name.clone()));
            let left = self.place(&Event::Left(name.clone()));
            let order = &self.order;
            let Some(reader) = self.readers.get_mut(&name) else { continue };
            let state = match (reader.gone, joined, left) {
                (_, false, _) if reader.gone => {
                    // Refused, or gone before it was in.
                    (!reader.queue.is_empty() && !reader.own_join_only(&name))
                        .then(|| "heard the room but never joined".to_owned())
                }
                (true, true, Some(left)) => {
                    let next = reader.next(order, &name, left);
                    let complete = reader.queue.is_empty() && next == left;
                    match (reader.is_told_all(), complete) {
                        (true, false) => Some(format!(
                            "has left ({}), but had not read all: up to place {:?} of {left}, next {:?}",
                            reader.ending.class_name(),
                            reader.place,
                            order.get(next).map(|entry| &entry.event)
                        )),
                        _ => reader.why_not_at_end(complete),
                    }
                }
                (true, ..) => {
                    waiting.push(format!(
                        "{} has gone ({}), but the room was not told",
                        self.describe(&name),
                        self.readers[&name].ending.class_name()
                    ));
                    continue;
                }
                (false, ..) => {
                    let reader = &self.readers[&name];
                    if reader.accepted != reader.sent && !reader.is_excused() {
                        waiting.push(format!(
                            "{} has sent {} lines, heard were {}",
                            self.describe(&name),
                            reader.sent,
                            reader.accepted
                        ));
                    }
                    if joined && left.is_none() && !reader.lost && !reader.is_excused() {
                        let next = reader.next(&self.order, &name, self.order.len());
                        if next < self.order.len() || !reader.queue.is_empty() {
                            waiting.push(format!(
                                "{} has read up to place {:?} of {}; next for it: {:?}, and read but not in the order: {:?}",
                                self.describe(&name), reader.place, self.order.len(),
                                self.order.get(next).map(|entry| &entry.event), reader.queue.front().map(|(event, ..)| event)
                            ));
                        }
                    }
                    continue;
                }
            };
            if let Some(wrong) = state {
                let who = self.describe(&name);
                self.fail(format!("{who} {wrong}"));
            }
            self.readers.remove(&name);
        }
        waiting
    }
}

/// What is wrong with the history that somebody was shown who has joined at this place, if anything.
fn past_is_wrong(
    past: &[Event],
    known: &HashMap<Event, usize>,
    order: &[Entry],
    lines: &[usize],
    joined: usize,
) -> Option<String> {
    let before = order[joined].lines;
    let first = before.checked_sub(past.len());
    let Some(first) = first else { return Some(format!("was shown {} lines of {before}", past.len())) };
    past.iter().zip(first..).find_map(|(event, line)| {
        let expected = lines[line];
        let found = known.get(event).copied();
        (found != Some(expected)).then(|| {
            format!(
                "was shown {event:?} (place {found:?}) of the history; expected {:?} (place {expected})",
                order[expected].event
            )
        })
    })
}

/// What somebody has read and the witness not yet.
pub type Queue = VecDeque<(Event, Option<String>, Instant)>;
