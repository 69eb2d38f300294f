//! Watchers: who is notified when a person connects or disconnects (IRC's MONITOR).

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::chat::{Nick, PersonId};

/// The watched names and their watchers. A watched name need not be in use.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Watchers {
    by_name: HashMap<Arc<str>, Vec<PersonId>>,
    /// What each of them watches, so that a watcher can be removed without a search.
    by_watcher: HashMap<PersonId, Vec<Nick>>,
}

impl Watchers {
    /// Adds a name to those that `watcher` watches.
    pub fn add(&mut self, watcher: PersonId, nick: &Nick) {
        let watched = self.by_watcher.entry(watcher).or_default();
        if watched.iter().all(|known| known.key() != nick.key()) {
            watched.push(nick.clone());
            self.by_name.entry(nick.key().clone()).or_default().push(watcher);
        }
    }

    /// Removes a name from those that `watcher` watches.
    pub fn remove(&mut self, watcher: PersonId, nick: &Nick) {
        if let Some(watched) = self.by_watcher.get_mut(&watcher) {
            watched.retain(|known| known.key() != nick.key());
            if watched.is_empty() {
                self.by_watcher.remove(&watcher);
            }
        }
        self.remove_from_name(watcher, nick.key());
    }

    /// Removes a watcher. The cost grows with the names that they watch and the watchers of these.
    pub fn forget(&mut self, watcher: PersonId) {
        for nick in self.by_watcher.remove(&watcher).unwrap_or_default() {
            self.remove_from_name(watcher, nick.key());
        }
    }

    /// The watchers of this name.
    #[must_use]
    pub fn of(&self, nick: &Nick) -> &[PersonId] {
        self.by_name.get(nick.key()).map_or(&[], Vec::as_slice)
    }

    /// The names that a person watches.
    #[must_use]
    pub fn watched_by(&self, watcher: PersonId) -> &[Nick] {
        self.by_watcher.get(&watcher).map_or(&[], Vec::as_slice)
    }

    fn remove_from_name(&mut self, watcher: PersonId, key: &str) {
        if let Some(watchers) = self.by_name.get_mut(key) {
            if let Some(place) = watchers.iter().position(|other| *other == watcher) {
                watchers.swap_remove(place);
            }
            if watchers.is_empty() {
                self.by_name.remove(key);
            }
        }
    }
}
