//! Who has a name that looks like another, and words that are nobody's name.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::chat::{Look, Nick, PersonId};

/// Names by their look, so that names that look alike are found without a walk over all.
#[derive(Debug, Default)]
pub struct LookAlikes {
    /// The names of ASCII characters alone.
    ascii: BTreeSet<(u64, PersonId)>,
    /// All others.
    other: BTreeSet<(u64, PersonId)>,
}

impl LookAlikes {
    /// Adds a name.
    pub fn add(&mut self, nick: &Nick, id: PersonId) {
        let look = Look::of(nick);
        let names = if look.is_ascii { &mut self.ascii } else { &mut self.other };
        names.extend(look.forms().map(|form| (form, id)));
    }

    /// Removes a name.
    pub fn remove(&mut self, nick: &Nick, id: PersonId) {
        let look = Look::of(nick);
        let names = if look.is_ascii { &mut self.ascii } else { &mut self.other };
        for form in look.forms() {
            names.remove(&(form, id));
        }
    }

    /// Those whose names look like this one. Names of ASCII characters alone are not compared with each other.
    pub fn of<'a>(&'a self, look: &Look) -> impl Iterator<Item = PersonId> + use<'a> {
        let ascii = (!look.is_ascii).then_some(&self.ascii);
        let of_form = move |form: u64| {
            let range = (form, PersonId(0))..=(form, PersonId(u64::MAX));
            [Some(&self.other), ascii].into_iter().flatten().flat_map(move |names| names.range(range.clone()))
        };
        look.forms().flat_map(of_form).map(|(_, id)| *id)
    }
}

/// The accounts of those who are here, as far as they could be somebody's name.
#[derive(Debug, Default)]
pub struct AccountNames {
    by_name: BTreeSet<(Arc<str>, PersonId)>,
    looks: LookAlikes,
}

impl AccountNames {
    /// Adds a person's account.
    pub fn add(&mut self, account: &str, id: PersonId) {
        if let Ok(name) = Nick::new(account) {
            self.by_name.insert((name.key().clone(), id));
            self.looks.add(&name, id);
        }
    }

    /// Removes a person's account.
    pub fn remove(&mut self, account: &str, id: PersonId) {
        if let Ok(name) = Nick::new(account) {
            self.by_name.remove(&(name.key().clone(), id));
            self.looks.remove(&name, id);
        }
    }

    /// Those whose account is this name, each with `true`, and then those whose account looks like it.
    pub fn of<'a>(&'a self, nick: &Nick, look: &Look) -> impl Iterator<Item = (PersonId, bool)> + use<'a> {
        let range = (nick.key().clone(), PersonId(0))..=(nick.key().clone(), PersonId(u64::MAX));
        let same = self.by_name.range(range).map(|(_, id)| (*id, true));
        same.chain(self.looks.of(look).map(|id| (id, false)))
    }
}

/// Names that nobody can take.
#[derive(Debug, Default)]
pub struct Reserved(HashMap<u64, Nick>);

impl Reserved {
    /// These names, and what looks like them. What cannot be anybody's name needs no place here.
    #[must_use]
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Reserved {
        let names = names.into_iter().filter_map(|name| Nick::new(name).ok());
        Reserved(names.flat_map(|nick| Look::of(&nick).forms().map(move |form| (form, nick.clone()))).collect())
    }

    /// The reserved name that is this one or looks like it.
    #[must_use]
    pub fn like(&self, look: &Look) -> Option<&Nick> {
        look.forms().find_map(|form| self.0.get(&form))
    }
}
