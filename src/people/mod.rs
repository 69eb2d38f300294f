//! People: everybody who has a name, with their profile, away state, read markers and watchers.
//!
//! Names are unique by their comparison form, in the room or only connected; and nobody gets one that looks like somebody
//! else's name or account, or that is reserved. Nothing here knows rooms, dialects, sockets or a clock.

mod look_alikes;
mod markers;
mod watchers;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::chat::{Gone, Look, Nick, Now, Person, PersonId, Refusal, Stamp};
pub use look_alikes::Reserved;
use look_alikes::{AccountNames, LookAlikes};
pub use markers::ReadMarkers;
pub use watchers::Watchers;

/// How many former names are remembered.
const MAX_GONE: usize = 128;

/// The number of a connection.
pub type SessionId = u32;

/// Everybody who has a name. Restored from their saved form, they have to be [put in order](People::put_in_order).
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct People {
    by_id: HashMap<PersonId, PersonEntry>,
    /// Not saved, like the next three: how names compare depends on the tables of this program.
    #[serde(skip)]
    by_name: BTreeMap<Arc<str>, PersonId>,
    #[serde(skip)]
    by_account: HashMap<Box<str>, Vec<PersonId>>,
    #[serde(skip)]
    looks: LookAlikes,
    #[serde(skip)]
    accounts: AccountNames,
    #[serde(skip)]
    reserved: Reserved,
    peak: usize,
    gone: VecDeque<Gone>,
    /// Who is notified when a person connects or disconnects.
    pub watchers: Watchers,
    /// The read markers.
    pub markers: ReadMarkers,
}

/// A person who has a name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PersonEntry {
    /// The person.
    pub person: Arc<Person>,
    /// Why they are away, if they are.
    pub away: Option<Box<str>>,
    /// When they got a name.
    pub since: Now,
    /// The position in the log since which nobody else has had their present name.
    pub named: u64,
    /// When they last said something to the room, in ticks.
    pub active: u64,
    /// Their connection; `None` until it is known. Not saved: another process has other numbers.
    #[serde(skip)]
    pub session: Option<SessionId>,
}

impl People {
    /// Adds a person.
    ///
    /// # Errors
    /// [`Refusal::NameTaken`] if the name is in use.
    pub fn add(&mut self, now: Now, person: Arc<Person>) -> Result<(), Refusal> {
        match self.by_name.entry(person.nick.key().clone()) {
            Entry::Occupied(_) => Err(Refusal::NameTaken(person.as_str().into())),
            Entry::Vacant(place) => {
                place.insert(person.id);
                let entry = PersonEntry {
                    person: person.clone(),
                    away: None,
                    since: now,
                    named: person.id.0,
                    active: now.ticks,
                    session: None,
                };
                self.by_id.insert(person.id, entry);
                self.looks.add(&person.nick, person.id);
                if let Some(account) = &person.profile.account {
                    self.accounts.add(account, person.id);
                    self.by_account.entry(account.clone()).or_default().push(person.id);
                }
                self.peak = self.peak.max(self.by_id.len());
                Ok(())
            }
        }
    }

    /// Sets a person's connection.
    pub fn connect(&mut self, id: PersonId, session: SessionId) {
        if let Some(entry) = self.by_id.get_mut(&id) {
            entry.session = Some(session);
        }
    }

    /// Removes a person, with their watches. `shown`: the last event of the log that they have been sent, if known.
    pub fn remove(&mut self, unix: u64, id: PersonId, shown: Option<u64>) -> Option<PersonEntry> {
        let has_its_name = self.has_its_name(id);
        let entry = self.by_id.remove(&id)?;
        if has_its_name {
            self.by_name.remove(entry.person.nick.key());
        }
        self.looks.remove(&entry.person.nick, id);
        if let Some(account) = &entry.person.profile.account
            && let Some(people) = self.by_account.get_mut(account)
        {
            self.accounts.remove(account, id);
            people.retain(|known| *known != id);
            if people.is_empty() {
                self.by_account.remove(account);
            }
        }
        self.watchers.forget(id);
        self.markers.forget(id);
        self.remember(Gone { person: entry.person.clone(), unix, shown });
        if self.by_id.is_empty() {
            // Frees the memory that many people needed.
            self.by_id = HashMap::new();
        }
        Some(entry)
    }

    /// Whether a newcomer may have a name. `account`: their own.
    ///
    /// # Errors
    /// Somebody has it, or one that looks like it, or it is reserved.
    pub fn may_have(&self, nick: &Nick, account: Option<&str>) -> Result<(), Refusal> {
        self.may_take(nick, account, None)
    }

    /// Whether a person may take another name, which may look like the one that they have.
    ///
    /// # Errors
    /// The same.
    pub fn may_rename(&self, id: PersonId, to: &Nick) -> Result<(), Refusal> {
        let account = self.by_id.get(&id).and_then(|entry| entry.person.profile.account.as_deref());
        self.may_take(to, account, Some(id))
    }

    fn may_take(&self, nick: &Nick, account: Option<&str>, own: Option<PersonId>) -> Result<(), Refusal> {
        match self.by_name.get(nick.key()) {
            // The same name, only written in another way.
            Some(id) if Some(*id) == own => return Ok(()),
            Some(_) => return Err(Refusal::NameTaken(nick.as_str().into())),
            None => {}
        }
        let name: Box<str> = nick.as_str().into();
        let look = Look::of(nick);
        if let Some(word) = self.reserved.like(&look) {
            return Err(match word.key() == nick.key() {
                true => Refusal::NameReserved(name),
                false => Refusal::NameLooksReserved { name, like: word.as_str().into() },
            });
        }
        for (id, is_same) in self.accounts.of(nick, &look) {
            let other = self.by_id.get(&id).and_then(|entry| entry.person.profile.account.as_deref());
            if let Some(other) = other.filter(|other| Some(*other) != account) {
                return Err(match is_same {
                    true => Refusal::NameTaken(name),
                    false => Refusal::NameLooksTaken { name, like: other.into() },
                });
            }
        }
        let mut others = self.looks.of(&look).filter(|id| Some(*id) != own).filter_map(|id| self.by_id.get(&id));
        match others.next() {
            Some(other) => Err(Refusal::NameLooksTaken { name, like: other.person.as_str().into() }),
            None => Ok(()),
        }
    }

    /// Sets the names that nobody can take. Whoever has one of them keeps it.
    pub fn set_reserved(&mut self, reserved: Reserved) {
        self.reserved = reserved;
    }

    /// Finds out anew how everybody's names compare, and what they look like. Where two have become the same, who has had
    /// it for longer has it.
    pub fn put_in_order(&mut self) {
        (self.by_name, self.by_account, self.looks, self.accounts) = Default::default();
        for entry in self.by_id.values() {
            let person = &entry.person;
            let holder = self.by_name.entry(person.nick.key().clone()).or_insert(person.id);
            let age = |entry: &PersonEntry| (entry.named, entry.person.id);
            if self.by_id.get(holder).is_some_and(|holder| age(entry) < age(holder)) {
                *holder = person.id;
            }
            self.looks.add(&person.nick, person.id);
            if let Some(account) = &person.profile.account {
                self.accounts.add(account, person.id);
                self.by_account.entry(account.clone()).or_default().push(person.id);
            }
        }
    }

    /// Whether a person is the one with their name: another may have it where two have become the same.
    #[must_use]
    pub fn has_its_name(&self, id: PersonId) -> bool {
        self.by_id.get(&id).is_some_and(|entry| self.by_name.get(entry.person.nick.key()) == Some(&id))
    }

    /// Changes a name; [`may_rename`](Self::may_rename) must have allowed it. Returns the changed person.
    pub fn rename(&mut self, stamp: Stamp, id: PersonId, to: &Nick) -> Option<Arc<Person>> {
        let entry = self.by_id.get_mut(&id)?;
        let before = entry.person.clone();
        if to.key() != before.nick.key() {
            entry.named = stamp.sequence;
        }
        entry.person = Arc::new(Person { nick: to.clone(), ..(*before).clone() });
        let after = entry.person.clone();
        self.by_name.remove(before.nick.key());
        self.by_name.insert(to.key().clone(), id);
        self.looks.remove(&before.nick, id);
        self.looks.add(to, id);
        self.remember(Gone { person: before, unix: stamp.unix, shown: None });
        Some(after)
    }

    /// Replaces a person's profile; the account stays the same.
    pub fn describe(&mut self, person: &Arc<Person>) {
        if let Some(entry) = self.by_id.get_mut(&person.id) {
            entry.person = person.clone();
        }
    }

    /// Sets why a person is away; `None`: they are back.
    pub fn set_away(&mut self, id: PersonId, away: Option<&str>) {
        if let Some(entry) = self.by_id.get_mut(&id) {
            entry.away = away.map(Into::into);
        }
    }

    /// Notes that a person has said something.
    pub fn note_active(&mut self, now: Now, id: PersonId) {
        if let Some(entry) = self.by_id.get_mut(&id) {
            entry.active = now.ticks;
        }
    }

    /// A person by their identifier.
    #[must_use]
    pub fn get(&self, id: PersonId) -> Option<&PersonEntry> {
        self.by_id.get(&id)
    }

    /// The person with this name.
    #[must_use]
    pub fn find(&self, nick: &Nick) -> Option<&PersonEntry> {
        self.by_id.get(self.by_name.get(nick.key())?)
    }

    /// Everybody who has this account.
    pub fn of_account<'a>(&'a self, account: &str) -> impl Iterator<Item = &'a PersonEntry> + use<'a> {
        self.by_account.get(account).into_iter().flatten().filter_map(|id| self.by_id.get(id))
    }

    /// A name that a newcomer may have: `base`, or `base` and a number. `None` if these are not valid names. `account`:
    /// their own.
    #[must_use]
    pub fn free_name(&self, base: &str, account: Option<&str>) -> Option<Nick> {
        let numbered = |number: u64| Nick::new(&format!("{base}{number}")).ok();
        let is_free = |name: &Nick| self.may_have(name, account).is_ok();
        let name = Nick::new(base).ok()?;
        if is_free(&name) {
            return Some(name);
        }
        // Numbers are mostly assigned in order, so a gallop and a bisection find a free one in a few steps, however many
        // guests there are.
        let (mut taken, mut free) = (1, 2);
        while !is_free(&numbered(free)?) {
            (taken, free) = (free, free * 2);
        }
        while free - taken > 1 {
            let middle = taken + (free - taken) / 2;
            match is_free(&numbered(middle)?) {
                true => free = middle,
                false => taken = middle,
            }
        }
        numbered(free)
    }

    /// All people whose name's [key](Nick::key) is greater than this one, ordered by name.
    pub fn after<'a>(&'a self, key: Option<&str>) -> impl Iterator<Item = &'a PersonEntry> + use<'a> {
        let from = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_name.range::<str, _>((from, Bound::Unbounded)).filter_map(|(_, id)| self.by_id.get(id))
    }

    /// All people, in the order in which they came.
    #[must_use]
    pub fn all(&self) -> Vec<&PersonEntry> {
        let mut all: Vec<&PersonEntry> = self.by_id.values().collect();
        all.sort_unstable_by_key(|entry| entry.person.id);
        all
    }

    /// The last 128 people who have left or changed their name, the latest first.
    pub fn gone(&self) -> impl Iterator<Item = &Gone> {
        self.gone.iter()
    }

    /// The number of people.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The highest number of people at the same time.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.peak
    }

    fn remember(&mut self, gone: Gone) {
        self.gone.truncate(MAX_GONE - 1);
        self.gone.push_front(gone);
    }
}
