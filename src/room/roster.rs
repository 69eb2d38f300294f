//! Who is in the room. Names are unique by their comparison form. No sockets, no clock, no runtime.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use crate::chat::{Nick, Refusal};

/// Everybody in the room, in the order of their names. `M` is whatever stands for a member outside the room.
#[derive(Debug)]
pub struct Roster<M> {
    members: BTreeMap<Arc<str>, Member<M>>,
}

/// One person in the room.
#[derive(Debug)]
pub struct Member<M> {
    /// The name, as it is shown.
    pub nick: Nick,
    /// The feed that the member reads.
    pub feed: usize,
    /// What stands for the member outside the room.
    pub handle: M,
}

impl<M> Default for Roster<M> {
    fn default() -> Roster<M> {
        Roster { members: BTreeMap::new() }
    }
}

impl<M> Roster<M> {
    /// Puts somebody in.
    ///
    /// # Errors
    /// [`Refusal::NameTaken`] if somebody is here under the same name.
    pub fn insert(&mut self, member: Member<M>) -> Result<(), Refusal> {
        match self.members.entry(member.nick.key().clone()) {
            Entry::Occupied(_) => Err(Refusal::NameTaken(member.nick.as_str().into())),
            Entry::Vacant(place) => {
                place.insert(member);
                Ok(())
            }
        }
    }

    /// Takes somebody out.
    pub fn remove(&mut self, nick: &Nick) -> Option<Member<M>> {
        self.members.remove(nick.key())
    }

    /// Gives somebody another name.
    ///
    /// # Errors
    /// [`Refusal::NameTaken`] if it is somebody else's; [`Refusal::NoSuchUser`] if nobody has the old one.
    pub fn rename(&mut self, from: &Nick, to: &Nick) -> Result<(), Refusal> {
        if from.key() != to.key() && self.members.contains_key(to.key()) {
            return Err(Refusal::NameTaken(to.as_str().into()));
        }
        let Some(member) = self.members.remove(from.key()) else {
            return Err(Refusal::NoSuchUser(from.as_str().into()));
        };
        self.members.insert(to.key().clone(), Member { nick: to.clone(), ..member });
        Ok(())
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

    /// How many are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}
