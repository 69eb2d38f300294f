//! Long answers, which are sent in parts, and the limit of 512 bytes per message.

use std::sync::Arc;

use chatd::chat::{Command, Event, Nick, Person, Profile, Reason, Reply, Stamp, Words};
use proptest::prelude::*;

use super::{connected_as, joined, registered};
use crate::support::talk::{ClientOptions, Talk};

/// How many other users are in the room.
const CROWD: usize = 300;

fn crowded(capabilities: &str) -> Talk {
    let mut talk = joined(capabilities);
    (0..CROWD).for_each(|index| drop(talk.arrives(&format!("user{index}"), true)));
    talk
}

/// The answers of all steps, separately.
fn steps(talk: &mut Talk, bytes: &str) -> Vec<String> {
    let (mut rest, mut steps) = (bytes.as_bytes(), Vec::new());
    while let Some((command, mut out)) = talk.step(&mut rest) {
        assert!(command.is_none());
        talk.finish(&mut out);
        steps.push(String::from_utf8(out).unwrap());
    }
    steps
}

#[test]
fn a_long_who_comes_in_parts_before_anything_else_is_read() {
    for (question, number) in [("WHO #lobby", "352"), ("WHO *", "352"), ("WHO user*", "352"), ("WHO #lobby %n", "354")]
    {
        let mut talk = crowded("");
        let steps = steps(&mut talk, &format!("{question}\r\nPING x\r\n"));
        let count = |step: &String| step.lines().filter(|line| line.contains(&format!(" {number} ana"))).count();
        assert!(steps.iter().all(|step| count(step) <= 32), "{steps:?}");
        let people = CROWD + usize::from(!question.contains("user"));
        assert_eq!(steps.iter().map(count).sum::<usize>(), people, "{question}");
        let [.., last, pong] = steps.as_slice() else { panic!("{steps:?}") };
        assert!(last.ends_with(":End of WHO list\r\n") && pong.contains(" PONG "), "{steps:?}");
        assert_eq!(steps.concat().matches("End of WHO").count(), 1);
    }
}

#[test]
fn a_labelled_answer_is_one_batch_over_all_its_parts() {
    let mut talk = crowded("labeled-response batch message-tags");
    let steps = steps(&mut talk, "@label=w WHO user*\r\n");
    assert!(steps.len() > 3);
    let answer = steps.concat();
    let lines: Vec<&str> = answer.lines().collect();
    let ([first, middle @ .., last], true) = (lines.as_slice(), lines.len() == CROWD + 3) else { panic!("{answer}") };
    let name = first.strip_prefix("@label=w :irc.test BATCH +").and_then(|rest| rest.strip_suffix(" labeled-response"));
    let name = name.unwrap();
    assert_eq!(*last, format!(":irc.test BATCH -{name}"));
    assert!(middle.iter().all(|line| line.starts_with(&format!("@batch={name} :irc.test 3"))), "{answer}");
    talk.plays("> @label=p PING x\n< @label=p :irc.test PONG irc.test :x");
}

#[test]
fn names_with_hosts_come_in_parts_too_also_to_a_newcomer() {
    let mut talk = crowded("userhost-in-names labeled-response batch draft/read-marker");
    let names = |answer: &str| {
        let lines = answer.lines().filter_map(|line| line.split_once(" = #lobby :"));
        lines.flat_map(|(_, names)| names.split(' ')).map(str::to_owned).collect::<Vec<_>>()
    };
    let parts = steps(&mut talk, "NAMES #lobby\r\n");
    assert!(parts.iter().all(|part| names(part).len() <= 32) && parts.len() > 3, "{parts:?}");
    assert_eq!(names(&parts.concat()).len(), CROWD + 1);
    assert!(parts.concat().lines().all(|line| line.len() <= 510));
    talk.send("PART #lobby\r\n");
    let answer = talk.send("@label=j JOIN #lobby\r\n");
    assert_eq!(names(&answer).len(), CROWD + 1);
    let lines: Vec<&str> = answer.lines().collect();
    let ([first, middle @ .., marker, end, last], [joined, ..]) = (lines.as_slice(), &lines[1..]) else { panic!() };
    assert!(first.starts_with("@label=j :irc.test BATCH +l") && last.starts_with(":irc.test BATCH -l"), "{answer}");
    assert!(joined.ends_with(":ana!ann@irc.test JOIN #lobby"), "{answer}");
    assert!(middle.iter().all(|line| line.starts_with("@batch=l")), "{answer}");
    assert!(marker.contains(" MARKREAD #lobby *") && end.contains(" 366 ana #lobby "), "{answer}");
}

#[test]
fn a_mask_that_no_name_can_match_is_answered_at_once() {
    let mut talk = crowded("");
    let mask = format!("*{}*", "a".repeat(200));
    assert_eq!(
        steps(&mut talk, &format!("WHO {mask}\r\n")),
        [format!(":irc.test 315 ana {mask} :End of WHO list\r\n")]
    );
    // A mask with many wildcards is matched as fast as one with a single wildcard.
    let mask = "*?".repeat(100);
    let steps = steps(&mut talk, &format!("WHO {mask}x\r\n"));
    assert_eq!((steps.len(), steps.concat().lines().count()), (5, 1), "only so many are looked at in one step");
}

#[test]
fn many_watched_names_take_several_lines() {
    let mut talk = registered("");
    let name = |index: usize| format!("{}{index:02}", "é".repeat(30));
    for index in 0..40 {
        talk.send(&format!("MONITOR + {}\r\n", name(index)));
    }
    for (question, number) in [("MONITOR L", "732"), ("MONITOR S", "731")] {
        let answer = talk.send(&format!("{question}\r\n"));
        assert!(answer.lines().all(|line| line.len() <= 510), "{answer}");
        let lists = answer.lines().filter_map(|line| line.strip_prefix(&format!(":irc.test {number} ana :")));
        let names: Vec<&str> = lists.flat_map(|list| list.split(',')).collect();
        assert_eq!(names, (0..40).map(name).collect::<Vec<_>>());
    }
}

#[test]
fn a_long_notice_comes_in_pieces_and_a_long_reason_is_cut() {
    let text = "word ".repeat(400);
    let talk = joined("");
    let seen = talk.sees(&Event::Notice(text.as_str().into()));
    let pieces: String = seen.lines().map(|line| line.strip_prefix(":irc.test NOTICE #lobby :").unwrap()).collect();
    assert_eq!(pieces, text);
    let kicked = Event::Left(crate::support::talk::person("bo"), Reason::Kicked(Some("é".repeat(1000).into())));
    let seen = talk.sees(&kicked);
    assert!(seen.starts_with(":bo!chat@irc.test QUIT :kicked: ééé") && seen.ends_with("é\r\n"), "{seen}");
    assert!((500..=512).contains(&seen.len()), "{}", seen.len());
}

/// Text of up to 2,000 bytes, in characters of one size.
fn text() -> impl Strategy<Value = String> {
    (prop::sample::select(vec!["x", "é", "漢", "😀", "word "]), 0..2000_usize)
        .prop_map(|(word, length)| word.repeat(length / word.len()))
}

/// The longest possible name: 32 letters of four bytes.
fn longest(last: char) -> Nick {
    Nick::new(&("𐐨".repeat(31) + &last.to_string())).unwrap()
}

fn somebody(text: &str) -> Arc<Person> {
    let profile = Profile { user: "x".repeat(16).into(), real_name: text.into(), ..Profile::default() };
    let profile = Profile { account: Some(text.replace(' ', "_").into()), bot: true, ..profile };
    Arc::new(Person { profile: Arc::new(profile), ..Person::named(longest('𐐩')) })
}

/// A client with the longest possible name, server name and room name.
fn longest_of_all(capabilities: &[&str]) -> Talk {
    let name = "a.a12345678901234567890123456789012345678901234567890123456789012";
    let (name, room) = (&name[..63], "r123456789r123456789r123456789r123456789r123456789");
    let mut talk = connected_as(ClientOptions { name, room, account: Some("account"), ..ClientOptions::default() });
    let nick = longest('𐐪');
    let registration = format!("NICK {nick}\r\nUSER {} 0 * :{}\r\nCAP END\r\n", "u".repeat(40), "r".repeat(300));
    let request: String = capabilities.iter().map(|name| format!("CAP REQ {name}\r\n")).collect();
    let answer = talk.send(&format!("CAP LS 302\r\n{request}{registration}JOIN #{room}\r\n"));
    assert!(answer.contains(&format!("{nick}!")));
    holds(&answer);
    talk
}

fn holds(answer: &str) {
    assert!(answer.is_empty() || answer.ends_with("\r\n"));
    for line in answer.split_terminator("\r\n") {
        let untagged = if line.starts_with('@') { line.split_once(' ').unwrap().1 } else { line };
        assert!(untagged.len() <= 510 && !untagged.contains(['\r', '\n']), "{} bytes: {line}", untagged.len());
    }
}

const CAPABILITIES: &[&str] = &[
    "batch",
    "message-tags",
    "server-time",
    "echo-message",
    "labeled-response",
    "draft/multiline",
    "draft/chathistory",
    "draft/message-redaction",
    "draft/read-marker",
    "extended-join",
    "extended-monitor",
    "away-notify",
    "setname",
    "userhost-in-names",
    "account-tag",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_event_makes_a_line_that_is_too_long(
        capabilities in prop::sample::subsequence(CAPABILITIES, 0..=CAPABILITIES.len()),
        text in text(),
    ) {
        let mut talk = longest_of_all(&capabilities);
        let (who, to) = (somebody(&text), longest('𐐫'));
        let cow = || text.as_str().into();
        let word = || Some(text.as_str().into());
        for event in [
            Event::Registered(who.clone()),
            Event::Joined(who.clone()),
            Event::Left(who.clone(), Reason::Quit(word())),
            Event::Left(who.clone(), Reason::Kicked(word())),
            Event::Parted(who.clone(), Some(cow())),
            Event::Renamed { from: who.clone(), to: to.clone() },
            Event::Said(who.clone(), Words::plain(cow())),
            Event::Said(who.clone(), Words::action(cow())),
            Event::Redacted { by: who.clone(), line: u64::MAX, reason: Some(cow()) },
            Event::Notice(cow()),
            Event::Topic { by: Some(who.clone()), text: cow() },
            Event::Topic { by: None, text: cow() },
            Event::Away(who.clone(), Some(cow())),
            Event::Described(who.clone()),
        ] {
            holds(&talk.sees(&event));
            let stamp = Stamp { sequence: u64::MAX, unix: 0 };
            holds(&talk.told(Reply::Watched(stamp, &event)));
        }
        let words = Words::plain(text.as_str());
        let stamp = Stamp { sequence: u64::MAX, unix: 0 };
        holds(&talk.told(Reply::Private { stamp, from: &who, to: &longest('𐐪'), words: &words }));
        holds(&talk.told(Reply::Closing(&Reason::Kicked(word()))));
        for here in [false, true] {
            holds(&talk.told(Reply::Presence { person: &who, here }));
        }
    }

    #[test]
    fn no_answer_has_a_line_that_is_too_long(
        capabilities in prop::sample::subsequence(CAPABILITIES, 0..=CAPABILITIES.len()),
        label in prop::sample::select(vec!["", "@label=x "]),
        length in 0..480_usize,
        texts in (text(), text()),
    ) {
        let mut talk = longest_of_all(&capabilities);
        let room = talk.state.room.name.clone();
        let bo = talk.arrives(longest('𐐩').as_str(), true);
        let profile = Profile { real_name: texts.0.as_str().into(), account: word(&texts.1), ..Profile::default() };
        talk.does(Some(&bo), Command::Describe(Box::new(profile)));
        talk.leaves_for(&bo, &"é".repeat(150));
        talk.says(&bo, &texts.0);
        talk.does(Some(&bo), Command::SetTopic("漢".repeat(100).into()));
        let (x, bo) = ("x".repeat(length), bo.nick.clone());
        for line in [
            format!("PING {x}"), format!("FOO{x}"), format!("NICK {x}"), format!("NICK {bo}"), format!("JOIN #{x}"),
            format!("PART #{x}"), format!("PART #{room} :{x}"), format!("JOIN #{room}"), format!("TOPIC #{x}"),
            format!("TOPIC #{room}"), format!("TOPIC #{room} :{x}"), format!("AWAY :{x}"), format!("SETNAME :{x}"),
            format!("MODE {x}"), format!("MODE #{room} {x}"), format!("MODE #{room}"), format!("MONITOR + {x},{bo}"),
            "MONITOR L".to_owned(), "MONITOR S".to_owned(), format!("WHO {x}"), format!("WHO {x}*"), "WHO *".to_owned(),
            format!("WHO #{room} %tcuihsnfdlaor,123"), format!("WHOIS {bo}"), format!("WHOIS {x}"),
            format!("WHOWAS {x}"), format!("NAMES #{room}"), format!("NAMES {x}"), "LIST".to_owned(),
            format!("LIST {x}"), "LUSERS".to_owned(), "VERSION".to_owned(), "INFO".to_owned(), "HELP".to_owned(),
            format!("HELP {x}"), "MOTD".to_owned(), format!("USERHOST {bo} {bo} {bo} {bo} {x}"),
            format!("ISON {bo} {bo} {bo} {x}"), format!("CAP REQ :{}", "batch ".repeat(length / 6)), "CAP LS".to_owned(),
            format!("CAP REQ :{x}"), "CAP LIST".to_owned(), format!("CAP {x}"), format!("PRIVMSG {x} :hi"),
            format!("PRIVMSG {bo} :{x}"), format!("PRIVMSG #{room} :{x}"), format!("NOTICE {bo} :{x}"),
            format!("MARKREAD {x}"), format!("MARKREAD {x} {x}"), format!("MARKREAD #{room}"),
            format!("CHATHISTORY LATEST #{room} * 100"), format!("CHATHISTORY LATEST {x} * 100"),
            format!("CHATHISTORY {x}"), format!("REDACT #{room} {x}"), format!("REDACT {x} {x}"),
            format!("BATCH +{x} draft/multiline #{room}"), format!("BATCH -{x}"), format!("KICK #{x} bo"),
            format!("OPER {x}"), format!("AUTHENTICATE {x}"), "AUTHENTICATE +".to_owned(), "TIME".to_owned(),
        ] {
            holds(&talk.send(&format!("{label}{line}\r\n")));
        }
    }
}

fn word(text: &str) -> Option<Box<str>> {
    Some(text.into())
}
