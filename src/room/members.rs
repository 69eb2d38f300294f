//! Who is in the room: the one place that knows.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::names::Names;
use crate::chat::{Person, PersonId};

/// Those who are in the room, and their names ready to be sent.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Members {
    /// Each with the piece of the names that theirs is in.
    pieces: HashMap<PersonId, u32>,
    names: Names,
}

impl Members {
    /// Somebody is in the room from now on.
    pub fn add(&mut self, person: &Person) {
        if !self.contains(person.id) {
            self.pieces.insert(person.id, self.names.add(person.as_str()));
        }
    }

    /// Somebody is in the room no more. Says whether they were, under this name.
    pub fn remove(&mut self, person: &Person) -> bool {
        let Some(piece) = self.pieces.remove(&person.id) else { return false };
        self.names.remove(piece, person.as_str());
        if self.pieces.is_empty() {
            // Frees the memory that many members needed.
            *self = Members::default();
        }
        true
    }

    /// Whether somebody is in the room.
    #[must_use]
    pub fn contains(&self, id: PersonId) -> bool {
        self.pieces.contains_key(&id)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether nobody is in the room.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// All names, in no order, joined by spaces, in pieces of at most 256 bytes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.pieces()
    }
}
