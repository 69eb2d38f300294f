//! Messages and tags: encoding and decoding are inverses.

use std::borrow::Cow;

use chatd::chat::Command;
use chatd::dialect::irc::message::{Message, client_tags, escape, tags, unescape};
use chatd::harmless::is_harmful;
use proptest::prelude::*;

use super::{connected, joined};

#[test]
fn messages_are_parsed_as_other_servers_parse_them() {
    for (line, tags, command, parameters) in [
        ("PING", "", "PING", &[][..]),
        ("PING a", "", "PING", &["a"]),
        ("  PING   a   b  ", "", "PING", &["a", "b"]),
        (":who!is@it PRIVMSG #lobby :hi there", "", "PRIVMSG", &["#lobby", "hi there"]),
        ("@a=b;c :who PRIVMSG bo :", "a=b;c", "PRIVMSG", &["bo", ""]),
        ("@a  PRIVMSG bo ::)", "a", "PRIVMSG", &["bo", ":)"]),
        ("USER a 0 * b:c", "", "USER", &["a", "0", "*", "b:c"]),
        (
            "X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 :17",
            "",
            "X",
            &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15 16 :17"],
        ),
    ] {
        let message = Message::parse(line).unwrap();
        assert_eq!((message.tags, message.command, message.parameters()), (tags, command, parameters), "{line}");
    }
    for nothing in ["", "   ", "@a", "@a ", ":who", ":who ", "@a :who "] {
        assert_eq!(Message::parse(nothing), None, "{nothing:?}");
    }
}

#[test]
fn tags_are_escaped_and_the_last_of_a_name_counts() {
    let message = Message::parse(r"@a=1;b;a=\:\s\\\r\n\x\ X").unwrap();
    assert_eq!(message.tag("a").unwrap(), "; \\\r\nx");
    assert_eq!(message.tag("b").unwrap(), "");
    assert_eq!(message.tag("c"), None);
}

#[test]
fn only_tags_for_other_clients_are_passed_on() {
    assert!(matches!(client_tags("+a=b;+draft/reply=1;+example.org/x"), Cow::Borrowed(_)));
    assert_eq!(client_tags("label=x;+a=b;time=now;+c"), "+a=b;+c");
    assert_eq!(client_tags("+;+=x;+a b;+a!=1;a"), "");
    assert_eq!(client_tags("+a=b\rPRIVMSG;+c=\u{1}"), "", "nothing that could end a line");
    assert_eq!(client_tags(r"+a=\n;+b=x\ry;+c=\s\:"), r"+c=\s\:", "nor once it is unescaped");
    assert_eq!(client_tags("+a=\u{202e};+b=\u{200f};+c=\u{e0067};+d=👍\u{fe0f}"), "+d=👍\u{fe0f}");
}

proptest! {
    #[test]
    fn tag_escaping_round_trips(value in any::<String>()) {
        let mut escaped = Vec::new();
        escape(&value, &mut escaped);
        let escaped = String::from_utf8(escaped).unwrap();
        prop_assert!(!escaped.contains([' ', ';', '\r', '\n']));
        prop_assert_eq!(unescape(&escaped), value);
    }

    #[test]
    fn decode_encode_decode_is_stable(line in "[@: ]{0,2}[ -~é]{0,60}") {
        if let Some(message) = Message::parse(&line) {
            let mut again = String::new();
            if !message.tags.is_empty() {
                again = format!("@{} ", message.tags);
            }
            again += message.command;
            for (i, parameter) in message.parameters().iter().enumerate() {
                let last = i + 1 == message.parameters().len();
                again += if last { " :" } else { " " };
                again += parameter;
            }
            let decoded = Message::parse(&again).unwrap();
            prop_assert_eq!(decoded.tags, message.tags);
            prop_assert_eq!(decoded.command, message.command);
            prop_assert_eq!(decoded.parameters(), message.parameters());
        }
    }

    #[test]
    fn tags_that_are_passed_on_stay_as_they_are(text in "[+a-z=;:\\\\ é\r\\p{Cf}]{0,40}") {
        let passed = client_tags(&text);
        prop_assert_eq!(client_tags(&passed), &*passed);
        let well_formed = tags(&passed).all(|(key, value)| key.starts_with('+') && !unescape(value).contains(is_harmful));
        prop_assert!(well_formed);
    }

    #[test]
    fn any_bytes_are_answered_in_whole_lines_and_what_is_passed_on_is_harmless(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        lines in proptest::collection::vec("[A-Z]{3,9} [#a-z:\u{1}+,* ]{0,20}\r?\n", 0..5),
        is_in_room in any::<bool>(),
    ) {
        let mut talk = if is_in_room { joined("message-tags batch labeled-response") } else { connected() };
        let mut all = lines.concat().into_bytes();
        all.extend_from_slice(&bytes);
        let answer = String::from_utf8(talk.send_bytes(&all)).unwrap();
        prop_assert!(answer.is_empty() || answer.ends_with("\r\n"));
        let mut rest = &b"PRIVMSG #lobby :\x02bold\x1b[0m\x9b\r\n"[..];
        if let Some((Some(Command::Say(words)), _)) = talk.step(&mut rest) {
            prop_assert!(!words.text.contains(is_harmful) && !words.tags.contains(is_harmful));
        }
    }
}
