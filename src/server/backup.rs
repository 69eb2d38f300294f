//! A backup of the history: a copy of the file at one moment, to be read piece by piece.

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tracing::{error, info};

use super::{Server, counted};
use crate::store;

/// Why there is no backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupError {
    /// Nothing is kept on disk.
    NothingKept,
    /// Another backup is being made.
    InProgress,
    /// The copy could not be made, for this reason.
    Failed(String),
}

/// A backup; nothing is left of it in the state directory. The next one can be made when this is dropped.
#[derive(Debug)]
pub struct Backup {
    /// The copy.
    pub copy: store::Backup,
    _turn: OwnedSemaphorePermit,
}

impl Server {
    /// Makes a copy of the history on disk. Writing and lookups go on meanwhile.
    ///
    /// # Errors
    /// There is no history on disk, another backup is being made, or the disk fails.
    pub async fn back_up(&self, uid: u32) -> Result<Backup, BackupError> {
        if !self.store.keeps() {
            return Err(BackupError::NothingKept);
        }
        let turn = self.backups.clone().try_acquire_owned().map_err(|_| BackupError::InProgress)?;
        let store = self.store.clone();
        let made = spawn_blocking(move || {
            let copy = store.copy().map_err(|error| BackupError::Failed(error.to_string()))?;
            // The turn is held here, too, so that it lasts as long as the copying if nobody waits for it any more.
            Ok(Backup { copy, _turn: turn })
        });
        let made = made.await.map_err(|error| BackupError::Failed(error.to_string()))?;
        match &made {
            Ok(Backup { copy, .. }) => info!(
                chatd.event = "backup",
                chatd.uid = uid,
                "an administrator is given a backup of the history with {}",
                counted(copy.lines(), "line")
            ),
            Err(BackupError::Failed(reason)) => error!(
                chatd.event = "backup",
                chatd.uid = uid,
                chatd.reason = reason,
                "no backup of the history could be made: {reason}"
            ),
            Err(_) => {}
        }
        made
    }
}
