//! rencode, compared with the library's own output and with arbitrary input.

use chatd::dialect::podsixnet::rencode::{DecodeError, MAX_DEPTH, Value, Version, decode, encode};
use proptest::prelude::*;

fn encoded(value: &Value, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, version, &mut bytes);
    bytes
}

#[test]
fn values_are_written_as_the_library_writes_them() {
    let value = Value::Dict(vec![
        (Value::text("action"), Value::text("message")),
        (Value::text("message"), Value::text(&"x".repeat(70))),
        (
            Value::text("n"),
            Value::List(vec![
                Value::Int(1),
                Value::Int(50),
                Value::Int(-3),
                Value::Int(300),
                Value::Float32(1.5_f32.to_bits()),
                Value::None,
                Value::Bool(true),
                Value::Digits("1180591620717411303424".into()),
                Value::Tuple(vec![Value::Int(1), Value::Int(2)]),
            ]),
        ),
    ]);
    let mut expected = b"i\x86action\x87message\x87message70:".to_vec();
    expected.extend([b'x'; 70]);
    expected.extend(b"\x81n\xc9\x01>2H?\x01,B?\xc0\x00\x00EC=1180591620717411303424\x7f\xe2\x01\x02");
    assert_eq!(encoded(&value, Version::New), expected);
    assert_eq!(decode(&expected, Version::New), Ok(value));
    let connected = Value::Dict(vec![(Value::text("action"), Value::text("connected"))]);
    assert_eq!(encoded(&connected, Version::Old), b"g\x88YWN0aW9u\x8cY29ubmVjdGVk");
    assert_eq!(decode(b"g\x88YWN0aW9u\x8cY29ubmVjdGVk", Version::Old), Ok(connected));
}

#[test]
fn the_versions_differ_in_small_integers_and_fractions() {
    assert_eq!(decode(&[43], Version::New), Ok(Value::Int(43)));
    assert_eq!(decode(&[43], Version::Old), Err(DecodeError::Code(43)));
    assert_eq!(decode(&[31], Version::Old), Ok(Value::Int(31)));
    let fraction = [44, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0];
    assert_eq!(decode(&fraction, Version::New), Ok(Value::Float64(1.5_f64.to_bits())));
    assert_eq!(decode(&fraction, Version::Old), Err(DecodeError::Code(44)));
}

#[test]
fn invalid_encodings_are_refused() {
    for (bytes, error) in [
        (&b""[..], DecodeError::Incomplete),
        (b"\x85abc", DecodeError::Incomplete),
        (b"99999999999999999999999999:x", DecodeError::Number),
        (b"9999999999:x", DecodeError::Incomplete),
        (b"1x:a", DecodeError::Number),
        (b"01:a", DecodeError::Number),
        (b"5", DecodeError::Incomplete),
        (b"=12", DecodeError::Incomplete),
        (b"=\x7f", DecodeError::Number),
        (b"=-0\x7f", DecodeError::Number),
        (b"=1_0\x7f", DecodeError::Number),
        (b";\x01", DecodeError::Incomplete),
        (b"<\x01\x7f", DecodeError::Code(127)),
        (b"\x01\x01", DecodeError::Trailing),
        (b"/", DecodeError::Code(47)),
    ] {
        assert_eq!(decode(bytes, Version::New), Err(error), "{bytes:?}");
    }
    assert_eq!(decode(b"\x81!", Version::Old), Err(DecodeError::Base64));
    let nested = |depth: usize| [vec![b';'; depth - 1], vec![1], vec![127; depth - 1]].concat();
    assert!(decode(&nested(MAX_DEPTH), Version::New).is_ok());
    assert_eq!(decode(&nested(MAX_DEPTH + 1), Version::New), Err(DecodeError::TooDeep));
    assert_eq!(decode(&[0xc1; 100_000], Version::New), Err(DecodeError::TooDeep));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        (-70_i64..70).prop_map(Value::Int),
        any::<i64>().prop_map(Value::Int),
        "-?[1-9][0-9]{20,60}".prop_map(Value::Digits),
        any::<u32>().prop_map(Value::Float32),
        prop::collection::vec(any::<u8>(), 0..80).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 200, 40, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..40).prop_map(Value::List),
            prop::collection::vec(inner.clone(), 0..40).prop_map(Value::Tuple),
            prop::collection::vec((inner.clone(), inner), 0..30).prop_map(Value::Dict),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn encoding_and_decoding_round_trip(value in values(), old in any::<bool>()) {
        let version = if old { Version::Old } else { Version::New };
        prop_assert_eq!(decode(&encoded(&value, version), version), Ok(value));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic_and_what_they_mean_is_kept(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 100..130_u8, 48..72_u8, 190..230_u8], 0..60),
        old in any::<bool>(),
    ) {
        let version = if old { Version::Old } else { Version::New };
        if let Ok(value) = decode(&bytes, version) {
            prop_assert_eq!(decode(&encoded(&value, version), version), Ok(value));
        }
    }
}
