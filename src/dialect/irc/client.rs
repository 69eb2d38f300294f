//! What is known of one client: who it is, what it asks now, and what only some clients have. An idle one keeps little.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::Irc;
use super::listing::Listing;
use super::multiline::Batch;
use super::registration::Registration;
use crate::chat::{Profile, View};

/// How far a client has come.
#[derive(Serialize, Deserialize)]
pub enum Phase {
    /// It has not registered yet.
    Registering(Box<Registration>),
    /// It has: who it is stands in the [`View`].
    Registered,
}

/// Who the client is, as others see it.
pub struct Own<'a> {
    /// Its name; `*` as long as it has none.
    pub nick: &'a str,
    pub profile: &'a Profile,
    pub in_room: bool,
}

/// What is known of the message that is being answered; gone when it is.
#[derive(Default, Serialize, Deserialize)]
pub struct Request {
    pub label: Option<Box<str>>,
    /// What it names, for the case that it is refused: a name, a line.
    pub subject: Box<str>,
    /// Whether it changes the client's own mode, and not its real name.
    pub is_mode: bool,
}

/// What only some clients have.
#[derive(Default, Serialize, Deserialize)]
pub struct Extras {
    /// A message of several lines that is not complete yet.
    pub multiline: Option<Batch>,
    /// The name of such a message that was refused: its further lines are dropped.
    pub refused: Option<Box<str>>,
    /// An answer of which a part is still to be written.
    pub listing: Option<Listing>,
    /// The event with which it left the room, if it did; it has been shown all before that.
    pub shown: u64,
}

impl Irc {
    pub(super) fn own<'a>(&'a self, view: &'a dyn View) -> Own<'a> {
        /// Of a client that has lost its name and is about to be disconnected.
        static NOBODY: LazyLock<Profile> = LazyLock::new(Profile::default);
        match (view.own(), &self.phase) {
            (Some(seen), _) => Own { nick: seen.person.as_str(), profile: &seen.person.profile, in_room: seen.present },
            (None, Phase::Registering(registration)) => {
                Own { nick: "*", profile: &registration.profile, in_room: false }
            }
            (None, Phase::Registered) => Own { nick: "*", profile: &NOBODY, in_room: false },
        }
    }

    /// What is known of it, as long as it has not registered.
    pub(super) fn registration(&mut self) -> Option<&mut Registration> {
        match &mut self.phase {
            Phase::Registering(registration) => Some(registration),
            Phase::Registered => None,
        }
    }

    pub(super) fn request(&mut self) -> &mut Request {
        self.request.get_or_insert_default()
    }

    /// What the message names that is being answered.
    pub(super) fn subject(&self) -> &str {
        self.request.as_ref().map_or("", |request| &request.subject)
    }

    pub(super) fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }
}
