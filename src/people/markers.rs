//! Read markers: how far a person has read. Those of an account outlive its connection. Without an account they are
//! removed with the person, because anybody may use the name next.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::chat::{Person, PersonId};

/// Targets whose markers are kept for one account or person.
const MAX_TARGETS: usize = 64;
/// The number of accounts whose markers are kept; beyond it, the least recently used are removed.
const MAX_ACCOUNTS: usize = 4096;

/// The markers of one account or person: by target in lower case, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Markers(Vec<(Box<str>, u64)>);

/// Everybody's markers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ReadMarkers {
    /// With the number of the last use.
    accounts: HashMap<Box<str>, (u64, Markers)>,
    people: HashMap<PersonId, Markers>,
    uses: u64,
}

impl ReadMarkers {
    /// How far a person has read a target, given in lower case.
    #[must_use]
    pub fn get(&self, person: &Person, target: &str) -> Option<u64> {
        let markers = match &person.profile.account {
            Some(account) => &self.accounts.get(account)?.1,
            None => self.people.get(&person.id)?,
        };
        markers.0.iter().find(|(known, _)| **known == *target).map(|(_, time)| *time)
    }

    /// Moves a person's marker of a target, given in lower case; only forward. Returns whether it has moved.
    pub fn set(&mut self, person: &Person, target: &str, time: u64) -> bool {
        let markers = match &person.profile.account {
            Some(account) => self.of_account(account),
            None => self.people.entry(person.id).or_default(),
        };
        markers.set(target, time)
    }

    /// Moves an account's marker of a target, given in lower case; only forward.
    pub fn set_of_account(&mut self, account: &str, target: &str, time: u64) {
        self.of_account(account).set(target, time);
    }

    /// Removes the markers of a person who is gone, unless they belong to an account.
    pub fn forget(&mut self, person: PersonId) {
        self.people.remove(&person);
    }

    fn of_account(&mut self, account: &str) -> &mut Markers {
        let ReadMarkers { accounts, uses, .. } = self;
        if accounts.len() == MAX_ACCOUNTS
            && !accounts.contains_key(account)
            && let Some(oldest) = accounts.iter().min_by_key(|(_, (used, _))| *used).map(|(name, _)| name.clone())
        {
            accounts.remove(&oldest);
        }
        *uses += 1;
        let (used, markers) = accounts.entry(account.into()).or_default();
        *used = *uses;
        markers
    }
}

impl Markers {
    fn set(&mut self, target: &str, time: u64) -> bool {
        if let Some((_, known)) = self.0.iter_mut().find(|(known, _)| **known == *target) {
            let moves = time > *known;
            *known = time.max(*known);
            return moves;
        }
        if self.0.len() == MAX_TARGETS {
            self.0.remove(0);
        }
        self.0.push((target.into(), time));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::chat::{Nick, Profile};

    fn person(account: &str) -> Person {
        let profile = Profile { account: Some(account.into()), ..Profile::default() };
        Person { profile: Arc::new(profile), ..Person::named(Nick::new("ana").unwrap()) }
    }

    #[test]
    fn the_least_recently_used_marker_is_dropped() {
        let mut markers = ReadMarkers::default();
        for number in 0..MAX_ACCOUNTS {
            markers.set(&person(&number.to_string()), "#lobby", 1);
        }
        markers.set(&person("0"), "#lobby", 2);
        markers.set(&person("new"), "#lobby", 3);
        let found = ["0", "1", "2", "new"].map(|account| markers.get(&person(account), "#lobby"));
        assert_eq!(found, [Some(2), None, Some(1), Some(3)]);
        for number in 0..MAX_TARGETS {
            markers.set(&person("0"), &number.to_string(), 1);
        }
        assert_eq!((markers.get(&person("0"), "#lobby"), markers.get(&person("0"), "0")), (None, Some(1)));
    }
}
