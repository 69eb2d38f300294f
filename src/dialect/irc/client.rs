//! What is known of one client: who it is, what it asks now, and what only some clients have. An idle one keeps little.

use std::sync::Arc;

use super::Irc;
use super::markers::Markers;
use super::multiline::Batch;
use super::queries::Query;
use super::registration::Registration;
use crate::chat::{Nick, Person, Profile};

/// Who a client is.
pub enum Standing {
    /// It has not registered yet.
    Registering(Box<Registration>),
    /// It has.
    Registered(Arc<Person>),
}

/// What is known of the message that is being answered; gone when it is.
#[derive(Default)]
pub struct Exchange {
    pub label: Option<Box<str>>,
    pub query: Option<Query>,
    /// What it has asked for: a name, a line.
    pub wanted: Box<str>,
}

/// What only some clients have.
#[derive(Default)]
pub struct Kept {
    pub batch: Option<Batch>,
    pub watched: Vec<Nick>,
    /// The event with which it left the room, if it did; it has been shown all before that.
    pub shown: u64,
    /// How far it has read, if it has no account.
    pub markers: Markers,
}

impl Irc {
    /// Its name, as far as it has one.
    pub(super) fn nick(&self) -> &str {
        match &self.standing {
            Standing::Registering(_) => "*",
            Standing::Registered(person) => person.as_str(),
        }
    }

    pub(super) fn profile(&self) -> &Profile {
        match &self.standing {
            Standing::Registering(registration) => &registration.profile,
            Standing::Registered(person) => &person.profile,
        }
    }

    pub(super) fn exchange(&mut self) -> &mut Exchange {
        self.exchange.get_or_insert_default()
    }

    /// What the room is to be looked at for.
    pub(super) fn look_for(&mut self, query: Query) {
        self.exchange().query = Some(query);
    }

    pub(super) fn wanted(&self) -> &str {
        self.exchange.as_ref().map_or("", |exchange| &exchange.wanted)
    }

    pub(super) fn kept(&mut self) -> &mut Kept {
        self.kept.get_or_insert_default()
    }

    pub(super) fn has_batch(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.batch.is_some())
    }

    pub(super) fn watched(&self) -> &[Nick] {
        self.kept.as_ref().map_or(&[], |kept| &kept.watched)
    }

    pub(super) fn take_watched(&mut self) -> Vec<Nick> {
        self.kept.as_mut().map(|kept| std::mem::take(&mut kept.watched)).unwrap_or_default()
    }

    pub(super) fn take_batch(&mut self) -> Option<Batch> {
        self.kept.as_mut()?.batch.take()
    }
}
