//! Writing: what was handed over becomes rows, in one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::bans;
use super::database::Database;
use super::error::StoreError;
use super::lookup::line;
use super::number::integer;
use super::row::{Row, searchable};
use super::slices::Slices;
use crate::chat::{Durable, Entry, Event, Person, PersonId, Profile};

/// People whose rows are remembered.
const PEOPLE: usize = 4096;

impl Database {
    /// Writes these items, all or none of them. Those that are there already are skipped. Returns whether words were
    /// erased, which are gone from the files after the next [checkpoint](Self::checkpoint).
    ///
    /// # Errors
    /// Nothing was written.
    pub fn write(&mut self, items: &[Durable]) -> Result<bool, StoreError> {
        let written = self.try_write(items);
        if written.is_err() {
            self.forget_uncommitted();
        }
        written
    }

    /// Forgets what a transaction that was rolled back may have made untrue.
    pub(super) fn forget_uncommitted(&mut self) {
        self.people.clear();
        if let Ok(slices) = Slices::read(&self.connection) {
            self.slices = slices;
        }
    }

    fn try_write(&mut self, items: &[Durable]) -> Result<bool, StoreError> {
        let Database { connection, slices, bounds, people, .. } = self;
        let transaction = connection.transaction()?;
        let (mut added, mut erased) = (0, false);
        let mut latest = HashMap::new();
        for item in items {
            let (row, author, text) = match item {
                Durable::Event(record) => {
                    if let Event::Redacted { line, .. } = &record.event {
                        added -= erase(&transaction, slices, integer(*line))?;
                        erased = true;
                    }
                    if let Event::Topic { by, text } = &record.event {
                        set_topic(&transaction, by.as_deref(), text, record.stamp.unix)?;
                    }
                    let Some((row, author)) = Row::of_event(record) else { continue };
                    (row, author, searchable(&record.event))
                }
                Durable::Banned(ban) => {
                    bans::insert(&transaction, ban)?;
                    continue;
                }
                Durable::Unbanned(subject) => {
                    bans::remove(&transaction, subject)?;
                    erased = true;
                    continue;
                }
                Durable::Gap(gap) => (Row::of_gap(gap), None, "".into()),
                Durable::Marker { account, target, time } => {
                    let sql = "INSERT INTO marker VALUES (?, ?, ?)
                               ON CONFLICT DO UPDATE SET time = max(time, excluded.time)";
                    transaction.prepare_cached(sql)?.execute(params![account, target, integer(*time)])?;
                    continue;
                }
            };
            let (seq, time) = (integer(row.stamp.sequence), integer(row.stamp.unix));
            let person = match author {
                Some(author) => Some(person_id(&transaction, people, author)?),
                None => None,
            };
            let sql = "INSERT OR IGNORE INTO line VALUES (?, ?, ?, ?, ?, ?)";
            let mut insert = transaction.prepare_cached(sql)?;
            if insert.execute(params![seq, time, row.kind, person, row.text, row.more])? == 0 {
                continue;
            }
            added += 1;
            if let Some(person) = person {
                latest.insert(person, seq);
            }
            if author.is_some() || !text.is_empty() {
                let key = author.map(|author| &**author.nick.key());
                slices.add(&transaction, *bounds, (seq, time), key, &text)?;
            }
        }
        for (person, seq) in latest {
            transaction.prepare_cached("UPDATE person SET last = ? WHERE id = ?")?.execute([seq, person])?;
        }
        if added != 0 {
            transaction.prepare_cached("UPDATE total SET lines = lines + ?")?.execute([added])?;
            slices.save(&transaction)?;
        }
        transaction.commit()?;
        Ok(erased)
    }
}

/// Removes a line and its words. Returns how many lines that were.
fn erase(connection: &Connection, slices: &Slices, seq: i64) -> Result<i64, StoreError> {
    let Some(Entry::Event(record)) = line(connection, seq)? else { return Ok(0) };
    let key = record.event.author().map(|author| &**author.nick.key());
    slices.erase(connection, seq, key, &searchable(&record.event))?;
    Ok(connection.execute("DELETE FROM line WHERE seq = ?", [seq])? as i64)
}

fn set_topic(connection: &Connection, by: Option<&Person>, text: &str, unix: u64) -> Result<(), StoreError> {
    let nick = by.map(Person::as_str);
    let mut statement = connection.prepare_cached("REPLACE INTO topic VALUES (?, ?, ?, ?)")?;
    statement.execute(params![false, text, nick, integer(unix)])?;
    if by.is_none() {
        statement.execute(params![true, text, nick, integer(unix)])?;
    }
    Ok(())
}

/// The row of somebody as they are.
fn person_id(
    connection: &Connection,
    known: &mut HashMap<PersonId, (Arc<Person>, i64)>,
    person: &Arc<Person>,
) -> Result<i64, StoreError> {
    if let Some((same, id)) = known.get(&person.id)
        && Arc::ptr_eq(same, person)
    {
        return Ok(*id);
    }
    let Profile { user, real_name, account, bot, encrypted } = &*person.profile;
    let account = account.as_deref().unwrap_or_default();
    let columns = params![person.as_str(), user, real_name, account, bot, encrypted];
    let sql = "SELECT id FROM person
               WHERE nick = ? AND user = ? AND real_name = ? AND account = ? AND bot = ? AND encrypted = ?";
    let found = connection.prepare_cached(sql)?.query_row(columns, |row| row.get(0)).optional()?;
    let id = match found {
        Some(id) => id,
        None => {
            let sql = "INSERT INTO person (nick, user, real_name, account, bot, encrypted, last)
                       VALUES (?, ?, ?, ?, ?, ?, 0)";
            connection.prepare_cached(sql)?.execute(columns)?;
            connection.last_insert_rowid()
        }
    };
    if known.len() >= PEOPLE {
        known.clear();
    }
    known.insert(person.id, (person.clone(), id));
    Ok(id)
}
