//! Arbitrary input in arbitrary pieces: the dialect's commands contain only safe text, and its frames can be decoded.
#![no_main]

use std::sync::Arc;

use chatd::chat::{Answer, Command, Event, Now, PersonId, Reply};
use chatd::dialect::irc::Server;
use chatd::dialect::podsixnet::TERMINATOR;
use chatd::dialect::podsixnet::rencode::{Value, Version, decode, encode};
use chatd::dialect::{ClientContext, Input, Protocol};
use chatd::harmless::is_harmful;
use chatd::room::{Actor, HistoryLimit, Outcome, State};
use libfuzzer_sys::fuzz_target;

const NOW: Now = Now { ticks: 0, unix: 0 };

// What a client may ask for.
const ACTIONS: [&str; 4] = ["nickname", "username", "message", "players"];

// By its number, a piece is the bytes themselves, the end of a frame, or a frame that asks for something: random bytes are
// hardly ever a frame.
fuzz_target!(|pieces: Vec<(u8, Vec<u8>)>| {
    let mut state = State::new(NOW, "lobby", "", HistoryLimit { length: 10, size: 1000 });
    let irc = Arc::new(Server::default());
    let client = ClientContext { line_length: 100, encrypted: false, local: true, account: None, irc: &irc };
    let mut dialect = Protocol::PodSixNet(None).new_dialect(NOW, client);
    let (mut out, mut me): (Vec<u8>, Option<PersonId>) = (Vec::new(), None);
    let harmless = |text: &str| text.len() <= 100 && !text.contains(is_harmful);
    for (number, bytes) in &pieces {
        let piece = piece(*number, bytes);
        let mut rest = piece.as_slice();
        while !rest.is_empty() || dialect.is_busy() {
            let answer = &mut Answer { view: &state.view_for(me), bytes: &mut out };
            let (name, guest) = match dialect.next(NOW, &mut rest, answer) {
                Input::Command(Command::Say(words)) => {
                    assert!(words.lines().all(|line| harmless(&line)));
                    continue;
                }
                Input::Command(Command::Name(name)) => (name, false),
                Input::Command(Command::Guest(name)) => (name, true),
                _ => continue,
            };
            assert!(harmless(&name));
            let register = Command::Register { name, profile: Box::default(), enter: true, guest };
            for command in [register, Command::Enter] {
                let done = state.perform(NOW, Actor { person: me, session: 0 }, command);
                if let Ok(Outcome::Done(_, Event::Registered(person))) = &done {
                    me = Some(person.id);
                }
                let answer = &mut Answer { view: &state.view_for(me), bytes: &mut out };
                match &done {
                    Ok(Outcome::Done(stamp, event)) => dialect.reply(Reply::Done(*stamp, event), answer),
                    Ok(_) => {}
                    Err(refusal) => {
                        assert!(!guest, "a guest comes in");
                        dialect.reply(Reply::Refused(refusal), answer);
                        break;
                    }
                }
            }
        }
    }
    let frames = out.split(|byte| *byte == 0).filter(|part| !part.is_empty() && *part != b"---");
    let mut versions = [Version::New, Version::Old].into_iter();
    let frames: Vec<&[u8]> = frames.collect();
    assert!(out.is_empty() || out.ends_with(TERMINATOR));
    assert!(frames.is_empty() || versions.any(|version| frames.iter().all(|frame| decode(frame, version).is_ok())));
});

fn piece(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut piece = Vec::new();
    match number {
        0 => piece.extend_from_slice(bytes),
        1 => piece = [bytes, TERMINATOR].concat(),
        _ => {
            let version = if number & 4 == 0 { Version::New } else { Version::Old };
            let action = ACTIONS[usize::from(number) % ACTIONS.len()];
            let asked =
                vec![(Value::text("action"), Value::text(action)), (Value::text(action), Value::Bytes(bytes.to_vec()))];
            encode(&Value::Dict(asked), version, &mut piece);
            piece.extend_from_slice(TERMINATOR);
        }
    }
    piece
}
