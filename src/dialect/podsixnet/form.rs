//! How events look to clients that use PodSixNet.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::rencode::{Value, Version};
use super::{SERVER, frame};
use crate::chat::{Event, Form, Manner, Stamp, View};

/// Names that a list of players holds at most: everybody is sent the whole list whenever somebody comes or goes.
const MAX_PLAYERS: usize = 256;

/// One wire version's form. It remembers who is here, because an event alone does not say.
pub(super) struct PodSixNetForm {
    version: Version,
    players: Mutex<BTreeSet<String>>,
}

impl PodSixNetForm {
    pub(super) fn new(version: Version) -> PodSixNetForm {
        PodSixNetForm { version, players: Mutex::default() }
    }

    /// Everybody who is here. Events keep that up to date while the form has readers, and every new reader's welcome
    /// begins anew.
    pub(super) fn set_players(&self, view: &dyn View) {
        let present = view.people().filter(|seen| seen.present);
        *self.lock() = present.map(|seen| seen.person.as_str().to_owned()).collect();
    }

    /// The sample's list.
    pub(super) fn players(&self) -> Value {
        let players = self.lock().iter().take(MAX_PLAYERS).map(|name| Value::text(name)).collect();
        Value::Dict(vec![
            (Value::text("action"), Value::text("players")),
            (Value::text("players"), Value::List(players)),
        ])
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.players.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line: `expediteur` is the document's field, `who` the sample's.
pub(super) fn message(who: &str, text: &str) -> Value {
    Value::Dict(vec![
        (Value::text("action"), Value::text("message")),
        (Value::text("expediteur"), Value::text(who)),
        (Value::text("message"), Value::text(text)),
        (Value::text("who"), Value::text(who)),
    ])
}

impl Form for PodSixNetForm {
    fn id(&self) -> (&'static str, u64) {
        // Each listener has its own.
        ("podsixnet", std::ptr::from_ref(self).addr() as u64)
    }

    fn render(&self, _stamp: Stamp, event: Event<'_>, out: &mut Vec<u8>) {
        let mut say = |who: &str, text: &str| frame(&message(who, text), self.version, out);
        match event {
            Event::Said(who, said) => {
                return match said.manner {
                    Manner::Plain | Manner::Remark => said.lines().for_each(|line| say(who.as_str(), line)),
                    Manner::Action => said.lines().for_each(|line| say(SERVER, &format!("{} {line}", who.nick))),
                    Manner::Silent => {}
                };
            }
            Event::Redacted { by, .. } => return say(SERVER, &format!("{} has taken a line back", by.nick)),
            Event::Notice(text) => return say(SERVER, &format!("notice: {text}")),
            Event::Topic { topic, .. } => return say(SERVER, &format!("Topic: {}", topic.text)),
            Event::Away(..) | Event::Described(_) => return,
            Event::Joined(who) => {
                say(SERVER, &format!("{} has joined", who.nick));
                self.lock().insert(who.as_str().to_owned());
            }
            Event::Left(who, reason) => {
                say(SERVER, &format!("{} has left ({reason})", who.nick));
                self.lock().remove(who.as_str());
            }
            Event::Parted(who, _) => {
                say(SERVER, &format!("{} has left (left the room)", who.nick));
                self.lock().remove(who.as_str());
            }
            Event::Renamed { from, to } => {
                say(SERVER, &format!("{} is now known as {to}", from.nick));
                let mut players = self.lock();
                players.remove(from.as_str());
                players.insert(to.as_str().to_owned());
            }
        }
        frame(&self.players(), self.version, out);
    }
}
