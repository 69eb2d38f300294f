//! The form of the state: damage and nonsense.

use proptest::prelude::*;

use super::format::{self, FormatError, Frame};

proptest! {
    #[test]
    fn damage_costs_no_more_than_the_frame_that_it_hits(
        order in proptest::collection::vec(any::<u8>(), 0..20),
        common in proptest::collection::vec(any::<u8>(), 0..50),
        clients in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..20), proptest::collection::vec(any::<u8>(), 1..50)), 1..6),
        place in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let frames: Vec<Frame> =
            clients.iter().map(|(goodbye, payload)| Frame { goodbye: goodbye.clone(), payload: payload.clone() }).collect();
        let mut bytes = format::write(&order, &common, &frames);
        let read = format::read(&bytes).unwrap();
        prop_assert_eq!((&read.order, read.common), (&order, Ok(common.clone())));
        prop_assert_eq!(read.frames.len(), clients.len());
        let at = place.index(bytes.len());
        bytes[at] ^= flip;
        let Ok(read) = format::read(&bytes) else { return Ok(()) };
        for (frame, (goodbye, payload)) in read.frames.iter().zip(&clients) {
            match &frame.payload {
                Ok(read) => prop_assert_eq!((&frame.goodbye, read), (goodbye, payload)),
                Err(FormatError::Damaged) => prop_assert!(frame.goodbye.is_empty()),
                Err(FormatError::Version(_)) => prop_assert_eq!(&frame.goodbye, goodbye),
                Err(FormatError::Foreign) => prop_assert!(false),
            }
        }
    }

    #[test]
    fn anything_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = format::read(&bytes);
        let _ = format::read(&[b"chatd handover\n\x01\x00", &*bytes].concat());
    }
}
