//! Multiline messages: one event, or refused as a whole.

use super::{joined, registered};

const CAPABILITIES: &str = "batch message-tags draft/multiline echo-message labeled-response";

#[test]
fn several_lines_are_one_message() {
    let mut talk = joined(CAPABILITIES);
    talk.plays(
        r"
         > @label=m;+t=1 BATCH +b draft/multiline #lobby
         > @batch=b PRIVMSG #lobby :one
         > @batch=b PRIVMSG #lobby :two
         > @batch=b;draft/multiline-concat PRIVMSG #lobby : and more
         > BATCH -b
         < @label=m;msgid=3;+t=1 :ana!ann@irc.test BATCH +m3 draft/multiline #lobby
         < @batch=m3 :ana!ann@irc.test PRIVMSG #lobby :one
         < @batch=m3 :ana!ann@irc.test PRIVMSG #lobby :two
         < @batch=m3;draft/multiline-concat :ana!ann@irc.test PRIVMSG #lobby : and more
         < :ana!ann@irc.test BATCH -m3
         > BATCH -b
         < :irc.test FAIL BATCH MULTILINE_INVALID :There is no such unfinished message
",
    );
}

#[test]
fn a_message_that_is_refused_is_refused_once_and_none_of_its_lines_is_said() {
    let mut talk = joined(CAPABILITIES);
    talk.plays(
        r"
         > BATCH +a draft/other #lobby
         < :irc.test FAIL BATCH MULTILINE_INVALID :Only draft/multiline can be begun, with the target of the message
         > @batch=a PRIVMSG #lobby :one
         > BATCH -a
         > BATCH +c draft/multiline #lobby
         > BATCH +d draft/multiline #lobby
         < :irc.test FAIL BATCH MULTILINE_INVALID :There is an unfinished message already
         > @batch=d PRIVMSG #lobby :one
         > BATCH -d
         > @batch=x PRIVMSG #lobby :one
         < :irc.test FAIL BATCH MULTILINE_INVALID :There is no such unfinished message
         > @batch=x PRIVMSG #lobby :two
         > @batch=c PRIVMSG #lobby :still whole
         > BATCH -c
         < @msgid=3 :ana!ann@irc.test PRIVMSG #lobby :still whole
         > @label=e BATCH +e draft/multiline #lobby
         > @batch=e PRIVMSG bo :one
         < @label=e :irc.test FAIL BATCH MULTILINE_INVALID :A line has another target than the message that it is part of
         > @batch=e PRIVMSG #lobby :two
         > BATCH -e
         > BATCH +f draft/multiline #lobby
         > @batch=f;draft/multiline-concat PRIVMSG #lobby :
         < :irc.test FAIL BATCH MULTILINE_INVALID :A line does not fit the message that it is part of
         > BATCH +f draft/multiline #lobby
         > BATCH -f
         < :irc.test FAIL BATCH MULTILINE_INVALID :The message has no text
         > BATCH +g draft/multiline #lobby
         > @batch=g TAGMSG #lobby
         < :irc.test FAIL BATCH MULTILINE_INVALID :A line does not fit the message that it is part of
         > PRIVMSG #lobby :plain lines are said
         < @msgid=4 :ana!ann@irc.test PRIVMSG #lobby :plain lines are said
",
    );
}

#[test]
fn too_many_or_too_long_lines_are_refused_once() {
    let line = |text: &str| format!("@batch=b PRIVMSG #lobby :{text}\r\n");
    let begin = "@label=b BATCH +b draft/multiline #lobby\r\n";
    for (lines, error) in [
        (vec![line("x"); 60], "FAIL BATCH MULTILINE_MAX_LINES 32 :The message has too many lines"),
        (vec![line(&"x".repeat(400)); 30], "FAIL BATCH MULTILINE_MAX_BYTES 4096 :The message is too long"),
        (vec![line("a"), line(&"x".repeat(600)), line("b")], "417 ana :Input line was too long"),
    ] {
        let mut talk = joined(CAPABILITIES);
        let answer = talk.send(&(begin.to_owned() + &lines.concat() + "BATCH -b\r\n"));
        assert_eq!(answer, format!("@label=b :irc.test {error}\r\n"));
        talk.plays("> PRIVMSG #lobby :next\n< @msgid=3 :ana!ann@irc.test PRIVMSG #lobby :next");
    }
    let mut talk = joined(CAPABILITIES);
    let bytes = [begin.as_bytes(), b"@batch=b PRIVMSG #lobby :\xff\r\n@batch=b PRIVMSG #lobby :\xff\r\nBATCH -b\r\n"];
    let answer = String::from_utf8(talk.send_bytes(&bytes.concat())).unwrap();
    assert_eq!(answer, "@label=b :irc.test FAIL PRIVMSG INVALID_UTF8 :Your message was not UTF-8; it was dropped\r\n");
}

#[test]
fn a_notice_of_several_lines_to_nobody_is_not_answered() {
    let mut talk = registered(CAPABILITIES);
    talk.plays(
        r"
         > BATCH +b draft/multiline nobody
         > @batch=b NOTICE nobody :one
         > BATCH -b
         > BATCH +c draft/multiline nobody
         > @batch=c PRIVMSG nobody :one
         > BATCH -c
         < :irc.test 401 ana nobody :No such nick
",
    );
}

#[test]
fn without_the_capability_a_batch_is_a_tag_like_any_other() {
    let mut talk = joined("message-tags echo-message");
    talk.plays(
        r"
         > BATCH +b draft/multiline #lobby
         < :irc.test 421 ana BATCH :Unknown command
         > @batch=b PRIVMSG #lobby :one
         < @msgid=3 :ana!ann@irc.test PRIVMSG #lobby :one
",
    );
}
