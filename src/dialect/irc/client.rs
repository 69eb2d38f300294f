//! The state of one client: its identity, its current request, and what only some clients need. Small for an idle
//! client.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::Irc;
use super::history::Asked;
use super::listing::Listing;
use super::multiline::Batch;
use super::registration::Registration;
use crate::chat::{Lookup, Profile, View};

/// How far registration has come.
#[derive(Serialize, Deserialize)]
pub enum Phase {
    /// Not registered yet.
    Registering(Box<Registration>),
    /// Registered; the identity is in the [`View`].
    Registered,
}

/// The client's identity as others see it.
pub struct Own<'a> {
    /// The nickname; `*` before registration.
    pub nick: &'a str,
    pub profile: &'a Profile,
    pub in_room: bool,
}

/// State of the request being answered.
#[derive(Default, Serialize, Deserialize)]
pub struct Request {
    pub label: Option<Box<str>>,
    /// The name or line that it refers to, for the error if it is refused.
    pub subject: Box<str>,
    /// Whether it changes the user mode rather than the real name.
    pub is_mode: bool,
}

/// State that only some clients need.
#[derive(Default, Serialize, Deserialize)]
pub struct Extras {
    /// An incomplete multiline message.
    pub multiline: Option<Batch>,
    /// The batch reference of a refused multiline message, whose remaining lines are dropped.
    pub refused: Option<Box<str>>,
    /// An answer that is not complete yet.
    pub listing: Option<Listing>,
    /// The position of its PART, if it left the room; it has been shown everything before that.
    pub shown: u64,
    /// A question to the history that is about to be asked.
    pub lookup: Option<Box<Lookup>>,
    /// What was asked of the history and is not answered yet.
    pub asked: Option<Asked>,
}

impl Irc {
    pub(super) fn own<'a>(&'a self, view: &'a dyn View) -> Own<'a> {
        /// For a client that has lost its name and is about to be disconnected.
        static NOBODY: LazyLock<Profile> = LazyLock::new(Profile::default);
        match (view.own(), &self.phase) {
            (Some(seen), _) => Own { nick: seen.person.as_str(), profile: &seen.person.profile, in_room: seen.present },
            (None, Phase::Registering(registration)) => {
                Own { nick: "*", profile: &registration.profile, in_room: false }
            }
            (None, Phase::Registered) => Own { nick: "*", profile: &NOBODY, in_room: false },
        }
    }

    /// The registration in progress, if it is not registered yet.
    pub(super) fn registration(&mut self) -> Option<&mut Registration> {
        match &mut self.phase {
            Phase::Registering(registration) => Some(registration),
            Phase::Registered => None,
        }
    }

    pub(super) fn request(&mut self) -> &mut Request {
        self.request.get_or_insert_default()
    }

    /// The subject of the request being answered.
    pub(super) fn subject(&self) -> &str {
        self.request.as_ref().map_or("", |request| &request.subject)
    }

    pub(super) fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }
}
