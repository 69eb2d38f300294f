//! People: a name, and what else others may see of somebody.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::{Nick, Now};

/// Somebody who has a name here; shared by everybody who knows them. It stays as it was when somebody changes their name
/// or profile: then they are another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The name.
    pub nick: Nick,
    /// What they tell of themselves.
    pub profile: Arc<Profile>,
    /// Which person it is, under whatever name.
    pub id: PersonId,
}

/// Tells people apart: it stays the same while somebody is connected, and nobody else ever has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct PersonId(pub u64);

/// What somebody tells of themselves, and how they came here. Nobody's address is part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The user name: one word.
    pub user: Box<str>,
    /// One line about themselves; empty if they gave none.
    pub real_name: Box<str>,
    /// The name in their client certificate, if they have shown one and it was verified.
    pub account: Option<Box<str>>,
    /// Whether they say of themselves that they are a program.
    pub bot: bool,
    /// Whether their connection is encrypted.
    pub encrypted: bool,
}

impl Default for Profile {
    /// That of somebody who has given nothing but a name.
    fn default() -> Profile {
        Profile { user: "chat".into(), real_name: "".into(), account: None, bot: false, encrypted: false }
    }
}

impl Person {
    /// Somebody of whom nothing but the name is known.
    #[must_use]
    pub fn named(nick: Nick) -> Person {
        /// Shared, because most people of the plain protocols are like that.
        static PLAIN: LazyLock<Arc<Profile>> = LazyLock::new(Arc::default);
        Person { nick, profile: PLAIN.clone(), id: PersonId(0) }
    }

    /// The name, as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.nick.as_str()
    }

    /// What they say of themselves, or their name.
    #[must_use]
    pub fn real_name(&self) -> &str {
        if self.profile.real_name.is_empty() { self.as_str() } else { &self.profile.real_name }
    }
}

/// Somebody, as others see them now.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Who it is.
    pub person: &'a Arc<Person>,
    /// Why they are away, if they are.
    pub away: Option<&'a str>,
    /// Whether they are in the room; somebody may have a name and stay outside.
    pub present: bool,
    /// When they got their name.
    pub since: Now,
    /// When they last said something to the room, in ticks.
    pub active: u64,
}

/// Somebody who is gone, or who has another name now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Who it was.
    pub person: Arc<Person>,
    /// When that was, in milliseconds since 1970-01-01 UTC.
    pub unix: u64,
    /// The last event of the log that they have been shown; `None`: nobody knows.
    pub shown: Option<u64>,
}
