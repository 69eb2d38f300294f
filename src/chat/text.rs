//! What people write reaches other people's terminals: it is made harmless here, once, before anything else sees it.

use std::borrow::Cow;

/// What was done to a text to make it harmless, for telling its author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Control characters and bidirectional overrides that were taken out.
    pub removed: usize,
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
/// paragraph separators) and the bidirectional embeddings, overrides and isolates of UAX #9 are taken out.
#[must_use]
pub fn clean(bytes: &[u8], limit: usize) -> Cleaned<'_> {
    if bytes.len() <= limit && bytes.iter().all(|b| (0x20..0x7f).contains(b)) {
        // Nearly every line: nothing to do and nothing to copy.
        return Cleaned { text: String::from_utf8_lossy(bytes), changes: Changes::default() };
    }
    let mut changes = Changes::default();
    let mut text = String::with_capacity(bytes.len().min(limit));
    'all: for chunk in bytes.utf8_chunks() {
        let invalid = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        changes.replaced += usize::from(invalid.is_some());
        for c in chunk.valid().chars().chain(invalid) {
            let c = if c == '\t' { ' ' } else { c };
            if is_harmful(c) {
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
