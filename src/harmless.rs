//! Which characters are harmless: the one place that decides it, for everything that people send and others are shown.
//! A chat line, a journal entry, a table of `chatctl` and the status line of the service have none of the others.

/// Whether a character could do something to whoever is shown it, other than being seen:
///
/// - control characters (C0, DEL, C1), and the line and paragraph separators;
/// - what changes the direction of text (UAX #9): marks, embeddings, overrides and isolates;
/// - invisible format characters that text does not need: soft hyphen, word joiner, invisible operators, deprecated
///   formats, byte order mark, interlinear annotation, and tag characters, which can hide a whole message. A flag that
///   is made of tags (England, Scotland, Wales) becomes a black flag.
///
/// The joiners U+200C and U+200D, the zero width space and the variation selectors are harmless: Persian, the scripts
/// of India and of South East Asia, and emoji need them.
#[must_use]
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200e}' | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                // Word joiner and invisible operators, isolates, deprecated formats.
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}
