//! People: who has a name here, what they tell of themselves, whether they are away, and who watches whom.
//!
//! Names are unique by their comparison form, whether somebody is in a room or only connected. Nothing here knows rooms,
//! dialects, sockets or a clock.

mod markers;
mod watchers;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::chat::{Gone, Nick, Now, Person, PersonId, Refusal};
pub use markers::ReadMarkers;
pub use watchers::Watchers;

/// How many of those who are gone are remembered.
const MAX_GONE: usize = 128;

/// The connection that somebody has.
pub type SessionId = u32;

/// Everybody who has a name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct People {
    by_id: HashMap<PersonId, PersonEntry>,
    by_name: BTreeMap<Arc<str>, PersonId>,
    peak: usize,
    gone: VecDeque<Gone>,
    /// Who is told when somebody comes and goes.
    pub watchers: Watchers,
    /// How far everybody has read.
    pub markers: ReadMarkers,
}

/// One person who has a name here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PersonEntry {
    /// Who it is.
    pub person: Arc<Person>,
    /// Why they are away, if they are.
    pub away: Option<Box<str>>,
    /// When they got a name.
    pub since: Now,
    /// When they last said something to the room, in ticks.
    pub active: u64,
    /// Their connection; `None` until it is known.
    pub session: Option<SessionId>,
}

impl People {
    /// Gives somebody a name.
    ///
    /// # Errors
    /// [`Refusal::NameTaken`] if somebody has the same one.
    pub fn add(&mut self, now: Now, person: Arc<Person>) -> Result<(), Refusal> {
        match self.by_name.entry(person.nick.key().clone()) {
            Entry::Occupied(_) => Err(Refusal::NameTaken(person.as_str().into())),
            Entry::Vacant(place) => {
                place.insert(person.id);
                let entry =
                    PersonEntry { person: person.clone(), away: None, since: now, active: now.ticks, session: None };
                self.by_id.insert(person.id, entry);
                self.peak = self.peak.max(self.by_id.len());
                Ok(())
            }
        }
    }

    /// Notes which connection somebody has.
    pub fn connect(&mut self, id: PersonId, session: SessionId) {
        if let Some(entry) = self.by_id.get_mut(&id) {
            entry.session = Some(session);
        }
    }

    /// Takes somebody's name away, and forgets whom they watch. They have been shown the log up to the event `shown`, if
    /// anybody knows.
    pub fn remove(&mut self, unix: u64, id: PersonId, shown: Option<u64>) -> Option<PersonEntry> {
        let entry = self.by_id.remove(&id)?;
        self.by_name.remove(entry.person.nick.key());
        self.watchers.forget(id);
        self.markers.forget(id);
        self.remember(Gone { person: entry.person.clone(), unix, shown });
        if self.by_id.is_empty() {
            // Frees the memory that many people needed.
            self.by_id = HashMap::new();
        }
        Some(entry)
    }

    /// Whether somebody may have another name.
    ///
    /// # Errors
    /// [`Refusal::NameTaken`] if it is somebody else's.
    pub fn may_rename(&self, id: PersonId, to: &Nick) -> Result<(), Refusal> {
        match self.by_name.get(to.key()) {
            Some(other) if *other != id => Err(Refusal::NameTaken(to.as_str().into())),
            _ => Ok(()),
        }
    }

    /// Gives somebody another name, which they [may](Self::may_rename) have. Returns who they are now.
    pub fn rename(&mut self, unix: u64, id: PersonId, to: &Nick) -> Option<Arc<Person>> {
        let entry = self.by_id.get_mut(&id)?;
        let before = entry.person.clone();
        entry.person = Arc::new(Person { nick: to.clone(), ..(*before).clone() });
        let after = entry.person.clone();
        self.by_name.remove(before.nick.key());
        self.by_name.insert(to.key().clone(), id);
        self.remember(Gone { person: before, unix, shown: None });
        Some(after)
    }

    /// Gives somebody another profile.
    pub fn describe(&mut self, person: &Arc<Person>) {
        if let Some(entry) = self.by_id.get_mut(&person.id) {
            entry.person = person.clone();
        }
    }

    /// Notes why somebody is away, or that they are not.
    pub fn set_away(&mut self, id: PersonId, away: Option<&str>) {
        if let Some(entry) = self.by_id.get_mut(&id) {
            entry.away = away.map(Into::into);
        }
    }

    /// Notes that somebody has said something.
    pub fn note_active(&mut self, now: Now, id: PersonId) {
        if let Some(entry) = self.by_id.get_mut(&id) {
            entry.active = now.ticks;
        }
    }

    /// Somebody who is here.
    #[must_use]
    pub fn get(&self, id: PersonId) -> Option<&PersonEntry> {
        self.by_id.get(&id)
    }

    /// The person with this name.
    #[must_use]
    pub fn find(&self, nick: &Nick) -> Option<&PersonEntry> {
        self.by_id.get(self.by_name.get(nick.key())?)
    }

    /// A name that nobody has: `base`, or `base` and a number. `None` if they are no names.
    #[must_use]
    pub fn free_name(&self, base: &str) -> Option<Nick> {
        let numbered = |number: u64| Nick::new(&format!("{base}{number}")).ok();
        let name = Nick::new(base).ok()?;
        if self.find(&name).is_none() {
            return Some(name);
        }
        // Numbers are mostly assigned in order, so a gallop and a bisection find a free one in a few steps, however many
        // guests there are.
        let (mut taken, mut free) = (1, 2);
        while self.find(&numbered(free)?).is_some() {
            (taken, free) = (free, free * 2);
        }
        while free - taken > 1 {
            let middle = taken + (free - taken) / 2;
            match self.find(&numbered(middle)?) {
                Some(_) => taken = middle,
                None => free = middle,
            }
        }
        numbered(free)
    }

    /// Everybody whose name's [key](Nick::key) comes after this one, in the order of their names.
    pub fn after<'a>(&'a self, key: Option<&str>) -> impl Iterator<Item = &'a PersonEntry> + use<'a> {
        let from = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_name.range::<str, _>((from, Bound::Unbounded)).filter_map(|(_, id)| self.by_id.get(id))
    }

    /// Those who are gone, or have another name, the last one first; only the last 128 are remembered.
    pub fn gone(&self) -> impl Iterator<Item = &Gone> {
        self.gone.iter()
    }

    /// How many have a name.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether nobody has a name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// How many have had a name at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.peak
    }

    fn remember(&mut self, gone: Gone) {
        self.gone.truncate(MAX_GONE - 1);
        self.gone.push_front(gone);
    }
}
