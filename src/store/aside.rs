//! Damaged files: set aside under a name with the time, for an administrator who wants to recover them.

use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use tracing::error;

use super::error::StoreError;

/// Files that are kept aside. Of more, the oldest is removed.
const ASIDE: usize = 4;

/// Renames the file and its write-ahead log, so that a new one can be begun, and says so in the log.
///
/// # Errors
/// The file cannot be renamed.
pub fn set_aside(path: &Path, now: SystemTime, error: &StoreError) -> Result<(), StoreError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| StoreError::Io { path, source }
    };
    let time = humantime::format_rfc3339_micros(now).to_string().replace(['-', ':'], "");
    let with = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    let aside = with(&format!(".damaged-{time}"));
    fs::rename(path, &aside).map_err(failed(path))?;
    for suffix in ["-wal", "-shm"] {
        // They exist only if the file was not closed.
        let _ = fs::rename(with(suffix), PathBuf::from(format!("{}{suffix}", aside.display())));
    }
    error!(
        chatd.event = "history-damaged",
        "the history {} was set aside as {}, and a new one begun: {error}",
        path.display(),
        aside.display()
    );
    remove_oldest(path);
    Ok(())
}

/// Removes the oldest damaged files if there are too many.
fn remove_oldest(path: &Path) {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return };
    let start = format!("{}.damaged-", name.to_string_lossy());
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut aside: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start)))
        .filter(|path| !path.to_string_lossy().ends_with("-wal") && !path.to_string_lossy().ends_with("-shm"))
        .collect();
    aside.sort();
    for old in aside.iter().rev().skip(ASIDE) {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", old.display()));
        }
    }
}
