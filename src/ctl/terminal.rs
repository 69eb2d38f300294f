//! Escapes untrusted text, so that nothing received can control the user's terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::harmless::is_harmful;

/// `text` on one line, with harmful characters written as escapes such as `\u{1b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_harmful(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// JSON on one line: harmful characters, which can only be inside strings, become JSON escapes; line ends, which can
/// only be outside, become spaces.
pub fn printable_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii_control() && character != '\u{7f}' {
            safe.push(' ');
        } else if is_harmful(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    safe
}
