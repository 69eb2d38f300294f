//! The search index, in slices. Each slice is an FTS5 table for some thousands of lines, or the lines of some days. So
//! what is pruned leaves the index as a whole table, at once and with all its space, and a search begins with the newest.

use rusqlite::{Connection, params};

use super::error::StoreError;
use super::number::integer;
use super::row::name_token;

/// The fewest and the most lines of a slice. A slice is filled and dropped in one step each.
const LINES: std::ops::RangeInclusive<i64> = 256..=1 << 18;
/// Bytes of the allowed size for each line of a slice, so that a slice is some percent of the file.
const BYTES_PER_LINE: u64 = 4096;
/// The longest time that a slice may cover, as a fraction of the time for which lines are kept.
const SPAN: u64 = 30;

/// Pages of the index that one step merges.
const MERGE_PAGES: i64 = 300;

/// One part of the search index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    id: i64,
    /// The sequence of its first line; it ends where the next slice begins.
    pub first: i64,
    /// When that was said, in milliseconds since 1970-01-01 UTC.
    time: i64,
    lines: i64,
    /// Whether its index is one piece.
    merged: bool,
}

/// When a slice is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    lines: i64,
    milliseconds: i64,
}

impl Bounds {
    /// For a history of this time in milliseconds and this size in bytes.
    #[must_use]
    pub fn new(keep: u64, size: u64) -> Bounds {
        let lines = integer(size / BYTES_PER_LINE).clamp(*LINES.start(), *LINES.end());
        Bounds { lines, milliseconds: integer(keep / SPAN) }
    }
}

/// All slices, oldest first.
#[derive(Debug, Default)]
pub struct Slices(Vec<Slice>);

impl Slices {
    /// Reads which there are.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(connection: &Connection) -> rusqlite::Result<Slices> {
        let mut statement = connection.prepare("SELECT id, first, time, lines, merged FROM slice ORDER BY id")?;
        let rows = statement.query_map([], |row| {
            Ok(Slice {
                id: row.get(0)?,
                first: row.get(1)?,
                time: row.get(2)?,
                lines: row.get(3)?,
                merged: row.get(4)?,
            })
        })?;
        Ok(Slices(rows.collect::<Result<_, _>>()?))
    }

    /// Adds a line to the index. Part of a transaction; [`read`](Self::read) again if that fails.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(
        &mut self,
        connection: &Connection,
        bounds: Bounds,
        (seq, time): (i64, i64),
        key: Option<&str>,
        text: &str,
    ) -> Result<(), StoreError> {
        let full = self
            .0
            .last()
            .is_none_or(|last| last.lines >= bounds.lines || time.saturating_sub(last.time) > bounds.milliseconds);
        if full {
            self.begin(connection, seq, time)?;
        }
        let Some(last) = self.0.last_mut() else { return Ok(()) };
        last.lines += 1;
        let table = table(last.id);
        let name = key.map(name_token);
        connection
            .prepare_cached(&format!("INSERT INTO {table} (rowid, name, text) VALUES (?, ?, ?)"))?
            .execute(params![seq, name, text])?;
        Ok(())
    }

    fn begin(&mut self, connection: &Connection, seq: i64, time: i64) -> Result<(), StoreError> {
        if let Some(last) = self.0.last() {
            let sql = "UPDATE slice SET lines = ? WHERE id = ?";
            connection.prepare_cached(sql)?.execute(params![last.lines, last.id])?;
        }
        let slice =
            Slice { id: self.0.last().map_or(1, |last| last.id + 1), first: seq, time, lines: 0, merged: false };
        connection.execute("INSERT INTO slice VALUES (?, ?, ?, 0, 0)", params![slice.id, seq, time])?;
        connection.execute_batch(&format!(
            "CREATE VIRTUAL TABLE {} USING fts5(
                 name, text, content='', columnsize=0, tokenize='unicode61 remove_diacritics 2')",
            table(slice.id)
        ))?;
        self.0.push(slice);
        Ok(())
    }

    /// Writes down how many lines the newest slice has.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, connection: &Connection) -> Result<(), StoreError> {
        if let Some(last) = self.0.last() {
            let sql = "UPDATE slice SET lines = ? WHERE id = ?";
            connection.prepare_cached(sql)?.execute(params![last.lines, last.id])?;
        }
        Ok(())
    }

    /// Removes a line, with these words, from the bytes of the index. The caller commits before anything else is changed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn erase(&self, connection: &Connection, seq: i64, key: Option<&str>, text: &str) -> Result<(), StoreError> {
        let Some(slice) = self.0.iter().rev().find(|slice| slice.first <= seq) else { return Ok(()) };
        let table = table(slice.id);
        // Otherwise the index only notes that the line is gone.
        connection.execute(&format!("INSERT INTO {table} ({table}, rank) VALUES ('secure-delete', 1)"), [])?;
        connection.execute(
            &format!("INSERT INTO {table} ({table}, rowid, name, text) VALUES ('delete', ?, ?, ?)"),
            params![seq, key.map(name_token), text],
        )?;
        Ok(())
    }

    /// Whether a full slice is not merged yet.
    pub fn needs_merge(&self) -> bool {
        self.0.split_last().is_some_and(|(_, full)| full.iter().any(|slice| !slice.merged))
    }

    /// Merges some of the pieces in which a full slice was written, so that a search has to look into one only. Returns
    /// whether to call it again soon.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn merge(&mut self, connection: &Connection) -> Result<bool, StoreError> {
        let Some((_, full)) = self.0.split_last_mut() else { return Ok(false) };
        let Some(slice) = full.iter_mut().find(|slice| !slice.merged) else { return Ok(false) };
        let table = table(slice.id);
        let before = connection.total_changes();
        // A negative number of pages: until there is one piece (FTS5, section 6.8).
        connection.execute(&format!("INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)"), [-MERGE_PAGES])?;
        if connection.total_changes() - before < 2 {
            connection.execute("UPDATE slice SET merged = 1 WHERE id = ?", [slice.id])?;
            slice.merged = true;
        }
        Ok(self.needs_merge())
    }

    /// Drops the slices that are all before the line `first`, or all slices if there is no line. Part of a transaction.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn prune(&mut self, connection: &Connection, first: Option<i64>) -> Result<(), StoreError> {
        let needed =
            first.map_or(self.0.len(), |first| self.0.partition_point(|slice| slice.first <= first).saturating_sub(1));
        for slice in self.0.drain(..needed) {
            connection.execute_batch(&format!("DROP TABLE {}", table(slice.id)))?;
            connection.execute("DELETE FROM slice WHERE id = ?", [slice.id])?;
        }
        Ok(())
    }

    /// The tables that have lines in this range, oldest first.
    pub fn tables(&self, range: std::ops::Range<i64>) -> impl DoubleEndedIterator<Item = String> {
        let from = self.0.partition_point(|slice| slice.first <= range.start).saturating_sub(1);
        let to = self.0.partition_point(|slice| slice.first < range.end);
        self.0.get(from..to).unwrap_or_default().iter().map(|slice| table(slice.id))
    }
}

fn table(id: i64) -> String {
    format!("word_{id}")
}
