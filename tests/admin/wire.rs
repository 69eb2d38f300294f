//! The encoding of frames, calls and replies.

use chatd::admin::request::Request;
use chatd::admin::types::{Error, InvalidText, NoSuchUser};
use chatd::admin::varlink::{self, Call, FrameTooLarge, Frames, Reply};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

/// Feeds `pieces` one by one and collects the frames.
fn split<'a>(maximum: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, FrameTooLarge> {
    let mut frames = Frames::new(maximum);
    let mut found = Vec::new();
    for mut piece in pieces {
        while !piece.is_empty() {
            let (taken, frame) = frames.take(piece)?;
            assert!((1..=piece.len()).contains(&taken), "progress, within what was given");
            piece = &piece[taken..];
            found.extend(frame);
        }
    }
    Ok(found)
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        sent in vec(vec(1..=255_u8, 0..40), 0..20),
        lengths in vec(1..30_usize, 1..40),
    ) {
        let mut bytes = Vec::new();
        for frame in &sent {
            bytes.extend_from_slice(frame);
            bytes.push(0);
        }
        let mut pieces = Vec::new();
        let mut rest = bytes.as_slice();
        for length in lengths.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(*length));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(split(40, pieces), Ok(sent));
    }

    #[test]
    fn a_frame_is_refused_exactly_when_it_is_over_the_limit(length in 0..200_usize, chunk in 1..50_usize) {
        let mut bytes = vec![b'x'; length];
        bytes.push(0);
        let outcome = split(100, bytes.chunks(chunk));
        if length <= 100 {
            prop_assert_eq!(outcome.map(|frames| frames.len()), Ok(1));
        } else {
            prop_assert_eq!(outcome, Err(FrameTooLarge { maximum: 100 }));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..500)) {
        if let Ok(frames) = split(64, bytes.chunks(7)) {
            for frame in frames {
                if let Ok(call) = serde_json::from_slice::<Call>(&frame) {
                    let _ = Request::from_call(call);
                }
            }
        }
    }

    #[test]
    fn requests_round_trip(
        name in any::<String>(),
        reason in any::<Option<String>>(),
        text in any::<String>(),
        more in any::<bool>(),
    ) {
        for request in [Request::Kick { name, reason }, Request::Notice { text }, Request::Watch { resume: false }] {
            let mut bytes = varlink::encode_call(&request, more).unwrap();
            prop_assert_eq!(bytes.pop(), Some(0));
            prop_assert!(!bytes.contains(&0), "a frame has one NUL, at its end");
            let call: Call = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(call.more, more);
            prop_assert_eq!(Request::from_call(call), Ok(request));
        }
    }
}

#[test]
fn a_frame_that_is_too_long_is_not_buffered() {
    let mut frames = Frames::new(8);
    assert_eq!(frames.take(&[b'x'; 1 << 20]), Err(FrameTooLarge { maximum: 8 }));
    assert!(!frames.is_inside());
}

#[test]
fn calls_are_written_as_the_standard_wants() {
    let kick = Request::Kick { name: "ana".to_owned(), reason: None };
    let bytes = varlink::encode_call(&kick, false).unwrap();
    assert_eq!(bytes, b"{\"method\":\"org.chatd.Admin.Kick\",\"parameters\":{\"name\":\"ana\"}}\0");
    let bytes = varlink::encode_call(&Request::Watch { resume: false }, true).unwrap();
    assert_eq!(bytes, b"{\"method\":\"org.chatd.Admin.Watch\",\"parameters\":{},\"more\":true}\0");
}

#[test]
fn replies_are_written_as_the_standard_wants() {
    assert_eq!(varlink::encode_reply(&json!({}), false).unwrap(), b"{\"parameters\":{}}\0");
    assert_eq!(
        varlink::encode_reply(&json!({"a": 1}), true).unwrap(),
        b"{\"parameters\":{\"a\":1},\"continues\":true}\0"
    );
    let error = Error::from(NoSuchUser { name: "ana".to_owned() });
    assert_eq!(
        varlink::encode(&error).unwrap(),
        b"{\"error\":\"org.chatd.Admin.NoSuchUser\",\"parameters\":{\"name\":\"ana\"}}\0"
    );
    assert_eq!(
        varlink::encode(&Error::ExpectedMore {}).unwrap(),
        b"{\"error\":\"org.varlink.service.ExpectedMore\",\"parameters\":{}}\0"
    );
}

#[test]
fn an_error_is_read_as_it_was_written() {
    let text = |text: &str| text.to_owned();
    let errors = [
        Error::from(NoSuchUser { name: text("ana") }),
        Error::from(InvalidText { reason: text("it is empty") }),
        Error::ReloadFailed { mistakes: vec![text("a:1:2: b"), text("c")] },
        Error::CannotStart { mistakes: vec![text("a:1:2: b")] },
        Error::TooManyWatchers { maximum: 7 },
        Error::TooManyConnections { maximum: 7 },
        Error::WatchEnded {},
        Error::InterfaceNotFound { interface: text("a.b") },
        Error::MethodNotFound { method: text("a.b.C") },
        Error::MethodNotImplemented { method: text("a.b.C") },
        Error::InvalidParameter { parameter: text("d") },
        Error::PermissionDenied {},
        Error::ExpectedMore {},
    ];
    for error in errors {
        let bytes = serde_json::to_vec(&error).unwrap();
        assert_eq!(serde_json::from_slice::<Error>(&bytes).unwrap(), error);
    }
}

#[test]
fn members_may_be_null_or_unknown() {
    let call = json!({"method": "a.b.C", "parameters": null, "more": null, "oneway": null, "org.example": {"x": 1}});
    let call: Call = serde_json::from_value(call).unwrap();
    assert_eq!((call.parameters, call.more, call.oneway, call.upgrade), (None, false, false, false));
    let reply: Reply = serde_json::from_str(r#"{"parameters": {"b": 1, "a": 2}, "continues": null}"#).unwrap();
    assert_eq!(reply.parameters.unwrap().get(), r#"{"b": 1, "a": 2}"#, "exactly as it was written");
    assert!(!reply.continues);
}
