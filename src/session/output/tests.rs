//! After any steps in any order, the client has received what a simple model says, and no memory is kept.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::chat::{Event, Form, Now, Stamp, View};
use crate::room::{HistoryLimit, Round, State};

/// How many wire forms there are.
const FORMS: u64 = 3;

/// Shows a notice's text, in each form in letters of its own and in another length.
struct Shifted(u64);

impl Form for Shifted {
    fn id(&self) -> (&'static str, u64) {
        ("shifted", self.0)
    }

    fn render(&self, _: Stamp, event: &Event<'_>, _: &dyn View, out: &mut Vec<u8>) {
        if let Event::Notice(text) = event {
            out.extend_from_slice(&in_form(text, self.0));
        }
    }
}

fn in_form(text: &str, form: u64) -> Vec<u8> {
    let shifted = text.bytes().map(|byte| byte + 32 * u8::try_from(form).unwrap());
    shifted.chain(std::iter::repeat_n(b'.', usize::try_from(form).unwrap())).collect()
}

#[derive(Debug, Clone)]
enum Step {
    /// Another user says this many bytes.
    Append(usize),
    /// The client says something without receiving its echo.
    Omit(usize),
    /// Another client subscribes, so that the open tail is frozen.
    Freeze,
    /// Only this client is sent something.
    Post(usize, Source),
    /// The client changes its wire form, or joins.
    Read(u64),
    /// The client goes out, and is not sent the event by which it does.
    Leave(usize),
    /// The session is closed.
    Close,
    Abandon,
    /// Everything is written down and read back.
    SaveAndRestore,
    /// A round of the delivery begins.
    Begin,
    /// A round reaches the client, whose socket has this much space, and ends.
    Serve(usize),
    /// The session has a turn, with this much room.
    Turn(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![1..50_usize, 1000..6000_usize];
    let source = prop_oneof![Just(Source::Own), Just(Source::Room)];
    prop_oneof![
        6 => length.clone().prop_map(Step::Append),
        3 => length.clone().prop_map(Step::Omit),
        2 => Just(Step::Freeze),
        4 => (length.clone(), source).prop_map(|(length, source)| Step::Post(length, source)),
        3 => (0..FORMS).prop_map(Step::Read),
        1 => length.clone().prop_map(Step::Leave),
        1 => Just(Step::Close),
        1 => Just(Step::Abandon),
        1 => Just(Step::SaveAndRestore),
        4 => Just(Step::Begin),
        4 => prop_oneof![Just(0), length.clone(), Just(usize::MAX)].prop_map(Step::Serve),
        4 => prop_oneof![Just(0), length, Just(usize::MAX)].prop_map(Step::Turn),
    ]
}

/// One session's output and what it reads, and what its client should be sent.
struct World {
    state: State,
    output: Output,
    round: Option<Vec<Round>>,
    /// The form that is read after everything unsent.
    form: Option<u64>,
    expected: Vec<u8>,
    received: Vec<u8>,
    /// The total of skipped bytes.
    omitted: usize,
    /// Makes all bytes different from their neighbours.
    counter: u8,
}

impl World {
    fn new() -> World {
        let mut state = State::new(Now::default(), "lobby", "", HistoryLimit { length: 0, size: 0 });
        // Every form but one has another reader that never reads, so those feeds have content already.
        for form in 1..FORMS {
            state.log.subscribe(Arc::new(Shifted(form)));
        }
        state.commit(Now::default(), &Event::Notice("BEFORE".into()));
        let (expected, received) = (Vec::new(), Vec::new());
        let output = Output::default();
        World { state, output, round: None, form: None, expected, received, omitted: 0, counter: 0 }
    }

    fn text(&mut self, length: usize) -> String {
        let next = || {
            self.counter = (self.counter + 1) % 26;
            char::from(b'A' + self.counter)
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    fn append(&mut self, length: usize) -> (Stamp, Vec<u8>) {
        let text = self.text(length);
        let stamp = self.state.commit(Now::default(), &Event::Notice(text.as_str().into()));
        (stamp, self.form.map_or_else(Vec::new, |form| in_form(&text, form)))
    }

    fn own(&self, stamp: Stamp) -> Option<(u64, u64)> {
        self.output.feed().and_then(|feed| self.state.log.bytes_of(stamp, feed))
    }

    fn take(&mut self, step: &Step) {
        let log = &mut self.state.log;
        match step {
            Step::Append(length) => {
                let (_, shown) = self.append(*length);
                self.expected.extend(shown);
            }
            Step::Omit(length) => {
                let (stamp, shown) = self.append(*length);
                if let Some(own) = self.own(stamp) {
                    assert_eq!(own.1 - own.0, shown.len() as u64);
                    self.output.skip(&self.state.log, own);
                    self.omitted += shown.len();
                }
            }
            Step::Freeze => {
                let mut other = log.subscribe(Arc::new(Shifted(self.form.unwrap_or(0))));
                log.pin(&mut other);
                log.unsubscribe(other.feed);
            }
            Step::Post(length, source) => {
                let text = self.text(*length).to_lowercase();
                self.output.post(&self.state.log, text.as_bytes(), *source);
                self.expected.extend(text.bytes());
            }
            Step::Read(form) => {
                let cursor = log.subscribe(Arc::new(Shifted(*form)));
                self.output.start_reading(log, cursor);
                self.form = Some(*form);
            }
            Step::Leave(length) => {
                let (stamp, _) = self.append(*length);
                let own = self.own(stamp);
                self.output.stop_reading(&mut self.state.log, own.map(|(start, _)| start));
                self.form = None;
            }
            Step::Close => {
                self.output.stop_reading(log, None);
                self.form = None;
            }
            Step::Abandon => {
                self.output.discard(log);
                self.expected.truncate(self.received.len());
                self.form = None;
            }
            Step::SaveAndRestore => self.save_and_restore(),
            Step::Begin => {
                if self.round.is_none() {
                    self.round = Some(log.begin_round());
                }
            }
            Step::Serve(room) => self.serve(*room),
            Step::Turn(room) => self.write_all(*room),
        }
    }

    /// As when a session is saved and restored: what is unsent is queued again, and the feed is read on.
    fn save_and_restore(&mut self) {
        let (answers, lag) = (self.output.answers(), self.output.lag(&self.state.log));
        let unsent = self.output.drain(&mut self.state.log);
        let blocks = self.state.log.take_shared();
        let bytes_of = |unsent: &Unsent| match unsent {
            Unsent::Own(_, bytes) => bytes.clone(),
            Unsent::Shared { block, from, to } => blocks[*block as usize][*from as usize..*to as usize].to_vec(),
        };
        let bytes: Vec<u8> = unsent.iter().flat_map(bytes_of).collect();
        assert_eq!([&*self.received, &*bytes].concat(), self.expected, "what is unsent is what was not sent");
        assert_eq!((self.output.answers(), self.output.lag(&self.state.log)), (0, 0));
        assert_eq!(self.output.reading().is_some(), self.form.is_some());
        assert!(self.output.is_done() || self.form.is_some());
        self.state.log.set_shared(blocks);
        self.output.restore(&self.state.log, unsent);
        self.state.log.forget_shared();
        assert_eq!(self.output.answers(), answers);
        assert_eq!(self.output.lag(&self.state.log), lag);
    }

    /// As the delivery does it.
    fn serve(&mut self, room: usize) {
        let Some(rounds) = self.round.take() else { return };
        let Some(round) = self.output.reading().and_then(|feed| rounds.get(feed.index())) else {
            return self.state.log.end_round(rounds);
        };
        let (mut chain, mut block) = (Vec::new(), round.from.clone());
        while !Arc::ptr_eq(&block, &round.to) {
            block = block.next().unwrap().clone();
            chain.push(block.clone());
        }
        let slices: Vec<_> = chain.iter().map(|block| IoSlice::new(block.bytes())).collect();
        let update = FeedUpdate { from: &round.from, start: round.from.end(), end: round.to.end(), slices: &slices };
        if update.start < update.end {
            if self.output.is_caught_up(&update) {
                let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                let sent = room.min(all.len());
                self.received.extend_from_slice(&all[..sent]);
                if !self.output.sent_update(&update, sent) {
                    self.output.pin_block(&update);
                    self.output.set_blocked(true);
                }
            } else {
                self.output.pin_block(&update);
                if !self.output.is_blocked() {
                    self.write_all(room);
                }
            }
            if !self.output.is_blocked() && self.output.reading().is_some_and(|feed| feed.index() < rounds.len()) {
                let round = &rounds[self.output.reading().unwrap().index()];
                let update =
                    FeedUpdate { from: &round.from, start: round.from.end(), end: round.to.end(), slices: &[] };
                self.output.unpin_block(&update);
            }
        }
        self.state.log.end_round(rounds);
    }

    /// As a session does it in its turn.
    fn write_all(&mut self, mut room: usize) {
        loop {
            let (pieces, total) = self.output.gather();
            assert!(pieces.len() <= PIECES + 1, "as many pieces as the kernel takes");
            let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
            drop(pieces);
            assert_eq!(all.len(), total);
            let sent = total.min(room);
            room -= sent;
            self.received.extend_from_slice(&all[..sent]);
            self.output.advance(sent);
            if sent < total || total == 0 {
                self.output.set_blocked(sent < total);
                return;
            }
        }
    }

    fn check(&self) {
        assert!(
            self.expected.starts_with(&self.received),
            "{:?} is received of {:?}",
            String::from_utf8_lossy(&self.received),
            String::from_utf8_lossy(&self.expected)
        );
        let left = (self.expected.len() - self.received.len()) as u64;
        let counted = self.output.lag(&self.state.log) + self.output.answers() as u64;
        assert!(counted >= left, "{counted} of {left} bytes are counted");
        assert!(counted <= left + self.omitted as u64, "{counted} bytes are counted, and only {left} are left");
    }
}

proptest! {
    #[test]
    fn the_client_receives_everything_once_and_in_order(steps in vec(step(), 0..80)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check();
        }
        // Nothing more happens, and the client reads on.
        for step in [Step::Serve(usize::MAX), Step::Begin, Step::Turn(usize::MAX), Step::Serve(usize::MAX)] {
            world.take(&step);
        }
        world.take(&Step::Turn(usize::MAX));
        prop_assert_eq!(world.received.len(), world.expected.len());
        // After one more line, a client that is caught up pins nothing.
        for step in [Step::Append(10), Step::Begin, Step::Serve(usize::MAX), Step::Turn(usize::MAX)] {
            world.take(&step);
            world.check();
        }
        prop_assert_eq!(world.received.len(), world.expected.len());
        let Output { cursor, outbox, blocked, pace: _ } = &world.output;
        prop_assert!(outbox.is_none() && !blocked);
        prop_assert_eq!(cursor.is_some(), world.form.is_some());
        prop_assert!(cursor.as_ref().is_none_or(|cursor| cursor.block.is_none()));
    }

    /// Nothing is kept for a client that is gone, by itself or because it lagged too far behind.
    #[test]
    fn a_discarded_output_pins_no_blocks(steps in vec(step(), 0..40), politely in any::<bool>()) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.take(if politely { &Step::Close } else { &Step::Abandon });
        world.take(&Step::Turn(usize::MAX));
        prop_assert!(world.output.is_done());
        for form in 1..FORMS {
            // The reader who never reads.
            let feed = world.state.log.subscribe(Arc::new(Shifted(form))).feed;
            world.state.log.unsubscribe(feed);
            world.state.log.unsubscribe(feed);
        }
        // The delivery's own hold ends with its next round.
        for step in [Step::Serve(usize::MAX), Step::Begin, Step::Serve(usize::MAX)] {
            world.take(&step);
        }
        prop_assert_eq!(world.state.log.backlog().bytes(), 0);
    }
}
