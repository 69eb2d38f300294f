//! The room: who is in it, who is kept out, its topic, its history and its log; and how a command becomes an event.
//!
//! A command is *decided* against the state, without side effects; *appending* the event gives it its place in the one
//! order; *applying* it changes the state and renders it. Nothing here knows a dialect (events are rendered through
//! [`Form`](crate::chat::Form)), a session, a socket or a clock: time is an argument.

mod apply;
mod bans;
mod decide;
mod log;
mod members;
mod names;
mod view;

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use bans::{Bans, MAX_BANS, TooManyBans};
pub use decide::{Actor, Decision, shorten_message};
pub use log::{Backlog, Block, Cursor, FeedId, Log, Round};
pub use members::Members;
pub use view::StateView;

use crate::chat::{
    Ban, Command, Durable, Event, Nick, Now, Person, PersonId, Record, Refusal, Stamp, Subject, Topic, Words,
};
use crate::people::{People, SessionId};

/// The most events for which memory is reserved before they are there.
const DURABLE_CAPACITY: usize = 128;

/// The whole state: people, the room, and the log.
pub struct State {
    /// Who has a name.
    pub people: People,
    /// The room.
    pub room: Room,
    /// The order of all events.
    pub log: Log,
    /// Mail for single sessions.
    mail: Vec<(SessionId, Mail)>,
    /// What is to be kept on disk.
    durable: Vec<Durable>,
    /// Whether what is said is kept there.
    keeps_history: bool,
}

/// The room.
#[derive(Debug, Serialize, Deserialize)]
pub struct Room {
    /// Its name.
    pub name: Box<str>,
    /// Its topic.
    pub topic: Topic,
    /// Who is in it.
    pub members: Members,
    /// Who may not come in.
    pub bans: Bans,
    history: VecDeque<Record>,
    history_size: usize,
    history_limit: HistoryLimit,
}

/// A saved state. Of the log's bytes, those are part of it that sessions are still to be sent.
#[derive(Serialize, Deserialize)]
pub struct SavedState {
    /// What sessions share that are still to be sent it.
    pub shared: Vec<Vec<u8>>,
    /// The last event's number.
    pub sequence: u64,
    /// Everybody who had a name. Their connections are unknown until they are restored, too.
    pub people: People,
    /// The room.
    pub room: Room,
}

/// The limits of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryLimit {
    /// Lines.
    pub length: usize,
    /// Bytes of text in all of them together.
    pub size: usize,
}

/// What a single session is sent because of another person's action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mail {
    /// A private message.
    Private {
        /// When.
        stamp: Stamp,
        /// Who says it.
        from: Arc<Person>,
        /// The receiver's name when it was said.
        to: Nick,
        /// What is said.
        words: Words<'static>,
    },
    /// A watched person has connected or disconnected.
    Presence {
        /// Who.
        person: Arc<Person>,
        /// Whether they are here now.
        here: bool,
    },
    /// Another client of the same account has read so far.
    Read {
        /// What was read, in lower case.
        target: Box<str>,
        /// Up to which time, in milliseconds since 1970-01-01 UTC.
        time: u64,
    },
    /// A watched person has caused this event, and the session does not receive it from the room.
    Watched(Stamp, Event<'static>),
}

/// The outcome of a command.
#[derive(Debug)]
pub enum Outcome<'c> {
    /// It has happened.
    Done(Stamp, Event<'c>),
    /// It was sent to this person alone.
    Sent(Stamp, PersonId, Words<'c>),
    /// There was nothing to do.
    Nothing,
}

impl State {
    /// An empty room.
    #[must_use]
    pub fn new(now: Now, name: &str, topic: &str, history_limit: HistoryLimit) -> State {
        let room = Room {
            name: name.into(),
            topic: Topic { text: topic.into(), by: None, unix: now.unix },
            members: Members::default(),
            bans: Bans::default(),
            history: VecDeque::new(),
            history_size: 0,
            history_limit,
        };
        State::with(People::default(), room, Log::default())
    }

    /// Saves the state, for another process. What is to be kept on disk must have been [taken](Self::take_durable).
    #[must_use]
    pub fn save(mut self) -> SavedState {
        let shared = self.log.take_shared();
        SavedState { shared, sequence: self.log.sequence(), people: self.people, room: self.room }
    }

    fn with(people: People, room: Room, log: Log) -> State {
        State { people, room, log, mail: Vec::new(), durable: Vec::new(), keeps_history: false }
    }

    /// Performs a command.
    ///
    /// # Errors
    /// The command is refused, for this reason.
    pub fn perform<'c>(&mut self, now: Now, actor: Actor, command: Command<'c>) -> Result<Outcome<'c>, Refusal> {
        match self.decide(now, actor, command)? {
            Decision::Event(event) => {
                let stamp = self.commit(now, &event);
                if let Event::Registered(person) = &event {
                    self.people.connect(person.id, actor.session);
                }
                Ok(Outcome::Done(stamp, event))
            }
            Decision::Unchanged(event) => Ok(Outcome::Done(self.log.append(now), event)),
            Decision::Private { from, to, words } => Ok(self.deliver(now, from, to, words)),
            Decision::Watch { watcher, add, remove } => {
                remove.iter().for_each(|nick| self.people.watchers.remove(watcher, nick));
                add.iter().for_each(|nick| self.people.watchers.add(watcher, nick));
                Ok(Outcome::Nothing)
            }
            Decision::MarkRead { who, target, time } => {
                if self.people.markers.set(&who, &target, time) {
                    self.pass_on_marker(&who, &target, time);
                }
                Ok(Outcome::Nothing)
            }
            Decision::Nothing => Ok(Outcome::Nothing),
        }
    }

    /// Goes on after an earlier run of the daemon: events are numbered after `sequence`, and newcomers are shown these
    /// messages.
    pub fn resume(&mut self, sequence: u64, history: Vec<Record>) {
        self.log = Log::after(sequence);
        history.into_iter().for_each(|record| self.room.add_record(record));
    }

    /// Keeps somebody out from now on. Returns the ban.
    ///
    /// # Errors
    /// There are [`MAX_BANS`] already.
    pub fn ban(&mut self, now: Now, ban: Ban) -> Result<Arc<Ban>, TooManyBans> {
        let ban = Arc::new(ban);
        let replaced = self.room.bans.add(now.unix, ban.clone())?;
        // A name may have been banned in another spelling.
        self.durable.extend(replaced.map(|replaced| Durable::Unbanned(replaced.subject.clone())));
        self.durable.push(Durable::Banned(ban.clone()));
        Ok(ban)
    }

    /// Ends the ban of this subject and, if it is a name, of what was banned with it. Returns what was banned.
    pub fn unban(&mut self, now: Now, subject: &Subject) -> Vec<Arc<Ban>> {
        let ended = self.room.bans.remove(now.unix, subject);
        self.durable.extend(ended.iter().map(|ban| Durable::Unbanned(ban.subject.clone())));
        ended
    }

    /// Has the disk, which has the bans `kept`, keep those of this state.
    pub fn keep_bans(&mut self, kept: Vec<Ban>) {
        self.durable.extend(self.room.bans.missing_in(kept));
    }

    /// Appends an event and applies it.
    pub fn commit(&mut self, now: Now, event: &Event<'_>) -> Stamp {
        let stamp = self.log.append(now);
        self.apply(now, stamp, event);
        stamp
    }

    /// Changes the limits of the history.
    pub fn set_history_limit(&mut self, limit: HistoryLimit) {
        self.room.history_limit = limit;
        self.room.trim_history();
    }

    /// Sets whether events and read markers are collected for the disk.
    pub fn set_durable(&mut self, durable: bool) {
        self.keeps_history = durable;
        if !durable {
            self.durable.retain(|item| !item.is_history());
        }
    }

    /// Whether events and read markers are collected for the disk.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.keeps_history
    }

    /// Removes and returns what is to be kept on disk, in order.
    pub fn take_durable(&mut self) -> Vec<Durable> {
        let capacity = self.durable.len().min(DURABLE_CAPACITY);
        std::mem::replace(&mut self.durable, Vec::with_capacity(capacity))
    }

    /// Whether there is something to be kept on disk.
    #[must_use]
    pub fn has_durable(&self) -> bool {
        !self.durable.is_empty()
    }

    /// Removes and returns the mail for single sessions, in order.
    pub fn take_mail(&mut self) -> Vec<(SessionId, Mail)> {
        std::mem::take(&mut self.mail)
    }

    /// Whether there is mail for single sessions.
    #[must_use]
    pub fn has_mail(&self) -> bool {
        !self.mail.is_empty()
    }

    /// The state as a person sees it; `None`: without a person.
    #[must_use]
    pub fn view_for(&self, who: Option<PersonId>) -> StateView<'_> {
        StateView { people: &self.people, room: &self.room, who }
    }

    /// An account's marker has moved: keeps it, and tells the account's other clients.
    fn pass_on_marker(&mut self, who: &Person, target: &str, time: u64) {
        let State { people, mail, durable, keeps_history, .. } = self;
        let Some(account) = &who.profile.account else { return };
        for other in people.of_account(account).filter(|other| other.person.id != who.id) {
            mail.extend(other.session.map(|session| (session, Mail::Read { target: target.into(), time })));
        }
        if *keeps_history {
            durable.push(Durable::Marker { account: account.clone(), target: target.into(), time });
        }
    }

    fn deliver<'c>(&mut self, now: Now, from: Arc<Person>, to: PersonId, words: Words<'c>) -> Outcome<'c> {
        let stamp = self.log.append(now);
        if let Some(entry) = self.people.get(to)
            && let Some(session) = entry.session
        {
            let (to, words) = (entry.person.nick.clone(), words.clone().into_owned());
            self.mail.push((session, Mail::Private { stamp, from, to, words }));
        }
        Outcome::Sent(stamp, to, words)
    }
}

impl SavedState {
    /// Restores the state.
    #[must_use]
    pub fn restore(self) -> State {
        let SavedState { shared, sequence, mut people, room } = self;
        people.put_in_order();
        let mut log = Log::after(sequence);
        log.set_shared(shared);
        State::with(people, room, log)
    }
}

impl Room {
    fn add_to_history(&mut self, stamp: Stamp, event: &Event<'_>) {
        if self.history_limit.length > 0 && Record::is_shown_to_newcomers(event) {
            self.add_record(Record { stamp, event: event.clone().into_owned() });
        }
    }

    fn add_record(&mut self, record: Record) {
        self.history_size += record.size();
        self.history.push_back(record);
        self.trim_history();
    }

    fn remove_from_history(&mut self, line: u64) {
        if let Ok(index) = self.history.binary_search_by_key(&line, |record| record.stamp.sequence)
            && let Some(record) = self.history.remove(index)
        {
            self.history_size -= record.size();
        }
    }

    fn trim_history(&mut self) {
        let HistoryLimit { length, size } = self.history_limit;
        while self.history.len() > length || self.history_size > size {
            let Some(record) = self.history.pop_front() else { return };
            self.history_size -= record.size();
        }
    }

    /// What was said, oldest first.
    #[must_use]
    pub fn history(&self) -> &VecDeque<Record> {
        &self.history
    }
}
