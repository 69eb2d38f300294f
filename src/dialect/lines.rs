//! Splits a stream of bytes into lines, for line-based dialects. Buffers at most one line.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Reassembles lines from chunks as they arrive.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lines {
    partial: Vec<u8>,
    limit: usize,
}

/// A line without its line end (LF or CRLF); borrowed if it arrived in one piece.
pub type Line<'i> = Cow<'i, [u8]>;

impl Lines {
    /// Of a line longer than `limit` bytes, just enough is buffered to see that it is too long.
    #[must_use]
    pub fn new(limit: usize) -> Lines {
        Lines { partial: Vec::new(), limit }
    }

    /// See [`new`](Self::new).
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Takes the next line from the front of `input`. `None` if there is no complete one; all input is then buffered.
    pub fn next<'i>(&mut self, input: &mut &'i [u8]) -> Option<Line<'i>> {
        let whole = *input;
        let Some((line, rest)) = memchr::memchr(b'\n', whole).and_then(|end| whole.split_at_checked(end)) else {
            self.keep(whole);
            *input = &[];
            return None;
        };
        *input = rest.get(1..).unwrap_or_default();
        if self.partial.is_empty() {
            return Some(Cow::Borrowed(line.strip_suffix(b"\r").unwrap_or(line)));
        }
        self.keep(line);
        let mut line = std::mem::take(&mut self.partial);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(Cow::Owned(line))
    }

    fn keep(&mut self, bytes: &[u8]) {
        // Two more than the limit: for a CR, and for one byte that shows the line is too long.
        let room = (self.limit + 2).saturating_sub(self.partial.len());
        self.partial.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}
