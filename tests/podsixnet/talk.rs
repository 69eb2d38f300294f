//! The dialect without a socket: frames in any pieces, and clients that send no name.

use chatd::chat::{Command, NickError, Refusal, Reply};
use chatd::dialect::Protocol;
use chatd::dialect::podsixnet::TERMINATOR;
use chatd::dialect::podsixnet::rencode::{Version, decode};
use proptest::prelude::*;

use super::{dictionary, framed};
use crate::support::talk::{ClientOptions, Talk};

fn connected(version: Option<Version>) -> Talk {
    Talk::with(&Protocol::PodSixNet(version), ClientOptions { line_length: 100, ..ClientOptions::default() })
}

/// The messages in an answer, each with its author.
fn messages(bytes: &[u8]) -> Vec<String> {
    let frames = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty() && *part != b"---");
    let texts = frames.filter_map(|frame| {
        let value = decode(frame, Version::New).unwrap();
        let text = |key| value.get(key).and_then(|value| value.bytes()).map(String::from_utf8_lossy);
        Some(format!("{}: {}", text("who")?, text("message")?))
    });
    texts.collect()
}

#[test]
fn a_client_without_a_name_becomes_a_guest_and_its_message_is_sent() {
    let mut talk = connected(None);
    talk.arrives("anonymous", true);
    let answer = talk.send_bytes(&framed(&dictionary(&[("action", "message"), ("message", "hi")]), Version::New));
    assert_eq!(messages(&answer), ["***: Welcome, anonymous2."]);
    assert_eq!(talk.state.room.history().len(), 1, "it was said");
    assert!(!talk.dialect.is_busy() && talk.dialect.due().is_none());
}

#[test]
fn a_refused_guest_is_told_and_not_retried() {
    let mut talk = connected(Some(Version::New));
    let refusal = Refusal::NameNotAllowed(NickError::Space);
    assert_eq!(messages(&talk.told_bytes(Reply::Refused(&refusal))).len(), 1);
    assert!(talk.dialect.is_busy(), "a name of its own was refused: there is still another one");
    let (command, _) = talk.step(&mut &b""[..]).unwrap();
    assert_eq!(command, Some(Command::Guest("anonymous".into())));
    assert!(!talk.dialect.is_busy());
    talk.told_bytes(Reply::Refused(&refusal));
    assert!(!talk.dialect.is_busy(), "there is no other one");
    let mut hi = &framed(&dictionary(&[("action", "message"), ("message", "hi")]), Version::New)[..];
    let (command, _) = talk.step(&mut hi).unwrap();
    assert_eq!(command, Some(Command::Guest("anonymous".into())), "perhaps there is one when something is said");
}

#[test]
fn a_frame_that_is_too_long_is_told_and_the_next_one_is_read() {
    let mut talk = connected(Some(Version::New));
    talk.send_bytes(&framed(&dictionary(&[("action", "username"), ("username", "ana")]), Version::New));
    let hi = framed(&dictionary(&[("action", "message"), ("message", "hi")]), Version::New);
    for length in [100_000, 1229, 1228, 1227, 1226, 1225] {
        for piece in [usize::MAX, 3000, 7] {
            let bytes = [vec![b'x'; length], TERMINATOR.to_vec(), hi.clone()].concat();
            let before = talk.state.room.history().len();
            let answers: Vec<u8> =
                bytes.chunks(piece.min(bytes.len())).flat_map(|piece| talk.send_bytes(piece)).collect();
            assert_eq!(messages(&answers), ["***: Your message was too long and is lost."], "{length} by {piece}");
            assert_eq!(talk.state.room.history().len(), before + 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_are_the_same_however_the_bytes_arrive(
        texts in prop::collection::vec("[a-z\u{0}-]{1,20}", 1..8),
        cuts in prop::collection::vec(1..12_usize, 0..200),
    ) {
        let frame = |text: &String| framed(&dictionary(&[("action", "message"), ("message", text)]), Version::New);
        let bytes: Vec<u8> = texts.iter().flat_map(frame).collect();
        let understood = |cuts: &[usize]| {
            let mut talk = connected(Some(Version::New));
            talk.send_bytes(&framed(&dictionary(&[("action", "username"), ("username", "ana")]), Version::New));
            let (mut rest, mut cuts, mut commands) = (&bytes[..], cuts.iter(), Vec::new());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(cuts.next().copied().unwrap_or(usize::MAX).min(rest.len()));
                commands.extend(talk.asks(piece).0);
                rest = after;
            }
            commands
        };
        prop_assert_eq!(understood(&cuts), understood(&[]));
    }

    #[test]
    fn any_bytes_are_taken_and_what_is_answered_can_be_read(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..10),
        ends in any::<bool>(),
    ) {
        let mut talk = connected(None);
        for mut piece in pieces {
            if ends {
                piece.extend_from_slice(TERMINATOR);
            }
            let answer = talk.send_bytes(&piece);
            prop_assert!(answer.is_empty() || answer.ends_with(TERMINATOR));
        }
    }
}
