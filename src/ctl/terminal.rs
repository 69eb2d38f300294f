//! Making text from elsewhere safe to show: nothing that comes over the wire may steer the reader's terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character does something instead of being something: controls (C0, DEL, C1), the marks, embeddings,
/// overrides and isolates that turn the direction of text around, and Unicode's own line ends.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` on one line, with whatever would steer a terminal written out, such as `\u{1b}`.
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

/// The same JSON on one line: what would steer a terminal is escaped in JSON's own way (it can only be within
/// strings), and line ends (which can only be between them) become spaces.
pub fn printable_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii_control() && character != '\u{7f}' {
            safe.push(' ');
        } else if steers(character) {
            // All of them have four digits; writing into a string does not fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    safe
}
