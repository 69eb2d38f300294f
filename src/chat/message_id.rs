//! Message identifiers: the [sequence](super::Stamp) of an event in hexadecimal. A sequence is never used again, not by a
//! later run of the server either, so they are unique for good.

/// Appends the identifier of an event.
pub fn write_message_id(sequence: u64, out: &mut Vec<u8>) {
    let digits = (u64::BITS - sequence.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (sequence >> (4 * place) & 0xf) as u8;
        out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
}

/// The identifier of an event.
#[must_use]
pub fn message_id(sequence: u64) -> String {
    format!("{sequence:x}")
}

/// The sequence of the event with this identifier; `None` if it is not one.
#[must_use]
pub fn parse_message_id(id: &str) -> Option<u64> {
    // from_str_radix allows a sign.
    let digits = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(id, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_read_as_it_was_written() {
        for sequence in [0, 1, 15, 16, 0xabc, 1 << 47, u64::MAX] {
            let mut written = Vec::new();
            write_message_id(sequence, &mut written);
            assert_eq!(String::from_utf8(written).unwrap(), message_id(sequence));
            assert_eq!(parse_message_id(&message_id(sequence)), Some(sequence));
        }
        for id in ["", "-1", "+1", "g", "19c-1", "10000000000000000"] {
            assert_eq!(parse_message_id(id), None, "{id}");
        }
    }
}
