//! How events are rendered, and what accompanies messages: labels, batches, tags, the history.

use std::sync::Arc;

use chatd::chat::{Event, Further, Manner, Person, Profile, Reason, Reply, Stamp, Words};

use chatd::dialect::Protocol;

use super::{connected, joined, registered};
use crate::support::talk::{ClientOptions, Talk};

#[test]
fn answers_carry_the_label_of_the_request() {
    let mut talk = joined("batch labeled-response echo-message message-tags server-time");
    talk.plays(
        &r"
         > @label=1 PING x
         < @label=1 :irc.test PONG irc.test :x
         > @label=2 PONG x
         < @label=2 :irc.test ACK
         > @label=3;+a=b;x=y PRIVMSG #lobby :hi
         < @label=3;time=2026-01-02T03:04:05.678Z;msgid=3;+a=b :ana!ann@irc.test PRIVMSG #lobby :hi
         > @label=4 LIST
         < @label=4 :irc.test BATCH +l4 labeled-response
         < @batch=l4 :irc.test 321 ana Channel :Users  Name
         < @batch=l4 :irc.test 322 ana #lobby 1 :tea
         < @batch=l4 :irc.test 323 ana :End of LIST
         < :irc.test BATCH -l4
         > @label=5 NICK anna
         < @label=5;time=2026-01-02T03:04:05.678Z;msgid=4 :ana!ann@irc.test NICK anna
         > @label=6 NOTICE nobody :hi
         < @label=6 :irc.test ACK
         > @label=7 TAGMSG #lobby
         < @label=7;time=2026-01-02T03:04:05.678Z;msgid=5 :anna!ann@irc.test TAGMSG #lobby
         > @label=7;+typing=active TAGMSG #lobby
         < @label=7;time=2026-01-02T03:04:05.678Z;msgid=6;+typing=active :anna!ann@irc.test TAGMSG #lobby
         > @label=8 JOIN #lobby
         < @label=8 :irc.test ACK
         > @label=9 PART #lobby :bye
         < @label=9;time=2026-01-02T03:04:05.678Z;msgid=7 :anna!ann@irc.test PART #lobby :bye
         > @label=a\sb JOIN #lobby
         < @label=a\sb :irc.test BATCH +l11 labeled-response
         < @batch=l11;time=2026-01-02T03:04:05.678Z;msgid=8 :anna!ann@irc.test JOIN #lobby
         < @batch=l11 :irc.test 332 anna #lobby :tea
         < @batch=l11 :irc.test 333 anna #lobby irc.test 1767319445
         < @batch=l11 :irc.test 353 anna = #lobby :anna
         < @batch=l11 :irc.test 366 anna #lobby :End of NAMES list
         < :irc.test BATCH -l11
         > @label=x FOO
         < @label=x :irc.test 421 anna FOO :Unknown command
         > PRIVMSG anna :me
         < @time=2026-01-02T03:04:05.678Z;msgid=9 :anna!ann@irc.test PRIVMSG anna :me
         > NOTICE #lobby :hm
         < @time=2026-01-02T03:04:05.678Z;msgid=a :anna!ann@irc.test NOTICE #lobby :hm
         > PRIVMSG #lobby :{1}ACTION waves{1}
         < @time=2026-01-02T03:04:05.678Z;msgid=b :anna!ann@irc.test PRIVMSG #lobby :{1}ACTION waves{1}
         > PRIVMSG #lobby :{1}VERSION{1}
         < :irc.test 404 anna #lobby :Cannot send: requests between clients (CTCP) are not passed on
         > NOTICE #lobby :{1}VERSION x{1}
"
        .replace("{1}", "\u{1}"),
    );
}

#[test]
fn a_message_can_be_redacted() {
    let mut talk = joined("batch message-tags draft/message-redaction echo-message");
    let bo = talk.arrives("bo", true);
    talk.says(&bo, "hers");
    talk.plays(
        r"
         > PRIVMSG #lobby :mine
         < @msgid=6 :ana!ann@irc.test PRIVMSG #lobby :mine
         > REDACT
         < :irc.test FAIL REDACT NEED_MORE_PARAMS :REDACT takes a channel and a message identifier
         > REDACT bo x
         < :irc.test FAIL REDACT INVALID_TARGET bo :Only what was said in the room can be taken back
         > REDACT #lobby x
         < :irc.test FAIL REDACT UNKNOWN_MSGID #lobby x :This message is not kept
         > REDACT #lobby 6
         < @msgid=7 :ana!ann@irc.test REDACT #lobby 6
         > REDACT #lobby 7 :oops
         < :irc.test FAIL REDACT UNKNOWN_MSGID #lobby 7 :This message is not kept
         > REDACT #lobby 7
         < :irc.test FAIL REDACT UNKNOWN_MSGID #lobby 7 :This message is not kept
",
    );
}

#[test]
fn read_markers_are_kept() {
    let mut talk = joined("draft/read-marker");
    talk.plays(
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
fn read_markers_of_an_account_outlive_its_connection() {
    let next = |talk: Talk, account| {
        let mut talk = talk.succeeded_by(&Protocol::Irc, ClientOptions { account, ..ClientOptions::default() });
        talk.send("CAP REQ draft/read-marker\r\nNICK ana\r\nUSER ann 0 * :Ana Real\r\nCAP END\r\n");
        talk
    };
    let marker = ":irc.test MARKREAD #lobby timestamp=2026-01-01T00:00:00.000Z\r\n";
    let none = ":irc.test MARKREAD #lobby *\r\n";
    let set = "MARKREAD #lobby timestamp=2026-01-01T00:00:00.000Z\r\n";
    let mut talk = next(connected(), Some("ana@home"));
    assert_eq!(talk.send(set), marker);
    talk = next(talk, Some("ana@home"));
    assert!(talk.send("JOIN #lobby\r\n").contains(marker), "a client is told when it comes in");
    talk = next(talk, Some("bo@home"));
    assert_eq!(talk.send("MARKREAD #lobby\r\n"), none, "another account");
    // Somebody else may have taken the name in the meantime.
    talk = next(talk, None);
    assert_eq!(talk.send("MARKREAD #lobby\r\n"), none);
    assert_eq!(talk.send(set), marker);
    talk = next(talk, None);
    assert_eq!(talk.send("MARKREAD #lobby\r\n"), none);
}

#[test]
fn clients_without_chathistory_are_sent_the_history() {
    let mut talk = registered("batch server-time");
    let bo = talk.arrives("bo", true);
    talk.says(&bo, "one");
    talk.plays(
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
    // irssi requests server-time alone and does not display it, so the text must include the time.
    let mut talk = registered("server-time");
    let bo = talk.arrives("bo", true);
    talk.says(&bo, "one");
    talk.plays(
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
    // Without server-time, the text must include the time.
    let mut talk = registered("");
    let bo = talk.arrives("bo", true);
    talk.says(&bo, "one");
    talk.plays(
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
    let mut talk = joined("draft/chathistory");
    let bo = talk.arrives("bo", true);
    talk.says(&bo, "one");
    talk.send("PART #lobby\r\n");
    let rejoined = talk.send("JOIN #lobby\r\n");
    assert!(rejoined.ends_with(":irc.test 366 ana #lobby :End of NAMES list\r\n"), "it asks by itself: {rejoined}");
}

#[test]
fn a_rejoining_client_is_not_sent_what_it_has_seen() {
    let mut talk = joined("batch labeled-response");
    let bo = talk.arrives("bo", true);
    talk.says(&bo, "one");
    talk.plays("> PART #lobby\n< :ana!ann@irc.test PART #lobby");
    talk.says(&bo, "two");
    talk.plays(
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
    let mut talk = joined("setname extended-join");
    talk.plays(
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

/// An event as rendered for a client with these capabilities.
fn seen(capabilities: &str, event: &Event<'_>) -> String {
    registered(capabilities).sees(event)
}

fn bot() -> Arc<Person> {
    let bo = connected().arrives("bo", false);
    let profile = Profile { account: Some("bo;home".into()), bot: true, ..(*bo.profile).clone() };
    Arc::new(Person { profile: profile.into(), ..(*bo).clone() })
}

#[test]
fn events_are_rendered_by_capabilities() {
    let (bo, bob) = (bot, connected().arrives("bob", false).nick.clone());
    let tagged = || Words { tags: "+a=b".into(), ..Words::plain("hi") };
    let silent = || Words { manner: Manner::TagsOnly, tags: "+a".into(), ..Words::default() };
    let redacted = |reason| Event::Redacted { by: bot(), line: 16, reason };
    let all = "server-time message-tags account-tag";
    for (capabilities, event, line) in [
        ("", Event::Said(bo(), tagged()), ":bo!chat@irc.test PRIVMSG #lobby :hi"),
        (
            "server-time",
            Event::Said(bo(), tagged()),
            "@time=2026-01-02T03:04:05.678Z :bo!chat@irc.test PRIVMSG #lobby :hi",
        ),
        ("account-tag", Event::Said(bo(), tagged()), r"@account=bo\:home :bo!chat@irc.test PRIVMSG #lobby :hi"),
        ("message-tags", Event::Said(bo(), tagged()), "@msgid=ff;bot;+a=b :bo!chat@irc.test PRIVMSG #lobby :hi"),
        (all, Event::Notice("tea".into()), "@time=2026-01-02T03:04:05.678Z;msgid=ff :irc.test NOTICE #lobby :tea"),
        ("message-tags", Event::Said(bo(), silent()), "@msgid=ff;bot;+a :bo!chat@irc.test TAGMSG #lobby"),
        ("", Event::Said(bo(), silent()), ""),
        ("", Event::Said(bo(), Words::action("waves")), ":bo!chat@irc.test PRIVMSG #lobby :\u{1}ACTION waves\u{1}"),
        ("", Event::Registered(bo()), ""),
        ("", Event::Joined(bo()), ":bo!chat@irc.test JOIN #lobby"),
        ("extended-join", Event::Joined(bo()), ":bo!chat@irc.test JOIN #lobby bo;home :bo Real"),
        ("", Event::Left(bo(), Reason::Kicked(Some("spam".into()))), ":bo!chat@irc.test QUIT :kicked: spam"),
        ("", Event::Parted(bo(), None), ":bo!chat@irc.test PART #lobby"),
        ("", Event::Parted(bo(), Some("bye".into())), ":bo!chat@irc.test PART #lobby :bye"),
        ("", Event::Renamed { from: bo(), to: bob }, ":bo!chat@irc.test NICK bob"),
        ("", Event::Topic { by: Some(bo()), text: "cake".into() }, ":bo!chat@irc.test TOPIC #lobby :cake"),
        ("", Event::Topic { by: None, text: "cake".into() }, ":irc.test TOPIC #lobby :cake"),
        ("", Event::Away(bo(), Some("tea".into())), ""),
        ("away-notify", Event::Away(bo(), Some("tea".into())), ":bo!chat@irc.test AWAY :tea"),
        ("away-notify", Event::Away(bo(), None), ":bo!chat@irc.test AWAY"),
        ("", Event::Described(bo()), ""),
        ("setname", Event::Described(bo()), ":bo!chat@irc.test SETNAME :bo Real"),
        ("", redacted(None), ""),
        ("draft/message-redaction", redacted(Some("oops".into())), ":bo!chat@irc.test REDACT #lobby 10 :oops"),
    ] {
        let end = if line.is_empty() { "" } else { "\r\n" };
        assert_eq!(seen(capabilities, &event), format!("{line}{end}"), "{capabilities}: {event:?}");
    }
}

#[test]
fn only_capabilities_that_change_events_make_another_form() {
    let form = |capabilities: &str| registered(capabilities).dialect.form().id();
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
fn a_text_too_long_for_irc_is_split() {
    let bo = bot;
    let text = "word ".repeat(300) + &"é".repeat(400);
    for action in [false, true] {
        let words = if action { Words::action(text.as_str()) } else { Words::plain(text.as_str()) };
        let seen = seen("message-tags", &Event::Said(bo(), words));
        let lines: Vec<&str> = seen.split_terminator("\r\n").collect();
        assert!(lines.iter().all(|line| line.split_once(' ').unwrap().1.len() <= 510 || !line.starts_with('@')));
        assert!(lines.iter().all(|line| line.len() <= 560), "{seen}");
        assert_eq!(lines.iter().filter(|line| line.contains("msgid=")).count(), 1, "only the first one is identified");
        let texts = lines.iter().map(|line| line.split_once(" #lobby :").unwrap().1);
        let whole: String = texts.map(|text| text.trim_matches('\u{1}').trim_start_matches("ACTION ")).collect();
        assert_eq!(whole, text);
    }
    let seen = seen("batch draft/multiline", &Event::Said(bo(), Words::plain(text.as_str())));
    let lines: Vec<&str> = seen.split_terminator("\r\n").collect();
    assert_eq!(lines[0], ":bo!chat@irc.test BATCH +mff draft/multiline #lobby");
    assert!(lines[1].starts_with("@batch=mff :bo!chat@irc.test PRIVMSG #lobby :word word"));
    assert!(lines[2].starts_with("@batch=mff;draft/multiline-concat :bo!chat@irc.test PRIVMSG #lobby :"));
    assert_eq!(lines.last(), Some(&":bo!chat@irc.test BATCH -mff"));
}

#[test]
fn multiline_messages_fall_back_to_single_lines() {
    let further = |text: &str, joined| Further { text: text.into(), joined };
    let words = Words {
        more: vec![further("two", false), further("four", false), further(" three", true)],
        ..Words::plain("")
    };
    assert_eq!(
        seen("", &Event::Said(bot(), words)),
        ":bo!chat@irc.test PRIVMSG #lobby :two\r\n:bo!chat@irc.test PRIVMSG #lobby :four three\r\n"
    );
}

#[test]
fn private_messages_are_addressed_to_a_name() {
    let mut talk = registered("");
    let bo = &talk.arrives("bo", false);
    let (stamp, words) = (Stamp { sequence: 1, unix: 0 }, &Words::plain("psst"));
    let ana2 = talk.arrives("ana2", false);
    let private = Reply::Private { stamp, from: bo, to: &ana2.nick, words };
    assert_eq!(talk.told(private), ":bo!chat@irc.test PRIVMSG ana2 :psst\r\n");
}

#[test]
fn a_message_that_is_too_long_or_not_utf8_is_refused_whole() {
    let mut talk = joined("message-tags batch labeled-response");
    assert_eq!(
        String::from_utf8(talk.send_bytes(b"@label=x PRIVMSG #lobby :\xff\r\n")).unwrap(),
        "@label=x :irc.test FAIL PRIVMSG INVALID_UTF8 :Your message was not UTF-8; it was dropped\r\n"
    );
    let too_long = ":irc.test 417 ana :Input line was too long\r\n";
    assert_eq!(talk.send(&format!("PRIVMSG #lobby :{}\r\n", "x".repeat(600))), too_long);
    assert_eq!(talk.send(&format!("PRIVMSG #lobby :{}\r\n", "x".repeat(480))), too_long, "with the source in front");
    assert_eq!(talk.send(&format!("PRIVMSG #lobby :{}\r\n", "x".repeat(450))), "");
    assert_eq!(talk.send(&format!("@+a={} PRIVMSG #lobby :x\r\n", "x".repeat(4091))), "");
    assert_eq!(talk.send(&format!("@+a={} PRIVMSG #lobby :x\r\n", "x".repeat(4092))), too_long);
}
