//! The room: a roster and a log.
//!
//! Whatever happens is an [`Event`], appended under one lock: the log's order is the only order. The room knows no
//! dialect (it renders through [`Form`]) and no session (a member is a name and a handle `M` that means nothing here),
//! no socket and no clock: time is an argument.

mod bell;
mod log;
mod names;
mod roster;
mod view;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use bell::Bell;
pub use log::{Block, Feed};
pub use roster::{Member, Roster};

use crate::chat::{Event, Form, Nick, Now, Past, Person, Profile, Reason, Refusal, Stamp, Topic};

/// One room. Cheap to share; everything happens under [`Room::lock`].
pub struct Room<M> {
    state: Mutex<State<M>>,
    bell: Bell,
}

/// The room while it is locked. When it is let go and something was appended, the bell has been rung once.
pub struct Locked<'a, M> {
    state: MutexGuard<'a, State<M>>,
    bell: &'a Bell,
    appended: bool,
}

struct State<M> {
    name: Box<str>,
    topic: Topic,
    roster: Roster<M>,
    feeds: Vec<Feed>,
    history: VecDeque<Past>,
    history_size: usize,
    history_limit: HistoryLimit,
    sequence: u64,
}

/// How much is kept for newcomers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimit {
    /// Lines.
    pub length: usize,
    /// Bytes of text in all of them together.
    pub size: usize,
}

/// Where a newcomer stands.
pub struct Place {
    /// The feed to read.
    pub feed: u32,
    /// Where to begin in it: right after the newcomer's own join.
    pub position: u64,
    /// The block to go on from; what lies between its end and the position is not the newcomer's.
    pub block: Arc<Block>,
}

/// What lies ahead for the readers of one feed who have kept up.
pub struct Round {
    /// The last block that they have been given.
    pub from: Arc<Block>,
    /// The last block that there is.
    pub to: Arc<Block>,
}

impl<M> Room<M> {
    /// An empty room.
    #[must_use]
    pub fn new(now: Now, name: &str, topic: &str, history_limit: HistoryLimit) -> Room<M> {
        let state = State {
            name: name.into(),
            topic: Topic { text: topic.into(), by: None, unix: now.unix },
            roster: Roster::default(),
            feeds: Vec::new(),
            history: VecDeque::new(),
            history_size: 0,
            history_limit,
            sequence: 0,
        };
        Room { state: Mutex::new(state), bell: Bell::default() }
    }

    /// Enters the room's one lock. It is held for moments only, never while waiting.
    pub fn lock(&self) -> Locked<'_, M> {
        // A panic elsewhere while the lock was held leaves at worst one event half rendered; the room goes on.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { state, bell: &self.bell, appended: false }
    }

    /// Rings whenever something was appended.
    pub fn bell(&self) -> &Bell {
        &self.bell
    }
}

impl<M> Drop for Locked<'_, M> {
    fn drop(&mut self) {
        if self.appended {
            self.bell.ring();
        }
    }
}

impl<M> Locked<'_, M> {
    /// Gives a newcomer a name. They are not in the room yet. Returns who they are.
    ///
    /// # Errors
    /// [`Refusal::NameTaken`].
    pub fn register(&mut self, now: Now, person: Person, handle: M) -> Result<Arc<Person>, Refusal> {
        let person = Arc::new(Person { number: self.stamp(now).sequence, ..person });
        self.state.roster.insert(now, person.clone(), handle)?;
        Ok(person)
    }

    /// Lets somebody who has a name into the room, who will read the log in this form. Returns where they stand and
    /// when they have come in.
    ///
    /// # Errors
    /// [`Refusal::NoSuchUser`] if nobody has this name.
    pub fn enter(&mut self, now: Now, nick: &Nick, form: Arc<dyn Form>) -> Result<(Place, Stamp), Refusal> {
        let nobody = || Refusal::NoSuchUser(nick.as_str().into());
        let member = self.state.roster.find(nick).ok_or_else(nobody)?;
        let (person, away) = (member.person.clone(), member.away.clone());
        let feed = self.feed_for(form);
        self.place(nick, Some(feed));
        // The newcomer stands behind its own coming in: what it is told of that, its dialect says.
        let stamp = self.append(now, Event::Joined(&person));
        if away.is_some() {
            self.append(now, Event::Away(&person, away.as_deref()));
        }
        self.stand(feed).map(|place| (place, stamp)).ok_or_else(nobody)
    }

    /// Lets somebody who is in the room read it in another form from now on.
    pub fn change_form(&mut self, nick: &Nick, form: Arc<dyn Form>) -> Option<Place> {
        let feed = self.feed_for(form);
        self.place(nick, Some(feed));
        self.stand(feed)
    }

    /// Lets somebody out of the room, who keeps the name, and tells everybody.
    ///
    /// # Errors
    /// [`Refusal::NotInRoom`].
    pub fn exit(&mut self, now: Now, person: &Person, word: Option<&str>) -> Result<Stamp, Refusal> {
        self.place(&person.nick, None).ok_or(Refusal::NotInRoom)?;
        Ok(self.append(now, Event::Parted(person, word)))
    }

    /// Takes somebody's name away and, if they were in the room, tells everybody why; unless the daemon stops, when
    /// everybody is told for themselves and nobody needs as many lines as there are people.
    pub fn leave(&mut self, now: Now, nick: &Nick, reason: &Reason) -> Option<M> {
        let present = self.place(nick, None).is_some();
        // Whoever leaves in order has had the chance to read all; what a broken connection swallowed, nobody knows.
        let in_order = matches!(reason, Reason::Quit(_) | Reason::Closed | Reason::Kicked(_));
        let shown = (present && in_order).then_some(self.state.sequence);
        let member = self.state.roster.remove(now, nick, shown)?;
        if present && *reason != Reason::Stopping {
            self.append(now, Event::Left(&member.person, reason));
        }
        Some(member.handle)
    }

    /// Gives somebody another name and, if they are in the room, tells everybody.
    ///
    /// # Errors
    /// [`Refusal::NameTaken`]; [`Refusal::NoSuchUser`] if `from` is not here.
    pub fn rename(&mut self, now: Now, from: &Nick, to: &Nick) -> Result<Stamp, Refusal> {
        let from = self.state.roster.rename(now, from, to)?;
        Ok(self.tell(now, to, Event::Renamed { from: &from, to }))
    }

    /// Changes the topic and tells everybody, if it is another one.
    pub fn set_topic(&mut self, now: Now, by: Option<&Person>, text: &str) -> Stamp {
        if *self.state.topic.text == *text {
            return self.stamp(now);
        }
        let topic = Topic { text: text.into(), by: by.map(|by| by.nick.clone()), unix: now.unix };
        self.state.topic = topic.clone();
        self.append(now, Event::Topic { by, topic: &topic })
    }

    /// Notes why somebody is away, or that they are here again, and tells everybody if they are in the room.
    pub fn set_away(&mut self, now: Now, nick: &Nick, away: Option<&str>) -> Option<Stamp> {
        let person = self.state.roster.set_away(nick, away)?.clone();
        Some(self.tell(now, nick, Event::Away(&person, away)))
    }

    /// Gives somebody another profile, and tells everybody if they are in the room.
    pub fn describe(&mut self, now: Now, nick: &Nick, profile: Profile) -> Option<(Stamp, Arc<Person>)> {
        let person = self.state.roster.describe(nick, profile)?.clone();
        Some((self.tell(now, nick, Event::Described(&person)), person))
    }

    /// Takes back what somebody has said, and tells everybody.
    ///
    /// # Errors
    /// [`Refusal::NoSuchLine`] if it is not kept; [`Refusal::NotYours`] if somebody else has said it.
    pub fn redact(&mut self, now: Now, by: &Person, line: u64, reason: Option<&str>) -> Result<Stamp, Refusal> {
        let state = &mut *self.state;
        let index = state.history.binary_search_by_key(&line, |past| past.stamp().sequence);
        let index = index.map_err(|_| Refusal::NoSuchLine)?;
        match state.history.get(index).map(Past::event) {
            Some(Event::Said(who, _)) if who.number == by.number => {}
            _ => return Err(Refusal::NotYours),
        }
        if let Some(past) = state.history.remove(index) {
            state.history_size -= past.size();
        }
        Ok(self.append(now, Event::Redacted { by, line, reason }))
    }

    /// Changes how much is kept for newcomers.
    pub fn set_history_limit(&mut self, limit: HistoryLimit) {
        self.state.history_limit = limit;
        self.trim_history();
    }

    /// The next place in the log, for something that does not go through it: what is said to one person alone.
    pub fn stamp(&mut self, now: Now) -> Stamp {
        self.state.sequence += 1;
        Stamp { sequence: self.state.sequence, unix: now.unix }
    }

    /// Appends what somebody in the room says.
    pub fn say(&mut self, now: Now, event: Event<'_>) -> Stamp {
        if let Event::Said(who, _) = event {
            self.state.roster.note_active(now, &who.nick);
        }
        self.append(now, event)
    }

    /// Appends an event that changes nobody's place: something said, done or announced.
    pub fn append(&mut self, now: Now, event: Event<'_>) -> Stamp {
        let stamp = self.stamp(now);
        let state = &mut *self.state;
        for feed in &mut state.feeds {
            if let Some((form, tail)) = feed.tail() {
                form.render(stamp, event, tail);
            }
        }
        if state.history_limit.length > 0
            && let Some(past) = Past::keep(stamp, event)
        {
            state.history_size += past.size();
            state.history.push_back(past);
            self.trim_history();
        }
        self.appended = true;
        stamp
    }

    /// Appends an event of somebody, if they are in the room.
    fn tell(&mut self, now: Now, nick: &Nick, event: Event<'_>) -> Stamp {
        match self.state.roster.find(nick).is_some_and(|member| member.feed.is_some()) {
            true => self.append(now, event),
            false => self.stamp(now),
        }
    }

    /// Has somebody read another feed, or none. Returns the feed until now.
    fn place(&mut self, nick: &Nick, feed: Option<u32>) -> Option<u32> {
        let before = self.state.roster.place(nick, feed);
        if let Some(feed) = before.and_then(|feed| self.state.feeds.get_mut(feed as usize)) {
            feed.remove_reader();
        }
        before
    }

    /// A place at the end of a feed, counted as a reader's.
    fn stand(&mut self, feed: u32) -> Option<Place> {
        let own = self.state.feeds.get_mut(feed as usize)?;
        own.add_reader();
        Some(Place { feed, position: own.end(), block: own.head().clone() })
    }

    fn trim_history(&mut self) {
        let state = &mut *self.state;
        let HistoryLimit { length, size } = state.history_limit;
        while state.history.len() > length || state.history_size > size {
            let Some(past) = state.history.pop_front() else { return };
            state.history_size -= past.size();
        }
    }

    fn feed_for(&mut self, form: Arc<dyn Form>) -> u32 {
        let feeds = &mut self.state.feeds;
        let place = feeds.iter().position(|feed| feed.form().id() == form.id()).unwrap_or_else(|| {
            feeds.push(Feed::new(form));
            feeds.len() - 1
        });
        // There are not as many wire forms.
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// The room's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Everybody who is here.
    #[must_use]
    pub fn roster(&self) -> &Roster<M> {
        &self.state.roster
    }

    /// How many events there have been.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.state.sequence
    }

    /// The position after everything in a feed.
    #[must_use]
    pub fn end(&self, feed: u32) -> u64 {
        self.state.feeds.get(feed as usize).map_or(0, Feed::end)
    }

    /// Freezes a feed and returns the block where a reader who has kept up, and stands at `position`, goes on.
    pub fn resume(&mut self, feed: u32, position: u64) -> Option<Arc<Block>> {
        let feed = self.state.feeds.get_mut(feed as usize)?;
        feed.freeze();
        Some(feed.delivered().seek(position))
    }

    /// Freezes all feeds and says, feed by feed, what lies ahead.
    pub fn begin_round(&mut self) -> Vec<Round> {
        let rounds =
            self.state.feeds.iter_mut().map(|feed| Round { from: feed.delivered().clone(), to: feed.freeze() });
        rounds.collect()
    }

    /// Everybody who keeps up has been given what [`begin_round`](Self::begin_round) said.
    pub fn end_round(&mut self, rounds: Vec<Round>) {
        for (feed, round) in self.state.feeds.iter_mut().zip(rounds) {
            feed.set_delivered(round.to);
        }
    }
}
