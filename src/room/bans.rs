//! Who is kept out: the list of bans. A plain value that is asked with the present time, because bans end by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize, Serializer};

use crate::chat::{Ban, Durable, Look, Nick, Subject, are_alike};

/// The most bans at a time.
pub const MAX_BANS: usize = 4096;

/// The bans.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Vec<Ban>")]
pub struct Bans {
    /// In the order in which they were made.
    all: BTreeMap<u64, Arc<Ban>>,
    by_subject: BTreeMap<Key, u64>,
    /// How many networks there are of each length, so that an address is looked up once for each of them.
    lengths: BTreeMap<(bool, u8), usize>,
    /// What the names look like.
    looks: BTreeSet<(u64, u64)>,
    next: u64,
}

/// There are [`MAX_BANS`] already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyBans;

/// A subject in its comparison form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Name(Arc<str>),
    Account(Box<str>),
    Network(IpNet),
    User(u32),
}

impl From<&Subject> for Key {
    fn from(subject: &Subject) -> Key {
        match subject {
            Subject::Name(nick) => Key::name(nick),
            Subject::Account(account) => Key::Account(account.clone()),
            Subject::Network(network) => Key::Network(*network),
            Subject::User(uid) => Key::User(*uid),
        }
    }
}

impl Key {
    fn name(nick: &Nick) -> Key {
        Key::Name(nick.key().clone())
    }
}

/// Only the bans: what they look like is found out anew.
impl Serialize for Bans {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.all.values())
    }
}

impl From<Vec<Ban>> for Bans {
    /// Takes up bans that were kept, in the order in which they were made.
    fn from(kept: Vec<Ban>) -> Bans {
        let mut bans = Bans::default();
        kept.into_iter().take(MAX_BANS).for_each(|ban| _ = bans.insert(Arc::new(ban)));
        bans
    }
}

impl Bans {
    /// Adds a ban. Returns the one of the same subject that it replaces.
    ///
    /// # Errors
    /// There are too many.
    pub fn add(&mut self, now: u64, ban: Arc<Ban>) -> Result<Option<Arc<Ban>>, TooManyBans> {
        self.forget_ended(now);
        if self.all.len() >= MAX_BANS && !self.by_subject.contains_key(&Key::from(&ban.subject)) {
            return Err(TooManyBans);
        }
        Ok(self.insert(ban))
    }

    fn insert(&mut self, ban: Arc<Ban>) -> Option<Arc<Ban>> {
        let replaced = self.remove_one(&Key::from(&ban.subject));
        if let Subject::Network(network) = &ban.subject {
            *self.lengths.entry(length(network)).or_default() += 1;
        }
        if let Subject::Name(nick) = &ban.subject {
            self.looks.extend(Look::of(nick).forms().map(|form| (form, self.next)));
        }
        self.by_subject.insert(Key::from(&ban.subject), self.next);
        self.all.insert(self.next, ban);
        self.next += 1;
        replaced
    }

    /// What is to be written, so that a disk that has the bans `kept` has these.
    #[must_use]
    pub fn missing_in(&self, kept: Vec<Ban>) -> Vec<Durable> {
        let kept = Bans::from(kept);
        let has = |bans: &Bans, ban: &Arc<Ban>| {
            let number = bans.by_subject.get(&Key::from(&ban.subject));
            number.and_then(|number| bans.all.get(number)) == Some(ban)
        };
        let ended = kept.all.values().filter(|ban| !has(self, ban)).map(|ban| Durable::Unbanned(ban.subject.clone()));
        let made = self.all.values().filter(|ban| !has(&kept, ban)).map(|ban| Durable::Banned(ban.clone()));
        ended.chain(made).collect()
    }

    /// Removes the ban of this subject and, if it is a name, what was banned with it.
    pub fn remove(&mut self, now: u64, subject: &Subject) -> Vec<Arc<Ban>> {
        self.forget_ended(now);
        let found: Vec<Key> =
            self.all.values().filter(|ban| ban.belongs_to(subject)).map(|ban| Key::from(&ban.subject)).collect();
        found.iter().filter_map(|key| self.remove_one(key)).collect()
    }

    fn remove_one(&mut self, key: &Key) -> Option<Arc<Ban>> {
        let number = self.by_subject.remove(key)?;
        if let Key::Network(network) = key
            && let Some(count) = self.lengths.get_mut(&length(network))
        {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&length(network));
            }
        }
        let ban = self.all.remove(&number)?;
        if let Subject::Name(nick) = &ban.subject {
            Look::of(nick).forms().for_each(|form| _ = self.looks.remove(&(form, number)));
        }
        Some(ban)
    }

    fn forget_ended(&mut self, now: u64) {
        let ended: Vec<Key> =
            self.all.values().filter(|ban| !ban.is_in_force(now)).map(|ban| Key::from(&ban.subject)).collect();
        ended.iter().for_each(|key| _ = self.remove_one(key));
    }

    /// The ban of this name, or of one that looks like it. In this and the next functions, `now` is in milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn of_name(&self, now: u64, nick: &Nick) -> Option<&Arc<Ban>> {
        if self.looks.is_empty() {
            return None;
        }
        self.get(now, &Key::name(nick)).or_else(|| {
            let numbers = Look::of(nick).forms().flat_map(|form| self.looks.range((form, 0)..=(form, u64::MAX)));
            let bans = numbers.filter_map(|(_, number)| self.all.get(number));
            bans.filter(|ban| ban.is_in_force(now))
                .find(|ban| matches!(&ban.subject, Subject::Name(name) if are_alike(name, nick)))
        })
    }

    /// The ban of this account.
    #[must_use]
    pub fn of_account(&self, now: u64, account: Option<&str>) -> Option<&Arc<Ban>> {
        let account = account.filter(|_| !self.all.is_empty())?;
        self.get(now, &Key::Account(account.into()))
    }

    /// The ban of this address; of several, that of the largest network.
    #[must_use]
    pub fn of_address(&self, now: u64, address: IpAddr) -> Option<&Arc<Ban>> {
        let address = address.to_canonical();
        let lengths = self.lengths.keys().filter(|(is_ipv4, _)| *is_ipv4 == address.is_ipv4());
        lengths.filter_map(|(_, length)| IpNet::new(address, *length).ok()).find_map(|network| {
            // Without the bits behind the network's.
            self.get(now, &Key::Network(network.trunc()))
        })
    }

    /// The ban of this user of the machine.
    #[must_use]
    pub fn of_user(&self, now: u64, uid: u32) -> Option<&Arc<Ban>> {
        self.get(now, &Key::User(uid))
    }

    fn get(&self, now: u64, key: &Key) -> Option<&Arc<Ban>> {
        let ban = self.all.get(self.by_subject.get(key)?)?;
        ban.is_in_force(now).then_some(ban)
    }

    /// All that are in force, the latest first.
    pub fn iter(&self, now: u64) -> impl Iterator<Item = &Arc<Ban>> {
        self.all.values().rev().filter(move |ban| ban.is_in_force(now))
    }
}

fn length(network: &IpNet) -> (bool, u8) {
    (network.addr().is_ipv4(), network.prefix_len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(subject: &str, until: Option<u64>) -> Arc<Ban> {
        let subject = Subject::parse(subject).unwrap();
        Arc::new(Ban { subject, with: None, reason: None, since: 0, until, uid: 0 })
    }

    fn bans(subjects: &[&str]) -> Bans {
        let mut bans = Bans::default();
        subjects.iter().for_each(|subject| _ = bans.add(0, ban(subject, None)).unwrap());
        bans
    }

    fn by(ban: Option<&Arc<Ban>>) -> String {
        ban.map(|ban| ban.subject.to_string()).unwrap_or_default()
    }

    fn nick(name: &str) -> Nick {
        Nick::new(name).unwrap()
    }

    #[test]
    fn addresses_are_found_in_their_networks() {
        let bans = bans(&["192.0.2.0/25", "192.0.2.77", "198.51.100.7", "2001:db8::/48", "2001:db8::5", "unix:uid=7"]);
        for (address, expected) in [
            ("192.0.2.77", "192.0.2.0/25"),
            ("192.0.2.127", "192.0.2.0/25"),
            ("192.0.2.128", ""),
            ("::ffff:192.0.2.1", "192.0.2.0/25"),
            ("198.51.100.7", "198.51.100.7"),
            ("198.51.100.8", ""),
            ("2001:db8:0:ffff::1", "2001:db8::/48"),
            ("2001:db8:1::1", ""),
            ("::", ""),
        ] {
            assert_eq!(by(bans.of_address(1, address.parse().unwrap())), expected, "{address}");
        }
        assert_eq!(by(bans.of_user(1, 7)), "unix:uid=7");
        assert_eq!(by(bans.of_user(1, 8)), "");
    }

    #[test]
    fn names_are_compared_as_everywhere() {
        let mut all = bans(&["Ana", "bo"]);
        assert_eq!(by(all.of_name(1, &nick("aNA"))), "Ana");
        assert_eq!(by(all.of_name(1, &nick("ana_"))), "");
        let account = Subject::account("ana@example.org").unwrap();
        let with = Ban { subject: account.clone(), with: Some(nick("Ana")), ..(*ban("x", None)).clone() };
        all.add(0, Arc::new(with.clone())).unwrap();
        assert_eq!(by(all.of_account(1, Some("ana@example.org"))), "ana@example.org");
        assert_eq!((by(all.of_account(1, Some("ana"))), by(all.of_account(1, None))), Default::default());
        // Cyrillic; and a letter that looks like a digit only to who compares ASCII names.
        assert_eq!(by(all.of_name(1, &nick("\u{430}n\u{430}"))), "Ana");
        assert_eq!(by(all.of_name(1, &nick("b0"))), "");
        // A name goes with what was banned by it.
        assert_eq!(all.remove(1, &Subject::parse("ANA").unwrap()).len(), 2);
        assert_eq!(by(all.of_account(1, Some("ana@example.org"))), "");
        all.add(0, ban("ana", None)).unwrap();
        all.add(0, Arc::new(with)).unwrap();
        assert_eq!(all.remove(1, &account).len(), 1);
        assert_eq!(by(all.of_name(1, &nick("ana"))), "ana");
    }

    #[test]
    fn bans_end_by_themselves() {
        let mut bans = Bans::default();
        bans.add(0, ban("ana", Some(100))).unwrap();
        bans.add(0, ban("192.0.2.0/24", Some(100))).unwrap();
        let address = "192.0.2.1".parse().unwrap();
        assert_eq!((by(bans.of_name(99, &nick("ana"))), by(bans.of_address(99, address))).0, "ana");
        assert_eq!((by(bans.of_name(100, &nick("ana"))), by(bans.of_address(100, address))), Default::default());
        assert_eq!((bans.iter(99).count(), bans.iter(100).count()), (2, 0));
        // The last word counts.
        bans.add(99, ban("ana", None)).unwrap();
        assert_eq!(by(bans.of_name(100, &nick("ana"))), "ana");
        assert_eq!(bans.remove(100, &Subject::parse("192.0.2.0/24").unwrap()), []);
    }

    #[test]
    fn there_is_a_bound_and_room_for_what_is_replaced() {
        let mut bans = Bans::default();
        for number in 0..MAX_BANS {
            bans.add(0, ban(&format!("n{number}"), (number == 7).then_some(100))).unwrap();
        }
        assert_eq!(bans.add(99, ban("ana", None)), Err(TooManyBans));
        assert!(bans.add(99, ban("N8", Some(100))).unwrap().is_some());
        // Two have ended.
        bans.add(100, ban("ana", None)).unwrap();
        bans.add(100, ban("bo", None)).unwrap();
        assert_eq!(bans.add(100, ban("luz", None)), Err(TooManyBans));
        assert_eq!(by(bans.iter(100).next()), "bo");
        for subject in ["192.0.2.0/24", "192.0.2.0/25"] {
            assert_eq!(bans.add(100, ban(subject, None)), Err(TooManyBans));
        }
    }

    #[test]
    fn a_saved_list_is_the_same() {
        let bans = bans(&["ana", "192.0.2.0/24"]);
        let saved = postcard::to_allocvec(&bans).unwrap();
        let mut restored: Bans = postcard::from_bytes(&saved).unwrap();
        assert_eq!(by(restored.of_address(1, "192.0.2.9".parse().unwrap())), "192.0.2.0/24");
        assert_eq!(restored.remove(1, &Subject::parse("192.0.2.0/24").unwrap()).len(), 1);
        assert_eq!(restored.iter(1).count(), 1);
    }
}
