//! What is wrong in a file, and where: positions as an editor counts them. Knows nothing of TOML or of keys.

use std::path::PathBuf;

/// One thing that is wrong in a configuration text. Shown as `LINE:COLUMN: what`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{line}:{column}: {what}")]
pub struct Mistake {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1; one past the last where something is missing at a line's end.
    pub column: usize,
    /// What is wrong and what to write instead: one sentence on one line.
    pub what: String,
}

/// Everything that is wrong in one file. Shown as one line each, `FILE:LINE:COLUMN: what`, with no line end after
/// the last.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes {
    /// The file.
    pub path: PathBuf,
    /// In the file's order; never empty.
    pub list: Vec<Mistake>,
}

impl std::fmt::Display for Mistakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, mistake) in self.list.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{mistake}", self.path.display())?;
        }
        Ok(())
    }
}

/// Turns byte offsets into lines and columns.
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

    /// Says `what` about a byte offset; one past the end is the end.
    pub(super) fn mistake(&self, offset: usize, what: String) -> Mistake {
        let line = self.line(offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.as_bytes().get(start..offset.min(self.text.len())).unwrap_or_default();
        // A character is counted by its first byte, so that an offset within one counts it as begun. The carriage
        // return of a CRLF is part of the line's end and never lies before what is pointed at.
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
}
