//! Subscriptions to events, for `chatctl watch`.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Record, SHARED, Shared, lock};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

/// The maximum number of events kept for a slow watcher.
pub(super) const BACKLOG: usize = 256;

/// What has happened since the process began, for those who watched the one before.
#[derive(Debug, Default, Clone)]
pub(super) struct Beginning {
    records: VecDeque<Arc<Record>>,
    /// How many more there were.
    missed: u64,
}

impl Beginning {
    pub(super) fn add(&mut self, record: &Arc<Record>) {
        if self.records.len() < BACKLOG {
            self.records.push_back(Arc::clone(record));
        } else {
            self.missed += 1;
        }
    }
}

/// Receives every record that has a kind, until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    // Declared first, so that it is dropped before `Interest`, which counts the watchers.
    records: broadcast::Receiver<Arc<Record>>,
    /// What comes first.
    beginning: Beginning,
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
        if let Some(first) = self.next_of_beginning() {
            return first;
        }
        match self.records.recv().await {
            Ok(record) => Ok(record),
            Err(RecvError::Lagged(count)) => Err(Missed(count)),
            // Cannot happen: the log is never dropped.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }

    /// The next event, if there is one already.
    pub fn try_next(&mut self) -> Option<Result<Arc<Record>, Missed>> {
        self.next_of_beginning().or_else(|| match self.records.try_recv() {
            Ok(record) => Some(Ok(record)),
            Err(TryRecvError::Lagged(count)) => Some(Err(Missed(count))),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        })
    }

    fn next_of_beginning(&mut self) -> Option<Result<Arc<Record>, Missed>> {
        if let Some(record) = self.beginning.records.pop_front() {
            return Some(Ok(record));
        }
        let missed = std::mem::take(&mut self.beginning.missed);
        (missed > 0).then_some(Err(Missed(missed)))
    }
}

impl Shared {
    /// Subscribes; `from_start`: beginning with what is kept of the process's beginning.
    pub(super) fn watch(&self, from_start: bool) -> Watcher {
        let (records, beginning) = {
            // What is kept, and what comes after it, have no gap in between.
            let beginning = lock(&self.beginning);
            (self.watchers.subscribe(), beginning.clone().filter(|_| from_start))
        };
        self.update_level();
        Watcher { records, beginning: beginning.unwrap_or_default(), _interest: Interest }
    }

    pub(super) fn keep_beginning(&self, keep: bool) {
        *lock(&self.beginning) = keep.then(Beginning::default);
        self.update_level();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::events::find;

    fn log(shared: &Shared, texts: impl Iterator<Item = usize>) {
        for text in texts {
            shared.take(Arc::new(Record::warning(find("admin").unwrap(), text.to_string())));
        }
    }

    /// All that the watcher is told.
    fn seen(watcher: &mut Watcher) -> Vec<String> {
        let next = std::iter::from_fn(|| watcher.try_next());
        next.map(|next| next.map_or_else(|missed| missed.to_string(), |record| record.message.clone())).collect()
    }

    #[test]
    fn the_beginning_is_for_those_who_ask_for_it_while_it_is_kept() {
        let shared = Shared::new();
        log(&shared, 0..1);
        shared.keep_beginning(true);
        log(&shared, 1..3);
        let (mut one, mut other, mut new) = (shared.watch(true), shared.watch(true), shared.watch(false));
        log(&shared, 3..4);
        assert_eq!((seen(&mut one), seen(&mut new)), (vec!["1".into(), "2".into(), "3".into()], vec!["3".into()]));
        shared.keep_beginning(false);
        log(&shared, 4..5);
        assert_eq!(seen(&mut other), ["1", "2", "3", "4"]);
        assert_eq!(seen(&mut shared.watch(true)), Vec::<String>::new());
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let shared = Shared::new();
        shared.keep_beginning(true);
        log(&shared, 0..BACKLOG + 5);
        let mut watcher = shared.watch(true);
        log(&shared, 1000..1001);
        let seen = seen(&mut watcher);
        assert_eq!(seen.len(), BACKLOG + 2);
        assert_eq!(seen[BACKLOG - 1..], [&(BACKLOG - 1).to_string(), "5 events were missed", "1000"]);
    }
}
