//! Subscriptions to events, for `chatctl watch`.

use std::sync::Arc;

use super::{Record, SHARED, Shared};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// The maximum number of events kept for a slow watcher.
pub(super) const BACKLOG: usize = 256;

/// Receives every record that has a kind, until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    // Declared first, so that it is dropped before `Interest`, which counts the watchers.
    records: broadcast::Receiver<Arc<Record>>,
    _interest: Interest,
}

/// The watcher fell behind, and this many events were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} events were missed")]
pub struct Missed(pub u64);

impl Watcher {
    /// Waits for the next event. Cancel-safe.
    ///
    /// # Errors
    /// [`Missed`], once, if events were dropped because they were not read in time; the next call continues after the
    /// gap.
    pub async fn next(&mut self) -> Result<Arc<Record>, Missed> {
        match self.records.recv().await {
            Ok(record) => Ok(record),
            Err(RecvError::Lagged(count)) => Err(Missed(count)),
            // Cannot happen: the log is never dropped.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Shared {
    pub(super) fn watch(&self) -> Watcher {
        let records = self.watchers.subscribe();
        self.update_level();
        Watcher { records, _interest: Interest }
    }
}

/// When dropped, makes `tracing` ask again how detailed the log is.
#[derive(Debug)]
struct Interest;

impl Drop for Interest {
    fn drop(&mut self) {
        SHARED.update_level();
    }
}
