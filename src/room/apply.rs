//! Applying an event: it changes the state, is rendered for the room, and is addressed to watchers.

use std::sync::Arc;

use super::{Mail, State};
use crate::chat::{Durable, Event, Now, Person, Reason, Record, Stamp, Topic};

impl State {
    /// Changes the state, renders the event into the feeds, and queues mail for single sessions.
    pub(super) fn apply(&mut self, now: Now, stamp: Stamp, event: &Event<'_>) {
        let mut shown = event.concerns().is_none_or(|who| self.room.members.contains(who.id));
        let State { people, room, .. } = self;
        match event {
            Event::Registered(who) => {
                // The decision has checked that the name is free.
                let _ = people.add(now, who.clone());
                self.notify_presence(who, true);
            }
            Event::Joined(who) => room.members.add(who),
            Event::Parted(who, _) => {
                room.members.remove(who);
            }
            Event::Left(who, reason) => {
                let present = room.members.remove(who);
                // A client that leaves properly has been sent everything. What a broken connection has lost is unknown.
                let in_order =
                    matches!(reason, Reason::Quit(_) | Reason::Closed | Reason::Kicked(_) | Reason::Banned { .. });
                people.remove(stamp.unix, who.id, (present && in_order).then_some(stamp.sequence));
                // At a stop everybody gets a goodbye of their own; a line for each member would be too many.
                shown &= *reason != Reason::Stopping;
                self.notify_presence(who, false);
            }
            Event::Renamed { from, to } => {
                let present = room.members.remove(from);
                if let Some(after) = people.rename(stamp, from.id, to) {
                    if present {
                        room.members.add(&after);
                    }
                    if to.key() != from.nick.key() {
                        self.notify_presence(from, false);
                        self.notify_presence(&after, true);
                    }
                }
            }
            Event::Said(who, _) => {
                people.note_active(now, who.id);
                room.add_to_history(stamp, event);
            }
            Event::Redacted { line, .. } => room.remove_from_history(*line),
            Event::Notice(_) => room.add_to_history(stamp, event),
            Event::Topic { by, text } => {
                let by = by.as_ref().map(|by| by.nick.clone());
                room.topic = Topic { text: text.as_ref().into(), by, unix: stamp.unix };
            }
            Event::Away(who, why) => {
                people.set_away(who.id, why.as_deref());
                self.notify_watchers(stamp, who, event);
            }
            Event::Described(who) => {
                people.describe(who);
                self.notify_watchers(stamp, who, event);
            }
        }
        if !shown {
            return;
        }
        if self.keeps_history && event.is_kept() {
            self.durable.push(Durable::Event(Record { stamp, event: event.clone().into_owned() }));
        }
        self.render(stamp, event);
        if let Event::Joined(who) = event
            && let Some(why) = self.people.get(who.id).and_then(|entry| entry.away.clone())
        {
            self.render(stamp, &Event::Away(who.clone(), Some((&*why).into())));
        }
    }

    fn render(&mut self, stamp: Stamp, event: &Event<'_>) {
        let State { people, room, log, .. } = self;
        log.render(stamp, event, &super::StateView { people, room, who: None });
    }

    /// Notifies a person's watchers that they have connected or disconnected.
    fn notify_presence(&mut self, person: &Arc<Person>, here: bool) {
        let State { people, mail, .. } = self;
        for watcher in people.watchers.of(&person.nick) {
            if let Some(session) = people.get(*watcher).and_then(|entry| entry.session) {
                mail.push((session, Mail::Presence { person: person.clone(), here }));
            }
        }
    }

    /// Notifies a person's watchers of an event, except those in the same room, who are sent it anyway.
    fn notify_watchers(&mut self, stamp: Stamp, person: &Arc<Person>, event: &Event<'_>) {
        let State { people, room, mail, .. } = self;
        let seen = room.members.contains(person.id);
        for watcher in people.watchers.of(&person.nick) {
            if seen && room.members.contains(*watcher) {
                continue;
            }
            if let Some(session) = people.get(*watcher).and_then(|entry| entry.session) {
                mail.push((session, Mail::Watched(stamp, event.clone().into_owned())));
            }
        }
    }
}
