//! Decides whether a command becomes an event or is refused. Reads the state and does not change it.

use std::borrow::Cow;
use std::sync::Arc;

use super::State;
use crate::chat::{Command, Event, Nick, Now, Person, PersonId, Profile, Refusal, TEXT_LENGTH, Words, shorten};
use crate::people::{PersonEntry, SessionId};

/// The author of a command.
#[derive(Debug, Clone, Copy)]
pub struct Actor {
    /// The person, once there is a name.
    pub person: Option<PersonId>,
    /// The connection.
    pub session: SessionId,
}

/// The decision on a command.
#[derive(Debug)]
pub enum Decision<'c> {
    /// Commit this event.
    Event(Event<'c>),
    /// Nothing changes, but the author is answered as if it had happened.
    Unchanged(Event<'c>),
    /// A private message. It is no event of the log: nobody else ever sees it.
    Private {
        /// Who says it.
        from: Arc<Person>,
        /// To whom.
        to: PersonId,
        /// What.
        words: Words<'c>,
    },
    /// Change whom a person watches.
    Watch {
        /// Who.
        watcher: PersonId,
        /// The names to add.
        add: Vec<Nick>,
        /// The names to remove.
        remove: Vec<Nick>,
    },
    /// Move a read marker.
    MarkRead {
        /// Who.
        who: Arc<Person>,
        /// What, in lower case.
        target: Cow<'c, str>,
        /// Up to which time, in milliseconds since 1970-01-01 UTC.
        time: u64,
    },
    /// There is nothing to do.
    Nothing,
}

impl State {
    /// Decides on a command.
    ///
    /// # Errors
    /// The command is refused, for this reason.
    pub fn decide<'c>(&self, now: Now, actor: Actor, command: Command<'c>) -> Result<Decision<'c>, Refusal> {
        let entry = actor.person.and_then(|id| self.people.get(id));
        let Some(entry) = entry else {
            return match command {
                Command::Register { name, profile, guest, .. } => self.register(now, &name, *profile, guest),
                // Without a name there is nothing else to do; the dialect asks for one.
                _ => Ok(Decision::Nothing),
            };
        };
        let person = entry.person.clone();
        let in_room = self.room.members.contains(person.id);
        let must_be_in_room = if in_room { Ok(()) } else { Err(Refusal::NotInRoom) };
        let event = match command {
            Command::Enter if in_room => return Ok(Decision::Nothing),
            Command::Enter => Event::Joined(person),
            Command::Exit(word) => {
                must_be_in_room?;
                Event::Parted(person, word.map(shorten_message))
            }
            Command::Name(name) => return self.rename(now, person, &name),
            Command::Say(words) => {
                must_be_in_room?;
                Event::Said(person, words)
            }
            Command::Private { to, words } => {
                let found = Nick::new(&to).ok().and_then(|to| self.people.find(&to));
                let Some(to) = found else { return Err(Refusal::NoSuchUser(to.into())) };
                return Ok(Decision::Private { from: person, to: to.person.id, words });
            }
            Command::Redact { line, author, reason } => {
                must_be_in_room?;
                self.may_redact(entry, line, author.as_deref())?;
                Event::Redacted { by: person, line, reason: reason.map(shorten_message) }
            }
            Command::SetTopic(text) => {
                must_be_in_room?;
                check_length(&text)?;
                let same = *text == *self.room.topic.text;
                let event = Event::Topic { by: Some(person), text };
                if same {
                    return Ok(Decision::Unchanged(event));
                }
                event
            }
            Command::Away(why) => {
                check_length(why.as_deref().unwrap_or_default())?;
                Event::Away(person, why)
            }
            Command::Describe(profile) => {
                Event::Described(Arc::new(Person { profile: Arc::new(*profile), ..(*person).clone() }))
            }
            Command::Watch { add, remove } => return Ok(Decision::Watch { watcher: person.id, add, remove }),
            Command::MarkRead { target, time } => return Ok(Decision::MarkRead { who: person, target, time }),
            // A second login; what only a session can do.
            Command::Guest(_) | Command::Register { .. } | Command::ChangeForm | Command::Quit(_) => {
                return Ok(Decision::Nothing);
            }
        };
        Ok(Decision::Event(event))
    }

    fn register<'c>(&self, now: Now, name: &str, profile: Profile, guest: bool) -> Result<Decision<'c>, Refusal> {
        let nick = Nick::choose(name).map_err(Refusal::NameNotAllowed)?;
        let account = profile.account.as_deref();
        let bans = &self.room.bans;
        if let Some(ban) = bans.of_name(now.unix, &nick).or_else(|| bans.of_account(now.unix, account)) {
            return Err(Refusal::Banned(ban.clone()));
        }
        let nick = if guest { self.people.free_name(name, account).unwrap_or(nick) } else { nick };
        self.people.may_have(&nick, account)?;
        // Shared by all who tell nothing but a name.
        let plain = Person::named(nick);
        let profile = if profile == *plain.profile { plain.profile.clone() } else { Arc::new(profile) };
        let id = PersonId(self.log.sequence() + 1);
        Ok(Decision::Event(Event::Registered(Arc::new(Person { profile, id, ..plain }))))
    }

    fn rename<'c>(&self, now: Now, person: Arc<Person>, name: &str) -> Result<Decision<'c>, Refusal> {
        let to = Nick::choose(name).map_err(Refusal::NameNotAllowed)?;
        if to.as_str() == person.as_str() {
            return Ok(Decision::Nothing);
        }
        if let Some(ban) = self.room.bans.of_name(now.unix, &to) {
            return Err(Refusal::Banned(ban.clone()));
        }
        self.people.may_rename(person.id, &to)?;
        Ok(Decision::Event(Event::Renamed { from: person, to }))
    }

    /// `kept`: who said the line according to the history on disk, which knows no [`PersonId`].
    fn may_redact(&self, by: &PersonEntry, line: u64, kept: Option<&Person>) -> Result<(), Refusal> {
        let history = &self.room.history;
        let index = history.binary_search_by_key(&line, |record| record.stamp.sequence);
        let account =
            |author: &Person| author.profile.account.is_some() && author.profile.account == by.person.profile.account;
        let is_own = match index.ok().and_then(|index| history.get(index)).map(|record| &record.event) {
            Some(Event::Said(author, _)) => author.id == by.person.id || account(author),
            Some(_) => false,
            None => {
                let author = kept.ok_or(Refusal::NoSuchLine)?;
                // Whoever has had the name since before the line was said is its author: names are unique.
                by.named < line && author.nick.key() == by.person.nick.key() || account(author)
            }
        };
        if is_own { Ok(()) } else { Err(Refusal::NotYours) }
    }
}

fn check_length(text: &str) -> Result<(), Refusal> {
    if text.len() <= TEXT_LENGTH { Ok(()) } else { Err(Refusal::TextTooLong(TEXT_LENGTH)) }
}

/// Shortens a parting message to its limit. It is not refused, because its author may be gone already.
pub fn shorten_message(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() <= TEXT_LENGTH { text } else { Cow::Owned(shorten(&text, TEXT_LENGTH).to_owned()) }
}
