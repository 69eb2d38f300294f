//! The file: opening it, its figures, and what a starting daemon reads from it. Every function does one bounded step. The
//! time of day is an argument; the clock is looked at only for a lookup's deadline.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};

use super::error::StoreError;
use super::number::{integer, natural};
use super::schema;
use super::slices::{Bounds, Slices};
use crate::chat::{Ban, Entry, Lookup, Nick, Person, PersonId, Record, Selection, Topic};
use crate::config::History;

/// How long to wait for an administrator who has the file open, too.
const BUSY: Duration = Duration::from_millis(500);
/// Bytes of the write-ahead log that are kept for the next lines once they are in the file.
const JOURNAL: i64 = 4 << 20;
/// Instructions of SQLite's virtual machine between two looks at the clock.
const INSTRUCTIONS: i32 = 1000;
/// Memory for pages, in KiB.
const CACHE: i64 = 2048;
/// Read markers that are read at the start.
const MARKERS: usize = 262_144;

/// The open file.
pub struct Database {
    pub(super) connection: Connection,
    pub(super) slices: Slices,
    /// When a slice of the search index is full.
    pub(super) bounds: Bounds,
    /// The device and number of the file.
    pub(super) inode: (u64, u64),
    /// When a lookup has taken too long.
    deadline: Option<Instant>,
    /// The rows of people who have said something lately.
    pub(super) people: HashMap<PersonId, (Arc<Person>, i64)>,
}

/// What a starting daemon takes up.
#[derive(Debug, Default)]
pub struct Kept {
    /// The sequence of the newest event.
    pub sequence: u64,
    /// The topic.
    pub topic: Option<Topic>,
    /// The last topic that came from the configuration or an administrator.
    pub configured_topic: Option<String>,
    /// The newest messages, oldest first.
    pub history: Vec<Record>,
    /// The read markers of accounts: account, target, time.
    pub markers: Vec<(Box<str>, Box<str>, u64)>,
    /// Who is kept out, in the order in which they were banned.
    pub bans: Vec<Ban>,
}

/// The figures of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Lines in it.
    pub lines: u64,
    /// Its size in bytes, without that of its write-ahead log.
    pub bytes: u64,
    /// When the oldest line was said, in milliseconds since 1970-01-01 UTC.
    pub oldest: Option<u64>,
}

impl Database {
    /// Opens the file, or creates it. `first`: the sequence of the first event that is to be kept, if that is known.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn open(path: &Path, keep: History, first: Option<u64>) -> Result<Database, StoreError> {
        // SQLite would make it readable for others.
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        if let Err(source) = created
            && !path.exists()
        {
            return Err(StoreError::Io { path: path.to_owned(), source });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(64);
        // So that the file can become smaller; has an effect only before the first table.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // What was reported as kept survives a loss of power.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        connection.pragma_update(None, "journal_size_limit", JOURNAL)?;
        connection.pragma_update(None, "cache_size", -CACHE)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        schema::migrate(&mut connection)?;
        let slices = probe(&connection).map_err(unusable)?;
        let metadata = std::fs::metadata(path).map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
        let inode = (metadata.dev(), metadata.ino());
        let database =
            Database { connection, slices, bounds: bounds(keep), inode, deadline: None, people: HashMap::new() };
        if first.is_some_and(|first| database.range().is_ok_and(|(_, end)| integer(first) < end)) {
            return Err(StoreError::Ahead);
        }
        Ok(database)
    }

    /// Changes how much is kept.
    pub fn set_keep(&mut self, keep: History) {
        self.bounds = bounds(keep);
    }

    /// Until when a lookup may take; `None`: as long as it takes.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
        // Setting the handler fails only on a closed file.
        let _ = match deadline {
            Some(end) => self.connection.progress_handler(INSTRUCTIONS, Some(move || Instant::now() >= end)),
            None => self.connection.progress_handler(0, None::<fn() -> bool>),
        };
    }

    /// Fails when a lookup has taken too long.
    pub(super) fn check_deadline(&self) -> Result<(), StoreError> {
        let is_over = self.deadline.is_some_and(|end| Instant::now() >= end);
        if is_over { Err(StoreError::Interrupted) } else { Ok(()) }
    }

    /// What a starting daemon takes up, with up to `history` messages.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn kept(&self, history: usize) -> Result<Kept, StoreError> {
        let latest = self.entries(&Lookup::messages(Selection::Latest(None), history))?;
        let history = latest.into_iter().filter_map(|entry| match entry {
            Entry::Event(record) => Some(record),
            Entry::Gap(_) => None,
        });
        let mut markers = self.connection.prepare("SELECT account, target, time FROM marker LIMIT ?")?;
        let markers = markers.query_map([MARKERS as i64], |row| {
            Ok((row.get::<_, String>(0)?.into(), row.get::<_, String>(1)?.into(), natural(row.get(2)?)))
        })?;
        Ok(Kept {
            sequence: natural(self.range()?.1 - 1),
            topic: self.topic(false)?,
            configured_topic: self.topic(true)?.map(|topic| topic.text.into()),
            history: history.collect(),
            markers: markers.collect::<Result<_, _>>()?,
            bans: self.bans()?,
        })
    }

    fn topic(&self, configured: bool) -> Result<Option<Topic>, StoreError> {
        let sql = "SELECT text, nick, time FROM topic WHERE configured = ?";
        let topic = self.connection.query_row(sql, [configured], |row| {
            let (text, nick): (String, Option<String>) = (row.get(0)?, row.get(1)?);
            let by = nick.and_then(|nick| Nick::new(&nick).ok());
            Ok(Topic { text: text.into(), by, unix: natural(row.get(2)?) })
        });
        Ok(topic.optional()?)
    }

    /// Moves everything into the file itself and empties the write-ahead log.
    ///
    /// # Errors
    /// Somebody else has the file open, or the disk fails. It is then done at another time.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        // Lines and lookups need not wait for whoever reads the file.
        self.connection.busy_timeout(Duration::ZERO)?;
        let busy = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        self.connection.busy_timeout(BUSY)?;
        if busy? { Err(StoreError::Other("somebody else has it open".to_owned())) } else { Ok(()) }
    }

    /// Gives back memory that is not needed while nothing happens.
    pub fn rest(&mut self) {
        self.people = HashMap::new();
        self.connection.flush_prepared_statement_cache();
        // A failure costs memory.
        let _ = self.connection.execute_batch("PRAGMA shrink_memory");
    }

    /// The figures of the file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn figures(&self) -> Result<Figures, StoreError> {
        let lines: i64 = self.connection.query_row("SELECT lines FROM total", [], |row| row.get(0))?;
        let sql = "SELECT time FROM line ORDER BY seq LIMIT 1";
        let oldest: Option<i64> = self.connection.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(Figures { lines: natural(lines), bytes: self.size()?, oldest: oldest.map(natural) })
    }

    /// The bytes of the file that are in use.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn used(&self) -> Result<u64, StoreError> {
        Ok(natural((self.pragma("page_count")? - self.pragma("freelist_count")?) * self.pragma("page_size")?))
    }

    /// The size of the file in bytes.
    fn size(&self) -> Result<u64, StoreError> {
        Ok(natural(self.pragma("page_count")? * self.pragma("page_size")?))
    }

    pub(super) fn pragma(&self, name: &str) -> Result<i64, StoreError> {
        Ok(self.connection.pragma_query_value(None, name, |row| row.get(0))?)
    }

    /// The sequence of the first line, and the one after the last.
    pub(super) fn range(&self) -> Result<(i64, i64), StoreError> {
        let sql = "SELECT (SELECT min(seq) FROM line), (SELECT max(seq) FROM line)";
        let (first, last): (Option<i64>, Option<i64>) =
            self.connection.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((first.unwrap_or(1), last.map_or(1, |last| last + 1)))
    }
}

fn bounds(keep: History) -> Bounds {
    Bounds::new(keep.milliseconds(), keep.size)
}

/// A disk that fails or a file that is locked damages nothing; a table that is missing is an error in a statement.
fn unusable(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::Unknown) => StoreError::Damaged(error.to_string()),
        _ => error.into(),
    }
}

/// Uses every table once, so that a missing one is noticed, and reads the slices.
fn probe(connection: &Connection) -> rusqlite::Result<Slices> {
    let slices = Slices::read(connection)?;
    let search =
        slices.tables(0..i64::MAX).map(|table| format!("SELECT count(*) FROM {table} WHERE {table} MATCH 'x'"));
    let others =
        ["person", "line", "marker", "topic", "total", "ban"].map(|table| format!("SELECT 1 FROM {table} LIMIT 1"));
    for sql in search.chain(others) {
        connection.query_row(&sql, [], |_| Ok(())).optional()?;
    }
    Ok(slices)
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn only_what_is_damaged_is_called_so() {
        let failure = |code| unusable(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        for code in [ffi::SQLITE_IOERR, ffi::SQLITE_BUSY, ffi::SQLITE_CANTOPEN, ffi::SQLITE_NOMEM, ffi::SQLITE_PERM] {
            assert!(matches!(failure(code), StoreError::Other(_)), "{code}");
        }
        assert!(matches!(failure(ffi::SQLITE_FULL), StoreError::Full));
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_ERROR] {
            assert!(matches!(failure(code), StoreError::Damaged(_)), "{code}");
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        let open = || Database::open(&path, History::default(), None);
        open().unwrap().connection.execute_batch("DROP TABLE slice").unwrap();
        assert!(matches!(open().map(|_| ()), Err(StoreError::Damaged(_))));
    }
}
