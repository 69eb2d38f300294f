//! The room without sockets: the log and its feeds, the roster, joining.

use std::sync::Arc;

use chatd::chat::{Event, Form, Nick, Now, Reason, Refusal, Stamp};
use chatd::room::{Feed, HistoryLimit, Room, Roster};
use proptest::prelude::*;

const NOW: Now = Now { ticks: 0, unix: 0 };
const HISTORY: HistoryLimit = HistoryLimit { length: 3, size: 1000 };

/// A wire form that shows the kind of event and its text.
struct Plain(u64);

impl Form for Plain {
    fn id(&self) -> (&'static str, u64) {
        ("plain", self.0)
    }

    fn render(&self, stamp: Stamp, event: Event<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{} {event:?}\n", stamp.sequence).as_bytes());
    }
}

fn nick(name: &str) -> Nick {
    Nick::new(name).unwrap()
}

/// Everything in a feed from a block's end on.
fn read_from(mut block: Arc<chatd::room::Block>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(next) = block.next().cloned() {
        assert_eq!(next.base(), block.end());
        bytes.extend_from_slice(next.bytes());
        block = next;
    }
    bytes
}

#[test]
fn a_newcomer_reads_what_happens_after_its_own_join() {
    let room = Room::new("lobby", "", HISTORY);
    let mut locked = room.lock();
    let ana = locked.join(NOW, &nick("ana"), Arc::new(Plain(0)), 1).unwrap();
    let bo = locked.join(NOW, &nick("bo"), Arc::new(Plain(0)), 2).unwrap();
    assert_eq!(ana.feed, bo.feed, "the same form shares a feed");
    locked.append(NOW, Event::Said(&nick("ana"), "hi"));
    locked.begin_round();
    assert_eq!(String::from_utf8(read_from(ana.block)).unwrap(), "2 Joined(\"bo\")\n3 Said(\"ana\", \"hi\")\n");
    assert_eq!(String::from_utf8(read_from(bo.block)).unwrap(), "3 Said(\"ana\", \"hi\")\n");
}

#[test]
fn each_form_has_a_feed_and_nothing_is_rendered_for_nobody() {
    let room = Room::new("lobby", "", HISTORY);
    let mut locked = room.lock();
    let ana = locked.join(NOW, &nick("ana"), Arc::new(Plain(0)), 1).unwrap();
    let bo = locked.join(NOW, &nick("bo"), Arc::new(Plain(1)), 2).unwrap();
    assert_ne!(ana.feed, bo.feed);
    let before = locked.end(bo.feed);
    assert_eq!(locked.leave(NOW, &nick("bo"), &Reason::Quit(None)), Some(2));
    locked.append(NOW, Event::Notice("tea"));
    assert_eq!(locked.end(bo.feed), before);
    assert!(locked.end(ana.feed) > 0);
    let again = locked.join(NOW, &nick("bo"), Arc::new(Plain(1)), 3).unwrap();
    assert_eq!(again.feed, bo.feed, "a form that was used before goes on in its feed");
}

#[test]
fn the_bell_rings_once_for_everything_that_was_appended() {
    let room: Room<u8> = Room::new("lobby", "", HISTORY);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(room.bell().poll_rung(&mut context).is_pending());
    room.lock().begin_round();
    assert!(room.bell().poll_rung(&mut context).is_pending(), "looking is not appending");
    room.lock().append(NOW, Event::Notice("tea"));
    room.lock().append(NOW, Event::Notice("cake"));
    assert!(room.bell().poll_rung(&mut context).is_ready());
    room.bell().silence();
    assert!(room.bell().poll_rung(&mut context).is_pending());
}

#[test]
fn history_is_the_last_lines_that_were_said_within_both_limits() {
    let room: Room<u8> = Room::new("lobby", "", HistoryLimit { length: 3, size: 10 });
    let mut locked = room.lock();
    let ana = nick("ana");
    for text in ["one", "two", "three", "four"] {
        locked.append(NOW, Event::Said(&ana, text));
        locked.append(NOW, Event::Joined(&ana));
    }
    let texts = |locked: &chatd::room::Locked<'_, u8>| -> Vec<String> {
        locked.history().map(|past| format!("{:?}", past.event())).collect()
    };
    assert_eq!(texts(&locked), ["Said(\"ana\", \"three\")", "Said(\"ana\", \"four\")"], "two would be 12 bytes");
    locked.set_history_limit(HistoryLimit { length: 1, size: 10 });
    assert_eq!(texts(&locked), ["Said(\"ana\", \"four\")"]);
    locked.append(NOW, Event::Said(&ana, "longer than all history"));
    assert!(texts(&locked).is_empty());
}

#[test]
fn names_are_unique_whatever_happens() {
    let mut roster = Roster::default();
    let member = |name: &str| chatd::room::Member { nick: nick(name), feed: 0, handle: () };
    roster.insert(member("Ana")).unwrap();
    assert_eq!(roster.insert(member("aNA")), Err(Refusal::NameTaken("aNA".into())));
    roster.insert(member("bo")).unwrap();
    assert_eq!(roster.rename(&nick("bo"), &nick("ANA")), Err(Refusal::NameTaken("ANA".into())));
    roster.rename(&nick("ana"), &nick("ANA")).unwrap();
    assert_eq!(roster.find(&nick("ana")).unwrap().nick.as_str(), "ANA", "one may change one's own case");
    assert_eq!(roster.rename(&nick("nobody"), &nick("x")), Err(Refusal::NoSuchUser("nobody".into())));
    roster.rename(&nick("bo"), &nick("aaron")).unwrap();
    let names: Vec<_> = roster.iter().map(|member| member.nick.to_string()).collect();
    assert_eq!(names, ["aaron", "ANA"], "in the order of their comparison forms");
    assert!(roster.remove(&nick("Aaron")).is_some());
    assert_eq!(roster.len(), 1);
}

#[test]
fn a_chain_of_a_million_blocks_is_taken_down_without_a_deep_stack() {
    let mut feed = Feed::new(Arc::new(Plain(0)));
    feed.add_reader();
    let first = feed.freeze();
    for _ in 0..1_000_000 {
        feed.tail().unwrap().1.push(b'x');
        feed.freeze();
    }
    drop(feed);
    drop(first);
}

#[derive(Debug, Clone)]
enum Step {
    Say(u8),
    Freeze,
    Round,
    Join,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![(0..20_u8).prop_map(Step::Say), Just(Step::Freeze), Just(Step::Round), Just(Step::Join)]
}

proptest! {
    /// Whatever is frozen when, every reader can read everything from its own start, once and in order; and whoever
    /// has kept up finds its block again by its position.
    #[test]
    fn every_reader_reads_all_and_only_what_followed(steps in proptest::collection::vec(step(), 0..60)) {
        let mut feed = Feed::new(Arc::new(Plain(0)));
        feed.add_reader();
        let mut all = Vec::new();
        let mut readers = Vec::new();
        for step in steps {
            match step {
                Step::Say(n) => {
                    let text = format!("{n}\n");
                    all.extend_from_slice(text.as_bytes());
                    feed.tail().unwrap().1.extend_from_slice(text.as_bytes());
                }
                Step::Freeze => drop(feed.freeze()),
                Step::Round => {
                    let to = feed.freeze();
                    feed.set_delivered(to);
                }
                Step::Join => readers.push(feed.freeze()),
            }
            prop_assert_eq!(feed.end(), all.len() as u64);
        }
        feed.freeze();
        for reader in readers {
            let start = reader.end() as usize;
            prop_assert_eq!(&read_from(reader), &all[start..]);
        }
        let delivered = feed.delivered().clone();
        for position in delivered.end()..=feed.end() {
            let block = delivered.seek(position);
            prop_assert!(block.base() <= position && position <= block.end());
            prop_assert_eq!(block.between(position, u64::MAX), &all[position as usize..block.end() as usize]);
        }
    }
}
