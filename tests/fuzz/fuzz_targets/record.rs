//! Whatever bytes are a record, the record is read again as the same after it was written.
#![no_main]

use chatd::chat::Record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
});
