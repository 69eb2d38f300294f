//! Arbitrary input in any framing and encoding, before and after the login: the dialect's commands contain only safe text
//! of limited length.
#![no_main]

use std::sync::Arc;

use chatd::chat::{Answer, Command, Event, Now, PersonId, Reply};
use chatd::dialect::classic::{Encoding, Framing, PRESETS};
use chatd::dialect::{ClientContext, Dialect, Input, Protocol, irc};
use chatd::harmless::is_harmful;
use chatd::room::{Actor, HistoryLimit, Outcome, State};
use libfuzzer_sys::fuzz_target;

const NOW: Now = Now { ticks: 0, unix: 0 };
const FRAMINGS: &[&str] = &["none", "line", "ascii-3", "ascii-64", "u16be", "u16le", "u32be", "u32le"];

fuzz_target!(|input: (u8, u8, u8, Vec<Vec<u8>>)| {
    let (preset, framing, encoding, pieces) = input;
    let choose = |number: u8, from: usize| usize::from(number) % from;
    let mut description = PRESETS[choose(preset, PRESETS.len())].1();
    description.framing_in = Framing::named(FRAMINGS[choose(framing, FRAMINGS.len())]).expect("a framing");
    description.encoding = Encoding::ALL[choose(encoding, Encoding::ALL.len())].1;
    let mut state = State::new(NOW, "lobby", "", HistoryLimit { length: 10, size: 1000 });
    let irc = Arc::new(irc::Server::default());
    let client = ClientContext { line_length: 128, encrypted: false, local: true, account: None, irc: &irc };
    let mut dialect = Protocol::Classic(Arc::new(description)).new_dialect(NOW, client);
    let (mut out, mut me): (Vec<u8>, Option<PersonId>) = (Vec::new(), None);
    for piece in &pieces {
        let mut rest = piece.as_slice();
        while !rest.is_empty() || dialect.is_busy() {
            let input = dialect.next(NOW, &mut rest, &mut Answer { view: &state.view_for(me), bytes: &mut out });
            obey(input, &mut dialect, &mut state, &mut me, &mut out);
        }
        if dialect.due().is_some() {
            match dialect.expire(NOW, &mut Answer { view: &state.view_for(me), bytes: &mut out }) {
                Ok(input) => obey(input, &mut dialect, &mut state, &mut me, &mut out),
                Err(_) => return,
            }
        }
    }
});

/// Checks a command, and comes into the room with the name that it gives.
fn obey(input: Input<'_>, dialect: &mut Dialect, state: &mut State, me: &mut Option<PersonId>, out: &mut Vec<u8>) {
    let harmless = |text: &str| text.len() <= 128 && !text.contains(is_harmful);
    let name = match input {
        Input::Command(Command::Say(words)) => return assert!(words.lines().all(|line| harmless(&line))),
        Input::Command(Command::Name(name)) => name,
        _ => return,
    };
    assert!(harmless(&name));
    let register = Command::Register { name, profile: Box::default(), enter: true, guest: false };
    for command in [register, Command::Enter] {
        let done = state.perform(NOW, Actor { person: *me, session: 0 }, command);
        if let Ok(Outcome::Done(_, Event::Registered(person))) = &done {
            *me = Some(person.id);
        }
        let answer = &mut Answer { view: &state.view_for(*me), bytes: out };
        match &done {
            Ok(Outcome::Done(stamp, event)) => dialect.reply(Reply::Done(*stamp, event), answer),
            Ok(_) => {}
            Err(refusal) => return dialect.reply(Reply::Refused(refusal), answer),
        }
    }
}
