//! Looking back: pages by position and time, and search.

use std::borrow::Cow;
use std::collections::{HashMap, hash_map};
use std::ops::Range;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Params, params};

use super::database::Database;
use super::error::StoreError;
use super::expression::expression;
use super::number::{integer, natural};
use super::row::{Row, kind};
use crate::chat::{Entry, Found, Lookup, LookupError, Nick, Page, Person, PersonId, Point, Profile, Selection, Stamp};

const COLUMNS: &str = "line.seq, line.time, line.kind, line.text, line.more, line.person";

/// A part of the history, from which entries are taken from one end.
struct Part {
    range: Range<i64>,
    newest_first: bool,
}

/// The people of one page, by their rows.
type People = HashMap<i64, Option<Arc<Person>>>;

impl Database {
    /// Answers a lookup.
    ///
    /// # Errors
    /// There is nothing to search for, it takes too long, or (the second kind) the file cannot be read.
    pub fn find(&self, lookup: &Lookup) -> Result<Found, StoreError> {
        if lookup.words.is_some() && expression(lookup.words.as_deref(), None).is_none() {
            return Ok(Err(LookupError::NoWords));
        }
        match self.entries(lookup) {
            Ok(entries) => Ok(Ok(Page { entries })),
            Err(StoreError::Interrupted) => Ok(Err(LookupError::TooLong)),
            Err(error) => Err(error),
        }
    }

    pub(super) fn entries(&self, lookup: &Lookup) -> Result<Vec<Entry>, StoreError> {
        let newest = |range| Part { range, newest_first: true };
        let oldest = |range| Part { range, newest_first: false };
        let (start, end) = (0, i64::MAX);
        let part = match lookup.selection {
            Selection::Latest(None) => newest(start..end),
            Selection::Latest(Some(point)) => newest(self.through(point)?..end),
            Selection::Before(point) => newest(start..self.before(point)?),
            Selection::After(point) => oldest(self.through(point)?..end),
            Selection::Around(point) => {
                let middle = self.before(point)?;
                let mut entries = self.take(&newest(start..middle), lookup, lookup.limit / 2)?;
                let rest = lookup.limit.saturating_sub(entries.len());
                entries.extend(self.take(&oldest(middle..end), lookup, rest)?);
                return Ok(entries);
            }
            Selection::Between(one, other) => match (self.before(one)?, self.before(other)?) {
                (from, to) if from <= to => oldest(self.through(one)?..to),
                (to, _) => newest(self.through(other)?..to),
            },
        };
        self.take(&part, lookup, lookup.limit)
    }

    /// Up to `limit` entries from one end of a part, oldest first.
    fn take(&self, part: &Part, lookup: &Lookup, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        let mut people = People::new();
        let order = if part.newest_first { "DESC" } else { "ASC" };
        let (last_kind, Range { start, end }) =
            (if lookup.events { i64::MAX } else { kind::LAST_MESSAGE }, &part.range);
        match expression(lookup.words.as_deref(), lookup.from.as_deref()) {
            None => {
                let sql = format!(
                    "SELECT {COLUMNS} FROM line
                     WHERE seq >= ? AND seq < ? AND kind <= ? ORDER BY seq {order} LIMIT ?"
                );
                let statement = self.connection.prepare_cached(&sql)?;
                self.read(statement, params![start, end, last_kind, integer(limit as u64)], &mut people, &mut entries)?;
            }
            Some(expression) => {
                let tables = self.slices.tables(part.range.clone());
                let tables: Vec<_> = if part.newest_first { tables.rev().collect() } else { tables.collect() };
                for table in tables {
                    // Each statement counts its instructions anew.
                    self.check_deadline()?;
                    let rest = limit - entries.len().min(limit);
                    if rest == 0 {
                        break;
                    }
                    let sql = format!(
                        "SELECT {COLUMNS} FROM {table} CROSS JOIN line ON line.seq = {table}.rowid
                         WHERE {table} MATCH ? AND {table}.rowid >= ? AND {table}.rowid < ? AND kind <= ?
                         ORDER BY {table}.rowid {order} LIMIT ?"
                    );
                    let statement = self.connection.prepare_cached(&sql)?;
                    let parameters = params![expression, start, end, last_kind, integer(rest as u64)];
                    self.read(statement, parameters, &mut people, &mut entries)?;
                }
            }
        }
        if part.newest_first {
            entries.reverse();
        }
        Ok(entries)
    }

    fn read(
        &self,
        mut statement: CachedStatement<'_>,
        parameters: impl Params,
        people: &mut People,
        entries: &mut Vec<Entry>,
    ) -> Result<(), StoreError> {
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            entries.extend(entry(&self.connection, row, people)?);
        }
        Ok(())
    }

    /// The sequence of the first line that is not before this point.
    pub(super) fn before(&self, point: Point) -> Result<i64, StoreError> {
        match point {
            Point::Event(sequence) => Ok(integer(sequence)),
            Point::Time(unix) => self.since(integer(unix)),
        }
    }

    /// The sequence of the first line after this point.
    fn through(&self, point: Point) -> Result<i64, StoreError> {
        match point {
            Point::Event(sequence) => Ok(integer(sequence.saturating_add(1))),
            Point::Time(unix) => self.since(integer(unix.saturating_add(1))),
        }
    }

    /// The sequence of the first line of this time or later, by bisection: lines are in the order of their times, except
    /// where the clock was set back, and there any line of about this time may be found.
    fn since(&self, time: i64) -> Result<i64, StoreError> {
        let (mut from, mut to) = self.range()?;
        let mut next =
            self.connection.prepare_cached("SELECT seq, time FROM line WHERE seq >= ? ORDER BY seq LIMIT 1")?;
        while from < to {
            let middle = from + (to - from) / 2;
            let found =
                next.query_row([middle], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional()?;
            match found {
                Some((seq, said)) if said < time => from = seq + 1,
                _ => to = middle,
            }
        }
        Ok(from)
    }
}

/// One line.
pub(super) fn line(connection: &Connection, seq: i64) -> Result<Option<Entry>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM line WHERE seq = ?"))?;
    let mut rows = statement.query([seq])?;
    match rows.next()? {
        Some(row) => entry(connection, row, &mut People::new()),
        None => Ok(None),
    }
}

fn entry(connection: &Connection, row: &rusqlite::Row<'_>, people: &mut People) -> Result<Option<Entry>, StoreError> {
    let stamp = Stamp { sequence: natural(row.get(0)?), unix: natural(row.get(1)?) };
    let text: Option<String> = row.get(3)?;
    let person = match row.get(5)? {
        None => None,
        Some(id) => match people.entry(id) {
            hash_map::Entry::Occupied(known) => known.get().clone(),
            hash_map::Entry::Vacant(place) => place.insert(person(connection, id)?).clone(),
        },
    };
    let row = Row { stamp, kind: row.get(2)?, text: text.map(Cow::Owned), more: row.get(4)? };
    Ok(row.entry(person))
}

/// `None`: their name is not one that is allowed today.
fn person(connection: &Connection, id: i64) -> Result<Option<Arc<Person>>, StoreError> {
    let sql = "SELECT nick, user, real_name, account, bot, encrypted FROM person WHERE id = ?";
    let found = connection.prepare_cached(sql)?.query_row([id], |row| {
        let text = |index| row.get::<_, String>(index).map(Into::<Box<str>>::into);
        let account = Some(text(3)?).filter(|account| !account.is_empty());
        let (user, real_name) = (text(1)?, text(2)?);
        let profile = Profile { user, real_name, account, bot: row.get(4)?, encrypted: row.get(5)? };
        Ok((row.get::<_, String>(0)?, profile))
    });
    let person = found.optional()?.and_then(|(nick, profile)| {
        let nick = Nick::new(&nick).ok()?;
        Some(Arc::new(Person { nick, profile: Arc::new(profile), id: PersonId(0) }))
    });
    Ok(person)
}
