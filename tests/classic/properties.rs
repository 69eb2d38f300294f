//! The dialect by itself: whatever is said, and however it arrives.

use std::sync::Arc;

use chatd::chat::{Command, Event, Nick, Now, Person, Stamp, Words};
use chatd::dialect::classic::{Classic, Description, Encoding, PRESETS, placeholders};
use chatd::dialect::{Dialect, END, Input};
use proptest::prelude::*;

const NOW: Now = Now { ticks: 0, unix: 0 };
const STAMP: Stamp = Stamp { sequence: 1, unix: 0 };

fn descriptions() -> impl Strategy<Value = Description> {
    let presets: Vec<Description> = PRESETS.iter().map(|(_, preset)| preset()).collect();
    (prop::sample::select(presets), 512..1200_usize, any::<bool>()).prop_map(|(description, buffer, ascii)| {
        let encoding = if ascii { Encoding::Ascii } else { Encoding::Utf8 };
        Description { buffer, encoding, ..description }
    })
}

fn render(description: Description, event: Event<'_>) -> Vec<String> {
    let mut out = Vec::new();
    Classic::new(Arc::new(description), 2048).form().render(STAMP, event, &mut out);
    assert!(out.is_empty() || out.ends_with(&[END]));
    let messages = out.split(|byte| *byte == END).filter(|message| !message.is_empty());
    messages.map(|message| String::from_utf8(message.to_vec()).unwrap()).collect()
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
        let person = Person::named(Nick::new(name).unwrap());
        assert_eq!(render(ascii.clone(), Event::Said(&person, &Words::plain("hi"))), [format!("{shown}: hi")]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_fit_the_buffer_and_begin_with_the_name(
        description in descriptions(),
        name in "[a-zé漢]{1,12}",
        text in "\\PC{1,1500}",
    ) {
        let person = Person::named(Nick::new(&name).unwrap());
        let (buffer, encoding) = (description.buffer, description.encoding);
        let (before, after) = description.line.split_once("{text}").unwrap();
        let after = format!("{after}{}", description.line_ending);
        let before = before.to_owned();
        let messages = render(description, Event::Said(&person, &Words::plain(&*text)));
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
        let mut dialect = Classic::new(Arc::new(Description { quit: "".into(), ..PRESETS[0].1() }), 40);
        let (mut out, mut given) = (Vec::new(), String::new());
        let mut take = |input: Input<'_>| {
            if let Input::Command(Command::Name(text) | Command::Say(Words { text, .. })) = input {
                assert!(text.len() <= 40 && !text.chars().any(char::is_control), "{text}");
                given.push_str(&text);
            }
        };
        let (mut rest, mut cuts) = (text.as_bytes(), cuts.into_iter());
        while !rest.is_empty() {
            let (mut piece, after) = rest.split_at(cuts.next().unwrap_or(usize::MAX).min(rest.len()));
            while !piece.is_empty() {
                take(dialect.next(NOW, &mut piece, &mut out));
            }
            rest = after;
        }
        while dialect.due().is_some() {
            take(dialect.expire(NOW, &mut out).unwrap());
        }
        // Without a room nobody is welcomed, so all of it is names; what they say does not matter here.
        prop_assert_eq!(given, text.replace('\n', ""));
    }
}
