//! The history: CHATHISTORY with and without events, SEARCH, and REDACT of what is on disk alone.

use chatd::chat::{Command, Manner, Person, Words};

use super::joined;
use crate::support::talk::Talk;

#[test]
fn chathistory_is_answered() {
    let mut talk = joined("batch message-tags server-time draft/chathistory");
    let bo = talk.arrives("bo", true);
    ["one", "two", "three"].iter().for_each(|text| {
        talk.says(&bo, text);
    });
    talk.plays(r"
         > CHATHISTORY
         < :irc.test 461 ana CHATHISTORY :Not enough parameters
         > CHATHISTORY FOO
         < :irc.test FAIL CHATHISTORY INVALID_PARAMS FOO :Unknown subcommand
         > CHATHISTORY LATEST #lobby
         < :irc.test FAIL CHATHISTORY INVALID_PARAMS LATEST :Insufficient parameters
         > CHATHISTORY LATEST #lobby * 10 10
         < :irc.test FAIL CHATHISTORY INVALID_PARAMS LATEST :Too many parameters
         > CHATHISTORY LATEST #other * 10
         < :irc.test FAIL CHATHISTORY INVALID_TARGET LATEST #other :Only the history of the room is kept, for those who are in it
         > CHATHISTORY LATEST bo * 10
         < :irc.test FAIL CHATHISTORY INVALID_TARGET LATEST bo :Only the history of the room is kept, for those who are in it
         > CHATHISTORY LATEST #lobby nonsense 10
         < :irc.test FAIL CHATHISTORY INVALID_MSGREFTYPE LATEST #lobby nonsense :A message is referred to by its msgid or by a timestamp
         > CHATHISTORY before #lobby timestamp=today 10
         < :irc.test FAIL CHATHISTORY INVALID_PARAMS before timestamp=today :Invalid timestamp
         > CHATHISTORY LATEST #lobby * x
         < :irc.test FAIL CHATHISTORY INVALID_PARAMS LATEST :Invalid limit
         > CHATHISTORY TARGETS msgid=5 timestamp=2026-01-01T00:00:00.000Z 10
         < :irc.test FAIL CHATHISTORY INVALID_PARAMS TARGETS msgid=5 :Invalid timestamp
         > CHATHISTORY LATEST #lobby * 2
         < :irc.test BATCH +h1 chathistory #lobby
         < @batch=h1;time=2026-01-02T03:04:05.678Z;msgid=6 :bo!chat@irc.test PRIVMSG #lobby :two
         < @batch=h1;time=2026-01-02T03:04:05.678Z;msgid=7 :bo!chat@irc.test PRIVMSG #lobby :three
         < :irc.test BATCH -h1
         > CHATHISTORY BEFORE #lobby msgid=6 1
         < :irc.test BATCH +h2 chathistory #lobby
         < @batch=h2;time=2026-01-02T03:04:05.678Z;msgid=5 :bo!chat@irc.test PRIVMSG #lobby :one
         < :irc.test BATCH -h2
         > CHATHISTORY AFTER #lobby timestamp=2026-01-01T00:00:00.000Z 1
         < :irc.test BATCH +h3 chathistory #lobby
         < @batch=h3;time=2026-01-02T03:04:05.678Z;msgid=5 :bo!chat@irc.test PRIVMSG #lobby :one
         < :irc.test BATCH -h3
         > CHATHISTORY AROUND #lobby msgid=6 1
         < :irc.test BATCH +h4 chathistory #lobby
         < @batch=h4;time=2026-01-02T03:04:05.678Z;msgid=6 :bo!chat@irc.test PRIVMSG #lobby :two
         < :irc.test BATCH -h4
         > CHATHISTORY BETWEEN #lobby msgid=5 msgid=7 5
         < :irc.test BATCH +h5 chathistory #lobby
         < @batch=h5;time=2026-01-02T03:04:05.678Z;msgid=6 :bo!chat@irc.test PRIVMSG #lobby :two
         < :irc.test BATCH -h5
         > CHATHISTORY BETWEEN #lobby msgid=7 msgid=5 5
         < :irc.test BATCH +h6 chathistory #lobby
         < @batch=h6;time=2026-01-02T03:04:05.678Z;msgid=6 :bo!chat@irc.test PRIVMSG #lobby :two
         < :irc.test BATCH -h6
         > CHATHISTORY TARGETS timestamp=2026-01-01T00:00:00.000Z timestamp=2026-02-01T00:00:00.000Z 10
         < :irc.test BATCH +h7 draft/chathistory-targets
         < @batch=h7 :irc.test CHATHISTORY TARGETS #lobby 2026-01-02T03:04:05.678Z
         < :irc.test BATCH -h7
         > CHATHISTORY TARGETS timestamp=2026-02-01T00:00:00.000Z timestamp=2026-01-02T03:04:05.678Z 10
         < :irc.test BATCH +h8 draft/chathistory-targets
         < :irc.test BATCH -h8
         > CHATHISTORY TARGETS timestamp=2025-01-01T00:00:00.000Z timestamp=2026-01-01T00:00:00.000Z 10
         < :irc.test BATCH +h9 draft/chathistory-targets
         < :irc.test BATCH -h9
         > PART #lobby
         < @time=2026-01-02T03:04:05.678Z;msgid=8 :ana!ann@irc.test PART #lobby
         > CHATHISTORY LATEST #lobby * 10
         < :irc.test FAIL CHATHISTORY INVALID_TARGET LATEST #lobby :Only the history of the room is kept, for those who are in it
");
}

/// A room in which more has happened than messages.
fn eventful(capabilities: &str) -> Talk {
    let mut talk = joined(capabilities);
    talk.keeps_history();
    let bo = talk.arrives("bo", true);
    talk.says(&bo, "one");
    let react = Words { manner: Manner::TagsOnly, tags: "+draft/react=x".into(), ..Words::default() };
    let does = |talk: &mut Talk, who: &Person, command| drop(talk.does(Some(who), command));
    does(&mut talk, &bo, Command::Say(react));
    does(&mut talk, &bo, Command::SetTopic("coffee".into()));
    does(&mut talk, &bo, Command::Name("bob".into()));
    let line = talk.says(&bo, "oops").sequence;
    does(&mut talk, &bo, Command::Redact { line, author: None, reason: Some("a slip".into()) });
    does(&mut talk, &bo, Command::Exit(Some("bye".into())));
    talk
}

#[test]
fn events_are_played_back_to_those_who_ask_for_them() {
    let mut talk =
        eventful("batch message-tags server-time draft/chathistory draft/event-playback draft/message-redaction");
    talk.plays(
        r"
         > CHATHISTORY LATEST #lobby * 10
         < :irc.test BATCH +h1 chathistory #lobby
         < @batch=h1;time=2026-01-02T03:04:05.678Z;msgid=4 :bo!chat@irc.test JOIN #lobby
         < @batch=h1;time=2026-01-02T03:04:05.678Z;msgid=5 :bo!chat@irc.test PRIVMSG #lobby :one
         < @batch=h1;time=2026-01-02T03:04:05.678Z;msgid=6;+draft/react=x :bo!chat@irc.test TAGMSG #lobby
         < @batch=h1;time=2026-01-02T03:04:05.678Z;msgid=7 :bo!chat@irc.test TOPIC #lobby :coffee
         < @batch=h1;time=2026-01-02T03:04:05.678Z;msgid=8 :bo!chat@irc.test NICK bob
         < @batch=h1;time=2026-01-02T03:04:05.678Z;msgid=a :bob!chat@irc.test REDACT #lobby 9 :a slip
         < @batch=h1;time=2026-01-02T03:04:05.678Z;msgid=b :bob!chat@irc.test PART #lobby :bye
         < :irc.test BATCH -h1
         > CHATHISTORY BEFORE #lobby msgid=7 2
         < :irc.test BATCH +h2 chathistory #lobby
         < @batch=h2;time=2026-01-02T03:04:05.678Z;msgid=5 :bo!chat@irc.test PRIVMSG #lobby :one
         < @batch=h2;time=2026-01-02T03:04:05.678Z;msgid=6;+draft/react=x :bo!chat@irc.test TAGMSG #lobby
         < :irc.test BATCH -h2
",
    );
    let messages = "> CHATHISTORY LATEST #lobby * 10
         < :irc.test BATCH +h1 chathistory #lobby
         < @batch=h1;msgid=5 :bo!chat@irc.test PRIVMSG #lobby :one
         < :irc.test BATCH -h1";
    eventful("batch message-tags draft/chathistory").plays(messages);
    // Without a batch nobody could tell them from what happens now.
    let mut talk = eventful("message-tags draft/chathistory draft/event-playback");
    talk.plays("> CHATHISTORY LATEST #lobby * 10\n< @msgid=5 :bo!chat@irc.test PRIVMSG #lobby :one");
}

#[test]
fn a_search_is_answered() {
    let mut talk = joined("batch message-tags server-time labeled-response soju.im/search");
    talk.keeps_history();
    let bo = talk.arrives("Bo", true);
    talk.says(&bo, "one");
    let cy = talk.arrives("cy", true);
    talk.says(&cy, "two");
    talk.says(&bo, "three");
    talk.plays(
        r"
         > SEARCH
         < :irc.test FAIL SEARCH INVALID_PARAMS :SEARCH takes attributes
         > SEARCH in=bo;text=one
         < :irc.test FAIL SEARCH INVALID_PARAMS in :Only the room can be searched
         > SEARCH before=today
         < :irc.test FAIL SEARCH INVALID_PARAMS before :Invalid timestamp
         > SEARCH after=
         < :irc.test FAIL SEARCH INVALID_PARAMS after :Invalid timestamp
         > SEARCH limit=0
         < :irc.test FAIL SEARCH INVALID_PARAMS limit :Invalid limit
         > @label=s SEARCH in=#Lobby;from=bo;x=y
         < @label=s :irc.test BATCH +h1 soju.im/search
         < @batch=h1;time=2026-01-02T03:04:05.678Z;msgid=5 :Bo!chat@irc.test PRIVMSG #lobby :one
         < @batch=h1;time=2026-01-02T03:04:05.678Z;msgid=9 :Bo!chat@irc.test PRIVMSG #lobby :three
         < :irc.test BATCH -h1
         > SEARCH from=b\so
         < :irc.test BATCH +h3 soju.im/search
         < :irc.test BATCH -h3
         > SEARCH limit=1
         < :irc.test BATCH +h4 soju.im/search
         < @batch=h4;time=2026-01-02T03:04:05.678Z;msgid=9 :Bo!chat@irc.test PRIVMSG #lobby :three
         < :irc.test BATCH -h4
         > SEARCH limit=1;after=2026-01-02T03:04:05.678Z
         < :irc.test BATCH +h5 soju.im/search
         < @batch=h5;time=2026-01-02T03:04:05.678Z;msgid=5 :Bo!chat@irc.test PRIVMSG #lobby :one
         < :irc.test BATCH -h5
         > SEARCH limit=1;before=2026-01-02T03:04:05.678Z
         < :irc.test BATCH +h6 soju.im/search
         < @batch=h6;time=2026-01-02T03:04:05.678Z;msgid=9 :Bo!chat@irc.test PRIVMSG #lobby :three
         < :irc.test BATCH -h6
         > SEARCH limit=1;after=2026-01-02T03:04:05.678Z;before=2026-01-02T03:04:05.678Z
         < :irc.test BATCH +h7 soju.im/search
         < @batch=h7;time=2026-01-02T03:04:05.678Z;msgid=5 :Bo!chat@irc.test PRIVMSG #lobby :one
         < :irc.test BATCH -h7
         > SEARCH after=2026-01-02T03:04:05.679Z
         < :irc.test BATCH +h8 soju.im/search
         < :irc.test BATCH -h8
         > SEARCH before=2026-01-02T03:04:05.677Z
         < :irc.test BATCH +h9 soju.im/search
         < :irc.test BATCH -h9
         > SEARCH after=2026-01-03T00:00:00.000Z;before=2026-01-02T00:00:00.000Z
         < :irc.test BATCH +h10 soju.im/search
         < :irc.test BATCH -h10
         > SEARCH text=one
         < :irc.test FAIL SEARCH INTERNAL_ERROR :there is nothing to search: this server keeps no history on disk
         > PART #lobby
         < @time=2026-01-02T03:04:05.678Z;msgid=a :ana!ann@irc.test PART #lobby
         > SEARCH limit=1
         < :irc.test FAIL SEARCH INVALID_PARAMS :Only those who are in the room can search it
",
    );
    joined("").plays("> SEARCH limit=1\n< :irc.test 421 ana SEARCH :Unknown command");
}

#[test]
fn a_message_that_is_on_disk_alone_can_be_redacted() {
    let mut talk = joined("batch message-tags labeled-response draft/message-redaction draft/chathistory");
    talk.keeps_history();
    let bo = talk.arrives("bo", true);
    talk.says(&bo, "hers");
    talk.send("PRIVMSG #lobby :mine\r\n@+draft/react=x TAGMSG #lobby\r\n");
    (0..100).for_each(|_| _ = talk.says(&bo, "tea"));
    talk.plays(
        r"
         > @label=r REDACT #lobby 6
         < @label=r;msgid=6c :ana!ann@irc.test REDACT #lobby 6
         > REDACT #lobby 6
         < :irc.test FAIL REDACT UNKNOWN_MSGID #lobby 6 :This message is not kept
         > REDACT #lobby 7 :a slip
         < @msgid=6d :ana!ann@irc.test REDACT #lobby 7 :a slip
         > @label=s REDACT #lobby 5
         < @label=s :irc.test FAIL REDACT REDACT_FORBIDDEN #lobby 5 :This message is somebody else's
         > REDACT #lobby 4
         < :irc.test FAIL REDACT UNKNOWN_MSGID #lobby 4 :This message is not kept
         > CHATHISTORY AFTER #lobby msgid=4 1
         < :irc.test BATCH +h3 chathistory #lobby
         < @batch=h3;msgid=5 :bo!chat@irc.test PRIVMSG #lobby :hers
         < :irc.test BATCH -h3
         > PART #lobby
         < @msgid=6e :ana!ann@irc.test PART #lobby
         > REDACT #lobby 5
         < :irc.test 442 ana #lobby :You're not on that channel
",
    );
}
