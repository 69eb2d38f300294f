//! Arbitrary input in any framing and encoding: the dialect's commands contain only safe text of limited length.
#![no_main]

use std::sync::Arc;

use chatd::chat::{Answer, Command, Now};
use chatd::dialect::classic::{Encoding, Framing, PRESETS};
use chatd::dialect::{Input, Protocol, ClientContext, irc};
use chatd::room::{HistoryLimit, State};
use libfuzzer_sys::fuzz_target;

const NOW: Now = Now { ticks: 0, unix: 0 };
const FRAMINGS: &[&str] = &["none", "line", "ascii-3", "ascii-64", "u16be", "u16le", "u32be", "u32le"];

fuzz_target!(|input: (u8, u8, u8, Vec<Vec<u8>>)| {
    let (preset, framing, encoding, pieces) = input;
    let choose = |number: u8, from: usize| usize::from(number) % from;
    let mut description = PRESETS[choose(preset, PRESETS.len())].1();
    description.framing_in = Framing::named(FRAMINGS[choose(framing, FRAMINGS.len())]).expect("a framing");
    description.encoding = Encoding::ALL[choose(encoding, Encoding::ALL.len())].1;
    let state = State::new(NOW, "lobby", "", HistoryLimit { length: 10, size: 1000 });
    let irc = Arc::new(irc::Server::default());
    let client = ClientContext { line_length: 128, encrypted: false, local: true, account: None, irc: &irc };
    let mut dialect = Protocol::Classic(Arc::new(description)).new_dialect(NOW, client);
    let mut out = Vec::new();
    let view = state.view_for(None);
    let harmless = |input: Input<'_>| {
        if let Input::Command(Command::Name(text)) = input {
            assert!(text.len() <= 128 && !text.chars().any(char::is_control));
        }
    };
    for piece in &pieces {
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            harmless(dialect.next(NOW, &mut rest, &mut Answer { view: &view, bytes: &mut out }));
        }
        if dialect.due().is_some() {
            match dialect.expire(NOW, &mut Answer { view: &view, bytes: &mut out }) {
                Ok(input) => harmless(input),
                Err(_) => return,
            }
        }
    }
});
