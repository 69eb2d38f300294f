//! Looking back: what a client or an administrator asks of the history, and what comes back.

use serde::{Deserialize, Serialize};

use super::{Event, Gap, Record, Stamp};

/// A point in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Point {
    /// The event with this [sequence](Stamp), whether it is kept or not.
    Event(u64),
    /// This time, in milliseconds since 1970-01-01 UTC.
    Time(u64),
}

/// Which part of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// The newest entries, if given only those after this point.
    Latest(Option<Point>),
    /// The last entries before this point.
    Before(Point),
    /// The first entries after this point.
    After(Point),
    /// Entries on both sides of this point, which is included.
    Around(Point),
    /// Entries between two points, exclusive, counted from the first; they may be given in either order.
    Between(Point, Point),
}

/// A question to the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// Which part of it.
    pub selection: Selection,
    /// The maximum number of entries.
    pub limit: usize,
    /// Whether joins, leaves, topics and the like are included, not only messages.
    pub events: bool,
    /// Only what the user with this name did or said. The name in its [comparison form](super::Nick::key).
    pub from: Option<Box<str>>,
    /// Only messages with these words: words, `prefixes*` and `"phrases"`, all of which must occur.
    pub words: Option<Box<str>>,
}

/// A part of the history, oldest entry first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
}

/// One entry of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Something happened.
    Event(Record),
    /// Something that happened here was not kept.
    Gap(Gap),
}

/// Why a lookup has no answer; the text is shown to whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The search words contain no letters or digits.
    #[error("there is no word to search for")]
    NoWords,
    /// Words can only be searched for in a history on disk.
    #[error("there is nothing to search: this server keeps no history on disk")]
    NotKept,
    /// It took longer than it may.
    #[error("this takes too long; ask for rarer words, or for less")]
    TooLong,
    /// The disk does not answer.
    #[error("the history cannot be read at present")]
    Unavailable,
}

/// The answer to a lookup.
pub type Found = Result<Page, LookupError>;

impl Lookup {
    /// A part of the history that is not filtered: messages only.
    #[must_use]
    pub fn messages(selection: Selection, limit: usize) -> Lookup {
        Lookup { selection, limit, events: false, from: None, words: None }
    }

    /// Whether an event is part of the answer, apart from its position and words.
    #[must_use]
    pub fn includes(&self, event: &Event<'_>) -> bool {
        let kind = self.events || Record::is_shown_to_newcomers(event);
        let from = self.from.as_ref();
        kind && from.is_none_or(|key| event.author().is_some_and(|author| **author.nick.key() == **key))
    }

    /// Answers from events in memory, oldest first.
    ///
    /// # Errors
    /// There are words to search for: only the store can do that.
    pub fn answer<'r>(&self, history: impl DoubleEndedIterator<Item = &'r Record>) -> Found {
        if self.words.is_some() {
            return Err(LookupError::NotKept);
        }
        let history: Vec<&Record> = history.filter(|record| self.includes(&record.event)).collect();
        let before = |point: Point| history.partition_point(|record| point.compare(record).is_lt());
        let through = |point: Point| history.partition_point(|record| point.compare(record).is_le());
        let first = |from: usize, to: usize| (from, to.min(from.saturating_add(self.limit)));
        let last = |from: usize, to: usize| (from.max(to.saturating_sub(self.limit)), to);
        let (from, to) = match self.selection {
            Selection::Latest(None) => last(0, history.len()),
            Selection::Latest(Some(point)) => last(through(point), history.len()),
            Selection::Before(point) => last(0, before(point)),
            Selection::After(point) => first(through(point), history.len()),
            Selection::Around(point) => first(before(point).saturating_sub(self.limit / 2), history.len()),
            Selection::Between(one, other) if before(one) <= before(other) => first(through(one), before(other)),
            Selection::Between(one, other) => last(through(other), before(one)),
        };
        let entries = history.get(from..to).unwrap_or_default().iter();
        Ok(Page { entries: entries.map(|record| Entry::Event((*record).clone())).collect() })
    }
}

impl Point {
    fn compare(self, record: &Record) -> std::cmp::Ordering {
        match self {
            Point::Event(sequence) => record.stamp.sequence.cmp(&sequence),
            Point::Time(unix) => record.stamp.unix.cmp(&unix),
        }
    }
}

impl Entry {
    /// Its position and time; those of the first missing event for a gap.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        match self {
            Entry::Event(record) => record.stamp,
            Entry::Gap(gap) => gap.first,
        }
    }
}
