//! Numbers: SQLite has only signed ones.

/// A number of ours as SQLite has them. None is so large.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of SQLite's as ours. None is negative, unless the file is damaged.
pub(super) fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
