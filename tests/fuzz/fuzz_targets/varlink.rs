//! Whatever an administrator's program sends, in any pieces: frames within their bound, and calls that are read or refused.
#![no_main]

use chatd::admin::request::Request;
use chatd::admin::varlink::{Call, Frames, MAXIMUM_CALL};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|pieces: Vec<&[u8]>| {
    let mut frames = Frames::new(MAXIMUM_CALL);
    for mut piece in pieces {
        while !piece.is_empty() {
            let Ok((taken, frame)) = frames.take(piece) else { return };
            assert!(taken > 0);
            piece = &piece[taken..];
            let Some(frame) = frame else { continue };
            assert!(frame.len() <= MAXIMUM_CALL);
            if let Ok(call) = serde_json::from_slice::<Call>(&frame)
                && let Ok(request) = Request::from_call(call)
            {
                serde_json::to_string(&request).unwrap();
            }
        }
    }
});
