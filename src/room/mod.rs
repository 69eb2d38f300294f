//! The room: a roster and a log.
//!
//! Whatever happens is an [`Event`], appended under one lock: the log's order is the only order. The room knows no
//! dialect (it renders through [`Form`]) and no session (a member is a name and a handle `M` that means nothing here),
//! no socket and no clock: time is an argument.

mod bell;
mod log;
mod roster;

use std::collections::{VecDeque, vec_deque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use bell::Bell;
pub use log::{Block, Feed};
pub use roster::{Member, Roster};

use crate::chat::{Event, Form, Names, Nick, Now, Past, Reason, Refusal, Stamp};

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
    topic: Box<str>,
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
    pub feed: usize,
    /// The block to go on from, at its end: right after the newcomer's own join.
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
    pub fn new(name: &str, topic: &str, history_limit: HistoryLimit) -> Room<M> {
        let state = State {
            name: name.into(),
            topic: topic.into(),
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
    /// Lets somebody in, who will read the log in this form.
    ///
    /// # Errors
    /// [`Refusal::NameTaken`].
    pub fn join(&mut self, now: Now, nick: &Nick, form: Arc<dyn Form>, handle: M) -> Result<Place, Refusal> {
        let feed = self.feed_for(form);
        self.state.roster.insert(Member { nick: nick.clone(), feed, handle })?;
        self.append(now, Event::Joined(nick));
        let feeds = &mut self.state.feeds;
        // `feed_for` has just returned this index, and feeds are never taken away.
        let Some(own) = feeds.get_mut(feed) else { return Err(Refusal::NoSuchUser(nick.as_str().into())) };
        own.add_reader();
        Ok(Place { feed, block: own.freeze() })
    }

    /// Takes somebody out and tells everybody why.
    pub fn leave(&mut self, now: Now, nick: &Nick, reason: &Reason) -> Option<M> {
        let member = self.state.roster.remove(nick)?;
        if let Some(feed) = self.state.feeds.get_mut(member.feed) {
            feed.remove_reader();
        }
        self.append(now, Event::Left(&member.nick, reason));
        Some(member.handle)
    }

    /// Gives somebody another name and tells everybody.
    ///
    /// # Errors
    /// [`Refusal::NameTaken`]; [`Refusal::NoSuchUser`] if `from` is not here.
    pub fn rename(&mut self, now: Now, from: &Nick, to: &Nick) -> Result<(), Refusal> {
        self.state.roster.rename(from, to)?;
        self.append(now, Event::Renamed { from, to });
        Ok(())
    }

    /// Changes the topic and tells everybody, if it is another one.
    pub fn set_topic(&mut self, now: Now, topic: &str) {
        if *self.state.topic != *topic {
            self.state.topic = topic.into();
            self.append(now, Event::Topic(topic));
        }
    }

    /// Changes how much is kept for newcomers.
    pub fn set_history_limit(&mut self, limit: HistoryLimit) {
        self.state.history_limit = limit;
        self.trim_history();
    }

    /// Appends an event that changes nobody's place: something said, done or announced.
    pub fn append(&mut self, now: Now, event: Event<'_>) {
        let state = &mut *self.state;
        state.sequence += 1;
        let stamp = Stamp { sequence: state.sequence, unix: now.unix };
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
    }

    fn trim_history(&mut self) {
        let state = &mut *self.state;
        let HistoryLimit { length, size } = state.history_limit;
        while state.history.len() > length || state.history_size > size {
            let Some(past) = state.history.pop_front() else { return };
            state.history_size -= past.size();
        }
    }

    fn feed_for(&mut self, form: Arc<dyn Form>) -> usize {
        let feeds = &mut self.state.feeds;
        feeds.iter().position(|feed| feed.form().id() == form.id()).unwrap_or_else(|| {
            feeds.push(Feed::new(form));
            feeds.len() - 1
        })
    }

    /// The room's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// The room's topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.state.topic
    }

    /// Everybody who is here.
    #[must_use]
    pub fn roster(&self) -> &Roster<M> {
        &self.state.roster
    }

    /// The names of everybody who is here.
    #[must_use]
    pub fn names(&self) -> Names<'_> {
        Box::new(self.state.roster.iter().map(|member| &member.nick))
    }

    /// The last lines, oldest first.
    #[must_use]
    pub fn history(&self) -> vec_deque::Iter<'_, Past> {
        self.state.history.iter()
    }

    /// How many events there have been.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.state.sequence
    }

    /// The position after everything in a feed.
    #[must_use]
    pub fn end(&self, feed: usize) -> u64 {
        self.state.feeds.get(feed).map_or(0, Feed::end)
    }

    /// Freezes a feed and returns the block where a reader who has kept up, and stands at `position`, goes on.
    pub fn resume(&mut self, feed: usize, position: u64) -> Option<Arc<Block>> {
        let feed = self.state.feeds.get_mut(feed)?;
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
