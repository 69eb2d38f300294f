//! A long week: everything that depends on timers, for a day and longer in virtual time. Nobody who behaves is disconnected,
//! whoever does not is, nothing is awaited that is past already, and what is done grows with what happens, not with time.

use std::collections::VecDeque;
use std::time::Duration;

use chatd::chat::{Ban, Lookup, Nick, Point, Selection, Subject};
use chatd::config::Limits;

use super::{Kind, World, limits};

const LARGE: usize = 1 << 24;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const WEEKS: Duration = Duration::from_secs(21 * 24 * 3600);

/// A room with somebody of each kind, and what they have done by themselves.
struct Day {
    world: World,
    /// Who answers each PING; who does not.
    alive: Vec<usize>,
    ghosts: Vec<usize>,
    /// PINGs that were answered.
    pings: usize,
    turns: u64,
    alarms: u64,
}

impl Day {
    fn new(limits: Limits) -> Day {
        let mut world = World::with(limits, 100);
        let kinds = [Kind::Text, Kind::Irc, Kind::Echo, Kind::Classic, Kind::PodSixNet];
        let alive = kinds.into_iter().chain(kinds).map(|kind| world.join(kind, LARGE)).collect();
        let mut day = Day { world, alive, ghosts: Vec::new(), pings: 0, turns: 0, alarms: 0 };
        day.settle();
        day
    }

    /// A turn for each who waits for one, until nobody does; all read what they are sent and answer PINGs.
    fn settle(&mut self) {
        loop {
            while self.world.connections.has_woken() {
                self.world.turns(1);
                self.turns += 1;
            }
            self.world.settle();
            let before = self.turns;
            for client in 0..self.world.clients.len() {
                self.read(client);
            }
            if !self.world.connections.has_woken() && self.turns == before {
                return;
            }
        }
    }

    fn read(&mut self, client: usize) {
        self.world.clients[client].received.clear();
        self.world.read(client, usize::MAX);
        let pings = self.world.text(client).matches("PING :irc.test").count();
        if pings > 0 && !self.ghosts.contains(&client) {
            self.pings += pings;
            self.world.write(client, "PONG :irc.test\r\n");
        }
    }

    /// Time passes, from one alarm to the next.
    fn pass(&mut self, time: Duration) {
        let end = self.world.now.ticks + time.as_micros() as u64;
        self.settle();
        while let Some(next) = self.world.connections.next_alarm().filter(|next| *next < end) {
            let now = self.world.now.ticks;
            assert!(next > now, "an alarm is {} µs in the past", now - next);
            self.step(next);
            self.alarms += 1;
            self.settle();
        }
        self.step(end);
        self.settle();
    }

    fn step(&mut self, to: u64) {
        let now = &mut self.world.now;
        let before = now.ticks / 1000;
        now.ticks = to;
        now.unix += to / 1000 - before;
        self.world.connections.fire_alarms(self.world.now);
    }

    /// The process is suspended: time has passed, and nobody has looked.
    fn suspend(&mut self, time: Duration) {
        self.world.now.ticks += time.as_micros() as u64;
        self.world.now.unix += time.as_millis() as u64;
    }

    /// What everybody says and does within an hour, those who say nothing for hours apart.
    fn hour(&mut self, hour: usize) {
        let (talker, paster) = (self.alive[0], self.alive[1]);
        let before = self.world.said;
        self.world.say(talker);
        // Faster than the rate for half a minute.
        (0..100).for_each(|_| self.world.say(paster));
        let newcomer = self.world.join(Kind::Irc, LARGE);
        self.world.write(newcomer, "MONITOR + visitor\r\nCHATHISTORY LATEST #lobby * 10\r\n");
        let visitor = self.world.connect(Kind::Text, LARGE, usize::MAX);
        self.world.write(visitor, "visitor\n");
        let silent = self.world.connect(Kind::Auto, LARGE, usize::MAX);
        let ghost = self.world.join(Kind::Irc, LARGE);
        self.ghosts.push(ghost);
        self.pass(MINUTE);
        self.world.say(visitor);
        self.pass(5 * MINUTE);
        assert!(!self.world.is_member(ghost), "whoever answers no PING is gone in hour {hour}");
        assert!(self.is_gone(silent), "whoever gives no name is gone in hour {hour}");
        self.world.write(visitor, "/quit\n");
        self.world.write(newcomer, "QUIT\r\n");
        self.pass(54 * MINUTE);
        assert!(self.is_gone(visitor) && self.is_gone(newcomer));
        assert_eq!(self.world.said, before + 102);
        assert_eq!(self.world.connections.counters.messages.total(), self.world.said as u64, "all of it was said");
        self.check();
    }

    fn is_gone(&self, client: usize) -> bool {
        let streams = &self.world.clients[client].wire;
        let known = self.world.connections.transport(self.world.clients[client].id);
        known.is_none_or(|known| !std::rc::Rc::ptr_eq(&known.0, streams))
    }

    /// Everybody who behaves is here, and nobody else.
    fn check(&self) {
        for client in &self.alive {
            assert!(
                self.world.is_member(*client),
                "{:?}: {}",
                self.world.clients[*client].kind,
                self.world.text(*client)
            );
        }
        assert_eq!(self.world.connections.len(), self.alive.len());
        assert_eq!(self.world.connections.state.people.len(), self.alive.len());
    }
}

/// As long as nobody is held up, everybody may say and ask as much as here.
fn generous() -> Limits {
    Limits { max_lag: 1 << 20, backlog: 64 << 20, ..limits() }
}

#[test]
fn a_day_with_pings_rates_logins_watches_and_lookups() {
    let mut day = Day::new(generous());
    for hour in 0..24 {
        day.hour(hour);
    }
    // Four IRC clients that are silent most of the time are asked every two minutes.
    assert!((24 * 60..4 * 24 * 60).contains(&day.pings), "{} PINGs", day.pings);
    // For each PING an alarm and a turn, and a turn for the answer; the rest is what people do.
    assert!(day.alarms < 3 * day.pings as u64 + 24 * 200, "{} alarms", day.alarms);
    assert!(day.turns < 4 * day.pings as u64 + 24 * 2000, "{} turns", day.turns);
    let counters = &day.world.connections.counters;
    assert_eq!((counters.login_timeout, counters.max_lag, counters.backlog), (24, 0, 0));
    assert!(day.world.connections.counters.messages.per_second(day.world.now) <= 0.0, "nothing within a minute");
}

#[test]
fn a_room_that_sleeps_for_weeks_loses_nobody() {
    let mut day = Day::new(generous());
    for (round, time) in [HOUR, WEEKS, 100 * WEEKS, Duration::from_secs(1)].into_iter().enumerate() {
        day.pass(121 * Duration::from_secs(1));
        // Some have been asked and have answered, others speak, and nobody has looked yet.
        let words: Vec<_> = day.alive.clone().into_iter().map(|client| (client, day.world.line(client, 0))).collect();
        for (client, words) in words {
            day.world.clients[client].wire.borrow_mut().to_server.extend(words);
        }
        let newcomer = day.world.connect(Kind::Auto, LARGE, usize::MAX);
        let login = day.world.login_of(newcomer);
        day.suspend(time);
        day.world.clients[newcomer].wire.borrow_mut().to_server.extend(login);
        let (turns, alarms) = (day.turns, day.alarms);
        day.world.connections.fire_alarms(day.world.now);
        day.world.report_all();
        day.settle();
        assert!(day.turns - turns < 200 && day.alarms - alarms < 50, "what was missed is not done one by one");
        day.alive.push(newcomer);
        day.check();
        assert_eq!(day.world.connections.counters.messages.total(), day.world.said as u64, "round {round}");
        // It goes on as if nothing had been.
        day.hour(round);
    }
}

#[test]
fn whoever_has_read_while_the_daemon_was_suspended_is_not_taken_for_stalled() {
    let mut day = Day::new(generous());
    let talker = day.alive[0];
    let slow = [day.alive[1], day.alive[2], day.alive[5]];
    for client in slow {
        day.world.clients[client].wire.borrow_mut().capacity = 100;
    }
    (0..20).for_each(|_| day.world.say(talker));
    day.world.settle();
    for client in slow {
        let streams = day.world.clients[client].wire.clone();
        assert!(day.world.owed(day.world.clients[client].id) > 0);
        // It reads all that its kernel has, and the daemon is not told before it looks at the clock.
        let read: Vec<u8> = streams.borrow_mut().to_client.drain(..).collect();
        assert!(!read.is_empty());
        streams.borrow_mut().capacity = LARGE;
    }
    day.suspend(HOUR);
    day.world.connections.fire_alarms(day.world.now);
    day.world.settle();
    assert!(slow.into_iter().all(|client| day.world.is_member(client)));
    day.pass(MINUTE);
    day.check();
}

#[test]
fn a_client_that_was_not_asked_before_a_suspension_is_asked_after_it() {
    let mut day = Day::new(generous());
    day.pass(100 * Duration::from_secs(1));
    day.suspend(WEEKS);
    let before = day.pings;
    day.world.connections.fire_alarms(day.world.now);
    day.settle();
    assert_eq!(day.pings - before, 4, "each IRC client, once");
    day.check();
}

#[test]
fn bans_end_by_the_clock_of_the_system_whatever_else_it_does() {
    const DAY: u64 = 24 * 3_600_000;
    let mut day = Day::new(generous());
    let now = day.world.now;
    let subject = Subject::Name(Nick::new("bad").unwrap());
    let ban = Ban { subject, with: None, reason: None, since: now.unix, until: Some(now.unix + DAY), uid: 0 };
    day.world.connections.state.ban(now, ban).unwrap();
    let comes_in = |day: &mut Day| {
        let client = day.world.connect(Kind::Text, LARGE, usize::MAX);
        day.world.write(client, "bad\n");
        day.settle();
        let came_in = day.world.is_member(client);
        day.world.write(client, "/quit\n");
        day.pass(10 * Duration::from_secs(1));
        assert!(day.is_gone(client));
        came_in
    };
    day.pass(23 * HOUR);
    assert!(!comes_in(&mut day));
    // The clock is set back by two days, and forward again by five.
    day.world.now.unix -= 2 * DAY;
    assert!(!comes_in(&mut day));
    day.world.now.unix += 5 * DAY;
    assert!(comes_in(&mut day));
    day.world.now.unix -= 3 * DAY;
    assert!(!comes_in(&mut day), "it was a mistake of the clock's, and the ban is not forgotten");
    day.pass(HOUR);
    assert!(comes_in(&mut day));
    day.check();
}

/// What was said keeps its order and its identity; only the times are those of the clock.
#[test]
fn a_clock_that_jumps_changes_no_order_and_disconnects_nobody() {
    const DAY: i64 = 24 * 3_600_000;
    let mut day = Day::new(generous());
    let jumps = [400 * DAY, -30 * DAY, -700 * DAY, 3_600_000, -1, 10_000 * DAY, -10_000 * DAY];
    for jump in jumps {
        let unix = &mut day.world.now.unix;
        *unix = unix.saturating_add_signed(jump);
        day.world.say(day.alive[0]);
        day.pass(20 * MINUTE);
        day.check();
    }
    let lookup = |selection| Lookup::messages(selection, 100).answer(day.world.connections.state.room.history().iter());
    let page = lookup(Selection::Latest(None)).unwrap();
    let stamps: VecDeque<_> = page.entries.iter().map(|entry| entry.stamp()).collect();
    assert_eq!(stamps.len(), jumps.len());
    assert!(stamps.iter().is_sorted_by(|one, other| one.sequence < other.sequence), "{stamps:?}");
    assert!(!stamps.iter().is_sorted_by_key(|stamp| stamp.unix));
    // From one line to the next by their identity, each once.
    for (place, stamp) in stamps.iter().enumerate() {
        let after = lookup(Selection::After(Point::Event(stamp.sequence))).unwrap();
        assert_eq!(after.entries.len(), stamps.len() - place - 1);
    }
}
