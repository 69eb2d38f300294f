//! Who is told when somebody comes and goes, whether in the room or only connected.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{Mail, Session};
use crate::chat::{Event, Nick, Person, Reply, Stamp};

/// The names that are watched, each with those who watch it.
#[derive(Default)]
pub struct Watchers {
    by_name: Mutex<HashMap<Arc<str>, Vec<Weak<Session>>>>,
}

/// What has become of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// They are here.
    Here,
    /// Nobody has the name any more.
    Gone,
    /// They are away for this reason, or here again; whether they are in the room, where everybody sees it.
    Away(Stamp, Option<Box<str>>, bool),
    /// They tell something else of themselves now; whether they are in the room.
    Described(Stamp, bool),
}

/// One of these, on its way to somebody.
pub(super) struct Notice {
    person: Person,
    presence: Presence,
}

impl Watchers {
    /// Has `session` told of this name.
    pub fn add(&self, nick: &Nick, session: &Arc<Session>) {
        let watchers = &mut *self.lock();
        let watching = watchers.entry(nick.key().clone()).or_default();
        let session = Arc::downgrade(session);
        if !watching.iter().any(|other| other.ptr_eq(&session)) {
            watching.push(session);
        }
    }

    /// Has it told no more.
    pub fn remove(&self, nick: &Nick, session: &Session) {
        let watchers = &mut *self.lock();
        if let Some(watching) = watchers.get_mut(nick.key()) {
            watching.retain(|other| !std::ptr::eq(other.as_ptr(), session));
            if watching.is_empty() {
                watchers.remove(nick.key());
            }
        }
    }

    /// Has it told of nobody any more.
    pub fn forget(&self, session: &Session) {
        self.lock().retain(|_, watching| {
            watching.retain(|other| !std::ptr::eq(other.as_ptr(), session));
            !watching.is_empty()
        });
    }

    /// Tells everybody who watches this person.
    pub fn tell(&self, person: &Person, presence: Presence) {
        let watchers = self.lock();
        for session in watchers.get(person.nick.key()).into_iter().flatten().filter_map(Weak::upgrade) {
            session.mail(Mail::Presence(Notice { person: person.clone(), presence: presence.clone() }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<Weak<Session>>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notice {
    /// As the watcher is told it. What the room has shown to a watcher who is in it, too, is not told again.
    pub(super) fn reply(&self, in_room: bool) -> Option<Reply<'_>> {
        let person = &self.person;
        match &self.presence {
            Presence::Here => Some(Reply::Presence { person, here: true }),
            Presence::Gone => Some(Reply::Presence { person, here: false }),
            Presence::Away(_, _, true) | Presence::Described(_, true) if in_room => None,
            Presence::Away(stamp, why, _) => Some(Reply::Watched(*stamp, Event::Away(person, why.as_deref()))),
            Presence::Described(stamp, _) => Some(Reply::Watched(*stamp, Event::Described(person))),
        }
    }
}
