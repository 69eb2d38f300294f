//! What people write reaches other people's terminals: it is made harmless here, once, before anything else sees it.

use std::borrow::Cow;

/// Bytes of a text about oneself or the room: a topic, a reason for being away, a real name, a last word. Short enough for one
/// line of IRC with everything before it.
pub const TEXT_LENGTH: usize = 300;
/// Characters in which a string for a terminal must end to be taken out as a whole; so that nobody has a line of nothing
/// but beginnings searched to its end for each of them.
const LONGEST_STRING: usize = 128;

/// What was done to a text to make it harmless, for telling its author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Control characters and bidirectional overrides that were taken out.
    pub removed: usize,
    /// What was taken out of it as a whole: what an arrow key sends, what changes a terminal's or an IRC client's colours.
    pub sequences: usize,
    /// Invalid UTF-8 sequences, each replaced by U+FFFD.
    pub replaced: usize,
    /// Whether it was longer than allowed and its end is missing.
    pub cut: bool,
}

/// A harmless text: valid UTF-8, one line, no control characters, no bidirectional overrides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned<'a> {
    /// The text; borrowed when nothing had to change.
    pub text: Cow<'a, str>,
    /// What had to change.
    pub changes: Changes,
}

/// Makes `bytes` harmless and at most `limit` bytes long; never cuts inside a character.
///
/// A tab becomes a space, since words should stay apart; all other control characters (C0, DEL, C1, and the line and
/// paragraph separators) and the bidirectional embeddings, overrides and isolates of UAX #9 are taken out. Of a control
/// sequence nothing is left, or an arrow key in the middle of a line would leave `[D` there.
#[must_use]
pub fn clean(bytes: &[u8], limit: usize) -> Cleaned<'_> {
    if bytes.len() <= limit && bytes.iter().all(|b| (0x20..0x7f).contains(b)) {
        // Nearly every line: nothing to do and nothing to copy.
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

/// Bytes of the control sequence that `text` begins with, if it does: of a terminal (ECMA-48), or a colour of IRC.
fn sequence_length(text: &str) -> usize {
    let mut rest = text.chars();
    let kind = match rest.next() {
        Some('\u{1b}') => rest.next(),
        // The same in one character.
        Some(c @ '\u{80}'..='\u{9f}') => char::from_u32(u32::from(c) - 0x40),
        Some('\u{3}') => return colour_length(text),
        _ => None,
    };
    let (body, start) = (rest.as_str(), text.len() - rest.as_str().len());
    let length = match kind {
        Some('[') => key_or_csi_length(body),
        // What some terminals send for arrows, Home and End, and for the first function keys.
        Some('O') if body.starts_with(|c| matches!(c, 'A'..='D' | 'F' | 'H' | 'P'..='S')) => 1,
        Some('P' | 'X' | ']' | '^' | '_') => string_length(body),
        // Whoever has pressed Esc and goes on writing loses no letter.
        _ => return 0,
    };
    start + length
}

/// Bytes of what follows CSI: parameters, intermediate characters, a final one; or a function key of Linux's console.
fn key_or_csi_length(body: &str) -> usize {
    if body.starts_with('[') {
        return 1 + run(body.get(1..).unwrap_or_default(), &|c| matches!(c, 'A'..='E')).min(1);
    }
    let parameters = run(body, &|c| matches!(c, '0'..='?'));
    let between = parameters + run(body.get(parameters..).unwrap_or_default(), &|c| matches!(c, ' '..='/'));
    between + run(body.get(between..).unwrap_or_default(), &|c| matches!(c, '@'..='~')).min(1)
}

/// Bytes of a string up to its end, such as a window's title; 0 if no end is near, and only its beginning is taken out.
fn string_length(body: &str) -> usize {
    let mut before = ' ';
    for (at, c) in body.char_indices().take(LONGEST_STRING) {
        if matches!(c, '\u{7}' | '\u{9c}') || (before, c) == ('\u{1b}', '\\') {
            return at + c.len_utf8();
        }
        before = c;
    }
    0
}

/// Bytes of a colour: ^C, one or two digits, and perhaps a comma and the background's.
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

/// How many characters at the beginning, all of them ASCII, are of this kind.
fn run(text: &str, kind: &dyn Fn(char) -> bool) -> usize {
    text.chars().take_while(|c| kind(*c)).count()
}

fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl Changes {
    /// Whether the text is as its author wrote it.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Changes::default()
    }
}

/// The beginning of `text`, at most `limit` bytes of it; never cuts inside a character.
#[must_use]
pub fn shorten(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or(text)
}
