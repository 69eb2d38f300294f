//! What comes to a client beside plain lines: labels, batches, tags, the history; and how events look.

use std::sync::Arc;

use chatd::chat::{Event, Further, Person, Profile, Reason, Reply, Stamp, Topic, Words};
use chatd::dialect::Dialect;

use super::desk::{Desk, NOW, Unlike, said};

#[test]
fn answers_have_the_label_of_what_they_answer() {
    let mut desk = Desk::joined("batch labeled-response echo-message message-tags server-time");
    desk.plays(
        &r"
         > @label=1 PING x
         < @label=1 :irc.test PONG irc.test :x
         > @label=2 PONG x
         < @label=2 :irc.test ACK
         > @label=3;+a=b;x=y PRIVMSG #lobby :hi
         < @label=3;time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-3;+a=b :ana!ann@irc.test PRIVMSG #lobby :hi
         > @label=4 LIST
         < @label=4 :irc.test BATCH +l4 labeled-response
         < @batch=l4 :irc.test 321 ana Channel :Users  Name
         < @batch=l4 :irc.test 322 ana #lobby 1 :tea
         < @batch=l4 :irc.test 323 ana :End of LIST
         < :irc.test BATCH -l4
         > @label=5 NICK anna
         < @label=5;time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-4 :ana!ann@irc.test NICK anna
         > @label=6 NOTICE nobody :hi
         < @label=6 :irc.test ACK
         > @label=7 TAGMSG #lobby
         < @label=7;time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-6 :anna!ann@irc.test TAGMSG #lobby
         > @label=7;+typing=active TAGMSG #lobby
         < @label=7;time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-7;+typing=active :anna!ann@irc.test TAGMSG #lobby
         > @label=8 JOIN #lobby
         < @label=8 :irc.test ACK
         > @label=9 PART #lobby :bye
         < @label=9;time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-8 :anna!ann@irc.test PART #lobby :bye
         > @label=a\sb JOIN #lobby
         < @label=a\sb :irc.test BATCH +l11 labeled-response
         < @batch=l11;time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-9 :anna!ann@irc.test JOIN #lobby
         < @batch=l11 :irc.test 332 anna #lobby :tea
         < @batch=l11 :irc.test 333 anna #lobby irc.test 1767319445
         < @batch=l11 :irc.test 353 anna = #lobby :anna
         < @batch=l11 :irc.test 366 anna #lobby :End of NAMES list
         < :irc.test BATCH -l11
         > @label=x FOO
         < @label=x :irc.test 421 anna FOO :Unknown command
         > PRIVMSG anna :me
         < @time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-a :anna!ann@irc.test PRIVMSG anna :me
         > NOTICE #lobby :hm
         < @time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-b :anna!ann@irc.test NOTICE #lobby :hm
         > PRIVMSG #lobby :{1}ACTION waves{1}
         < @time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-c :anna!ann@irc.test PRIVMSG #lobby :{1}ACTION waves{1}
         > PRIVMSG #lobby :{1}VERSION{1}
         < :irc.test 404 anna #lobby :Cannot send: requests between clients (CTCP) are not passed on
         > NOTICE #lobby :{1}VERSION x{1}
"
        .replace("{1}", "\u{1}"),
    );
}

#[test]
fn what_was_said_is_taken_back() {
    let mut desk = Desk::joined("batch message-tags draft/message-redaction echo-message");
    let bo = desk.arrives("bo", true);
    said(&desk, &bo, "hers");
    desk.plays(
        r"
         > PRIVMSG #lobby :mine
         < @msgid=19b7c72a0ae-6 :ana!ann@irc.test PRIVMSG #lobby :mine
         > REDACT
         < :irc.test FAIL REDACT NEED_MORE_PARAMS :REDACT takes a channel and a message identifier
         > REDACT bo x
         < :irc.test FAIL REDACT INVALID_TARGET bo :Only what was said in the room can be taken back
         > REDACT #lobby x
         < :irc.test FAIL REDACT UNKNOWN_MSGID #lobby x :This message is not kept
         > REDACT #lobby 19b7c72a0ae-6
         < @msgid=19b7c72a0ae-7 :ana!ann@irc.test REDACT #lobby 19b7c72a0ae-6
         > REDACT #lobby 19b7c72a0ae-7 :oops
         < :irc.test FAIL REDACT UNKNOWN_MSGID #lobby 19b7c72a0ae-7 :This message is not kept
         > REDACT #lobby 19b7c72a0ae-7
         < :irc.test FAIL REDACT UNKNOWN_MSGID #lobby 19b7c72a0ae-7 :This message is not kept
",
    );
}

#[test]
fn several_lines_are_one_message() {
    let mut desk = Desk::joined("batch message-tags draft/multiline echo-message labeled-response");
    desk.plays(r"
         > @label=m;+t=1 BATCH +b draft/multiline #lobby
         > @batch=b PRIVMSG #lobby :one
         > @batch=b PRIVMSG #lobby :two
         > @batch=b;draft/multiline-concat PRIVMSG #lobby : and more
         > BATCH -b
         < @label=m;msgid=19b7c72a0ae-3;+t=1 :ana!ann@irc.test BATCH +m3 draft/multiline #lobby
         < @batch=m3 :ana!ann@irc.test PRIVMSG #lobby :one
         < @batch=m3 :ana!ann@irc.test PRIVMSG #lobby :two
         < @batch=m3;draft/multiline-concat :ana!ann@irc.test PRIVMSG #lobby : and more
         < :ana!ann@irc.test BATCH -m3
         > BATCH -b
         < :irc.test FAIL BATCH MULTILINE_INVALID :There is no such unfinished message
         > BATCH +c draft/multiline #lobby
         > BATCH +d draft/multiline #lobby
         < :irc.test FAIL BATCH MULTILINE_INVALID :There is an unfinished message already
         > @batch=x PRIVMSG #lobby :one
         < :irc.test FAIL BATCH MULTILINE_INVALID :A line has another batch or target than the message that it is part of
         > BATCH +c draft/multiline #lobby
         > @batch=c;draft/multiline-concat PRIVMSG #lobby :
         < :irc.test FAIL BATCH MULTILINE_INVALID :A line does not fit the message that it is part of
         > BATCH +c draft/multiline #lobby
         > BATCH -c
         < :irc.test FAIL BATCH MULTILINE_INVALID :The message has no text
");
}

#[test]
fn how_far_one_has_read_is_kept() {
    let mut desk = Desk::joined("draft/read-marker");
    desk.plays(
        r"
         > MARKREAD
         < :irc.test FAIL MARKREAD NEED_MORE_PARAMS :MARKREAD takes a target
         > MARKREAD #lobby
         < :irc.test MARKREAD #lobby *
         > MARKREAD #lobby nonsense
         < :irc.test FAIL MARKREAD INVALID_PARAMS #lobby :That is not a timestamp
         > MARKREAD #lobby timestamp=2026-01-01T00:00:00.000Z
         < :irc.test MARKREAD #lobby timestamp=2026-01-01T00:00:00.000Z
         > MARKREAD #LOBBY timestamp=2025-01-01T00:00:00.000Z
         < :irc.test MARKREAD #LOBBY timestamp=2026-01-01T00:00:00.000Z
         > MARKREAD bo
         < :irc.test MARKREAD bo *
         > PART #lobby
         < :ana!ann@irc.test PART #lobby
         > JOIN #lobby
         < :ana!ann@irc.test JOIN #lobby
         < :irc.test 332 ana #lobby :tea
         < :irc.test 333 ana #lobby irc.test 1767319445
         < :irc.test 353 ana = #lobby :ana
         < :irc.test MARKREAD #lobby timestamp=2026-01-01T00:00:00.000Z
         < :irc.test 366 ana #lobby :End of NAMES list
",
    );
}

#[test]
fn how_far_an_account_has_read_outlives_its_connection() {
    let markers = Arc::default();
    let connect = |account| {
        let mut desk = Desk::with(Unlike { account, markers: Arc::clone(&markers), ..Unlike::default() });
        desk.send("CAP REQ draft/read-marker\r\nNICK ana\r\nUSER ann 0 * :Ana Real\r\nCAP END\r\n");
        desk
    };
    let marker = ":irc.test MARKREAD #lobby timestamp=2026-01-01T00:00:00.000Z\r\n";
    let none = ":irc.test MARKREAD #lobby *\r\n";
    let set = "MARKREAD #lobby timestamp=2026-01-01T00:00:00.000Z\r\n";
    assert_eq!(connect(Some("ana@home")).send(set), marker);
    assert!(connect(Some("ana@home")).send("JOIN #lobby\r\n").contains(marker), "a client is told when it comes in");
    assert_eq!(connect(Some("bo@home")).send("MARKREAD #lobby\r\n"), none, "another account");
    // Somebody else may have the name by now.
    let mut stranger = connect(None);
    assert_eq!(stranger.send("MARKREAD #lobby\r\n"), none);
    assert_eq!(stranger.send(set), marker);
    assert_eq!(connect(None).send("MARKREAD #lobby\r\n"), none);
}

#[test]
fn the_history_can_be_asked_for() {
    let mut desk = Desk::joined("batch message-tags server-time draft/chathistory");
    let bo = desk.arrives("bo", true);
    ["one", "two", "three"].iter().for_each(|text| {
        said(&desk, &bo, text);
    });
    desk.plays(r"
         > CHATHISTORY
         < :irc.test FAIL CHATHISTORY NEED_MORE_PARAMS :CHATHISTORY takes a subcommand
         > CHATHISTORY FOO
         < :irc.test FAIL CHATHISTORY INVALID_PARAMS FOO :Unknown subcommand
         > CHATHISTORY LATEST #lobby
         < :irc.test FAIL CHATHISTORY NEED_MORE_PARAMS LATEST :Parameters are missing
         > CHATHISTORY LATEST #other * 10
         < :irc.test FAIL CHATHISTORY INVALID_TARGET LATEST #other :Only the history of the room is kept, for those who are in it
         > CHATHISTORY LATEST bo * 10
         < :irc.test FAIL CHATHISTORY INVALID_TARGET LATEST bo :Only the history of the room is kept, for those who are in it
         > CHATHISTORY LATEST #lobby nonsense 10
         < :irc.test FAIL CHATHISTORY INVALID_PARAMS LATEST :A reference or the limit cannot be understood
         > CHATHISTORY LATEST #lobby * x
         < :irc.test FAIL CHATHISTORY INVALID_PARAMS LATEST :A reference or the limit cannot be understood
         > CHATHISTORY LATEST #lobby * 2
         < :irc.test BATCH +h1 chathistory #lobby
         < @batch=h1;time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-6 :bo!chat@irc.test PRIVMSG #lobby :two
         < @batch=h1;time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-7 :bo!chat@irc.test PRIVMSG #lobby :three
         < :irc.test BATCH -h1
         > CHATHISTORY BEFORE #lobby msgid=19b7c72a0ae-6 1
         < :irc.test BATCH +h2 chathistory #lobby
         < @batch=h2;time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-5 :bo!chat@irc.test PRIVMSG #lobby :one
         < :irc.test BATCH -h2
         > CHATHISTORY AFTER #lobby timestamp=2026-01-01T00:00:00.000Z 1
         < :irc.test BATCH +h3 chathistory #lobby
         < @batch=h3;time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-5 :bo!chat@irc.test PRIVMSG #lobby :one
         < :irc.test BATCH -h3
         > CHATHISTORY AROUND #lobby msgid=19b7c72a0ae-6 1
         < :irc.test BATCH +h4 chathistory #lobby
         < @batch=h4;time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-6 :bo!chat@irc.test PRIVMSG #lobby :two
         < :irc.test BATCH -h4
         > CHATHISTORY BETWEEN #lobby msgid=19b7c72a0ae-5 msgid=19b7c72a0ae-7 5
         < :irc.test BATCH +h5 chathistory #lobby
         < @batch=h5;time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-6 :bo!chat@irc.test PRIVMSG #lobby :two
         < :irc.test BATCH -h5
         > CHATHISTORY BETWEEN #lobby msgid=19b7c72a0ae-7 msgid=19b7c72a0ae-5 5
         < :irc.test BATCH +h6 chathistory #lobby
         < @batch=h6;time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-6 :bo!chat@irc.test PRIVMSG #lobby :two
         < :irc.test BATCH -h6
         > CHATHISTORY TARGETS timestamp=2026-01-01T00:00:00.000Z timestamp=2026-02-01T00:00:00.000Z 10
         < :irc.test BATCH +h7 draft/chathistory-targets
         < @batch=h7 :irc.test CHATHISTORY TARGETS #lobby 2026-01-02T03:04:05.678Z
         < :irc.test BATCH -h7
         > PART #lobby
         < @time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-8 :ana!ann@irc.test PART #lobby
         > CHATHISTORY LATEST #lobby * 10
         < :irc.test FAIL CHATHISTORY INVALID_TARGET LATEST #lobby :Only the history of the room is kept, for those who are in it
");
}

#[test]
fn the_history_comes_by_itself_to_those_who_cannot_ask() {
    let mut desk = Desk::registered("batch server-time");
    let bo = desk.arrives("bo", true);
    said(&desk, &bo, "one");
    desk.plays(
        r"
         > JOIN #lobby
         < @time=2026-01-02T03:04:05.678Z :ana!ann@irc.test JOIN #lobby
         < :irc.test 332 ana #lobby :tea
         < :irc.test 333 ana #lobby irc.test 1767319445
         < :irc.test 353 ana = #lobby :bo ana
         < :irc.test 366 ana #lobby :End of NAMES list
         < @time=2026-01-02T03:04:05.678Z :irc.test NOTICE #lobby :What was said before you came, from 03:04 to 03:04 UTC:
         < :irc.test BATCH +h1 chathistory #lobby
         < @batch=h1;time=2026-01-02T03:04:05.678Z :bo!chat@irc.test PRIVMSG #lobby :one
         < :irc.test BATCH -h1
         < @time=2026-01-02T03:04:05.678Z :irc.test NOTICE #lobby :You are up to date; it is 03:04 UTC.
",
    );
    // irssi asks for the time alone, and does not show it.
    let mut desk = Desk::registered("server-time");
    let bo = desk.arrives("bo", true);
    said(&desk, &bo, "one");
    desk.plays(
        r"
         > JOIN #lobby
         < @time=2026-01-02T03:04:05.678Z :ana!ann@irc.test JOIN #lobby
         < :irc.test 332 ana #lobby :tea
         < :irc.test 333 ana #lobby irc.test 1767319445
         < :irc.test 353 ana = #lobby :bo ana
         < :irc.test 366 ana #lobby :End of NAMES list
         < @time=2026-01-02T03:04:05.678Z :irc.test NOTICE #lobby :What was said before you came, from 03:04 to 03:04 UTC:
         < @time=2026-01-02T03:04:05.678Z :bo!chat@irc.test PRIVMSG #lobby :[03:04] one
         < @time=2026-01-02T03:04:05.678Z :irc.test NOTICE #lobby :You are up to date; it is 03:04 UTC.
",
    );
    // Without the server's clock, the text says when it was said.
    let mut desk = Desk::registered("");
    let bo = desk.arrives("bo", true);
    said(&desk, &bo, "one");
    desk.plays(
        "
         > JOIN #lobby
         < :ana!ann@irc.test JOIN #lobby
         < :irc.test 332 ana #lobby :tea
         < :irc.test 333 ana #lobby irc.test 1767319445
         < :irc.test 353 ana = #lobby :bo ana
         < :irc.test 366 ana #lobby :End of NAMES list
         < :irc.test NOTICE #lobby :What was said before you came, from 03:04 to 03:04 UTC:
         < :bo!chat@irc.test PRIVMSG #lobby :[03:04] one
         < :irc.test NOTICE #lobby :You are up to date; it is 03:04 UTC.
",
    );
    let mut desk = Desk::joined("draft/chathistory");
    let bo = desk.arrives("bo", true);
    said(&desk, &bo, "one");
    desk.send("PART #lobby\r\n");
    let rejoined = desk.send("JOIN #lobby\r\n");
    assert!(rejoined.ends_with(":irc.test 366 ana #lobby :End of NAMES list\r\n"), "it asks by itself: {rejoined}");
}

#[test]
fn whoever_comes_back_into_the_room_has_read_what_was_said_before() {
    let mut desk = Desk::joined("batch labeled-response");
    let bo = desk.arrives("bo", true);
    said(&desk, &bo, "one");
    desk.plays("> PART #lobby\n< :ana!ann@irc.test PART #lobby");
    said(&desk, &bo, "two");
    desk.plays(
        r"
         > @label=j JOIN #lobby
         < @label=j :irc.test BATCH +l2 labeled-response
         < @batch=l2 :ana!ann@irc.test JOIN #lobby
         < @batch=l2 :irc.test 332 ana #lobby :tea
         < @batch=l2 :irc.test 333 ana #lobby irc.test 1767319445
         < @batch=l2 :irc.test 353 ana = #lobby :bo ana
         < @batch=l2 :irc.test 366 ana #lobby :End of NAMES list
         < @batch=l2 :irc.test NOTICE #lobby :What was said since you left the room, from 03:04 to 03:04 UTC:
         < @batch=l2 :irc.test BATCH +h1 chathistory #lobby
         < @batch=h1 :bo!chat@irc.test PRIVMSG #lobby :[03:04] two
         < :irc.test BATCH -h1
         < @batch=l2 :irc.test NOTICE #lobby :You are up to date; it is 03:04 UTC.
         < :irc.test BATCH -l2
",
    );
}

#[test]
fn real_names_change() {
    let mut desk = Desk::joined("setname extended-join");
    desk.plays(
        r"
         > SETNAME :Ana Banana
         < :ana!ann@irc.test SETNAME :Ana Banana
         > PART #lobby
         < :ana!ann@irc.test PART #lobby
         > JOIN #lobby
         < :ana!ann@irc.test JOIN #lobby * :Ana Banana
         < :irc.test 332 ana #lobby :tea
         < :irc.test 333 ana #lobby irc.test 1767319445
         < :irc.test 353 ana = #lobby :ana
         < :irc.test 366 ana #lobby :End of NAMES list
",
    );
}

/// What a client with these capabilities sees of an event.
fn seen(capabilities: &str, event: Event<'_>) -> String {
    let mut out = Vec::new();
    let stamp = Stamp { sequence: 255, unix: NOW.unix };
    Desk::registered(capabilities).irc.form().render(stamp, event, &mut out);
    String::from_utf8(out).unwrap()
}

fn bot() -> Person {
    let mut bo = (*Desk::new().arrives("bo", false)).clone();
    let profile = Profile { account: Some("bo;home".into()), bot: true, ..(*bo.profile).clone() };
    bo.profile = profile.into();
    bo
}

#[test]
fn events_look_as_the_capabilities_say() {
    let (bo, bob) = (&bot(), &Desk::new().arrives("bob", false).nick);
    let topic = &Topic { text: "cake".into(), by: None, unix: 0 };
    let tagged = &Words { tags: "+a=b".into(), ..Words::plain("hi") };
    let silent = &Words { manner: chatd::chat::Manner::Silent, tags: "+a".into(), ..Words::default() };
    let kicked = &Reason::Kicked(Some("spam".into()));
    let all = "server-time message-tags account-tag";
    for (capabilities, event, line) in [
        ("", Event::Said(bo, tagged), ":bo!chat@irc.test PRIVMSG #lobby :hi"),
        ("server-time", Event::Said(bo, tagged), "@time=2026-01-02T03:04:05.678Z :bo!chat@irc.test PRIVMSG #lobby :hi"),
        ("account-tag", Event::Said(bo, tagged), r"@account=bo\:home :bo!chat@irc.test PRIVMSG #lobby :hi"),
        (
            "message-tags",
            Event::Said(bo, tagged),
            "@msgid=19b7c72a0ae-ff;bot;+a=b :bo!chat@irc.test PRIVMSG #lobby :hi",
        ),
        (all, Event::Notice("tea"), "@time=2026-01-02T03:04:05.678Z;msgid=19b7c72a0ae-ff :irc.test NOTICE #lobby :tea"),
        ("message-tags", Event::Said(bo, silent), "@msgid=19b7c72a0ae-ff;bot;+a :bo!chat@irc.test TAGMSG #lobby"),
        ("", Event::Said(bo, silent), ""),
        ("", Event::Said(bo, &Words::action("waves")), ":bo!chat@irc.test PRIVMSG #lobby :\u{1}ACTION waves\u{1}"),
        ("", Event::Joined(bo), ":bo!chat@irc.test JOIN #lobby"),
        ("extended-join", Event::Joined(bo), ":bo!chat@irc.test JOIN #lobby bo;home :bo Real"),
        ("", Event::Left(bo, kicked), ":bo!chat@irc.test QUIT :kicked: spam"),
        ("", Event::Parted(bo, None), ":bo!chat@irc.test PART #lobby"),
        ("", Event::Parted(bo, Some("bye")), ":bo!chat@irc.test PART #lobby :bye"),
        ("", Event::Renamed { from: bo, to: bob }, ":bo!chat@irc.test NICK bob"),
        ("", Event::Topic { by: Some(bo), topic }, ":bo!chat@irc.test TOPIC #lobby :cake"),
        ("", Event::Topic { by: None, topic }, ":irc.test TOPIC #lobby :cake"),
        ("", Event::Away(bo, Some("tea")), ""),
        ("away-notify", Event::Away(bo, Some("tea")), ":bo!chat@irc.test AWAY :tea"),
        ("away-notify", Event::Away(bo, None), ":bo!chat@irc.test AWAY"),
        ("", Event::Described(bo), ""),
        ("setname", Event::Described(bo), ":bo!chat@irc.test SETNAME :bo Real"),
        ("", Event::Redacted { by: bo, line: 16, reason: None }, ""),
        (
            "draft/message-redaction",
            Event::Redacted { by: bo, line: 16, reason: Some("oops") },
            ":bo!chat@irc.test REDACT #lobby 19b7c72a0ae-10 :oops",
        ),
    ] {
        let end = if line.is_empty() { "" } else { "\r\n" };
        assert_eq!(seen(capabilities, event), format!("{line}{end}"), "{capabilities}: {event:?}");
    }
}

#[test]
fn only_what_changes_events_makes_another_form() {
    let form = |capabilities: &str| Desk::registered(capabilities).irc.form().id();
    assert_eq!(form(""), form("echo-message labeled-response batch draft/chathistory multi-prefix userhost-in-names"));
    assert_eq!(form("server-time"), form("server-time draft/multiline"), "that is nothing without batch");
    let different = [
        "",
        "server-time",
        "message-tags",
        "account-tag",
        "away-notify",
        "extended-join",
        "setname",
        "draft/message-redaction",
        "draft/multiline batch",
    ];
    let forms: std::collections::BTreeSet<_> = different.iter().map(|capabilities| form(capabilities)).collect();
    assert_eq!(forms.len(), different.len());
}

#[test]
fn a_line_that_is_too_long_for_irc_comes_in_pieces() {
    let bo = &bot();
    let text = "word ".repeat(300) + &"é".repeat(400);
    for action in [false, true] {
        let words = if action { Words::action(text.as_str()) } else { Words::plain(text.as_str()) };
        let seen = seen("message-tags", Event::Said(bo, &words));
        let lines: Vec<&str> = seen.split_terminator("\r\n").collect();
        assert!(lines.iter().all(|line| line.split_once(' ').unwrap().1.len() <= 510 || !line.starts_with('@')));
        assert!(lines.iter().all(|line| line.len() <= 560), "{seen}");
        assert_eq!(lines.iter().filter(|line| line.contains("msgid=")).count(), 1, "only the first one is identified");
        let texts = lines.iter().map(|line| line.split_once(" #lobby :").unwrap().1);
        let whole: String = texts.map(|text| text.trim_matches('\u{1}').trim_start_matches("ACTION ")).collect();
        assert_eq!(whole, text);
    }
    let seen = seen("batch draft/multiline", Event::Said(bo, &Words::plain(text.as_str())));
    let lines: Vec<&str> = seen.split_terminator("\r\n").collect();
    assert_eq!(lines[0], ":bo!chat@irc.test BATCH +mff draft/multiline #lobby");
    assert!(lines[1].starts_with("@batch=mff :bo!chat@irc.test PRIVMSG #lobby :word word"));
    assert!(lines[2].starts_with("@batch=mff;draft/multiline-concat :bo!chat@irc.test PRIVMSG #lobby :"));
    assert_eq!(lines.last(), Some(&":bo!chat@irc.test BATCH -mff"));
}

#[test]
fn several_lines_are_single_ones_to_those_who_do_not_know_better() {
    let further = |text: &str, joined| Further { text: text.into(), joined };
    let words =
        Words { more: vec![further("two", false), further("", false), further(" three", true)], ..Words::plain("") };
    assert_eq!(
        seen("", Event::Said(&bot(), &words)),
        ":bo!chat@irc.test PRIVMSG #lobby :two\r\n:bo!chat@irc.test PRIVMSG #lobby : three\r\n"
    );
}

#[test]
fn private_words_go_to_a_name() {
    let mut desk = Desk::registered("");
    let bo = &desk.arrives("bo", false);
    let (stamp, words) = (Stamp { sequence: 1, unix: 0 }, &Words::plain("psst"));
    let private = Reply::Private { stamp, from: bo, to: &desk.arrives("ana2", false).nick, words };
    assert_eq!(desk.told(private), ":bo!chat@irc.test PRIVMSG ana2 :psst\r\n");
}

#[test]
fn what_is_too_long_or_no_text_is_refused_whole() {
    let mut desk = Desk::joined("message-tags batch labeled-response");
    assert_eq!(
        desk.send_bytes(b"@label=x PRIVMSG #lobby :\xff\r\n"),
        "@label=x :irc.test FAIL PRIVMSG INVALID_UTF8 :Your message was not UTF-8; it was dropped\r\n"
    );
    let too_long = ":irc.test 417 ana :Input line was too long\r\n";
    assert_eq!(desk.send(&format!("PRIVMSG #lobby :{}\r\n", "x".repeat(600))), too_long);
    assert_eq!(desk.send(&format!("PRIVMSG #lobby :{}\r\n", "x".repeat(480))), too_long, "with the source in front");
    assert_eq!(desk.send(&format!("PRIVMSG #lobby :{}\r\n", "x".repeat(450))), "");
    assert_eq!(desk.send(&format!("@+a={} PRIVMSG #lobby :x\r\n", "x".repeat(4091))), "");
    assert_eq!(desk.send(&format!("@+a={} PRIVMSG #lobby :x\r\n", "x".repeat(4092))), too_long);
}
