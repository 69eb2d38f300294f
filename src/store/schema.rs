//! The tables, and how a file from an earlier version comes to have them.

use rusqlite::Connection;

use super::error::StoreError;

/// The steps from an empty file to the current schema. `PRAGMA user_version` says how many of them a file has seen. A
/// step that was released is never changed.
pub const MIGRATIONS: &[&str] = &[
    "
    -- Who has said or done something, as others saw them then: no address, no password.
    CREATE TABLE person (
        id INTEGER PRIMARY KEY,
        nick TEXT NOT NULL, user TEXT NOT NULL, real_name TEXT NOT NULL, account TEXT NOT NULL,
        bot INTEGER NOT NULL, encrypted INTEGER NOT NULL,
        last INTEGER NOT NULL, -- the seq of their latest line, roughly
        UNIQUE (nick, user, real_name, account, bot, encrypted)
    ) STRICT;
    -- What was said and done. seq: the place in the order of everything; time: milliseconds since 1970-01-01 UTC.
    CREATE TABLE line (
        seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind INTEGER NOT NULL, person INTEGER, text TEXT, more BLOB
    ) STRICT;
    -- The parts of the search index: from which line on, when that was, how many lines, and whether it is in order for
    -- fast searches. See store/slices.rs.
    CREATE TABLE slice (
        id INTEGER PRIMARY KEY, first INTEGER NOT NULL, time INTEGER NOT NULL, lines INTEGER NOT NULL,
        merged INTEGER NOT NULL
    ) STRICT;
    -- How far an account has read.
    CREATE TABLE marker (
        account TEXT NOT NULL, target TEXT NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (account, target)
    ) STRICT, WITHOUT ROWID;
    -- The topic, and the last one that came from the configuration or an administrator.
    CREATE TABLE topic (
        configured INTEGER PRIMARY KEY, text TEXT NOT NULL, nick TEXT, time INTEGER NOT NULL
    ) STRICT;
    -- How many lines there are.
    CREATE TABLE total (lines INTEGER NOT NULL) STRICT;
    INSERT INTO total VALUES (0);
",
    "
    -- Who is kept out: what kind of subject (see store/bans.rs), the name with which it was banned if it is something
    -- else, why, since when and until when in milliseconds since 1970-01-01 UTC, and the administrator's user ID.
    CREATE TABLE ban (
        kind INTEGER NOT NULL, subject TEXT NOT NULL, via TEXT, reason TEXT, since INTEGER NOT NULL, until INTEGER,
        uid INTEGER NOT NULL, PRIMARY KEY (kind, subject)
    ) STRICT, WITHOUT ROWID;
",
];

/// Marks a file as chatd's (`PRAGMA application_id`).
const APPLICATION: i64 = 0x6368_6174;

/// Brings a file to the current schema.
///
/// # Errors
/// It is newer than this program, damaged, or cannot be written.
pub fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = MIGRATIONS.len() as i64;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    if found == 0 {
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables > 0 {
            return Err(StoreError::Damaged("it is somebody else's database".to_owned()));
        }
        connection.pragma_update(None, "application_id", APPLICATION)?;
    }
    for (version, step) in (1..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(0)) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
