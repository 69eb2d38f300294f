//! The text protocol and detection, as transcripts: bytes in, commands and bytes out, without a socket.

use chatd::chat::{Command, Event, NickError, Now, Person, PersonView, Profile, Reason, Refusal, Reply, Stamp, Words};
use chatd::dialect::detect::{ENOUGH, Verdict, detect};
use chatd::dialect::irc::Irc;
use chatd::dialect::text::Text;
use chatd::dialect::{Dialect, Lines, Protocol};
use chatd::harmless::is_harmful;
use proptest::prelude::*;

use crate::support::talk::{ClientOptions, NOW, Talk, person};

const STAMP: Stamp = Stamp { sequence: 1, unix: 0 };

/// A newly connected client.
fn connected() -> Talk {
    Talk::with(&Protocol::Text, ClientOptions { line_length: 100, ..ClientOptions::default() })
}

/// A client in the room.
fn member() -> Talk {
    let mut talk = connected();
    talk.send("ana\n");
    talk
}

/// What the dialect makes of `bytes`: the commands as text, and its own answers.
fn feed(mut talk: Talk, bytes: &[u8]) -> (Vec<String>, String) {
    talk.asks(bytes)
}

#[test]
fn the_first_line_is_the_name_with_or_without_user() {
    assert_eq!(feed(connected(), b"ana\r\n").0, ["Name(\"ana\")"]);
    assert_eq!(feed(connected(), b"USER ana\n").0, ["Name(\"ana\")"]);
    assert_eq!(feed(connected(), b"USER\n").0, ["Name(\"USER\")"]);
    for goodbye in ["QUIT\n", "{quit}\n", "/quit\n"] {
        assert_eq!(feed(connected(), goodbye.as_bytes()).0, ["Quit(None)"]);
    }
    assert_eq!(feed(connected(), b"\n"), (vec![], "*** What is your name?\n".into()));
}

#[test]
fn a_newcomer_is_asked_for_a_name() {
    assert_eq!(connected().greeting(), "*** This is lobby, a chat room.\n*** What is your name?\n");
}

#[test]
fn a_refused_name_is_asked_for_again() {
    let mut talk = connected();
    talk.arrives("ana", true);
    assert_eq!(talk.send("ana\n"), "*** The name ana is taken.\n*** What is your name?\n");
    let refusal = Refusal::NameNotAllowed(NickError::Space);
    assert_eq!(
        talk.told(Reply::Refused(&refusal)),
        "*** That name is not possible: a name has no spaces.\n*** What is your name?\n"
    );
    assert_eq!(member().send("/msg bo hi\n"), "*** Nobody here is called bo.\n");
}

#[test]
fn a_newcomer_reads_who_is_here_the_topic_and_the_history() {
    let mut talk = connected();
    let bo = talk.arrives("bo", true);
    talk.says(&bo, "hi");
    talk.does(Some(&bo), Command::Say(Words::action("waves")));
    talk.state.commit(NOW, &Event::Notice("tea".into()));
    assert_eq!(
        talk.send("ana\n"),
        "*** Welcome to lobby, ana. /help lists the commands, /quit leaves.\n*** Here: ana, bo\n*** Topic: tea\n\
         *** What was said before you came:\n[03:04] bo: hi\n[03:04] * bo waves\n[03:04] *** notice: tea\n\
         *** You are up to date; it is 03:04 UTC.\n"
    );
    let mut talk = connected();
    (100..199).for_each(|index| drop(talk.arrives(&format!("u{index}"), true)));
    let welcome = talk.send("ana\n");
    assert_eq!(welcome.matches("*** Here: ").count(), 4);
    assert!(welcome.contains("\n*** and 36 more; /who lists them all\n"), "{welcome}");
}

#[test]
fn questions_are_answered_at_once() {
    let mut talk = member();
    let bo = talk.arrives("bo", true);
    talk.arrives("outside", false);
    talk.leaves_for(&bo, "lunch");
    assert_eq!(talk.send("/who\n"), "*** Here: ana, bo (away)\n");
    assert_eq!(talk.send("/topic\n"), "*** Topic: tea\n");
    talk.send("/topic more tea\n");
    assert_eq!(talk.send("/topic\n"), "*** Topic: more tea\n");
}

#[test]
fn a_long_list_comes_in_parts_before_anything_else_is_read() {
    let mut talk = member();
    (0..3000).for_each(|index| drop(talk.arrives(&format!("u{index:04}"), true)));
    let (mut rest, mut steps) = (&b"/who\n/topic\n"[..], Vec::new());
    while let Some((_, out)) = talk.step(&mut rest) {
        steps.push(String::from_utf8(out).unwrap());
    }
    let lines: Vec<usize> = steps.iter().map(|step| step.lines().count()).collect();
    assert_eq!(lines, [64, 64, 60, 1]);
    let names = steps.concat().replace("*** Here: ", "").replace("*** Topic: tea\n", "").replace('\n', ", ");
    let names: Vec<&str> = names.trim_end_matches(", ").split(", ").collect();
    let expected: Vec<String> = (0..3000).map(|index| format!("u{index:04}")).collect();
    assert!(names[0] == "ana" && names[1..] == expected);
}

#[test]
fn a_returning_user_is_shown_missed_messages() {
    const MINUTE: u64 = 60_000;
    let at = |minutes| Now { ticks: 0, unix: minutes * MINUTE };
    let all = "*** What was said before you came:\n[00:00] bo: one\n[00:01] bo: two\n";
    let meanwhile = "*** What was said since you left (/history shows all that is kept):\n[00:01] bo: two\n";
    let nothing = "*** Nothing was said since you left; /history shows all that is kept.\n";
    for (reason, minutes, said_later, expected) in [
        (Reason::Closed, 10, true, meanwhile),
        (Reason::Quit(None), 10, true, meanwhile),
        (Reason::Kicked(None), 1, true, meanwhile),
        (Reason::Quit(None), 1, false, nothing),
        // Too long ago, or unknown what they have received.
        (Reason::Closed, 11, true, all),
        (Reason::TooSlow(1), 1, true, all),
        (Reason::Broken("connection reset".into()), 1, true, all),
    ] {
        let mut talk = connected();
        let (bo, ana) = (talk.arrives("bo", true), talk.arrives("ana", true));
        talk.state.commit(at(0), &Event::Said(bo.clone(), Words::plain("one")));
        talk.state.commit(at(0), &Event::Left(ana.clone(), reason.clone()));
        if said_later {
            talk.state.commit(at(1), &Event::Said(bo, Words::plain("two")));
        }
        let joined = Event::Joined(person("ana"));
        let told = talk.told(Reply::Done(Stamp { sequence: 9, unix: minutes * MINUTE }, &joined));
        let (_, told) = told.split_once("*** Topic: tea\n").unwrap();
        let mark =
            if said_later { format!("*** You are up to date; it is 00:{minutes:02} UTC.\n") } else { String::new() };
        assert_eq!(told, expected.to_owned() + &mark, "{reason} {minutes} minutes ago");
    }
    // Somebody else may have taken the name in the meantime.
    let mut talk = connected();
    let (bo, ana) = (talk.arrives("bo", true), talk.arrives("ana", true));
    talk.state.commit(at(0), &Event::Said(bo, Words::plain("one")));
    talk.state.commit(at(0), &Event::Left(ana, Reason::Closed));
    let profile = Profile { account: Some("ana@home".into()), ..Profile::default() };
    let other = Person { profile: profile.into(), ..(*person("ana")).clone() };
    let told = talk.told(Reply::Done(STAMP, &Event::Joined(other.into())));
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
        ("/topic more tea", "SetTopic(\"more tea\")"),
        ("/away lunch", "Away(Some(\"lunch\"))"),
        ("/away", "Away(None)"),
        ("/quit", "Quit(None)"),
        ("/quit so long", "Quit(Some(\"so long\"))"),
        ("{quit}", "Quit(None)"),
        ("QUIT", "Quit(None)"),
        ("QUIT smoking", "Say(\"QUIT smoking\")"),
    ] {
        let (commands, answer) = feed(member(), format!("{line}\n").as_bytes());
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
        assert_eq!(feed(member(), format!("{line}\n").as_bytes()), (vec![], answer.to_owned()), "{line}");
    }
    let (commands, help) = feed(member(), b"/help\n");
    assert!(commands.is_empty());
    for word in ["help", "who", "topic", "me TEXT", "msg NAME TEXT", "nick NAME", "quit [TEXT]"] {
        assert!(help.contains(&format!("*** /{word} ")), "{word} in {help}");
    }
}

#[test]
fn changes_to_a_line_are_reported_to_its_author() {
    let (commands, answer) = feed(member(), b"a\x07b\xff\n");
    assert_eq!(commands, ["Say(\"ab\u{fffd}\")"]);
    assert_eq!(
        answer,
        "*** Control characters were taken out of your line: 1.\n*** Your line was not UTF-8; replaced in it: 1.\n"
    );
    let (commands, answer) = feed(member(), b"typo\x1b[D\x1b[A\n");
    assert_eq!(commands, ["Say(\"typo\")"]);
    assert_eq!(answer, "*** Arrow keys and the like do not edit a line here; taken out of it: 2.\n");
    let (commands, answer) = feed(member(), format!("{}\n", "x".repeat(150)).as_bytes());
    assert_eq!(commands, [format!("Say(\"{}\")", "x".repeat(100))]);
    assert_eq!(answer, "*** Your line was too long; what is beyond 100 bytes is lost.\n");
    let (commands, answer) = feed(member(), format!("{}\r\n", "x".repeat(100)).as_bytes());
    assert_eq!((commands.len(), &*answer), (1, ""), "exactly as long as it may be");
}

#[test]
fn events_look_as_the_contract_says() {
    let (ana, anna) = (|| person("ana"), person("anna").nick.clone());
    let left = |reason| Event::Left(person("ana"), reason);
    for (event, line) in [
        (Event::Said(ana(), Words::plain("hi")), "ana: hi\n"),
        (Event::Said(ana(), Words::action("waves")), "* ana waves\n"),
        (Event::Registered(ana()), ""),
        (Event::Joined(ana()), "*** ana has joined\n"),
        (left(Reason::Quit(None)), "*** ana has left (quit)\n"),
        (left(Reason::Quit(Some("bye".into()))), "*** ana has left (quit: bye)\n"),
        (left(Reason::Closed), "*** ana has left (connection closed)\n"),
        (left(Reason::Kicked(Some("spam".into()))), "*** ana has left (kicked: spam)\n"),
        (left(Reason::TooSlow(4096)), "*** ana has left (too slow: more than 4096 bytes behind)\n"),
        (Event::Parted(ana(), None), "*** ana has left the room\n"),
        (Event::Parted(ana(), Some("bye".into())), "*** ana has left the room (bye)\n"),
        (Event::Renamed { from: ana(), to: anna }, "*** ana is now known as anna\n"),
        (Event::Notice("tea".into()), "*** notice: tea\n"),
        (Event::Topic { by: None, text: "cake".into() }, "*** Topic: cake\n"),
        (Event::Topic { by: Some(ana()), text: "cake".into() }, "*** ana has changed the topic: cake\n"),
        (Event::Redacted { by: ana(), line: 1, reason: None }, "*** ana has taken a line back\n"),
        (Event::Away(ana(), Some("lunch".into())), ""),
        (Event::Described(ana()), ""),
    ] {
        assert_eq!(connected().sees(&event), line);
    }
    let (mut talk, ana, hi) = (member(), ana(), Words::plain("hi"));
    let private = Reply::Private { stamp: STAMP, from: &ana, to: &ana.nick, words: &hi };
    assert_eq!(talk.told(private), "[ana] hi\n");
    let to = PersonView { person: &ana, away: Some("lunch"), present: true, since: Now::default(), active: 0 };
    let sent = Reply::Sent { stamp: STAMP, to, words: &hi };
    assert_eq!(talk.told(sent), "*** You to ana: hi\n*** ana is away: lunch\n");
    let quit = Reason::Quit(Some("bye all.".into()));
    assert_eq!(talk.told(Reply::Closing(&quit)), "*** Goodbye: quit.\n");
    assert_eq!(talk.told(Reply::Closing(&Reason::Stopping)), "*** Goodbye: the server is stopping.\n");
    assert_eq!(talk.told(Reply::Closing(&Reason::Backlog(1))).chars().next(), Some('\n'), "whatever line it was in");
}

#[test]
fn an_idle_client_needs_little_memory() {
    assert!(size_of::<Text>() <= 56 && size_of::<Irc>() <= 112);
    assert!(size_of::<Dialect>() <= 16, "and the room for the others is not its own");
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
        let (mut talk, mut rest) = (if named { member() } else { connected() }, &bytes[..]);
        while let Some((command, out)) = talk.step(&mut rest) {
            if let Some(Command::Say(words)) = command {
                prop_assert!(words.size() <= 100 && !words.text.contains(is_harmful));
            }
            prop_assert!(std::str::from_utf8(&out).is_ok());
        }
        prop_assert!(rest.is_empty());
    }
}
