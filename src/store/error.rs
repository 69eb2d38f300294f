//! What can go wrong with the file.

use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is no database, or it is damaged.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A newer version of the program has written it.
    #[error(
        "a newer chatd has written it (format {found}; this one knows {known}); install that version again, or move the file away"
    )]
    Newer {
        /// The version of its schema.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The events in it are numbered beyond those to be kept.
    #[error("it goes on after what is said at present")]
    Ahead,
    /// A query took longer than it may.
    #[error("it took too long")]
    Interrupted,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// Anything else: no permission, read-only, an I/O error.
    #[error("{0}")]
    Other(String),
    /// The file system.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(error.to_string()),
            Some(ErrorCode::DiskFull) => StoreError::Full,
            Some(ErrorCode::OperationInterrupted) => StoreError::Interrupted,
            // A value or a row is not what this program has written.
            None => StoreError::Damaged(error.to_string()),
            Some(_) => StoreError::Other(error.to_string()),
        }
    }
}
