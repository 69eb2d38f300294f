//! Watching events as they happen, for `chatctl watch`.

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tracing::callsite::rebuild_interest_cache;

use super::{Front, Record};

/// Events kept for the slowest watcher.
pub(super) const BACKLOG: usize = 256;

/// Receives every record that has a kind, from the moment it was made until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    // The order matters: the receiver is gone when `tracing` asks whether anybody still watches.
    records: broadcast::Receiver<Arc<Record>>,
    _interest: Interest,
}

/// The watcher fell behind, and this many events were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} events were missed")]
pub struct Missed(pub u64);

impl Watcher {
    /// Waits for the next event. Cancel-safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// [`Missed`], once, when events had to be dropped because they were not fetched; the next call goes on after the
    /// gap.
    pub async fn next(&mut self) -> Result<Arc<Record>, Missed> {
        match self.records.recv().await {
            Ok(record) => Ok(record),
            Err(RecvError::Lagged(count)) => Err(Missed(count)),
            // The log outlives everybody.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Front {
    pub(super) fn watch(&self) -> Watcher {
        let records = self.watchers.subscribe();
        rebuild_interest_cache();
        Watcher { records, _interest: Interest }
    }
}

/// Has `tracing` ask again who wants what when it is dropped.
#[derive(Debug)]
struct Interest;

impl Drop for Interest {
    fn drop(&mut self) {
        rebuild_interest_cache();
    }
}
