//! Bans as rows.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::database::Database;
use super::error::StoreError;
use super::number::{integer, natural};
use crate::chat::{Ban, Nick, Subject};

/// Bans that are read at the start; more than there can be.
const BANS: i64 = 65_536;

/// The kinds of subjects. A part of the file's format, as in [`kind`](super::row::kind).
mod kind {
    pub const NAME: i64 = 1;
    pub const ACCOUNT: i64 = 2;
    pub const NETWORK: i64 = 3;
    pub const USER: i64 = 4;
}

fn kind(subject: &Subject) -> i64 {
    match subject {
        Subject::Name(_) => kind::NAME,
        Subject::Account(_) => kind::ACCOUNT,
        Subject::Network(_) => kind::NETWORK,
        Subject::User(_) => kind::USER,
    }
}

/// Writes a ban.
pub(super) fn insert(connection: &Connection, ban: &Ban) -> Result<(), StoreError> {
    let Ban { subject, with, reason, since, until, uid } = ban;
    let mut statement = connection.prepare_cached("REPLACE INTO ban VALUES (?, ?, ?, ?, ?, ?, ?)")?;
    let with = with.as_ref().map(Nick::as_str);
    let until = until.map(integer);
    statement.execute(params![kind(subject), subject.to_string(), with, reason, integer(*since), until, uid])?;
    Ok(())
}

/// Removes a ban.
pub(super) fn remove(connection: &Connection, subject: &Subject) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("DELETE FROM ban WHERE kind = ? AND subject = ?")?;
    statement.execute(params![kind(subject), subject.to_string()])?;
    Ok(())
}

impl Database {
    /// Writes these bans again, into a file that may have been begun anew. Nothing is removed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn restore_bans(&mut self, bans: &[Arc<Ban>]) -> Result<(), StoreError> {
        if bans.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction()?;
        bans.iter().try_for_each(|ban| insert(&transaction, ban))?;
        Ok(transaction.commit()?)
    }

    /// Removes the bans that have ended at `now` (milliseconds since 1970-01-01 UTC).
    pub(super) fn forget_ended_bans(&self, now: u64) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM ban WHERE until <= ?", [integer(now)])?;
        Ok(())
    }

    /// The bans, in the order in which they were made. Those that are not understood are left out.
    pub(super) fn bans(&self) -> Result<Vec<Ban>, StoreError> {
        let sql = "SELECT kind, subject, via, reason, since, until, uid FROM ban ORDER BY since, subject LIMIT ?";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([BANS])?;
        let mut bans = Vec::new();
        while let Some(row) = rows.next()? {
            let text: String = row.get(1)?;
            let subject = match row.get(0)? {
                kind::NAME => Nick::new(&text).ok().map(Subject::Name),
                kind::ACCOUNT => Some(Subject::Account(text.into())),
                kind::NETWORK | kind::USER => Subject::parse(&text).ok(),
                _ => None,
            };
            let (with, reason): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
            let until: Option<i64> = row.get(5)?;
            let (since, uid) = (natural(row.get(4)?), row.get(6)?);
            let (with, reason) = (with.and_then(|with| Nick::new(&with).ok()), reason.map(Into::into));
            let until = until.map(natural);
            bans.extend(subject.map(|subject| Ban { subject, with, reason, since, until, uid }));
        }
        Ok(bans)
    }
}
