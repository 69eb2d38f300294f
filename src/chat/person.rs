//! People: a name, and what others can see of its owner.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::{Nick, Now};

/// A named user. The value is immutable and shared: a change of name or profile makes a new `Person` with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The name.
    pub nick: Nick,
    /// What the user says about themselves.
    pub profile: Arc<Profile>,
    /// The identity, which survives a change of name.
    pub id: PersonId,
}

/// Identifies a person. It does not change while they are connected, and is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct PersonId(pub u64);

/// What a user says about themselves, and properties of their connection that others may see. Never includes an
/// address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The user name: one word (IRC's `USER`).
    pub user: Box<str>,
    /// One line about the user; empty if none was given.
    pub real_name: Box<str>,
    /// The name in the client certificate, if one was presented and verified.
    pub account: Option<Box<str>>,
    /// Whether the client declares itself a bot.
    pub bot: bool,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
}

impl Default for Profile {
    /// The profile of a user who has given only a name.
    fn default() -> Profile {
        Profile { user: "chat".into(), real_name: "".into(), account: None, bot: false, encrypted: false }
    }
}

impl Person {
    /// A user of whom only the name is known.
    #[must_use]
    pub fn named(nick: Nick) -> Person {
        /// Shared, because most users of the plain protocols have this profile.
        static PLAIN: LazyLock<Arc<Profile>> = LazyLock::new(Arc::default);
        Person { nick, profile: PLAIN.clone(), id: PersonId(0) }
    }

    /// The name for display.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.nick.as_str()
    }

    /// The real name if one was given, otherwise the nickname.
    #[must_use]
    pub fn real_name(&self) -> &str {
        if self.profile.real_name.is_empty() { self.as_str() } else { &self.profile.real_name }
    }
}

/// A user's current state, as others see it.
#[derive(Debug, Clone, Copy)]
pub struct PersonView<'a> {
    /// The user.
    pub person: &'a Arc<Person>,
    /// The away message, if one is set.
    pub away: Option<&'a str>,
    /// Whether they are in the room; a user can have a name and not be in it.
    pub present: bool,
    /// When they took their name.
    pub since: Now,
    /// When they last said something in the room, in ticks.
    pub active: u64,
}

/// A name that was given up, by disconnecting or by a change of name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Who it was.
    pub person: Arc<Person>,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub unix: u64,
    /// The position of the last event they were shown; `None` if unknown.
    pub shown: Option<u64>,
}
