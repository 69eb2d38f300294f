//! Arbitrary input in arbitrary pieces: the dialect's commands contain only safe text, and its frames can be decoded.
#![no_main]

use std::sync::Arc;

use chatd::chat::{Answer, Command, Event, Now, PersonId, Reply};
use chatd::dialect::irc::Server;
use chatd::dialect::podsixnet::TERMINATOR;
use chatd::dialect::podsixnet::rencode::{Version, decode};
use chatd::dialect::{Input, Protocol, ClientContext};
use chatd::room::{Actor, HistoryLimit, Outcome, State};
use libfuzzer_sys::fuzz_target;

const NOW: Now = Now { ticks: 0, unix: 0 };

fuzz_target!(|pieces: Vec<Vec<u8>>| {
    let mut state = State::new(NOW, "lobby", "", HistoryLimit { length: 10, size: 1000 });
    let irc = Arc::new(Server::default());
    let client = ClientContext { line_length: 100, encrypted: false, local: true, account: None, irc: &irc };
    let mut dialect = Protocol::PodSixNet(None).new_dialect(NOW, client);
    let (mut out, mut me): (Vec<u8>, Option<PersonId>) = (Vec::new(), None);
    let harmless = |text: &str| text.len() <= 100 && !text.chars().any(char::is_control);
    for piece in &pieces {
        let mut rest = piece.as_slice();
        while !rest.is_empty() || dialect.is_busy() {
            let answer = &mut Answer { view: &state.view_for(me), bytes: &mut out };
            let name = match dialect.next(NOW, &mut rest, answer) {
                Input::Command(Command::Say(words)) => {
                    assert!(words.lines().all(|line| harmless(&line)));
                    continue;
                }
                Input::Command(Command::Name(name)) => {
                    assert!(harmless(&name));
                    continue;
                }
                Input::Command(Command::Guest(name)) => name,
                _ => continue,
            };
            let register = Command::Register { name, profile: Box::default(), enter: true, guest: true };
            for command in [register, Command::Enter] {
                let done = state.perform(NOW, Actor { person: me, session: 0 }, command);
                let Ok(Outcome::Done(stamp, event)) = done else { panic!("a guest comes in") };
                if let Event::Registered(person) = &event {
                    me = Some(person.id);
                }
                let answer = &mut Answer { view: &state.view_for(me), bytes: &mut out };
                dialect.reply(Reply::Done(stamp, &event), answer);
            }
        }
    }
    let frames = out.split(|byte| *byte == 0).filter(|part| !part.is_empty() && *part != b"---");
    let mut versions = [Version::New, Version::Old].into_iter();
    let frames: Vec<&[u8]> = frames.collect();
    assert!(out.is_empty() || out.ends_with(TERMINATOR));
    assert!(frames.is_empty() || versions.any(|version| frames.iter().all(|frame| decode(frame, version).is_ok())));
});
