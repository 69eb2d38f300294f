//! A client may send anything, in any pieces: what the dialect passes on is harmless, and its frames can be read.
#![no_main]

use std::sync::Arc;

use chatd::chat::{Command, Now, Reply};
use chatd::dialect::podsixnet::rencode::{Version, decode};
use chatd::dialect::podsixnet::{PodSixNet, TERMINATOR, Variety};
use chatd::dialect::{Dialect, Input};
use libfuzzer_sys::fuzz_target;

const NOW: Now = Now { ticks: 0, unix: 0 };

fuzz_target!(|pieces: Vec<Vec<u8>>| {
    let mut dialect = PodSixNet::new(Arc::new(Variety::new(None)), NOW, 100);
    let mut out = Vec::new();
    for piece in &pieces {
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            match dialect.next(NOW, &mut rest, &mut out) {
                Input::Command(Command::Say(text) | Command::Name(text)) => {
                    assert!(text.len() <= 100 && !text.chars().any(char::is_control));
                }
                Input::Command(Command::Guest(base)) => {
                    let nick = chatd::chat::Nick::new(&base).expect("a name");
                    let (names, history) = (vec![nick.clone()], Default::default());
                    let history: &std::collections::VecDeque<_> = &history;
                    let names = Box::new(names.iter());
                    let (room, topic, history) = ("lobby", "", history.iter());
                    dialect.reply(Reply::Welcome { nick: &nick, room, topic, names, history }, &mut out);
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
