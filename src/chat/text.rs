//! Makes text from clients safe to show on other people's terminals. Applied once, to all input, before anything else
//! uses the text.

use std::borrow::Cow;

use crate::harmless::is_harmful;

/// The maximum length of a topic, an away message, a real name or a parting message, in bytes. Short enough for one IRC
/// line with everything that precedes the text.
pub const TEXT_LENGTH: usize = 300;
/// How many characters of a control string are searched for its terminator. Without a limit, a line of nothing but
/// introducers would be searched to its end for each of them.
const MAX_STRING: usize = 128;

/// What was changed to make a text safe, so that its author can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// The number of harmful characters that were removed.
    pub removed: usize,
    /// The number of control sequences that were removed, such as those sent by arrow keys or those that set colours on
    /// a terminal or in IRC.
    pub sequences: usize,
    /// The number of invalid UTF-8 sequences, each replaced by U+FFFD.
    pub replaced: usize,
    /// Whether the text exceeded the limit and was truncated.
    pub cut: bool,
}

/// A safe text: valid UTF-8, one line, without [harmful](is_harmful) characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned<'a> {
    /// The text; borrowed if nothing was changed.
    pub text: Cow<'a, str>,
    /// What was changed.
    pub changes: Changes,
}

/// Makes `bytes` safe and at most `limit` bytes long, truncating between characters.
///
/// A tab becomes a space so that words stay apart. All other [harmful](is_harmful) characters are removed. Control
/// sequences are removed as a whole; otherwise an arrow key in the middle of a line would leave `[D` behind.
#[must_use]
pub fn clean(bytes: &[u8], limit: usize) -> Cleaned<'_> {
    if bytes.len() <= limit && bytes.iter().all(|b| (0x20..0x7f).contains(b)) {
        // The fast path for nearly every line: nothing to change, nothing to copy.
        return Cleaned { text: String::from_utf8_lossy(bytes), changes: Changes::default() };
    }
    let mut changes = Changes::default();
    let mut text = String::with_capacity(bytes.len().min(limit));
    'all: for chunk in bytes.utf8_chunks() {
        let (valid, mut taken) = (chunk.valid(), 0);
        let invalid = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        changes.replaced += usize::from(invalid.is_some());
        for (at, c) in valid.char_indices().chain(invalid.map(|c| (valid.len(), c))) {
            if at < taken {
                continue;
            }
            let sequence = if c.is_control() { sequence_length(valid.get(at..).unwrap_or_default()) } else { 0 };
            let c = if c == '\t' { ' ' } else { c };
            if sequence > 0 {
                changes.sequences += 1;
                taken = at + sequence;
            } else if is_harmful(c) {
                changes.removed += 1;
            } else if text.len() + c.len_utf8() > limit {
                changes.cut = true;
                break 'all;
            } else {
                text.push(c);
            }
        }
    }
    Cleaned { text: text.into(), changes }
}

/// The length in bytes of the control sequence that `text` starts with: a terminal's (ECMA-48) or an IRC colour; 0 if
/// there is none.
fn sequence_length(text: &str) -> usize {
    let mut rest = text.chars();
    let kind = match rest.next() {
        Some('\u{1b}') => rest.next(),
        // The one-character (C1) form.
        Some(c @ '\u{80}'..='\u{9f}') => char::from_u32(u32::from(c) - 0x40),
        Some('\u{3}') => return colour_length(text),
        _ => None,
    };
    let (body, start) = (rest.as_str(), text.len() - rest.as_str().len());
    let length = match kind {
        Some('[') => key_or_csi_length(body),
        // SS3 sequences that some terminals send for arrows, Home, End and F1 to F4.
        Some('O') if body.starts_with(|c| matches!(c, 'A'..='D' | 'F' | 'H' | 'P'..='S')) => 1,
        Some('P' | 'X' | ']' | '^' | '_') => string_length(body),
        // A lone Esc: the text after it is kept.
        _ => return 0,
    };
    start + length
}

/// The length in bytes of what follows CSI: parameters, intermediate characters and a final one; or a function key of
/// the Linux console.
fn key_or_csi_length(body: &str) -> usize {
    if body.starts_with('[') {
        return 1 + run(body.get(1..).unwrap_or_default(), &|c| matches!(c, 'A'..='E')).min(1);
    }
    let parameters = run(body, &|c| matches!(c, '0'..='?'));
    let between = parameters + run(body.get(parameters..).unwrap_or_default(), &|c| matches!(c, ' '..='/'));
    between + run(body.get(between..).unwrap_or_default(), &|c| matches!(c, '@'..='~')).min(1)
}

/// The length in bytes of a control string up to its terminator, such as a window title. 0 if it has no terminator within
/// the limit; then only the introducer is removed.
fn string_length(body: &str) -> usize {
    let mut before = ' ';
    for (at, c) in body.char_indices().take(MAX_STRING) {
        if matches!(c, '\u{7}' | '\u{9c}') || (before, c) == ('\u{1b}', '\\') {
            return at + c.len_utf8();
        }
        before = c;
    }
    0
}

/// The length in bytes of an IRC colour: ^C, one or two digits, and optionally a comma and the background's.
fn colour_length(text: &str) -> usize {
    let digits = |from: usize| run(text.get(from..).unwrap_or_default(), &|c| c.is_ascii_digit()).min(2);
    let front = 1 + digits(1);
    let has_background = front > 1 && text.get(front..).is_some_and(|rest| rest.starts_with(','));
    match if has_background { digits(front + 1) } else { 0 } {
        _ if front == 1 => 0,
        0 => front,
        back => front + 1 + back,
    }
}

/// The number of leading characters that satisfy `kind`, all of them ASCII.
fn run(text: &str, kind: &dyn Fn(char) -> bool) -> usize {
    text.chars().take_while(|c| kind(*c)).count()
}

impl Changes {
    /// Whether nothing was changed.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Changes::default()
    }
}

/// The longest prefix of `text` of at most `limit` bytes that ends between characters.
#[must_use]
pub fn shorten(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or(text)
}
