//! A client may send anything, in any pieces: what the dialect passes on is harmless, and its frames can be read.
#![no_main]

use std::sync::Arc;

use chatd::chat::{Command, Now, Person, Reply};
use chatd::dialect::podsixnet::rencode::{Version, decode};
use chatd::dialect::podsixnet::{PodSixNet, TERMINATOR, Variety};
use chatd::dialect::{Dialect, Input};
use chatd::room::{HistoryLimit, Room};
use libfuzzer_sys::fuzz_target;

const NOW: Now = Now { ticks: 0, unix: 0 };

fuzz_target!(|pieces: Vec<Vec<u8>>| {
    let room: Room<()> = Room::new(NOW, "lobby", "", HistoryLimit { length: 10, size: 1000 });
    let mut dialect = PodSixNet::new(Arc::new(Variety::new(None)), NOW, 100);
    let mut out = Vec::new();
    let harmless = |text: &str| text.len() <= 100 && !text.chars().any(char::is_control);
    for piece in &pieces {
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            match dialect.next(NOW, &mut rest, &mut out) {
                Input::Command(Command::Say(words)) => assert!(words.lines().all(harmless)),
                Input::Command(Command::Name(name)) => assert!(harmless(&name)),
                Input::Command(Command::Guest(base)) => {
                    let mut locked = room.lock();
                    let Some(nick) = locked.roster().free(&base) else { continue };
                    let person = locked.register(NOW, Person::named(nick), ()).expect("a free name");
                    let (_, stamp) = locked.enter(NOW, &person.nick, dialect.form()).expect("somebody with a name");
                    dialect.reply(Reply::Registered { person: &person, view: &locked }, &mut out);
                    dialect.reply(Reply::Welcome { person: &person, stamp, view: &locked }, &mut out);
                }
                _ => {}
            }
        }
    }
    let frames = out.split(|byte| *byte == 0).filter(|part| !part.is_empty() && *part != b"---");
    let mut versions = [Version::New, Version::Old].into_iter();
    let frames: Vec<&[u8]> = frames.collect();
    assert!(out.is_empty() || out.ends_with(TERMINATOR));
    assert!(frames.is_empty() || versions.any(|version| frames.iter().all(|frame| decode(frame, version).is_ok())));
});
