//! Long answers, written in parts: WHO, and NAMES with hosts. The next part is written when the client's buffer has
//! room, so that a large room does not delay other clients.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use super::capability::Capabilities;
use super::message::MAX_MESSAGE;
use super::who::{Who, find};
use super::{Irc, write};
use crate::chat::{Answer, Nick, Person, PersonView, Stamp, View};

/// The maximum number of users listed in one part.
const TOLD: usize = 32;
/// The maximum number of users examined for one part.
const LOOKED_AT: usize = 64;

/// An answer that is not complete yet.
#[derive(Serialize, Deserialize)]
pub struct Listing {
    question: Question,
    /// The key of the last user examined.
    after: Option<Arc<str>>,
    /// The batch with the request's label.
    pub batch: Option<u32>,
    pub is_finished: bool,
}

#[derive(Serialize, Deserialize)]
enum Question {
    Who(Who),
    /// The members with their hosts. `joined`: when the client joined, if the list is part of its welcome.
    Names {
        channel: Box<str>,
        joined: Option<Stamp>,
    },
}

impl Irc {
    /// Starts the answer to WHO.
    pub(super) fn who(&mut self, who: Who, answer: &mut Answer<'_>) {
        if self.server.is_room(&who.mask) || who.mask.contains(['*', '?']) {
            return self.begin_list(Question::Who(who), answer);
        }
        if let Some(seen) = find(answer.view, &who.mask) {
            let start = self.start_of(who.number(), answer.view);
            self.who_line(&start, &who, "*", &seen, answer.bytes);
        }
        self.end_of_who(&who, answer);
    }

    /// Starts the answer to NAMES. `joined`: when the client joined, if the list is part of its welcome.
    pub(super) fn names(&mut self, channel: &str, joined: Option<Stamp>, answer: &mut Answer<'_>) {
        let is_room = self.server.is_room(channel);
        if is_room && self.has(Capabilities::USERHOST_IN_NAMES) {
            return self.begin_list(Question::Names { channel: channel.into(), joined }, answer);
        }
        if is_room {
            // The room keeps these names ready to send: thousands of them take some microseconds.
            let mut lines = NameLines::new(self, answer.view);
            answer.view.names().for_each(|names| lines.add(&[names], answer.bytes));
            lines.end(answer.bytes);
        }
        self.end_of_names(channel, joined, answer);
    }

    fn begin_list(&mut self, question: Question, answer: &mut Answer<'_>) {
        self.extras().listing = Some(Listing { question, after: None, batch: None, is_finished: false });
        self.list_more(answer);
    }

    /// Writes the next part.
    pub(super) fn list_more(&mut self, answer: &mut Answer<'_>) {
        let Some(mut listing) = self.extras.as_mut().and_then(|extras| extras.listing.take()) else { return };
        let (view, out) = (answer.view, &mut *answer.bytes);
        let next = match &listing.question {
            Question::Who(who) if self.server.is_room(&who.mask) => {
                let (start, room) = (self.start_of(who.number(), view), self.server.channel());
                part(view, listing.after.as_deref(), |seen| {
                    seen.present.then(|| self.who_line(&start, who, &room, seen, out)).is_some()
                })
            }
            Question::Who(who) => mask(&who.mask).and_then(|mask| {
                // As with mode +i elsewhere, wildcards match only users who share a channel with the client, and the
                // client itself.
                let (start, own) = (self.start_of(who.number(), view), self.own(view));
                part(view, listing.after.as_deref(), |seen| {
                    let meets = (own.in_room && seen.present) || seen.person.as_str() == own.nick;
                    let is_found = meets && mask.matches(seen.person.nick.key());
                    is_found.then(|| self.who_line(&start, who, "*", seen, out)).is_some()
                })
            }),
            Question::Names { .. } => {
                let mut lines = NameLines::new(self, view);
                let next = part(view, listing.after.as_deref(), |seen| {
                    let Person { nick, profile, .. } = &**seen.person;
                    let name = [nick.as_str(), "!", &profile.user, "@", &self.server.name];
                    seen.present.then(|| lines.add(&name, out)).is_some()
                });
                lines.end(out);
                next
            }
        };
        listing.is_finished = next.is_none();
        listing.after = next;
        if listing.is_finished {
            match &listing.question {
                Question::Who(who) => self.end_of_who(who, answer),
                Question::Names { channel, joined } => self.end_of_names(channel, *joined, answer),
            }
        }
        self.extras().listing = Some(listing);
    }

    fn end_of_who(&self, who: &Who, answer: &mut Answer<'_>) {
        self.numeric(answer, "315", &[&who.mask], "End of WHO list");
    }

    fn end_of_names(&mut self, channel: &str, joined: Option<Stamp>, answer: &mut Answer<'_>) {
        if joined.is_some() && self.has(Capabilities::READ_MARKER) {
            self.say_marker(channel, answer);
        }
        self.numeric(answer, "366", &[channel], "End of NAMES list");
        // Clients with draft/chathistory request the history themselves.
        if let Some(now) = joined
            && !self.has(Capabilities::HISTORY)
        {
            self.play_back(now, answer);
        }
    }

    /// The common beginning of all lines of an answer.
    fn start_of(&self, number: &str, view: &dyn View) -> String {
        format!(":{} {number} {}", self.server.name, self.own(view).nick)
    }
}

/// Examines the users after `after`, up to the limits of one part; `tell` returns whether it listed the user. Returns
/// the key of the last one examined, or `None` if it was the last of all.
fn part<'v>(
    view: &'v dyn View,
    after: Option<&str>,
    mut tell: impl FnMut(&PersonView<'v>) -> bool,
) -> Option<Arc<str>> {
    let (mut told, mut last): (usize, Option<&Arc<str>>) = (0, None);
    for (looked_at, seen) in view.people_after(after).enumerate() {
        if looked_at == LOOKED_AT || told == TOLD {
            return last.cloned();
        }
        told += usize::from(tell(&seen));
        last = Some(seen.person.nick.key());
    }
    None
}

/// The pattern for matching names; `None` if it is longer than any name.
fn mask(mask: &str) -> Option<WildMatch> {
    let mask = mask.to_lowercase();
    let least = mask.chars().filter(|c| *c != '*').count();
    (least <= Nick::MAX_BYTES).then(|| WildMatch::new(&mask))
}

/// Writes RPL_NAMREPLY lines, each as full as possible.
struct NameLines {
    start: String,
    /// The length in bytes of the current line; 0 if there is none.
    length: usize,
}

impl NameLines {
    fn new(irc: &Irc, view: &dyn View) -> NameLines {
        NameLines { start: format!("{} = {} :", irc.start_of("353", view), irc.server.channel()), length: 0 }
    }

    /// Adds a name, or several names separated by spaces.
    fn add(&mut self, name: &[&str], out: &mut Vec<u8>) {
        let added: usize = name.iter().map(|piece| piece.len()).sum();
        if self.length > 0 && self.length + 1 + added <= MAX_MESSAGE {
            out.push(b' ');
            self.length += 1;
        } else {
            self.end(out);
            write(out, &[&self.start]);
            self.length = self.start.len();
        }
        write(out, name);
        self.length += added;
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.length > 0 {
            write(out, &["\r\n"]);
            self.length = 0;
        }
    }
}
