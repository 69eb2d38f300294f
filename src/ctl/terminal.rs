//! Escapes untrusted text, so that nothing received can control the user's terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character controls the terminal: control characters (C0, DEL, C1), bidirectional marks, embeddings,
/// overrides and isolates, and Unicode's line and paragraph separators.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` on one line, with terminal controls written as escapes such as `\u{1b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if steers(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// JSON on one line: terminal controls, which can only be inside strings, become JSON escapes; line ends, which can
/// only be outside, become spaces.
pub fn printable_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii_control() && character != '\u{7f}' {
            safe.push(' ');
        } else if steers(character) {
            // All of them have four hexadecimal digits; writing to a String cannot fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    safe
}
