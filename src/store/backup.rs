//! A copy of the file while it is in use.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::number::natural;
use super::{FILE, Store};

/// A copy of the file at one moment, in a file that has no name any more.
#[derive(Debug)]
pub struct Backup {
    file: File,
    bytes: u64,
    lines: u64,
}

impl Backup {
    /// Its size.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many lines are in it.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Reads the next bytes, up to `most`; none at the end. Blocks as long as the disk takes.
    ///
    /// # Errors
    /// The disk fails.
    pub fn read(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let mut piece = Vec::new();
        (&mut self.file).take(most).read_to_end(&mut piece)?;
        Ok(piece)
    }
}

impl Store {
    /// Copies the file, without what is free in it, while it is in use. Blocks as long as the disk takes. Only one copy can
    /// be made at a time.
    ///
    /// # Errors
    /// The file cannot be read, or the copy not be written.
    pub fn copy(&self) -> Result<Backup, StoreError> {
        let path = copy_of(&self.path);
        remove(&path);
        let copied = self.try_copy(&path);
        // What is open can be read, and goes when it is closed, whatever happens to the daemon meanwhile.
        remove(&path);
        copied
    }

    fn try_copy(&self, path: &Path) -> Result<Backup, StoreError> {
        let failed = |source| StoreError::Io { path: path.to_owned(), source };
        // SQLite would make it readable for others.
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        self.back_up(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let copy = Connection::open_with_flags(path, flags)?;
        let lines: i64 = copy.query_row("SELECT lines FROM total", [], |row| row.get(0))?;
        let bytes = file.metadata().map_err(failed)?.len();
        Ok(Backup { file, bytes, lines: natural(lines) })
    }
}

/// Removes a copy that an earlier run of the daemon has left because it was killed.
pub(super) fn remove_left(directory: &Path) {
    remove(&copy_of(&directory.join(FILE)));
}

fn copy_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.backup", path.display()))
}

fn remove(path: &Path) {
    for suffix in ["", "-journal"] {
        // Mostly it does not exist.
        let _ = fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

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
