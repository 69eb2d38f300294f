//! The dialect by itself: whatever is said, and however it arrives.

use std::sync::Arc;

use chatd::chat::{Command, Event, Words};
use chatd::dialect::classic::{Description, Encoding, PRESETS, placeholders};
use chatd::dialect::{END, Input, Protocol};
use proptest::prelude::*;

use crate::support::talk::{Talk, Unlike, person};

fn talk(description: Description, line_length: usize) -> Talk {
    Talk::with(&Protocol::Classic(Arc::new(description)), Unlike { line_length, ..Unlike::default() })
}

fn descriptions() -> impl Strategy<Value = Description> {
    let presets: Vec<Description> = PRESETS.iter().map(|(_, preset)| preset()).collect();
    (prop::sample::select(presets), 512..1200_usize, any::<bool>()).prop_map(|(description, buffer, ascii)| {
        let encoding = if ascii { Encoding::Ascii } else { Encoding::Utf8 };
        Description { buffer, encoding, ..description }
    })
}

fn render(description: Description, event: Event<'_>) -> Vec<String> {
    let out = talk(description, 2048).sees(&event);
    assert!(out.is_empty() || out.ends_with(char::from(END)));
    out.split(char::from(END)).filter(|message| !message.is_empty()).map(str::to_owned).collect()
}

#[test]
fn a_name_is_a_placeholder_only_between_braces() {
    let found = |template| placeholders(template).collect::<Vec<_>>().join(",");
    assert_eq!(found("{name}: {text}"), "name,text");
    assert_eq!(found("{{name}} {NAME} {} {a b} { x } é{quit}é {"), "name,quit");
}

#[test]
fn names_that_look_alike_in_ascii_are_not_taken_for_each_other() {
    let ascii = Description { encoding: Encoding::Ascii, ..PRESETS[0].1() };
    for (name, shown) in [("jose", "jose"), ("josé", "jose?"), ("漢", "Han?"), ("a꞉b", "a?b?"), ("😀", "??")] {
        assert_eq!(render(ascii.clone(), Event::Said(person(name), Words::plain("hi"))), [format!("{shown}: hi")]);
    }
}

#[test]
fn equal_descriptions_are_one_form_and_others_are_not() {
    let talks = || PRESETS.iter().map(|(_, preset)| talk(preset(), 100)).collect::<Vec<_>>();
    let id = |talk: &Talk| talk.dialect.form().id();
    // Each has a description of its own.
    let (ones, others) = (talks(), talks());
    assert!(ones.iter().zip(&others).all(|(one, other)| id(one) == id(other)));
    let ids: std::collections::BTreeSet<_> = ones.iter().map(id).collect();
    assert_eq!(ids.len(), PRESETS.len());
    assert!(!ids.contains(&id(&talk(Description { buffer: 4711, ..PRESETS[0].1() }, 100))));
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
        let (before, after) = description.line.split_once("{text}").unwrap();
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
    fn any_bytes_in_any_pieces_are_understood_and_nothing_is_lost(
        text in "[a-c:{}é漢😀\n]{0,300}",
        cuts in prop::collection::vec(1..9_usize, 0..80),
    ) {
        let mut talk = talk(Description { quit: "".into(), ..PRESETS[0].1() }, 40);
        let mut given = String::new();
        let mut take = |command: Option<Command<'_>>| {
            if let Some(Command::Name(text) | Command::Say(Words { text, .. })) = command {
                assert!(text.len() <= 40 && !text.chars().any(char::is_control), "{text}");
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
        // Without a room nobody is welcomed, so all of it is names; what they say does not matter here.
        prop_assert_eq!(given, text.replace('\n', ""));
    }
}
