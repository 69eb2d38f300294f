//! A read-only view of people and the room.

use std::collections::vec_deque;

use super::Room;
use crate::chat::{Ban, Gone, Nick, Now, People as Everybody, PersonId, PersonView, Record, Topic, View};
use crate::people::{People, PersonEntry};

/// The state as one client sees it.
#[derive(Clone, Copy)]
pub struct StateView<'a> {
    pub(super) people: &'a People,
    pub(super) room: &'a Room,
    pub(super) who: Option<PersonId>,
}

impl<'a> StateView<'a> {
    /// A person, as others see them.
    #[must_use]
    pub fn person(&self, entry: &'a PersonEntry) -> PersonView<'a> {
        PersonView {
            person: &entry.person,
            away: entry.away.as_deref(),
            present: self.room.members.contains(entry.person.id),
            since: entry.since,
            active: entry.active,
        }
    }

    /// A person by their identifier.
    #[must_use]
    pub fn get(&self, id: PersonId) -> Option<PersonView<'a>> {
        self.people.get(id).map(|entry| self.person(entry))
    }
}

impl View for StateView<'_> {
    fn room(&self) -> &str {
        &self.room.name
    }

    fn topic(&self) -> &Topic {
        &self.room.topic
    }

    fn own(&self) -> Option<PersonView<'_>> {
        self.get(self.who?)
    }

    fn watched(&self) -> &[Nick] {
        self.who.map_or(&[], |who| self.people.watchers.watched_by(who))
    }

    fn read_marker(&self, target: &str) -> Option<u64> {
        self.people.markers.get(self.own()?.person, target)
    }

    fn find(&self, nick: &Nick) -> Option<PersonView<'_>> {
        self.people.find(nick).map(|entry| self.person(entry))
    }

    fn people_after(&self, key: Option<&str>) -> Everybody<'_> {
        Box::new(self.people.after(key).map(|entry| self.person(entry)))
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

    fn peak(&self) -> usize {
        self.people.peak()
    }

    fn gone(&self) -> Box<dyn Iterator<Item = &Gone> + '_> {
        Box::new(self.people.gone())
    }

    fn bans(&self, now: Now) -> Box<dyn Iterator<Item = &Ban> + '_> {
        Box::new(self.room.bans.iter(now.unix).map(|ban| &**ban))
    }

    fn history(&self) -> vec_deque::Iter<'_, Record> {
        self.room.history.iter()
    }
}
