//! Properties of the dialect without a socket, for any text in any pieces.

use std::sync::Arc;

use chatd::chat::{Command, Event, Words};
use chatd::dialect::classic::{Description, Encoding, Framing, PRESETS, placeholders};
use chatd::dialect::{END, Input, Protocol};
use chatd::harmless::is_harmful;
use proptest::prelude::*;

use crate::support::talk::{ClientOptions, Talk, person};

fn talk(description: Description, line_length: usize) -> Talk {
    Talk::with(&Protocol::Classic(Arc::new(description)), ClientOptions { line_length, ..ClientOptions::default() })
}

fn descriptions() -> impl Strategy<Value = Description> {
    // Presets whose messages are separated by END.
    let presets = PRESETS.iter().map(|(_, preset)| preset());
    let presets: Vec<Description> = presets.filter(|preset| preset.framing_out == Framing::None).collect();
    (prop::sample::select(presets), 512..1200_usize, any::<bool>()).prop_map(|(description, buffer, ascii)| {
        let encoding = if ascii { Encoding::Ascii } else { Encoding::Utf8 };
        Description { buffer, encoding, ..description }
    })
}

fn render(description: Description, event: Event<'_>) -> Vec<String> {
    let mut out = talk(description, 2048).sees_bytes(&event);
    assert!(out.is_empty() || out.ends_with(END));
    let mut messages = Vec::new();
    while let Some(end) = out.windows(END.len()).position(|bytes| bytes == END) {
        messages.push(String::from_utf8(out.drain(..end).collect()).unwrap());
        out.drain(..END.len());
    }
    messages
}

#[test]
fn a_name_is_a_placeholder_only_between_braces() {
    let found = |template| placeholders(template).collect::<Vec<_>>().join(",");
    assert_eq!(found("{name}: {text}"), "name,text");
    assert_eq!(found("{{name}} {NAME} {} {a b} { x } é{quit}é {"), "name,quit");
}

#[test]
fn names_that_look_alike_in_ascii_stay_distinguishable() {
    let ascii = Description { encoding: Encoding::Ascii, ..PRESETS[0].1() };
    for (name, shown) in [("jose", "jose"), ("josé", "jose?"), ("漢", "Han?"), ("a꞉b", "a?b?"), ("😀", "??")] {
        assert_eq!(render(ascii.clone(), Event::Said(person(name), Words::plain("hi"))), [format!("{shown}: hi")]);
    }
}

#[test]
fn equal_descriptions_are_one_form_and_others_are_not() {
    let talks = || PRESETS.iter().map(|(_, preset)| talk(preset(), 100)).collect::<Vec<_>>();
    let id = |talk: &Talk| talk.dialect.form().id();
    // Each has its own copy of the description.
    let (ones, others) = (talks(), talks());
    assert!(ones.iter().zip(&others).all(|(one, other)| id(one) == id(other)));
    let ids: std::collections::BTreeSet<_> = ones.iter().map(id).collect();
    assert_eq!(ids.len(), PRESETS.len());
    assert!(!ids.contains(&id(&talk(Description { buffer: 4711, ..PRESETS[0].1() }, 100))));
}

fn framed() -> impl Strategy<Value = (Framing, Encoding)> {
    let names = ["line", "ascii-3", "ascii-10-left", "ascii-64-zeros", "u16be", "u16le", "u32be", "u32le"];
    let framings: Vec<Framing> = names.iter().map(|name| Framing::named(name).unwrap()).collect();
    let encodings = vec![Encoding::Utf8, Encoding::Utf16Le, Encoding::Cesu8];
    (prop::sample::select(framings), prop::sample::select(encodings))
}

fn ending(framing: Framing) -> &'static str {
    if framing == Framing::Line { "\n" } else { "" }
}

#[test]
fn a_length_is_written_as_its_framing_says() {
    for (framing, expected) in [
        ("ascii-4", &b"3   abc"[..]),
        ("ascii-4-left", b"   3abc"),
        ("ascii-4-zeros", b"0003abc"),
        ("u16be", b"\0\x03abc"),
        ("u16le", b"\x03\0abc"),
        ("u32be", b"\0\0\0\x03abc"),
        ("u32le", b"\x03\0\0\0abc"),
        ("none", b"abc\xfe\xff\xff"),
    ] {
        let framing_out = Framing::named(framing).unwrap();
        let description = Description { framing_out, notice: vec!["{text}".into()], ..PRESETS[2].1() };
        assert_eq!(talk(description, 2048).sees_bytes(&Event::Notice("abc".into())), expected, "{framing}");
    }
    for name in ["", "ascii", "ascii-", "ascii-2", "ascii-65", "ascii-10-right", "u64be", "lines"] {
        assert_eq!(Framing::named(name), None, "{name}");
    }
}

#[test]
fn a_name_is_found_in_its_login_and_the_time_in_a_line() {
    let name_in = |login: &'static str, message: &str| {
        let mut client = talk(Description { login: login.into(), ..PRESETS[2].1() }, 2048);
        match client.step(&mut format!("{message}\n").as_bytes()) {
            Some((Some(Command::Name(name)), _)) => Some(name.into_owned()),
            _ => None,
        }
    };
    for (login, message, name) in [
        ("{name}:{any}", "ana:secret:x", Some("ana")),
        ("{name}:{any}", "ana", None),
        ("LOGIN {any} {name}", "LOGIN 12 ana", Some("ana")),
        ("<{name}>", " <a>a> ", Some("a>a")),
        ("USER {name}", "ana", None),
        ("{any}{name}", "ana", Some("ana")),
    ] {
        assert_eq!(name_in(login, message).as_deref(), name, "{login} {message}");
    }
    let clock = Description { line: vec!["[{time}] {name}: {text}".into()], ..PRESETS[2].1() };
    assert_eq!(render(clock, Event::Said(person("ana"), Words::plain("hi"))), ["[03:04] ana: hi"]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_fit_the_buffer_and_begin_with_the_name(
        description in descriptions(),
        name in "[a-zé漢]{1,12}",
        text in "\\PC{1,1500}",
    ) {
        let person = person(&name);
        let (buffer, encoding) = (description.buffer, description.encoding);
        let (before, after) = description.line[0].split_once("{text}").unwrap();
        let after = format!("{after}{}", description.line_ending);
        let before = before.to_owned();
        let messages = render(description, Event::Said(person.clone(), Words::plain(&*text)));
        let mut said = String::new();
        for message in &messages {
            prop_assert!(message.len() <= buffer);
            prop_assert!(encoding == Encoding::Utf8 || message.is_ascii());
            if encoding == Encoding::Utf8 {
                let message = message.strip_prefix(&before.replace("{name}", person.as_str())).unwrap();
                said.push_str(message.strip_suffix(&*after).unwrap());
            }
        }
        prop_assert!(encoding == Encoding::Ascii || said == text);
    }

    #[test]
    fn framed_text_is_understood_in_any_pieces(
        (framing_in, encoding) in framed(),
        texts in prop::collection::vec("[a-cñ漢😀！]{1,20}", 1..8),
        cuts in prop::collection::vec(1..9_usize, 0..80),
    ) {
        let description = Description { framing_in, framing_out: framing_in, encoding, ..PRESETS[2].1() };
        // A client frames its messages in the same way as the server.
        let notice = Description { notice: vec!["{text}".into()], line_ending: ending(framing_in).into(), ..description.clone() };
        let mut sent = Vec::new();
        for text in &texts {
            sent.extend(talk(notice.clone(), 2048).sees_bytes(&Event::Notice(text.as_str().into())));
        }
        let mut talk = talk(description, 2048);
        let (mut given, mut rest, mut cuts) = (Vec::new(), &sent[..], cuts.into_iter());
        while !rest.is_empty() {
            let (mut piece, after) = rest.split_at(cuts.next().unwrap_or(usize::MAX).min(rest.len()));
            while let Some((command, _)) = talk.step(&mut piece) {
                if let Some(Command::Name(text)) = command {
                    given.push(text.into_owned());
                }
            }
            rest = after;
        }
        prop_assert_eq!(talk.dialect.due(), None);
        prop_assert_eq!(given, texts);
    }

    #[test]
    fn any_bytes_in_any_framing_are_harmless(
        (framing_in, encoding) in framed(),
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x20..0x3a_u8, 0xd8..=0xdf_u8, Just(0), Just(b'\n')], 0..400),
    ) {
        let mut talk = talk(Description { framing_in, encoding, ..PRESETS[2].1() }, 128);
        let mut rest = &bytes[..];
        while let Some((command, _)) = talk.step(&mut rest) {
            if let Some(Command::Name(text)) = command {
                prop_assert!(text.len() <= 128 && !text.contains(is_harmful), "{text}");
            }
        }
    }

    #[test]
    fn any_bytes_in_any_pieces_are_understood_and_nothing_is_lost(
        text in "[a-c:{}é漢😀\n]{0,300}",
        cuts in prop::collection::vec(1..9_usize, 0..80),
    ) {
        let mut talk = talk(Description { quit: "".into(), ..PRESETS[0].1() }, 40);
        let mut given = String::new();
        let mut take = |command: Option<Command<'_>>| {
            if let Some(Command::Name(text) | Command::Say(Words { text, .. })) = command {
                assert!(text.len() <= 40 && !text.contains(is_harmful), "{text}");
                given.push_str(&text);
            }
        };
        let (mut rest, mut cuts) = (text.as_bytes(), cuts.into_iter());
        while !rest.is_empty() {
            let (mut piece, after) = rest.split_at(cuts.next().unwrap_or(usize::MAX).min(rest.len()));
            while let Some((command, _)) = talk.step(&mut piece) {
                take(command);
            }
            rest = after;
        }
        while let Some(due) = talk.dialect.due() {
            match talk.expire(due).0.unwrap() {
                Input::Command(command) => take(Some(command)),
                _ => take(None),
            }
        }
        // Nobody joins a room here, so every message is taken as a name; the answers do not matter.
        prop_assert_eq!(given, text.replace('\n', ""));
    }
}
