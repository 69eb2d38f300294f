//! Mistakes in a file, with positions as editors count them. Knows nothing of TOML or of keys.

use std::path::{Path, PathBuf};

/// A mistake in a configuration file. Displays as `LINE:COLUMN: what`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{line}:{column}: {what}")]
pub struct Mistake {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1; one past the end of the line if something is missing there.
    pub column: usize,
    /// One sentence on one line: what is wrong and what to write instead.
    pub what: String,
}

/// A position in the file, for values that can be checked only when they are used. Values that are not from a file have
/// none. All places compare equal, so that configurations are compared by their values alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place(Option<(usize, usize)>);

impl Place {
    /// The message `what` with this place in `file`.
    pub fn complaint(self, file: Option<&Path>, what: &str) -> String {
        match (file, self.0) {
            (Some(file), Some((line, column))) => format!("{}:{line}:{column}: {what}", file.display()),
            _ => what.to_owned(),
        }
    }
}

impl PartialEq for Place {
    fn eq(&self, _: &Place) -> bool {
        true
    }
}

impl Eq for Place {}

/// The maximum number of mistakes shown, in case chatd is given some unrelated file.
const MAX_SHOWN: usize = 100;

/// All mistakes in one file. Displays as one line each, `FILE:LINE:COLUMN: what`, without a final line end; of more
/// than a hundred, only the first are shown, with the total.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes {
    /// The file.
    pub path: PathBuf,
    /// In the order of the file; never empty.
    pub list: Vec<Mistake>,
}

impl std::fmt::Display for Mistakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = self.path.display();
        for (index, mistake) in self.list.iter().take(MAX_SHOWN).enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{file}:{mistake}")?;
        }
        match self.list.len().saturating_sub(MAX_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n{file}: {more} more mistakes; is this a configuration of chatd at all?"),
        }
    }
}

/// Converts byte offsets to lines and columns.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    /// Where each line starts, in bytes; the first is 0.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(end, _)| end + 1)).collect();
        Self { text, starts }
    }

    /// The line of a byte offset, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// The place of a byte offset.
    pub(super) fn place(&self, offset: usize) -> Place {
        let Mistake { line, column, .. } = self.mistake(offset, String::new());
        Place(Some((line, column)))
    }

    /// A mistake at a byte offset; offsets past the end count as the end.
    pub(super) fn mistake(&self, offset: usize, what: String) -> Mistake {
        let line = self.line(offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.as_bytes().get(start..offset.min(self.text.len())).unwrap_or_default();
        // Characters are counted by their first byte, so an offset within one counts it. The carriage return of a CRLF
        // is part of the line end, which comes after every position on the line.
        let characters = before.iter().filter(|byte| (**byte & 0xC0) != 0x80).count();
        Mistake { line, column: characters + 1, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, offset: usize) -> (usize, usize) {
        let mistake = Lines::of(text).mistake(offset, String::new());
        (mistake.line, mistake.column)
    }

    #[test]
    fn positions_count_characters_from_one() {
        assert_eq!(place("", 0), (1, 1));
        assert_eq!(place("ab", 1), (1, 2));
        assert_eq!(place("ab\n", 3), (2, 1), "the end of a text is on its last line, also when that is empty");
        assert_eq!(place("ñá x", 5), (1, 4), "two characters of two bytes each stand before it");
        assert_eq!(place("a\r\nbc", 4), (2, 2));
        assert_eq!(place("ab", 99), (1, 3));
    }

    #[test]
    fn every_mistake_is_one_line_with_its_file() {
        let list = [(1, 2, "a"), (3, 4, "b")].map(|(line, column, what)| Mistake { line, column, what: what.into() });
        let mistakes = Mistakes { path: "/etc/chatd/chatd.toml".into(), list: list.into() };
        assert_eq!(mistakes.to_string(), "/etc/chatd/chatd.toml:1:2: a\n/etc/chatd/chatd.toml:3:4: b");
    }

    #[test]
    fn a_file_of_nothing_but_mistakes_does_not_fill_the_terminal() {
        let mistake = |line| Mistake { line, column: 1, what: "what is this?".into() };
        let mistakes = Mistakes { path: "/a".into(), list: (1..=20_000).map(mistake).collect() };
        let shown = mistakes.to_string();
        assert_eq!(shown.lines().count(), MAX_SHOWN + 1);
        assert!(shown.ends_with("/a: 19900 more mistakes; is this a configuration of chatd at all?"), "{shown}");
    }
}
