//! The room without sockets: the log and its feeds, people and their names, coming and going, and what is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use chatd::chat::{
    Ban, Command, Durable, Event, Form, Nick, Now, Person, PersonId, Profile, Reason, Refusal, Stamp, Subject, View,
    Words,
};
use chatd::people::People;
use chatd::room::{Actor, Backlog, Block, Cursor, HistoryLimit, Log, Outcome, State};
use proptest::collection::vec;
use proptest::prelude::*;

const NOW: Now = Now { ticks: 0, unix: 0 };
const HISTORY: HistoryLimit = HistoryLimit { length: 3, size: 1000 };

/// A wire form that shows the kind of event and its text.
struct Plain(u64);

impl Form for Plain {
    fn id(&self) -> (&'static str, u64) {
        ("plain", self.0)
    }

    fn render(&self, stamp: Stamp, event: &Event<'_>, _: &dyn View, out: &mut Vec<u8>) {
        let line = match event {
            Event::Joined(who) => format!("{} joined", who.as_str()),
            Event::Parted(who, _) => format!("{} parted", who.as_str()),
            Event::Left(who, _) => format!("{} left", who.as_str()),
            Event::Said(who, words) => format!("{}: {}", who.as_str(), words.text),
            other => format!("{other:?}"),
        };
        out.extend_from_slice(format!("{} {line}\n", stamp.sequence).as_bytes());
    }
}

fn nick(name: &str) -> Nick {
    Nick::new(name).unwrap()
}

fn state(history: HistoryLimit) -> State {
    State::new(NOW, "lobby", "", history)
}

/// Somebody does something.
fn does<'c>(state: &mut State, who: PersonId, command: Command<'c>) -> Result<Option<Stamp>, Refusal> {
    let actor = Actor { person: Some(who), session: 0 };
    match state.perform(NOW, actor, command)? {
        Outcome::Done(stamp, _) => Ok(Some(stamp)),
        Outcome::Sent(..) | Outcome::Nothing => Ok(None),
    }
}

fn try_register(state: &mut State, name: &str, guest: bool) -> Result<Arc<Person>, Refusal> {
    let profile = Box::default();
    let command = Command::Register { name: name.into(), profile, enter: false, guest };
    match state.perform(NOW, Actor { person: None, session: 0 }, command)? {
        Outcome::Done(_, Event::Registered(person)) => Ok(person),
        other => panic!("{other:?}"),
    }
}

fn register(state: &mut State, name: &str) -> PersonId {
    try_register(state, name, false).unwrap().id
}

/// Somebody comes in, who reads this form.
fn join(state: &mut State, name: &str, form: u64) -> (PersonId, Cursor) {
    let id = register(state, name);
    does(state, id, Command::Enter).unwrap();
    (id, state.log.subscribe(Arc::new(Plain(form))))
}

fn say(state: &mut State, who: PersonId, text: &str) -> u64 {
    does(state, who, Command::Say(Words::plain(text.to_owned()))).unwrap().unwrap().sequence
}

fn leave(state: &mut State, who: PersonId) {
    let person = state.people.get(who).unwrap().person.clone();
    state.commit(NOW, &Event::Left(person, Reason::Closed));
}

/// Everything that somebody reads who stands there.
fn read_from(log: &mut Log, mut cursor: Cursor) -> String {
    log.pin(&mut cursor);
    let mut block = cursor.block.unwrap();
    let mut bytes = block.between(cursor.position, u64::MAX).to_vec();
    while let Some(next) = block.next().cloned() {
        assert_eq!(next.base(), block.end());
        bytes.extend_from_slice(next.between(cursor.position, u64::MAX));
        block = next;
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_newcomer_reads_what_happens_after_its_own_join() {
    let mut state = state(HISTORY);
    let (ana, at_ana) = join(&mut state, "ana", 0);
    let (_, at_bo) = join(&mut state, "bo", 0);
    assert_eq!(at_ana.feed, at_bo.feed, "the same form shares a feed");
    say(&mut state, ana, "hi");
    assert_eq!(read_from(&mut state.log, at_ana), "4 bo joined\n5 ana: hi\n");
    assert_eq!(read_from(&mut state.log, at_bo), "5 ana: hi\n");
}

#[test]
fn each_form_has_a_feed_and_feeds_without_readers_are_not_rendered() {
    let mut state = state(HISTORY);
    let (_, at_ana) = join(&mut state, "ana", 0);
    let (bo, at_bo) = join(&mut state, "bo", 1);
    assert_ne!(at_ana.feed, at_bo.feed);
    let before = state.log.end(at_bo.feed);
    state.log.unsubscribe(at_bo.feed);
    leave(&mut state, bo);
    state.commit(NOW, &Event::Notice("tea".into()));
    assert_eq!(state.log.end(at_bo.feed), before);
    assert!(state.log.end(at_ana.feed) > 0);
    let (_, again) = join(&mut state, "bo", 1);
    assert_eq!(again.feed, at_bo.feed, "a form that was used before goes on in its feed");
    drop((at_bo, again, at_ana));
    for feed in [state.log.subscribe(Arc::new(Plain(0))), state.log.subscribe(Arc::new(Plain(1)))] {
        // Both readers of the form.
        state.log.unsubscribe(feed.feed);
        state.log.unsubscribe(feed.feed);
    }
    let rounds = state.log.begin_round();
    state.log.end_round(rounds);
    assert_eq!(state.log.backlog().bytes(), 0, "what nobody reads is not kept");
}

#[test]
fn history_is_the_last_lines_that_were_said_within_both_limits() {
    let mut state = state(HistoryLimit { length: 3, size: 10 });
    let (ana, _) = join(&mut state, "ana", 0);
    for text in ["one", "two", "three", "four"] {
        say(&mut state, ana, text);
        does(&mut state, ana, Command::Away(None)).unwrap();
    }
    let texts = |state: &State| -> Vec<String> {
        let words = state.room.history().iter().map(|record| match &record.event {
            Event::Said(_, words) => words.text.to_string(),
            other => panic!("{other:?}"),
        });
        words.collect()
    };
    assert_eq!(texts(&state), ["three", "four"], "two would be 12 bytes");
    state.set_history_limit(HistoryLimit { length: 1, size: 10 });
    assert_eq!(texts(&state), ["four"]);
    say(&mut state, ana, "longer than all history");
    assert!(texts(&state).is_empty());
    state.set_history_limit(HistoryLimit { length: 0, size: 10 });
    say(&mut state, ana, "x");
    assert!(texts(&state).is_empty());
}

#[test]
fn names_are_unique_in_the_room_and_outside() {
    let mut state = state(HISTORY);
    let ana = register(&mut state, "Ana");
    assert_eq!(try_register(&mut state, "aNA", false), Err(Refusal::NameTaken("aNA".into())));
    let (bo, _) = join(&mut state, "bo", 0);
    assert_eq!(does(&mut state, bo, Command::Name("ANA".into())), Err(Refusal::NameTaken("ANA".into())));
    does(&mut state, ana, Command::Name("ANA".into())).unwrap();
    assert_eq!(state.people.find(&nick("ana")).unwrap().person.as_str(), "ANA", "one may change one's own case");
    assert_eq!(does(&mut state, PersonId(999), Command::Name("x".into())), Ok(None), "nobody is not heard");
    does(&mut state, bo, Command::Name("aaron".into())).unwrap();
    let names: Vec<_> = state.people.after(None).map(|known| known.person.as_str()).collect();
    assert_eq!(names, ["aaron", "ANA"], "in the order of their comparison forms");
    leave(&mut state, bo);
    assert_eq!((state.people.len(), state.people.peak()), (1, 2));
    let gone: Vec<_> = state.people.gone().map(|gone| gone.person.as_str()).collect();
    assert_eq!(gone, ["aaron", "bo", "Ana"], "the last one first, those with another name included");
}

#[test]
fn a_user_outside_the_room_keeps_the_name_and_causes_no_room_events() {
    let mut state = state(HISTORY);
    let (_, at_ana) = join(&mut state, "ana", 0);
    let (bo, _) = join(&mut state, "bo", 0);
    does(&mut state, bo, Command::Exit(None)).unwrap();
    for command in [
        Command::Exit(None),
        Command::Say(Words::plain("psst")),
        Command::SetTopic("tea".into()),
        Command::Redact { line: 1, author: None, reason: None },
    ] {
        assert_eq!(does(&mut state, bo, command), Err(Refusal::NotInRoom));
    }
    assert_eq!(try_register(&mut state, "Bo", false), Err(Refusal::NameTaken("Bo".into())));
    assert_eq!((state.people.len(), state.room.members.len()), (2, 1));
    does(&mut state, bo, Command::Name("bob".into())).unwrap();
    does(&mut state, bo, Command::Away(Some("tea".into()))).unwrap();
    does(&mut state, bo, Command::Describe(Box::new(Profile { bot: true, ..Profile::default() }))).unwrap();
    let known = state.people.find(&nick("bob")).unwrap();
    assert_eq!((known.away.as_deref(), known.person.profile.bot), (Some("tea"), true));
    leave(&mut state, bo);
    let read = read_from(&mut state.log, at_ana);
    let read: Vec<_> = read.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(read, ["bo joined", "bo parted"]);
}

#[test]
fn only_the_author_can_redact_a_line() {
    let mut state = state(HISTORY);
    let (ana, _) = join(&mut state, "ana", 0);
    let line = say(&mut state, ana, "oops");
    leave(&mut state, ana);
    let (other, _) = join(&mut state, "ana", 0);
    let redact = |line| Command::Redact { line, author: None, reason: None };
    assert_eq!(does(&mut state, other, redact(line)), Err(Refusal::NotYours), "it only has the same name");
    let line = say(&mut state, other, "oops again");
    assert_eq!(does(&mut state, other, redact(line + 1)), Err(Refusal::NoSuchLine));
    assert_eq!(state.room.history().len(), 2);
    does(&mut state, other, redact(line)).unwrap();
    assert_eq!(state.room.history().len(), 1);
    assert_eq!(does(&mut state, other, redact(line)), Err(Refusal::NoSuchLine), "it is gone already");
}

#[test]
fn a_line_on_disk_belongs_to_its_account_or_to_who_has_kept_the_name() {
    let mut state = state(HISTORY);
    let with = |account: &str| Profile { account: Some(account.into()), ..Profile::default() };
    let author = |name, profile| Arc::new(Person { profile: Arc::new(profile), ..Person::named(nick(name)) });
    let redact = |line, author: &Arc<Person>| Command::Redact { line, author: Some(author.clone()), reason: None };
    let (ana, _) = join(&mut state, "ana", 0);
    let plain = author("ana", Profile::default());
    // No line of the log that is in memory has these positions.
    let soon = state.log.sequence();
    does(&mut state, ana, redact(soon, &plain)).unwrap();
    assert_eq!(does(&mut state, ana, redact(1, &plain)), Err(Refusal::NotYours), "said before she came");
    assert_eq!(does(&mut state, ana, redact(soon, &author("bo", Profile::default()))), Err(Refusal::NotYours));
    does(&mut state, ana, Command::Name("ANA".into())).unwrap();
    does(&mut state, ana, redact(soon, &plain)).unwrap();
    does(&mut state, ana, Command::Name("anna".into())).unwrap();
    does(&mut state, ana, Command::Name("ana".into())).unwrap();
    assert_eq!(does(&mut state, ana, redact(soon, &plain)), Err(Refusal::NotYours), "somebody may have been ana");
    does(&mut state, ana, Command::Describe(Box::new(with("ana@home")))).unwrap();
    does(&mut state, ana, redact(1, &author("cy", with("ana@home")))).unwrap();
    assert_eq!(does(&mut state, ana, redact(1, &author("ana", with("bo@home")))), Err(Refusal::NotYours));
    // The same with a line in memory.
    let (bo, _) = join(&mut state, "bo", 0);
    does(&mut state, bo, Command::Describe(Box::new(with("ana@home")))).unwrap();
    let line = say(&mut state, bo, "from her other client");
    does(&mut state, ana, Command::Redact { line, author: None, reason: None }).unwrap();
}

#[test]
fn a_chain_of_a_million_blocks_is_dropped_without_a_deep_stack() {
    let backlog = Arc::<Backlog>::default();
    let first = Block::first(&backlog);
    let mut last = first.clone();
    for _ in 0..1_000_000 {
        last = last.follow(vec![b'x'], &backlog);
    }
    assert_eq!(backlog.bytes(), 1_000_000);
    drop(last);
    drop(first);
    assert_eq!(backlog.bytes(), 0);
}

proptest! {
    /// Guests are given the name itself or the name and a number, whichever numbers are taken.
    #[test]
    fn a_guest_gets_a_free_name(taken in vec(0..40_u32, 0..60), in_order in 0..40_usize) {
        let mut state = state(HISTORY);
        for number in taken {
            // Some are taken already.
            let _ = try_register(&mut state, &format!("guest{number}"), false);
        }
        for _ in 0..in_order {
            let before: Vec<String> = state.people.after(None).map(|known| known.person.nick.to_string()).collect();
            let guest = try_register(&mut state, "Guest", true).unwrap();
            prop_assert!(before.iter().all(|name| nick(name).key() != guest.nick.key()));
            let number = guest.as_str().strip_prefix("Guest").unwrap();
            prop_assert!(number.is_empty() || number.parse::<u32>().is_ok_and(|number| number > 1), "{}", guest.as_str());
        }
        prop_assert_eq!(try_register(&mut state, "#", true).map(drop).is_err(), true);
    }

    /// Whatever people do with their names, each has one, nobody else has it, and it is found by it.
    #[test]
    fn names_are_unique_whatever_happens(steps in vec((0..4_u8, 0..12_usize, 0..8_usize), 0..80)) {
        // Four names, each written in two ways.
        const NAMES: [&str; 8] = ["ana", "ANA", "bo", "Bo", "ｃｙ", "cy", "straße", "STRASSE"];
        let mut people = People::default();
        let mut model: BTreeMap<PersonId, Nick> = BTreeMap::new();
        let mut most = 0;
        for (number, (what, who, name)) in steps.into_iter().enumerate() {
            let name = nick(NAMES[name]);
            let who = model.keys().nth(who).copied();
            let is_taken = |but| model.iter().any(|(id, known)| Some(*id) != but && known.key() == name.key());
            match (what, who) {
                (0, Some(who)) => {
                    prop_assert!(people.remove(0, who, None).is_some());
                    model.remove(&who);
                    prop_assert!(people.remove(0, who, None).is_none());
                }
                (1, Some(who)) => {
                    prop_assert_eq!(people.may_rename(who, &name).is_err(), is_taken(Some(who)));
                    if people.may_rename(who, &name).is_ok() {
                        prop_assert_eq!(&people.rename(Stamp { sequence: number as u64, unix: 0 }, who, &name).unwrap().nick, &name);
                        model.insert(who, name);
                    }
                }
                _ => {
                    let person = Person { id: PersonId(number as u64), ..Person::named(name.clone()) };
                    prop_assert_eq!(people.add(NOW, Arc::new(person)).is_err(), is_taken(None));
                    if !is_taken(None) {
                        model.insert(PersonId(number as u64), name);
                    }
                }
            }
            most = most.max(model.len());
            prop_assert_eq!((people.len(), people.peak()), (model.len(), most));
            for (id, name) in &model {
                prop_assert_eq!(&people.get(*id).unwrap().person.nick, name);
                prop_assert_eq!(people.find(name).unwrap().person.id, *id);
            }
            let listed: Vec<&str> = people.after(None).map(|known| &**known.person.nick.key()).collect();
            prop_assert!(listed.is_sorted() && listed.len() == model.len());
        }
        prop_assert!(people.gone().count() <= 128);
    }

    /// Whatever is frozen when, every reader can read everything from its own start, once and in order; and whoever
    /// keeps up finds its block again by its position.
    #[test]
    fn every_reader_reads_all_and_only_what_followed(steps in vec(0..5_u8, 0..60)) {
        let mut state = state(HISTORY);
        let (ana, first) = join(&mut state, "ana", 0);
        let feed = first.feed;
        let (mut all, mut readers) = (String::new(), vec![(first, 0)]);
        let mut keeps_up = state.log.subscribe(Arc::new(Plain(0)));
        keeps_up.block = None;
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                0 | 1 => {
                    let sequence = say(&mut state, ana, &number.to_string());
                    all += &format!("{sequence} ana: {number}\n");
                }
                2 => {
                    let mut one = readers[number % readers.len()].0.clone();
                    state.log.pin(&mut one);
                }
                3 => {
                    let rounds = state.log.begin_round();
                    keeps_up.position = rounds[feed.index()].to.end();
                    state.log.end_round(rounds);
                }
                _ => readers.push((state.log.subscribe(Arc::new(Plain(0))), all.len())),
            }
            prop_assert_eq!(state.log.end(feed), all.len() as u64);
        }
        let behind = usize::try_from(keeps_up.position).unwrap();
        readers.push((keeps_up, behind));
        for (reader, start) in readers {
            prop_assert_eq!(reader.position, start as u64);
            prop_assert_eq!(read_from(&mut state.log, reader), &all[start..]);
        }
    }
}

#[test]
fn a_banned_name_or_account_is_refused_until_the_ban_ends() {
    let at = |unix: u64| Now { ticks: unix * 1000, unix };
    let mut state = state(HISTORY);
    let bo = try_register(&mut state, "bo", false).unwrap();
    let ban = |subject: Subject, until| Ban { subject, with: None, reason: None, since: 0, until, uid: 0 };
    let name = state.ban(NOW, ban(Subject::parse("Ana").unwrap(), Some(60_000))).unwrap();
    let account = state.ban(NOW, ban(Subject::account("ana@home").unwrap(), None)).unwrap();
    let register = |state: &mut State, now, name: &'static str, account: Option<&str>| {
        let profile = Box::new(Profile { account: account.map(Into::into), ..Profile::default() });
        let command = Command::Register { name: name.into(), profile, enter: false, guest: true };
        state.perform(now, Actor { person: None, session: 0 }, command).map(drop)
    };
    let refused = |ban: &Arc<Ban>| Err(Refusal::Banned(ban.clone()));
    assert_eq!(register(&mut state, at(59_999), "aNA", None), refused(&name));
    assert_eq!(register(&mut state, NOW, "luz", Some("ana@home")), refused(&account));
    let rename = Command::Name("ANA".into());
    assert_eq!(does(&mut state, bo.id, rename.clone()).map(drop), refused(&name));
    assert_eq!(register(&mut state, NOW, "luz", Some("other@home")), Ok(()));
    assert_eq!(register(&mut state, at(60_000), "ana", None), Ok(()), "the ban has ended");
    // Bans are kept, whether or not what is said is.
    assert!(!state.is_durable());
    assert_eq!(state.take_durable(), [Durable::Banned(name), Durable::Banned(account.clone())]);
    assert_eq!(state.unban(NOW, &account.subject).len(), 1);
    assert_eq!(state.take_durable(), [Durable::Unbanned(account.subject.clone())]);
    assert_eq!(register(&mut state, NOW, "anna", Some("ana@home")), Ok(()));
}
