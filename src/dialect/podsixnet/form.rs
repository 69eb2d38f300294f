//! Renders events for PodSixNet clients.

use super::rencode::{Value, Version};
use super::{SERVER, frame};
use crate::chat::{Event, Form, Manner, Stamp, View};

/// The maximum number of names in a list of players, because the whole list is sent to everybody on every join and
/// leave.
const MAX_PLAYERS: usize = 256;

/// The form for one version of the wire format.
pub(super) struct PodSixNetForm(pub(super) Version);

/// The sample's list of players: the users in the room.
pub(super) fn players(view: &dyn View) -> Value {
    let present = view.people().filter(|seen| seen.present).take(MAX_PLAYERS);
    let players = present.map(|seen| Value::text(seen.person.as_str())).collect();
    Value::Dict(vec![(Value::text("action"), Value::text("players")), (Value::text("players"), Value::List(players))])
}

/// A chat message; `expediteur` is the course document's field, `who` the sample's.
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
        let options = match self.0 {
            Version::Old => 0,
            Version::New => 1,
        };
        ("podsixnet", options)
    }

    fn render(&self, _stamp: Stamp, event: &Event<'_>, view: &dyn View, out: &mut Vec<u8>) {
        let mut say = |who: &str, text: &str| frame(&message(who, text), self.0, out);
        match event {
            Event::Said(who, said) => {
                return match said.manner {
                    Manner::Plain | Manner::Notice => said.lines().for_each(|line| say(who.as_str(), &line)),
                    Manner::Action => said.lines().for_each(|line| say(SERVER, &format!("{} {line}", who.nick))),
                    Manner::TagsOnly => {}
                };
            }
            Event::Redacted { by, .. } => return say(SERVER, &format!("{} has taken a line back", by.nick)),
            Event::Notice(text) => return say(SERVER, &format!("notice: {text}")),
            Event::Topic { text, .. } => return say(SERVER, &format!("Topic: {text}")),
            Event::Registered(_) | Event::Away(..) | Event::Described(_) => return,
            Event::Joined(who) => say(SERVER, &format!("{} has joined", who.nick)),
            Event::Left(who, reason) => say(SERVER, &format!("{} has left ({reason})", who.nick)),
            Event::Parted(who, _) => say(SERVER, &format!("{} has left (left the room)", who.nick)),
            Event::Renamed { from, to } => say(SERVER, &format!("{} is now known as {to}", from.nick)),
        }
        frame(&players(view), self.0, out);
    }
}
