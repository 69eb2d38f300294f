//! From commands to the room: what a client asks is done here, and nowhere else.

use std::sync::Arc;

use tracing::info;

use super::input::{InRoom, Turn, end_of_feed};
use super::transport::Transport;
use super::watchers::Presence;
use super::{Mail, NEVER, Phase, Session, State};
use crate::chat::{Command, Event, Nick, Person, Profile, Reason, Refusal, Reply, Stamp, View as _, Words};
use crate::net::tls::client_identity;

impl Session {
    /// Does what a command asks; what there is to say to it goes to `answers`.
    pub(super) fn obey(
        self: &Arc<Self>,
        turn: Turn<'_>,
        state: &mut State,
        room: &mut InRoom<'_>,
        command: Command<'_>,
        answers: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        if let Command::Quit(word) = command {
            return Err(Reason::Quit(word.map(|word| word.into())));
        }
        let mut asked = Asked { session: self, turn, state, room, answers };
        if let Err(refusal) = asked.perform(command) {
            asked.reply(Reply::Refused(&refusal));
        }
        Ok(())
    }
}

/// One command on its way.
struct Asked<'a, 'r> {
    session: &'a Arc<Session>,
    turn: Turn<'a>,
    state: &'a mut State,
    room: &'a mut InRoom<'r>,
    answers: &'a mut Vec<u8>,
}

impl Asked<'_, '_> {
    fn perform(&mut self, command: Command<'_>) -> Result<(), Refusal> {
        let person = self.state.person.clone();
        match (command, person) {
            (Command::Name(name), None) => {
                self.register(&name, plain_profile(self.session, self.state))?;
                self.enter()
            }
            (Command::Name(name), Some(person)) => self.rename(&person, &name),
            (Command::Guest(base), None) => {
                let Some(nick) = self.room.roster().free(&base) else { return Ok(()) };
                self.register(nick.as_str(), plain_profile(self.session, self.state))?;
                self.enter()
            }
            (Command::Register { name, profile, enter }, None) => {
                self.register(&name, Some(*profile))?;
                if enter { self.enter() } else { Ok(()) }
            }
            (Command::Look, _) => self.look(),
            (Command::Topic, _) => {
                if let Some(dialect) = &mut self.state.dialect {
                    dialect.reply(Reply::Topic(self.room.topic()), self.answers);
                }
                Ok(())
            }
            // Whoever has no name is not heard; their dialect asks them for one.
            (_, None) => Ok(()),
            (command, Some(person)) => self.perform_as(&person, command),
        }
    }

    /// What takes a name.
    fn perform_as(&mut self, person: &Person, command: Command<'_>) -> Result<(), Refusal> {
        let now = self.turn.now;
        match command {
            Command::Enter => self.enter(),
            Command::Exit(word) => self.exit(person, word.as_deref()),
            Command::Reform => self.reform(person),
            Command::Say(words) => self.say(person, &words),
            Command::Private { to, words } => self.tell(person, &to, &words),
            Command::Redact { line, reason } => {
                self.must_be_in_room()?;
                let reason = reason.as_deref();
                let stamp = self.cause(|room| room.redact(now, person, line, reason))?;
                self.done(stamp, Event::Redacted { by: person, line, reason });
                Ok(())
            }
            Command::SetTopic(text) => {
                self.must_be_in_room()?;
                let stamp = self.cause(|room| room.set_topic(now, Some(person), &text));
                let topic = self.room.topic().clone();
                self.done(stamp, Event::Topic { by: Some(person), topic: &topic });
                Ok(())
            }
            Command::Away(why) => {
                let why = why.as_deref();
                if let Some(stamp) = self.cause(|room| room.set_away(now, &person.nick, why)) {
                    let presence = Presence::Away(stamp, why.map(Into::into), self.state.feed.is_some());
                    self.turn.context.watchers.tell(person, presence);
                    self.done(stamp, Event::Away(person, why));
                }
                Ok(())
            }
            Command::Describe(profile) => {
                if let Some((stamp, person)) = self.cause(|room| room.describe(now, &person.nick, *profile)) {
                    let presence = Presence::Described(stamp, self.state.feed.is_some());
                    self.turn.context.watchers.tell(&person, presence);
                    self.done(stamp, Event::Described(&person));
                    self.state.person = Some(person);
                }
                Ok(())
            }
            Command::Watch { add, remove } => {
                let watchers = &self.turn.context.watchers;
                remove.iter().for_each(|nick| watchers.remove(nick, self.session));
                add.iter().for_each(|nick| watchers.add(nick, self.session));
                self.state.watching |= !add.is_empty();
                self.look()
            }
            // Done before, or a second login.
            Command::Name(_)
            | Command::Guest(_)
            | Command::Register { .. }
            | Command::Look
            | Command::Topic
            | Command::Quit(_) => Ok(()),
        }
    }

    fn register(&mut self, name: &str, profile: Option<Profile>) -> Result<(), Refusal> {
        let Turn { context, now, .. } = self.turn;
        let nick = Nick::new(name).map_err(Refusal::NameNotAllowed)?;
        let mut person = Person::named(nick);
        if let Some(profile) = profile {
            person.profile = Arc::new(profile);
        }
        let person = self.room.register(now, person, self.session.clone())?;
        self.state.phase = Phase::Member;
        self.state.deadline = NEVER;
        self.state.person = Some(person.clone());
        if let Some(dialect) = &mut self.state.dialect {
            dialect.reply(Reply::Registered { person: &person, view: self.room }, self.answers);
        }
        context.watchers.tell(&person, Presence::Here);
        Ok(())
    }

    fn enter(&mut self) -> Result<(), Refusal> {
        let (Some(person), Some(dialect), None) = (&self.state.person, &mut self.state.dialect, self.state.feed) else {
            return Ok(());
        };
        let (place, stamp) = self.room.enter(self.turn.now, &person.nick, dialect.form())?;
        self.state.feed = Some(place.feed);
        self.state.output.enter(place.position, place.block);
        dialect.reply(Reply::Welcome { person, stamp, view: self.room }, self.answers);
        let (session, nick) = (self.session, &person.nick);
        info!(chatd.event = "join", chatd.user = %nick, chatd.address = %session.address(),
            chatd.transport = session.transport(), chatd.protocol = session.protocol(), "{nick} has joined");
        Ok(())
    }

    fn exit(&mut self, person: &Person, word: Option<&str>) -> Result<(), Refusal> {
        let Some(feed) = self.state.feed else { return Err(Refusal::NotInRoom) };
        let stop = self.room.end(feed);
        let stamp = self.room.exit(self.turn.now, person, word)?;
        hold(self.room, self.state);
        self.state.output.detach(stop);
        self.state.feed = None;
        self.done(stamp, Event::Parted(person, word));
        let word = Reason::Quit(word.map(Into::into));
        self.session.log_left(&person.nick, &word);
        Ok(())
    }

    /// Goes on reading in another form.
    fn reform(&mut self, person: &Person) -> Result<(), Refusal> {
        let (Some(feed), Some(dialect)) = (self.state.feed, &self.state.dialect) else { return Ok(()) };
        let (form, stop) = (dialect.form(), self.room.end(feed));
        hold(self.room, self.state);
        self.state.output.detach(stop);
        let place = self.room.change_form(&person.nick, form).ok_or(Refusal::NotInRoom)?;
        self.state.feed = Some(place.feed);
        self.state.output.enter(place.position, place.block);
        Ok(())
    }

    fn rename(&mut self, person: &Person, name: &str) -> Result<(), Refusal> {
        let Turn { context, now, .. } = self.turn;
        let nick = Nick::new(name).map_err(Refusal::NameNotAllowed)?;
        if nick.as_str() == person.as_str() {
            return Ok(());
        }
        let stamp = self.cause(|room| room.rename(now, &person.nick, &nick))?;
        let renamed = Arc::new(Person { nick: nick.clone(), ..person.clone() });
        if nick.key() != person.nick.key() {
            context.watchers.tell(person, Presence::Gone);
            context.watchers.tell(&renamed, Presence::Here);
        }
        let (session, old) = (self.session, &person.nick);
        info!(chatd.event = "rename", chatd.user = %nick, chatd.address = %session.address(),
            chatd.transport = session.transport(), chatd.protocol = session.protocol(), "{old} is now known as {nick}");
        self.state.person = Some(renamed);
        self.done(stamp, Event::Renamed { from: person, to: &nick });
        Ok(())
    }

    fn say(&mut self, person: &Person, words: &Words<'_>) -> Result<(), Refusal> {
        let Turn { context, now, .. } = self.turn;
        self.must_be_in_room()?;
        context.counters.messages.count(now);
        let event = Event::Said(person, words);
        let stamp = self.cause(|room| room.say(now, event));
        self.done(stamp, event);
        Ok(())
    }

    fn tell(&mut self, person: &Person, to: &str, words: &Words<'_>) -> Result<(), Refusal> {
        let stamp = self.room.stamp(self.turn.now);
        let member = Nick::new(to).ok().and_then(|to| self.room.roster().find(&to));
        let Some(member) = member else { return Err(Refusal::NoSuchUser(to.into())) };
        if let Some(dialect) = &mut self.state.dialect {
            dialect.reply(Reply::Sent { stamp, from: person, to: member.seen(), words }, self.answers);
        }
        let at = member.feed.map_or(0, |feed| self.room.end(feed));
        let to = member.person.nick.clone();
        member.handle.mail(Mail::Private { at, stamp, from: person.clone(), to, words: words.to_owned() });
        Ok(())
    }

    fn look(&mut self) -> Result<(), Refusal> {
        if let Some(dialect) = &mut self.state.dialect {
            dialect.reply(Reply::Look(self.room), self.answers);
        }
        Ok(())
    }

    fn reply(&mut self, reply: Reply<'_>) {
        if let Some(dialect) = &mut self.state.dialect {
            dialect.reply(reply, self.answers);
        }
    }

    fn done(&mut self, stamp: Stamp, event: Event<'_>) {
        self.reply(Reply::Done(stamp, event));
    }

    /// Has something happen that the client itself has caused, and leaves it out of what it is sent if its dialect
    /// wants that.
    fn cause<T>(&mut self, happen: impl FnOnce(&mut InRoom<'_>) -> T) -> T {
        let start = end_of_feed(self.room, self.state);
        let outcome = happen(self.room);
        let echoes = self.state.dialect.as_ref().is_none_or(|dialect| dialect.echoes());
        let end = end_of_feed(self.room, self.state);
        if !echoes && end > start {
            self.state.output.omit(start, end);
        }
        outcome
    }

    fn must_be_in_room(&self) -> Result<(), Refusal> {
        if self.state.feed.is_some() { Ok(()) } else { Err(Refusal::NotInRoom) }
    }
}

/// Gives a session everything that was appended so far, to send it by itself.
pub(super) fn hold(room: &mut InRoom<'_>, state: &mut State) {
    // Also one that has not kept up, and knows where to go on: what is still open must be closed for it.
    let position = state.output.position();
    let block = state.feed.and_then(|feed| room.resume(feed, position));
    state.output.resume(block);
}

/// What is known of somebody who gives only a name; `None`: nothing.
fn plain_profile(session: &Session, state: &State) -> Option<Profile> {
    let account = account(&state.transport);
    let known = session.encrypted || account.is_some();
    known.then(|| Profile { account, encrypted: session.encrypted, ..Profile::default() })
}

/// The name in a client's certificate, as one word; its fingerprint if it has no name. The certificate was verified,
/// or there would be no connection.
pub(super) fn account(transport: &Transport) -> Option<Box<str>> {
    let identity = client_identity(transport.tls()?)?;
    let name = identity.common_name.unwrap_or(identity.fingerprint);
    let word = name.chars().map(|c| if c.is_whitespace() || matches!(c, ',' | '*' | ':') { '_' } else { c });
    Some(word.collect::<String>().into())
}
