//! Where records begin and end (RFC 8446, section 5.1): a type, a version and a length, which are not encrypted.

/// The bytes before a record's content.
pub const HEADER: usize = 5;

/// The content of the longest record that any version of TLS has; TLS 1.3 allows less.
const LONGEST_CONTENT: usize = 16_384 + 2048 - 1;

/// The longest record.
pub const LONGEST: usize = HEADER + LONGEST_CONTENT;

/// The record types, from `change_cipher_spec` to `heartbeat`, and the only one that may be empty.
const TYPES: std::ops::RangeInclusive<u8> = 20..=24;
const APPLICATION_DATA: u8 = 23;

/// The length of the content that this header announces.
pub fn content_length(&[_, _, _, high, low]: &[u8; HEADER]) -> usize {
    usize::from(u16::from_be_bytes([high, low]))
}

/// How many bytes are to be read until more can be told of the record that begins like this: of its header first. None
/// are missing of what cannot be a record, because waiting for more would not make it one.
pub fn missing(beginning: &[u8]) -> Option<usize> {
    let Some(header) = beginning.first_chunk() else { return Some(HEADER - beginning.len()) };
    let (kind, content) = (header[0], content_length(header));
    let possible = TYPES.contains(&kind) && content <= LONGEST_CONTENT && (content > 0 || kind == APPLICATION_DATA);
    possible.then(|| (HEADER + content).saturating_sub(beginning.len()))
}

/// The length of the record at the beginning; `None` if it is not all there. What cannot be a record ends with the bytes.
pub fn first(bytes: &[u8]) -> Option<usize> {
    match missing(bytes) {
        None => Some(bytes.len()),
        Some(0) => bytes.first_chunk().map(|header| HEADER + content_length(header)),
        Some(_) => None,
    }
}

/// The length of the whole records at the beginning, of as many as `limit` allows, but of one at least if it is there.
pub fn whole(bytes: &[u8], limit: usize) -> usize {
    let mut end = 0;
    while let Some(length) = bytes.get(end..).and_then(first)
        && (end == 0 || end + length <= limit)
    {
        end += length;
    }
    end
}
