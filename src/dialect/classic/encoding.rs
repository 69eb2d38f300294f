//! Character encodings of classic clients.

use std::borrow::Cow;

use any_ascii::any_ascii_char;
use serde::{Deserialize, Serialize};

/// An encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// ASCII; other characters are replaced by similar letters.
    Ascii,
    /// UTF-16, little-endian, as on Windows.
    Utf16Le,
    /// CESU-8: a character beyond U+FFFF is encoded as two surrogates of three bytes each, as in Java's `writeUTF`.
    Cesu8,
}

impl Encoding {
    /// All encodings, by their names in the configuration.
    pub const ALL: &[(&str, Self)] =
        &[("utf-8", Self::Utf8), ("ascii", Self::Ascii), ("utf-16le", Self::Utf16Le), ("cesu-8", Self::Cesu8)];

    /// The maximum size of an encoded character in bytes.
    pub(super) const MAX_CHARACTER: usize = 6;

    /// Replaces characters that the client cannot read: by similar letters if there are any, otherwise by a question
    /// mark.
    pub(super) fn readable(self, text: &str) -> Cow<'_, str> {
        if self != Encoding::Ascii || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut written = String::new();
        for c in text.chars() {
            let letters = any_ascii_char(c);
            if c.is_ascii() {
                written.push(c);
            } else if letters.is_empty() || letters.bytes().any(|b| b.is_ascii_control()) {
                written.push('?');
            } else {
                written.push_str(letters);
            }
        }
        Cow::Owned(written)
    }

    /// The encoded size of a readable character in bytes.
    pub(super) fn size(self, c: char) -> usize {
        match self {
            Encoding::Utf8 | Encoding::Ascii => c.len_utf8(),
            Encoding::Utf16Le => 2 * c.len_utf16(),
            Encoding::Cesu8 if c.len_utf16() == 2 => 6,
            Encoding::Cesu8 => c.len_utf8(),
        }
    }

    /// Encodes a readable text and appends it.
    pub(super) fn write(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Encoding::Utf8 | Encoding::Ascii => out.extend_from_slice(text.as_bytes()),
            Encoding::Utf16Le => {
                // Skips noncharacters, because they mark the end of a message.
                let noncharacter = |unit: &u16| *unit >= 0xfffe;
                let units = text.encode_utf16().map(|unit| if noncharacter(&unit) { 0xfffd } else { unit });
                units.for_each(|unit| out.extend(unit.to_le_bytes()));
            }
            Encoding::Cesu8 => {
                for c in text.chars() {
                    let mut units = [0; 2];
                    match c.encode_utf16(&mut units) {
                        [_] => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                        surrogates => surrogates.iter().for_each(|unit| out.extend(three_bytes(*unit))),
                    }
                }
            }
        }
    }

    /// Decodes client input to UTF-8. Invalid input stays or becomes invalid UTF-8.
    pub(super) fn read(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        const NO_TEXT: u8 = 0xff;
        let mut text = Vec::new();
        let units: Vec<Result<u16, u8>> = match self {
            Encoding::Utf8 | Encoding::Ascii => return Cow::Borrowed(bytes),
            Encoding::Utf16Le => {
                let pairs = bytes.chunks(2).map(|pair| match *pair {
                    [low, high] => Ok(u16::from_le_bytes([low, high])),
                    _ => Err(NO_TEXT),
                });
                pairs.collect()
            }
            // CESU-8 differs from UTF-8 only above U+FFFF; there, each surrogate starts with 0xed.
            Encoding::Cesu8 if !bytes.contains(&0xed) => return Cow::Borrowed(bytes),
            Encoding::Cesu8 => surrogates_apart(bytes),
        };
        let mut rest = units.as_slice();
        loop {
            rest = match rest {
                [] => return Cow::Owned(text),
                [Ok(high), Ok(low), after @ ..] if is_surrogate(*high) => {
                    match char::decode_utf16([*high, *low]).next() {
                        Some(Ok(c)) => {
                            text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                            after
                        }
                        _ => {
                            text.push(NO_TEXT);
                            rest.get(1..).unwrap_or_default()
                        }
                    }
                }
                [Ok(unit), after @ ..] => {
                    match char::from_u32(u32::from(*unit)) {
                        Some(c) => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                        None => text.push(NO_TEXT),
                    }
                    after
                }
                [Err(byte), after @ ..] => {
                    text.push(*byte);
                    after
                }
            };
        }
    }

    /// An encoded line feed.
    pub(super) fn newline(self) -> &'static [u8] {
        if self == Encoding::Utf16Le { b"\n\0" } else { b"\n" }
    }

    /// A number of encoded bytes that cannot exceed `limit` bytes in UTF-8.
    pub(super) fn fits(self, limit: usize) -> usize {
        // Two bytes of UTF-16 can become three in UTF-8.
        if self == Encoding::Utf16Le { limit / 3 * 2 } else { limit }
    }

    /// Where to split so that the first part has at most `limit` bytes and no character is split.
    pub(super) fn boundary(self, bytes: &[u8], limit: usize) -> usize {
        let starts_character = |at: usize| match (self, bytes.get(at..).unwrap_or_default()) {
            (_, []) => true,
            (Encoding::Utf16Le, [_, high, ..]) => at.is_multiple_of(2) && !(0xdc..=0xdf).contains(high),
            (Encoding::Utf16Le, _) => at.is_multiple_of(2),
            // Keeps the second surrogate with the first.
            (Encoding::Cesu8, [0xed, 0xb0..=0xbf, ..]) => false,
            (_, [byte, ..]) => byte & 0xc0 != 0x80,
        };
        (limit.saturating_sub(Self::MAX_CHARACTER - 1)..=limit).rev().find(|at| starts_character(*at)).unwrap_or(limit)
    }

    /// Whether the bytes end in the middle of a character.
    pub(super) fn is_torn(self, bytes: &[u8]) -> bool {
        if self == Encoding::Utf16Le {
            return match bytes.last_chunk::<2>() {
                Some([_, high]) if bytes.len().is_multiple_of(2) => (0xd8..=0xdb).contains(high),
                _ => !bytes.is_empty(),
            };
        }
        if self == Encoding::Cesu8 && matches!(bytes.last_chunk::<3>(), Some([0xed, 0xa0..=0xaf, _])) {
            return true;
        }
        let tail = bytes.get(bytes.len().saturating_sub(3)..).unwrap_or_default();
        let last = tail.utf8_chunks().last().map(|chunk| chunk.invalid()).unwrap_or_default();
        let needed = match last.first() {
            Some(0xc2..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf4) => 4,
            _ => 0,
        };
        last.len() < needed
    }
}

fn is_surrogate(unit: u16) -> bool {
    (0xd800..=0xdfff).contains(&unit)
}

/// A surrogate in the three-byte encoding.
fn three_bytes(unit: u16) -> [u8; 3] {
    let low_bits = |shift: u32| 0x80 | u8::try_from((unit >> shift) & 0x3f).unwrap_or(0);
    [0xe0 | u8::try_from(unit >> 12).unwrap_or(0), low_bits(6), low_bits(0)]
}

/// Separates the encoded surrogates from all other bytes.
fn surrogates_apart(bytes: &[u8]) -> Vec<Result<u16, u8>> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        rest = match after {
            [second @ 0xa0..=0xbf, third @ 0x80..=0xbf, after @ ..] if *first == 0xed => {
                found.push(Ok(0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f)));
                after
            }
            _ => {
                found.push(Err(*first));
                after
            }
        };
    }
    found
}
