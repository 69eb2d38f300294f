//! What may be seen of people and the room by whoever asks.

use std::collections::vec_deque;

use super::Room;
use crate::chat::{Gone, Nick, People as Everybody, PersonId, Record, Seen, Topic, View};
use crate::people::{Known, People};

/// The state as one client sees it.
#[derive(Clone, Copy)]
pub struct Seeing<'a> {
    pub(super) people: &'a People,
    pub(super) room: &'a Room,
    pub(super) who: Option<PersonId>,
}

impl<'a> Seeing<'a> {
    /// Somebody, as others see them.
    #[must_use]
    pub fn seen(&self, known: &'a Known) -> Seen<'a> {
        Seen {
            person: &known.person,
            away: known.away.as_deref(),
            present: self.room.members.contains(known.person.id),
            since: known.since,
            active: known.active,
        }
    }

    /// Somebody who is here.
    #[must_use]
    pub fn get(&self, id: PersonId) -> Option<Seen<'a>> {
        self.people.get(id).map(|known| self.seen(known))
    }
}

impl View for Seeing<'_> {
    fn room(&self) -> &str {
        &self.room.name
    }

    fn topic(&self) -> &Topic {
        &self.room.topic
    }

    fn own(&self) -> Option<Seen<'_>> {
        self.get(self.who?)
    }

    fn watched(&self) -> &[Nick] {
        self.who.map_or(&[], |who| self.people.watchers.watched_by(who))
    }

    fn read_marker(&self, target: &str) -> Option<u64> {
        self.people.markers.get(self.own()?.person, target)
    }

    fn find(&self, nick: &Nick) -> Option<Seen<'_>> {
        self.people.find(nick).map(|known| self.seen(known))
    }

    fn people_after(&self, key: Option<&str>) -> Everybody<'_> {
        Box::new(self.people.after(key).map(|known| self.seen(known)))
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.room.members.names())
    }

    fn named(&self) -> usize {
        self.people.len()
    }

    fn present(&self) -> usize {
        self.room.members.len()
    }

    fn most(&self) -> usize {
        self.people.most()
    }

    fn gone(&self) -> Box<dyn Iterator<Item = &Gone> + '_> {
        Box::new(self.people.gone())
    }

    fn history(&self) -> vec_deque::Iter<'_, Record> {
        self.room.history.iter()
    }
}
