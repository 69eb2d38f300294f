//! Whatever is decoded can be encoded and decodes to the same value again.
#![no_main]

use chatd::dialect::podsixnet::rencode::{Version, decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for version in [Version::Old, Version::New] {
        if let Ok(value) = decode(bytes, version) {
            let mut written = Vec::new();
            encode(&value, version, &mut written);
            assert_eq!(decode(&written, version), Ok(value));
        }
    }
});
