//! The text protocol and its detection, as transcripts: bytes in, commands and bytes out, no socket.

use chatd::chat::{
    Command, Event, Nick, NickError, Now, Person, Profile, Reason, Refusal, Reply, Seen, Stamp, Topic, View, Words,
};
use chatd::dialect::detect::{ENOUGH, Verdict, detect};
use chatd::dialect::text::Text;
use chatd::dialect::{Dialect, Input, Lines, Protocol};
use chatd::room::{HistoryLimit, Room};
use proptest::prelude::*;

const NOW: Now = Now { ticks: 0, unix: 0 };
const STAMP: Stamp = Stamp { sequence: 1, unix: 0 };

fn person(name: &str) -> Person {
    Person::named(Nick::new(name).unwrap())
}

/// A room with these people in it, and what they have said.
fn room(names: &[&str], said: &[Event<'_>]) -> Room<()> {
    let room = Room::new(NOW, "lobby", "tea", HistoryLimit { length: 10, size: 1000 });
    for name in names {
        room.lock().register(NOW, person(name), ()).unwrap();
        room.lock().enter(NOW, &person(name).nick, Text::new(100).form()).unwrap();
    }
    said.iter().for_each(|event| {
        room.lock().append(NOW, *event);
    });
    room
}

/// Everything the dialect makes of `bytes`: commands as text, and what it answered itself.
fn feed(dialect: &mut Text, mut bytes: &[u8]) -> (Vec<String>, String) {
    let (mut commands, mut out) = (Vec::new(), Vec::new());
    loop {
        match dialect.next(NOW, &mut bytes, &mut out) {
            Input::Command(command) => commands.push(format!("{command:?}")),
            Input::Answered => {}
            Input::Incomplete => break,
        }
    }
    assert!(bytes.is_empty());
    (commands, String::from_utf8(out).unwrap())
}

fn reply(dialect: &mut Text, reply: Reply<'_>) -> String {
    let mut out = Vec::new();
    dialect.reply(reply, &mut out);
    String::from_utf8(out).unwrap()
}

/// A dialect whose client is in the room.
fn member() -> Text {
    let mut dialect = Text::new(100);
    welcome(&mut dialect, &["ana"], &[]);
    dialect
}

fn welcome(dialect: &mut Text, names: &[&str], said: &[Event<'_>]) -> String {
    let (person, room) = (&person("ana").into(), room(names, said));
    let view: &dyn View = &room.lock();
    reply(dialect, Reply::Registered { person, view }) + &reply(dialect, Reply::Welcome { person, stamp: STAMP, view })
}

#[test]
fn the_first_line_is_the_name_in_either_manner() {
    assert_eq!(feed(&mut Text::new(100), b"ana\r\n").0, ["Name(\"ana\")"]);
    assert_eq!(feed(&mut Text::new(100), b"USER ana\n").0, ["Name(\"ana\")"]);
    assert_eq!(feed(&mut Text::new(100), b"USER\n").0, ["Name(\"USER\")"]);
    for goodbye in ["QUIT\n", "{quit}\n", "/quit\n"] {
        assert_eq!(feed(&mut Text::new(100), goodbye.as_bytes()).0, ["Quit(None)"]);
    }
    assert_eq!(feed(&mut Text::new(100), b"\n"), (vec![], "*** What is your name?\n".into()));
}

#[test]
fn a_refused_name_is_asked_for_again() {
    let mut dialect = Text::new(100);
    let refusal = Refusal::NameTaken("ana".into());
    assert_eq!(reply(&mut dialect, Reply::Refused(&refusal)), "*** The name ana is taken.\n*** What is your name?\n");
    let refusal = Refusal::NameNotAllowed(NickError::Space);
    assert_eq!(
        reply(&mut dialect, Reply::Refused(&refusal)),
        "*** That name is not possible: a name has no spaces.\n*** What is your name?\n"
    );
    let mut dialect = member();
    assert_eq!(
        reply(&mut dialect, Reply::Refused(&Refusal::NoSuchUser("bo".into()))),
        "*** Nobody here is called bo.\n"
    );
}

#[test]
fn a_newcomer_reads_who_is_here_the_topic_and_the_history() {
    let (bo, hi, waves) = (person("bo"), Words::plain("hi"), Words::action("waves"));
    let said = [Event::Said(&bo, &hi), Event::Said(&bo, &waves), Event::Notice("tea")];
    assert_eq!(
        welcome(&mut Text::new(100), &["ana", "bo"], &said),
        "*** Welcome to lobby, ana. /help lists the commands, /quit leaves.\n*** Here: ana, bo\n*** Topic: tea\n\
         *** What was said before you came:\n[00:00] bo: hi\n[00:00] * bo waves\n[00:00] *** notice: tea\n\
         *** You are up to date; it is 00:00 UTC.\n"
    );
    let names: Vec<String> = (100..200).map(|i| format!("u{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let welcome = welcome(&mut Text::new(100), &names, &[]);
    assert_eq!(welcome.matches("*** Here: ").count(), 4);
    assert!(welcome.contains("\n*** and 36 more; /who lists them all\n"), "{welcome}");
}

#[test]
fn whoever_comes_back_is_shown_what_was_said_meanwhile() {
    const MINUTE: u64 = 60_000;
    let at = |minutes| Now { ticks: 0, unix: minutes * MINUTE };
    let (bo, one, two) = (person("bo"), Words::plain("one"), Words::plain("two"));
    let all = "*** What was said before you came:\n[00:00] bo: one\n[00:01] bo: two\n";
    let meanwhile = "*** What was said since you left (/history shows all that is kept):\n[00:01] bo: two\n";
    let nothing = "*** Nothing was said since you left; /history shows all that is kept.\n";
    for (reason, minutes, said_later, expected) in [
        (Reason::Closed, 10, true, meanwhile),
        (Reason::Quit(None), 10, true, meanwhile),
        (Reason::Kicked(None), 1, true, meanwhile),
        (Reason::Quit(None), 1, false, nothing),
        // Too long ago; or it is not known what reached them.
        (Reason::Closed, 11, true, all),
        (Reason::TooSlow(1), 1, true, all),
        (Reason::Broken(std::io::ErrorKind::ConnectionReset), 1, true, all),
    ] {
        let room = room(&["ana", "bo"], &[Event::Said(&bo, &one)]);
        room.lock().leave(at(0), &person("ana").nick, &reason);
        if said_later {
            room.lock().append(at(1), Event::Said(&bo, &two));
        }
        let (person, view): (_, &dyn View) = (&person("ana"), &room.lock());
        let stamp = Stamp { sequence: 9, unix: minutes * MINUTE };
        let told = reply(&mut Text::new(100), Reply::Welcome { person, stamp, view });
        let (_, told) = told.split_once("*** Topic: tea\n").unwrap();
        let mark =
            if said_later { format!("*** You are up to date; it is 00:{minutes:02} UTC.\n") } else { String::new() };
        assert_eq!(told, expected.to_owned() + &mark, "{reason} {minutes} minutes ago");
    }
    // Somebody else may have the name now.
    let room = room(&["ana", "bo"], &[Event::Said(&bo, &one)]);
    room.lock().leave(at(0), &person("ana").nick, &Reason::Closed);
    let profile = Profile { account: Some("ana@home".into()), ..Profile::default() };
    let (person, view): (_, &dyn View) = (&Person { profile: profile.into(), ..person("ana") }, &room.lock());
    let told = reply(&mut Text::new(100), Reply::Welcome { person, stamp: STAMP, view });
    assert!(told.contains("*** What was said before you came:\n[00:00] bo: one\n"), "{told}");
}

#[test]
fn every_command_is_understood() {
    for (line, command) in [
        ("hello there", "Say(\"hello there\")"),
        (" indented", "Say(\" indented\")"),
        ("//etc is a path", "Say(\"/etc is a path\")"),
        ("/me waves", "Say(Action \"waves\")"),
        ("/msg bo  hi there", "Private { to: \"bo\", words: \"hi there\" }"),
        ("/nick anna", "Name(\"anna\")"),
        ("/who", "Look"),
        ("/history", "Look"),
        ("/topic", "Topic"),
        ("/topic more tea", "SetTopic(\"more tea\")"),
        ("/away lunch", "Away(Some(\"lunch\"))"),
        ("/away", "Away(None)"),
        ("/quit", "Quit(None)"),
        ("/quit so long", "Quit(Some(\"so long\"))"),
        ("{quit}", "Quit(None)"),
        ("QUIT", "Quit(None)"),
        ("QUIT smoking", "Say(\"QUIT smoking\")"),
    ] {
        let (commands, answer) = feed(&mut member(), format!("{line}\n").as_bytes());
        assert_eq!((commands, &*answer), (vec![command.to_owned()], ""), "{line}");
    }
}

#[test]
fn a_wrong_command_is_answered_and_nothing_is_said() {
    for (line, answer) in [
        ("/me", "*** Say: /me TEXT\n"),
        ("/msg bo", "*** Say: /msg NAME TEXT\n"),
        ("/nick ", "*** Say: /nick NAME\n"),
        ("/echo maybe", "*** Say: /echo on|off\n"),
        ("/dance now", "*** There is no command /dance; /help lists them. To say it, begin with two slashes.\n"),
        ("/", "*** There is no command /; /help lists them. To say it, begin with two slashes.\n"),
        ("", ""),
        ("   ", ""),
    ] {
        assert_eq!(feed(&mut member(), format!("{line}\n").as_bytes()), (vec![], answer.to_owned()), "{line}");
    }
    let (commands, help) = feed(&mut member(), b"/help\n");
    assert!(commands.is_empty());
    for word in ["help", "who", "topic", "me TEXT", "msg NAME TEXT", "nick NAME", "quit [TEXT]"] {
        assert!(help.contains(&format!("*** /{word} ")), "{word} in {help}");
    }
}

#[test]
fn the_author_is_told_what_was_done_to_a_line() {
    let (commands, answer) = feed(&mut member(), b"a\x07b\xff\n");
    assert_eq!(commands, ["Say(\"ab\u{fffd}\")"]);
    assert_eq!(
        answer,
        "*** Control characters were taken out of your line: 1.\n*** Your line was not UTF-8; replaced in it: 1.\n"
    );
    let (commands, answer) = feed(&mut member(), b"typo\x1b[D\x1b[A\n");
    assert_eq!(commands, ["Say(\"typo\")"]);
    assert_eq!(answer, "*** Arrow keys and the like do not edit a line here; taken out of it: 2.\n");
    let (commands, answer) = feed(&mut member(), format!("{}\n", "x".repeat(150)).as_bytes());
    assert_eq!(commands, [format!("Say(\"{}\")", "x".repeat(100))]);
    assert_eq!(answer, "*** Your line was too long; what is beyond 100 bytes is lost.\n");
    let (commands, answer) = feed(&mut member(), format!("{}\r\n", "x".repeat(100)).as_bytes());
    assert_eq!((commands.len(), &*answer), (1, ""), "exactly as long as it may be");
}

#[test]
fn events_look_as_the_contract_says() {
    let (ana, anna) = (&person("ana"), &person("anna").nick);
    let (hi, waves) = (&Words::plain("hi"), &Words::action("waves"));
    let cake = &Topic { text: "cake".into(), by: None, unix: 0 };
    for (event, line) in [
        (Event::Said(ana, hi), "ana: hi\n"),
        (Event::Said(ana, waves), "* ana waves\n"),
        (Event::Joined(ana), "*** ana has joined\n"),
        (Event::Left(ana, &Reason::Quit(None)), "*** ana has left (quit)\n"),
        (Event::Left(ana, &Reason::Quit(Some("bye".into()))), "*** ana has left (quit: bye)\n"),
        (Event::Left(ana, &Reason::Closed), "*** ana has left (connection closed)\n"),
        (Event::Left(ana, &Reason::Kicked(Some("spam".into()))), "*** ana has left (kicked: spam)\n"),
        (Event::Left(ana, &Reason::TooSlow(4096)), "*** ana has left (too slow: more than 4096 bytes behind)\n"),
        (Event::Parted(ana, None), "*** ana has left the room\n"),
        (Event::Parted(ana, Some("bye")), "*** ana has left the room (bye)\n"),
        (Event::Renamed { from: ana, to: anna }, "*** ana is now known as anna\n"),
        (Event::Notice("tea"), "*** notice: tea\n"),
        (Event::Topic { by: None, topic: cake }, "*** Topic: cake\n"),
        (Event::Topic { by: Some(ana), topic: cake }, "*** ana has changed the topic: cake\n"),
        (Event::Redacted { by: ana, line: 1, reason: None }, "*** ana has taken a line back\n"),
        (Event::Away(ana, Some("lunch")), ""),
        (Event::Described(ana), ""),
    ] {
        let mut out = Vec::new();
        Text::new(100).form().render(STAMP, event, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), line);
    }
    let mut dialect = member();
    let private = Reply::Private { stamp: STAMP, from: ana, to: &ana.nick, words: hi };
    assert_eq!(reply(&mut dialect, private), "[ana] hi\n");
    let to = Seen { person: ana, away: Some("lunch"), present: true, since: NOW, active: 0 };
    let sent = Reply::Sent { stamp: STAMP, from: ana, to, words: hi };
    assert_eq!(reply(&mut dialect, sent), "*** You to ana: hi\n*** ana is away: lunch\n");
    let quit = Reason::Quit(Some("bye all.".into()));
    assert_eq!(reply(&mut dialect, Reply::Closing(&quit)), "*** Goodbye: quit.\n");
    assert_eq!(reply(&mut dialect, Reply::Closing(&Reason::Stopping)), "*** Goodbye: the server is stopping.\n");
}

#[test]
fn first_words_tell_the_protocol() {
    const TEXT: Verdict = Verdict::Speak(Protocol::Text);
    for (bytes, verdict) in [
        (&b"ana\n"[..], TEXT),
        (b"\n", TEXT),
        (b"USER ana\n", TEXT),
        (b"NICK\n", TEXT),
        (b"ana", Verdict::Wait),
        (b"", Verdict::Wait),
        (b"\x16", Verdict::Wait),
    ] {
        assert_eq!(detect(bytes, false), verdict, "{bytes:?}");
    }
    assert_eq!(detect(b"", true), TEXT, "silence");
    assert_eq!(detect(b"NICK an", true), TEXT, "half a line, and then silence");
    assert_eq!(detect(&[b'x'; ENOUGH], false), TEXT);
    for first in ["NICK ana\r\n", "CAP LS 302\r\n", "PASS x\n", "USER ana 0 * :Ana\r\n", "nick ana\n"] {
        assert_eq!(detect(first.as_bytes(), false), Verdict::Speak(Protocol::Irc), "{first}");
    }
    let Verdict::Refuse { answer, .. } = detect(b"\x16\x03\x01\x02\x00", false) else { panic!("TLS") };
    assert_eq!(answer[0], 21, "an alert record");
    let Verdict::Refuse { answer, .. } = detect(b"GET / HTTP/1.1\r\n", false) else { panic!("HTTP") };
    let answer = String::from_utf8(answer.to_vec()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head} for {} bytes", body.len());
}

proptest! {
    #[test]
    fn lines_are_the_same_however_the_bytes_arrive(
        text in "[a-c\r\n]{0,60}",
        cuts in proptest::collection::vec(1..5_usize, 0..60),
    ) {
        let whole: Vec<String> = {
            let lines: Vec<&str> = text.split('\n').collect();
            lines[..lines.len() - 1].iter().map(|line| line.strip_suffix('\r').unwrap_or(line).to_owned()).collect()
        };
        let (mut lines, mut found, mut rest, mut cuts) = (Lines::new(1000), Vec::new(), text.as_bytes(), cuts.into_iter());
        while !rest.is_empty() {
            let (mut piece, after) = rest.split_at(cuts.next().unwrap_or(usize::MAX).min(rest.len()));
            while let Some(line) = lines.next(&mut piece) {
                found.push(String::from_utf8(line.into_owned()).unwrap());
            }
            rest = after;
        }
        prop_assert_eq!(found, whole);
    }

    #[test]
    fn a_dialect_takes_any_bytes_and_what_it_passes_on_is_harmless(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        named in any::<bool>(),
    ) {
        let mut dialect = if named { member() } else { Text::new(100) };
        let (mut rest, mut out) = (&bytes[..], Vec::new());
        loop {
            match dialect.next(NOW, &mut rest, &mut out) {
                Input::Incomplete => break,
                Input::Command(Command::Say(words)) => {
                    prop_assert!(words.size() <= 100 && !words.text.chars().any(char::is_control));
                }
                Input::Command(_) | Input::Answered => {}
            }
        }
        prop_assert!(rest.is_empty());
        prop_assert!(std::str::from_utf8(&out).is_ok());
    }
}
