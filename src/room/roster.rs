//! Who is here. Names are unique by their comparison form, whether somebody is in the room or only connected. No
//! sockets, no clock, no runtime.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::names::Names;
use crate::chat::{Gone, Nick, Now, Person, Profile, Refusal, Seen};

/// How many of those who are gone are remembered.
const REMEMBERED: usize = 128;

/// Everybody who has a name, in the order of their names. `M` is whatever stands for a member outside the room.
#[derive(Debug)]
pub struct Roster<M> {
    members: BTreeMap<Arc<str>, Member<M>>,
    /// Of those who are in the room.
    names: Names,
    present: usize,
    most: usize,
    gone: VecDeque<Gone>,
}

/// One person who has a name here.
#[derive(Debug)]
pub struct Member<M> {
    /// Who it is.
    pub person: Arc<Person>,
    /// The feed that the member reads; `None`: not in the room.
    pub feed: Option<u32>,
    /// The piece of the names that this one is in, if the member is in the room.
    piece: u32,
    /// Why the member is away, if so.
    pub away: Option<Box<str>>,
    /// When the member got a name.
    pub since: Now,
    /// When the member last said something to the room, in ticks.
    pub active: u64,
    /// What stands for the member outside the room.
    pub handle: M,
}

impl<M> Default for Roster<M> {
    fn default() -> Roster<M> {
        Roster { members: BTreeMap::new(), names: Names::default(), present: 0, most: 0, gone: VecDeque::new() }
    }
}

impl<M> Member<M> {
    /// As others see the member.
    #[must_use]
    pub fn seen(&self) -> Seen<'_> {
        Seen {
            person: &self.person,
            away: self.away.as_deref(),
            present: self.feed.is_some(),
            since: self.since,
            active: self.active,
        }
    }
}

impl<M> Roster<M> {
    /// Gives somebody a name; they are not in the room yet.
    ///
    /// # Errors
    /// [`Refusal::NameTaken`] if somebody is here under the same name.
    pub fn insert(&mut self, now: Now, person: Arc<Person>, handle: M) -> Result<(), Refusal> {
        match self.members.entry(person.nick.key().clone()) {
            Entry::Occupied(_) => Err(Refusal::NameTaken(person.as_str().into())),
            Entry::Vacant(place) => {
                place.insert(Member {
                    person,
                    feed: None,
                    piece: 0,
                    away: None,
                    since: now,
                    active: now.ticks,
                    handle,
                });
                self.most = self.most.max(self.members.len());
                Ok(())
            }
        }
    }

    /// Takes somebody out, who has been shown the log up to this event, if anybody knows.
    pub fn remove(&mut self, now: Now, nick: &Nick, shown: Option<u64>) -> Option<Member<M>> {
        self.place(nick, None);
        let member = self.members.remove(nick.key())?;
        self.remember(Gone { person: member.person.clone(), unix: now.unix, shown });
        Some(member)
    }

    /// Gives somebody another name; returns who they were.
    ///
    /// # Errors
    /// [`Refusal::NameTaken`] if it is somebody else's; [`Refusal::NoSuchUser`] if nobody has the old one.
    pub fn rename(&mut self, now: Now, from: &Nick, to: &Nick) -> Result<Arc<Person>, Refusal> {
        if from.key() != to.key() && self.members.contains_key(to.key()) {
            return Err(Refusal::NameTaken(to.as_str().into()));
        }
        let feed = self.place(from, None);
        let Some(mut member) = self.members.remove(from.key()) else {
            return Err(Refusal::NoSuchUser(from.as_str().into()));
        };
        let before = member.person.clone();
        self.remember(Gone { person: before.clone(), unix: now.unix, shown: None });
        member.person = Arc::new(Person { nick: to.clone(), ..(*before).clone() });
        self.members.insert(to.key().clone(), member);
        self.place(to, feed);
        Ok(before)
    }

    /// Puts somebody into the room, to read this feed, or takes them out of it. Returns the feed until now.
    pub fn place(&mut self, nick: &Nick, feed: Option<u32>) -> Option<u32> {
        let member = self.members.get_mut(nick.key())?;
        let before = std::mem::replace(&mut member.feed, feed);
        match (before, feed) {
            (None, Some(_)) => member.piece = self.names.add(member.person.as_str()),
            (Some(_), None) => self.names.remove(member.piece, member.person.as_str()),
            _ => {}
        }
        self.present = self.present + usize::from(feed.is_some()) - usize::from(before.is_some());
        before
    }

    /// Notes why somebody is away, or that they are not. Returns who it is.
    pub fn set_away(&mut self, nick: &Nick, away: Option<&str>) -> Option<&Arc<Person>> {
        let member = self.members.get_mut(nick.key())?;
        member.away = away.map(Into::into);
        Some(&member.person)
    }

    /// Gives somebody another profile. Returns who they are now.
    pub fn describe(&mut self, nick: &Nick, profile: Profile) -> Option<&Arc<Person>> {
        let member = self.members.get_mut(nick.key())?;
        member.person = Arc::new(Person { profile: Arc::new(profile), ..(*member.person).clone() });
        Some(&member.person)
    }

    /// Notes that somebody has said something.
    pub fn note_active(&mut self, now: Now, nick: &Nick) {
        if let Some(member) = self.members.get_mut(nick.key()) {
            member.active = now.ticks;
        }
    }

    /// The member with this name.
    #[must_use]
    pub fn find(&self, nick: &Nick) -> Option<&Member<M>> {
        self.members.get(nick.key())
    }

    /// The first name that nobody has: `base`, or `base` and a number from 2 on. `None` if they are no names.
    #[must_use]
    pub fn free(&self, base: &str) -> Option<Nick> {
        let mut names = (1_usize..).map(|n| if n == 1 { Nick::new(base) } else { Nick::new(&format!("{base}{n}")) });
        names.find(|name| name.as_ref().map_or(true, |name| self.find(name).is_none()))?.ok()
    }

    /// Everybody, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Member<M>> {
        self.members.values()
    }

    /// Those who are gone, or have another name, the last one first; only the last ones are remembered.
    pub fn gone(&self) -> impl Iterator<Item = &Gone> {
        self.gone.iter()
    }

    /// The names of all who are in the room, in no order, joined by spaces, in pieces of at most 256 bytes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.pieces()
    }

    /// How many have a name.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// How many are in the room.
    #[must_use]
    pub fn present(&self) -> usize {
        self.present
    }

    /// How many have had a name at once.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// Whether nobody is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn remember(&mut self, gone: Gone) {
        self.gone.truncate(REMEMBERED - 1);
        self.gone.push_front(gone);
    }
}
