//! Forgetting: lines that are too old or too many, in small steps.

use super::database::Database;
use super::error::StoreError;
use super::number::integer;
use crate::config::History;

/// Lines that one step removes.
const STEP: i64 = 1000;
/// Pages that one step gives back to the file system.
const PAGES: i64 = 1000;
/// Free pages that the file keeps in any case.
const SPARE: i64 = 64;

impl Database {
    /// Does some of the work that can wait: removes bans that have ended and old lines, and merges the search index. Returns whether to call it
    /// again soon.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn tidy(&mut self, now: u64, keep: History) -> Result<bool, StoreError> {
        self.forget_ended_bans(now)?;
        Ok(self.prune(now, keep)? || self.slices.merge(&self.connection)?)
    }

    /// Removes some lines that are too old at `now` (milliseconds since 1970-01-01 UTC) or too many. Returns whether to
    /// call it again soon.
    ///
    /// # Errors
    /// The file cannot be written; nothing was removed.
    pub fn prune(&mut self, now: u64, keep: History) -> Result<bool, StoreError> {
        let (start, end) = self.range()?;
        let mut limit = self.expired(now, keep)?.unwrap_or(start);
        // At once, whatever the clock said when it was written.
        if keep.keep.is_zero() || limit <= start && self.used()? > keep.size {
            limit = end;
        }
        if start < limit {
            return self.remove(start, limit);
        }
        if keep.keep.is_zero() && self.forget()? {
            return Ok(true);
        }
        // A free page is used again for the next lines. Many are given back.
        let free = self.pragma("freelist_count")?;
        if free > SPARE && free * 2 > self.pragma("page_count")? {
            let mut vacuum = self.connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
            let mut pages = vacuum.query([])?;
            // Each step gives back one page.
            while pages.next()?.is_some() {}
            // A file that an administrator has made anew with other settings does not become smaller.
            return Ok(self.pragma("freelist_count")? < free);
        }
        Ok(false)
    }

    /// Where the lines at the beginning end that are too old. Lines from a time when the clock was wrong neither make others
    /// too old nor keep them: one from the future goes with a line behind it that is too old, and one from the past goes
    /// when it is the oldest.
    fn expired(&self, now: u64, keep: History) -> Result<Option<i64>, StoreError> {
        let (now, limit) = (integer(now), integer(now.saturating_sub(keep.milliseconds())));
        let mut statement = self.connection.prepare_cached("SELECT seq, time FROM line ORDER BY seq LIMIT ?")?;
        let mut rows = statement.query([STEP])?;
        let mut end = None;
        while let Some(row) = rows.next()? {
            let (seq, time): (i64, i64) = (row.get(0)?, row.get(1)?);
            if time < limit {
                end = Some(seq + 1);
            } else if time <= now {
                break;
            }
        }
        Ok(end)
    }

    /// Removes what does not age. Returns whether there was anything.
    fn forget(&mut self) -> Result<bool, StoreError> {
        let transaction = self.connection.transaction()?;
        let removed = transaction.execute("DELETE FROM topic", [])? + transaction.execute("DELETE FROM marker", [])?;
        transaction.commit()?;
        Ok(removed > 0)
    }

    /// Removes the first lines before `limit`.
    fn remove(&mut self, start: i64, limit: i64) -> Result<bool, StoreError> {
        let removed = self.try_remove(start, limit);
        if removed.is_err() {
            self.forget_uncommitted();
        }
        removed
    }

    fn try_remove(&mut self, start: i64, limit: i64) -> Result<bool, StoreError> {
        let Database { connection, slices, people, .. } = self;
        let transaction = connection.transaction()?;
        let sql = "SELECT max(seq) FROM (SELECT seq FROM line WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?)";
        let last: Option<i64> = transaction.query_row(sql, [start, limit, STEP], |row| row.get(0))?;
        let Some(last) = last else { return Ok(false) };
        let removed = transaction.execute("DELETE FROM line WHERE seq <= ?", [last])?;
        transaction.execute("UPDATE total SET lines = lines - ?", [integer(removed as u64)])?;
        if transaction.execute("DELETE FROM person WHERE last <= ?", [last])? > 0 {
            people.clear();
        }
        // A line leaves the search index with its slice.
        let left: Option<i64> = transaction.query_row("SELECT min(seq) FROM line", [], |row| row.get(0))?;
        slices.prune(&transaction, left)?;
        transaction.commit()?;
        Ok(true)
    }
}
