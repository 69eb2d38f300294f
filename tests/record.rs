//! The byte form of events: what the disk, the next process and another machine read.

use std::borrow::Cow;
use std::sync::Arc;

use chatd::chat::{Event, Further, Manner, Nick, Person, PersonId, Profile, Reason, Record, RecordError, Stamp, Words};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    prop_oneof!["[ -~]{0,40}", "\\PC{0,20}"].prop_map(Cow::Owned)
}

fn boxed() -> impl Strategy<Value = Box<str>> {
    text().prop_map(|text| text.as_ref().into())
}

fn nick() -> impl Strategy<Value = Nick> {
    "[a-zA-Zäößñéж日]{1,10}[0-9]{0,3}".prop_map(|name| Nick::new(&name).unwrap())
}

fn person() -> impl Strategy<Value = Arc<Person>> {
    let profile = (boxed(), boxed(), option::of(boxed()), any::<bool>(), any::<bool>());
    (nick(), profile, any::<u64>()).prop_map(|(nick, (user, real_name, account, bot, encrypted), id)| {
        let profile = Arc::new(Profile { user, real_name, account, bot, encrypted });
        Arc::new(Person { nick, profile, id: PersonId(id) })
    })
}

fn words() -> impl Strategy<Value = Words<'static>> {
    let manner = prop_oneof![Just(Manner::Plain), Just(Manner::Action), Just(Manner::Notice), Just(Manner::TagsOnly)];
    let further = (any::<bool>(), boxed()).prop_map(|(joined, text)| Further { joined, text });
    (manner, text(), vec(further, 0..3), text()).prop_map(|(manner, text, more, tags)| Words {
        manner,
        text,
        more,
        tags,
    })
}

fn reason() -> impl Strategy<Value = Reason> {
    prop_oneof![
        option::of(boxed()).prop_map(Reason::Quit),
        Just(Reason::Closed),
        boxed().prop_map(Reason::Broken),
        boxed().prop_map(Reason::Tls),
        any::<usize>().prop_map(Reason::TooSlow),
        any::<usize>().prop_map(Reason::Backlog),
        any::<u64>().prop_map(Reason::Stalled),
        Just(Reason::NoAnswer),
        Just(Reason::LoginTimeout),
        option::of(boxed()).prop_map(Reason::Kicked),
        text().prop_map(Reason::WrongProtocol),
        Just(Reason::Stopping),
        any::<u16>().prop_map(Reason::TooManyAttempts),
    ]
}

fn event() -> impl Strategy<Value = Event<'static>> {
    prop_oneof![
        person().prop_map(Event::Registered),
        person().prop_map(Event::Joined),
        (person(), reason()).prop_map(|(who, reason)| Event::Left(who, reason)),
        (person(), option::of(text())).prop_map(|(who, word)| Event::Parted(who, word)),
        (person(), nick()).prop_map(|(from, to)| Event::Renamed { from, to }),
        (person(), words()).prop_map(|(who, words)| Event::Said(who, words)),
        (person(), any::<u64>(), option::of(text())).prop_map(|(by, line, reason)| Event::Redacted {
            by,
            line,
            reason
        }),
        text().prop_map(Event::Notice),
        (option::of(person()), text()).prop_map(|(by, text)| Event::Topic { by, text }),
        (person(), option::of(text())).prop_map(|(who, why)| Event::Away(who, why)),
        person().prop_map(Event::Described),
    ]
}

prop_compose! {
    fn record()(sequence in any::<u64>(), unix in any::<u64>(), event in event()) -> Record {
        Record { stamp: Stamp { sequence, unix }, event }
    }
}

proptest! {
    #[test]
    fn encoding_round_trips(record in record()) {
        prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn a_truncated_record_is_an_error(record in record(), cut in any::<prop::sample::Index>()) {
        let bytes = record.encode();
        prop_assert!(Record::decode(&bytes[..cut.index(bytes.len())]).is_err());
        prop_assert_eq!(Record::decode(&[&*bytes, b"xyz"].concat()), Err(RecordError::Trailing(3)));
    }

    /// Whatever the disk has made of it: an error or a record, and no panic.
    #[test]
    fn damaged_bytes_are_an_error_or_a_record(record in record(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = record.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(other) = Record::decode(&bytes) {
            prop_assert_eq!(Record::decode(&other.encode()), Ok(other));
        }
    }
}

#[test]
fn decode_errors_have_messages() {
    let record = Record { stamp: Stamp { sequence: 1, unix: 2 }, event: Event::Notice("tea".into()) };
    let bytes = record.encode();
    let sentence = |bytes: &[u8]| Record::decode(bytes).unwrap_err().to_string();
    assert_eq!(sentence(b""), "it is empty");
    assert_eq!(sentence(&[&[2], &bytes[1..]].concat()), "it has version 2; this program reads version 1");
    assert_eq!(sentence(&[&*bytes, b"!"].concat()), "it is followed by 1 bytes more");
    assert!(sentence(&bytes[..bytes.len() - 1]).starts_with("it is damaged: "));
    // A name that nobody could have: white space within it.
    let person = Person::named(Nick::new("abc").unwrap());
    let mut bytes = Record { event: Event::Joined(person.into()), ..record }.encode();
    let name = bytes.windows(3).position(|window| window == b"abc").unwrap();
    bytes[name + 1] = b' ';
    assert!(matches!(Record::decode(&bytes), Err(RecordError::Damaged(_))));
}

/// The events of the test below: version, place, time, event.
const VERSION_1: &str = "
0105ae9ea6e5b7330003416e61017506416e6120412e0103616e610100ac02
0105ae9ea6e5b7330102626f04636861740000000002
0105ae9ea6e5b7330202626f04636861740000000002000103627965
0105ae9ea6e5b7330202626f0463686174000000000201
0105ae9ea6e5b7330202626f04636861740000000002020178
0105ae9ea6e5b7330202626f04636861740000000002030178
0105ae9ea6e5b7330202626f0463686174000000000204ac02
0105ae9ea6e5b7330202626f0463686174000000000205ac02
0105ae9ea6e5b7330202626f04636861740000000002063c
0105ae9ea6e5b7330202626f0463686174000000000207
0105ae9ea6e5b7330202626f0463686174000000000208
0105ae9ea6e5b7330202626f046368617400000000020900
0105ae9ea6e5b7330202626f046368617400000000020a0178
0105ae9ea6e5b7330202626f046368617400000000020b
0105ae9ea6e5b7330302626f0463686174000000000200
0105ae9ea6e5b7330402626f0463686174000000000203426f62
0105ae9ea6e5b7330502626f046368617400000000020102686901012101042b613d62
0105ae9ea6e5b7330502626f04636861740000000002000268690000
0105ae9ea6e5b7330502626f04636861740000000002020268690000
0105ae9ea6e5b7330502626f04636861740000000002030268690000
0105ae9ea6e5b7330602626f046368617400000000020701046f6f7073
0105ae9ea6e5b7330703746561
0105ae9ea6e5b733080102626f0463686174000000000203746561
0105ae9ea6e5b7330902626f0463686174000000000201036f7574
0105ae9ea6e5b7330a02626f04636861740000000002
";

/// Version 1, byte by byte. Whoever changes it changes the version, and still reads these.
#[test]
fn version_1_is_what_it_was() {
    let profile = Profile {
        user: "u".into(),
        real_name: "Ana A.".into(),
        account: Some("ana".into()),
        bot: true,
        encrypted: false,
    };
    let nick = |name| Nick::new(name).unwrap();
    let ana = Arc::new(Person { nick: nick("Ana"), profile: profile.into(), id: PersonId(300) });
    let bo = Arc::new(Person { id: PersonId(2), ..Person::named(nick("bo")) });
    let words = Words {
        manner: Manner::Action,
        text: "hi".into(),
        more: vec![Further { joined: true, text: "!".into() }],
        tags: "+a=b".into(),
    };
    let events = [
        Event::Registered(ana.clone()),
        Event::Joined(bo.clone()),
        Event::Left(bo.clone(), Reason::Quit(Some("bye".into()))),
        Event::Left(bo.clone(), Reason::Closed),
        Event::Left(bo.clone(), Reason::Broken("x".into())),
        Event::Left(bo.clone(), Reason::Tls("x".into())),
        Event::Left(bo.clone(), Reason::TooSlow(300)),
        Event::Left(bo.clone(), Reason::Backlog(300)),
        Event::Left(bo.clone(), Reason::Stalled(60)),
        Event::Left(bo.clone(), Reason::NoAnswer),
        Event::Left(bo.clone(), Reason::LoginTimeout),
        Event::Left(bo.clone(), Reason::Kicked(None)),
        Event::Left(bo.clone(), Reason::WrongProtocol("x".into())),
        Event::Left(bo.clone(), Reason::Stopping),
        Event::Parted(bo.clone(), None),
        Event::Renamed { from: bo.clone(), to: nick("Bob") },
        Event::Said(bo.clone(), words.clone()),
        Event::Said(bo.clone(), Words::plain("hi")),
        Event::Said(bo.clone(), Words { manner: Manner::Notice, ..Words::plain("hi") }),
        Event::Said(bo.clone(), Words { manner: Manner::TagsOnly, ..Words::plain("hi") }),
        Event::Redacted { by: bo.clone(), line: 7, reason: Some("oops".into()) },
        Event::Notice("tea".into()),
        Event::Topic { by: Some(bo.clone()), text: "tea".into() },
        Event::Away(bo.clone(), Some("out".into())),
        Event::Described(bo),
    ];
    let records = events.map(|event| Record { stamp: Stamp { sequence: 5, unix: 1_767_323_045_678 }, event });
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let encoded: Vec<String> = records.iter().map(|record| hex(record.encode())).collect();
    assert_eq!(encoded.join("\n"), VERSION_1.trim());
    for (record, line) in records.iter().zip(VERSION_1.trim().lines()) {
        let byte = |at: usize| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..line.len()).step_by(2).map(byte).collect();
        assert_eq!(Record::decode(&bytes).as_ref(), Ok(record));
    }
}
