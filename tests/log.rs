//! The room without sockets: the log and its feeds, the roster, joining.

use std::sync::Arc;

use chatd::chat::{Event, Form, Nick, Now, Person, Profile, Reason, Refusal, Stamp, View as _, Words};
use chatd::room::{Feed, HistoryLimit, Locked, Place, Room, Roster};
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
        let line = match event {
            Event::Joined(who) => format!("{} joined", who.as_str()),
            Event::Parted(who, _) => format!("{} parted", who.as_str()),
            Event::Said(who, words) => format!("{}: {}", who.as_str(), words.text),
            other => format!("{other:?}"),
        };
        out.extend_from_slice(format!("{} {line}\n", stamp.sequence).as_bytes());
    }
}

fn nick(name: &str) -> Nick {
    Nick::new(name).unwrap()
}

fn person(name: &str) -> Person {
    Person::named(nick(name))
}

/// Somebody comes in, who reads this form.
fn join<M>(locked: &mut Locked<'_, M>, name: &str, form: u64, handle: M) -> Place {
    locked.register(NOW, person(name), handle).unwrap();
    locked.enter(NOW, &nick(name), Arc::new(Plain(form))).unwrap().0
}

/// Everything that somebody reads who stands there.
fn read_from(Place { position, mut block, .. }: Place) -> Vec<u8> {
    let mut bytes = block.between(position, u64::MAX).to_vec();
    while let Some(next) = block.next().cloned() {
        assert_eq!(next.base(), block.end());
        bytes.extend_from_slice(next.between(position, u64::MAX));
        block = next;
    }
    bytes
}

#[test]
fn a_newcomer_reads_what_happens_after_its_own_join() {
    let room = Room::new(NOW, "lobby", "", HISTORY);
    let mut locked = room.lock();
    let ana = join(&mut locked, "ana", 0, 1);
    let bo = join(&mut locked, "bo", 0, 2);
    assert_eq!(ana.feed, bo.feed, "the same form shares a feed");
    locked.append(NOW, Event::Said(&person("ana"), &Words::plain("hi")));
    locked.begin_round();
    assert_eq!(String::from_utf8(read_from(ana)).unwrap(), "4 bo joined\n5 ana: hi\n");
    assert_eq!(String::from_utf8(read_from(bo)).unwrap(), "5 ana: hi\n");
}

#[test]
fn each_form_has_a_feed_and_nothing_is_rendered_for_nobody() {
    let room = Room::new(NOW, "lobby", "", HISTORY);
    let mut locked = room.lock();
    let ana = join(&mut locked, "ana", 0, 1);
    let bo = join(&mut locked, "bo", 1, 2);
    assert_ne!(ana.feed, bo.feed);
    let before = locked.end(bo.feed);
    assert_eq!(locked.leave(NOW, &nick("bo"), &Reason::Quit(None)), Some(2));
    locked.append(NOW, Event::Notice("tea"));
    assert_eq!(locked.end(bo.feed), before);
    assert!(locked.end(ana.feed) > 0);
    let again = join(&mut locked, "bo", 1, 3);
    assert_eq!(again.feed, bo.feed, "a form that was used before goes on in its feed");
}

#[test]
fn the_bell_rings_once_for_everything_that_was_appended() {
    let room: Room<u8> = Room::new(NOW, "lobby", "", HISTORY);
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
    let room: Room<u8> = Room::new(NOW, "lobby", "", HistoryLimit { length: 3, size: 10 });
    let mut locked = room.lock();
    let ana = person("ana");
    for text in ["one", "two", "three", "four"] {
        locked.append(NOW, Event::Said(&ana, &Words::plain(text)));
        locked.append(NOW, Event::Joined(&ana));
    }
    let texts = |locked: &chatd::room::Locked<'_, u8>| -> Vec<String> {
        let words = locked.history().map(|past| match past.event() {
            Event::Said(_, words) => words.text.to_string(),
            other => panic!("{other:?}"),
        });
        words.collect()
    };
    assert_eq!(texts(&locked), ["three", "four"], "two would be 12 bytes");
    locked.set_history_limit(HistoryLimit { length: 1, size: 10 });
    assert_eq!(texts(&locked), ["four"]);
    locked.append(NOW, Event::Said(&ana, &Words::plain("longer than all history")));
    assert!(texts(&locked).is_empty());
}

#[test]
fn names_are_unique_whatever_happens() {
    let mut roster = Roster::default();
    roster.insert(NOW, person("Ana").into(), ()).unwrap();
    assert_eq!(roster.insert(NOW, person("aNA").into(), ()), Err(Refusal::NameTaken("aNA".into())));
    roster.insert(NOW, person("bo").into(), ()).unwrap();
    assert_eq!(roster.rename(NOW, &nick("bo"), &nick("ANA")), Err(Refusal::NameTaken("ANA".into())));
    roster.rename(NOW, &nick("ana"), &nick("ANA")).unwrap();
    assert_eq!(roster.find(&nick("ana")).unwrap().person.as_str(), "ANA", "one may change one's own case");
    assert_eq!(roster.rename(NOW, &nick("nobody"), &nick("x")), Err(Refusal::NoSuchUser("nobody".into())));
    roster.rename(NOW, &nick("bo"), &nick("aaron")).unwrap();
    let names: Vec<_> = roster.iter().map(|member| member.person.as_str().to_owned()).collect();
    assert_eq!(names, ["aaron", "ANA"], "in the order of their comparison forms");
    assert!(roster.remove(NOW, &nick("Aaron"), None).is_some());
    assert_eq!((roster.len(), roster.most()), (1, 2));
    let gone: Vec<_> = roster.gone().map(|gone| gone.person.as_str()).collect();
    assert_eq!(gone, ["aaron", "bo", "Ana"], "the last one first, those with another name included");
}

#[test]
fn somebody_outside_the_room_keeps_the_name_and_hears_nothing() {
    let room = Room::new(NOW, "lobby", "", HISTORY);
    let mut locked = room.lock();
    let ana = join(&mut locked, "ana", 0, 1);
    join(&mut locked, "bo", 1, 2);
    let before = locked.end(1);
    locked.exit(NOW, &person("bo"), None).unwrap();
    assert_eq!(locked.exit(NOW, &person("bo"), None), Err(Refusal::NotInRoom));
    assert_eq!(locked.register(NOW, person("Bo"), 3).map(|_| ()), Err(Refusal::NameTaken("Bo".into())));
    assert_eq!((locked.roster().len(), locked.roster().present()), (2, 1));
    // What somebody does outside is nobody's business.
    locked.rename(NOW, &nick("bo"), &nick("bob")).unwrap();
    locked.set_away(NOW, &nick("bob"), Some("tea"));
    locked.describe(NOW, &nick("bob"), Profile::default());
    assert_eq!(locked.find(&nick("bob")).unwrap().away, Some("tea"));
    assert_eq!(locked.end(1), before, "nobody reads this form");
    locked.leave(NOW, &nick("bob"), &Reason::Closed).unwrap();
    locked.begin_round();
    let read = String::from_utf8(read_from(ana)).unwrap();
    let read: Vec<_> = read.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(read, ["bo joined", "bo parted"]);
}

#[test]
fn a_line_is_taken_back_by_its_author_alone() {
    let room = Room::new(NOW, "lobby", "", HISTORY);
    let mut locked = room.lock();
    let ana = locked.register(NOW, person("ana"), 1).unwrap();
    let line = locked.append(NOW, Event::Said(&ana, &Words::plain("oops"))).sequence;
    locked.leave(NOW, &nick("ana"), &Reason::Closed);
    let other = locked.register(NOW, person("ana"), 2).unwrap();
    assert_eq!(locked.redact(NOW, &other, line, None), Err(Refusal::NotYours), "it only has the same name");
    assert_eq!(locked.redact(NOW, &ana, line + 1, None), Err(Refusal::NoSuchLine));
    locked.redact(NOW, &ana, line, None).unwrap();
    assert_eq!(locked.history().count(), 0);
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
                Step::Join => {
                    readers.push(Place { feed: 0, position: feed.end(), block: feed.head().clone() });
                }
            }
            prop_assert_eq!(feed.end(), all.len() as u64);
        }
        feed.freeze();
        for reader in readers {
            let start = reader.position as usize;
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
