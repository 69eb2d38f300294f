//! A copy of the file while it is in use.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;

/// Copies the file as it is at one moment, without what is free in it, to `target`, which must not exist or be empty.
/// Writing goes on meanwhile.
///
/// # Errors
/// One of the files cannot be used.
pub fn back_up(path: &Path, target: &Path) -> Result<(), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let target = target.to_str().ok_or_else(|| StoreError::Other("the name of the copy is not UTF-8".to_owned()))?;
    connection.execute("VACUUM INTO ?", [target])?;
    Ok(())
}
