//! Rows of text under a header, aligned by how wide they are on a terminal.

use unicode_width::UnicodeWidthStr;

use super::terminal::printable;

/// Between two columns.
const GAP: &str = "  ";

/// A table with one line for the header and one for each row. Every cell is made printable. The header is there
/// even without rows, so that a reader sees an empty table and a script can always skip one line.
pub fn table<const COLUMNS: usize>(header: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let header = header.map(str::to_owned);
    let lines: Vec<_> = std::iter::once(&header).chain(rows).map(|row| row.each_ref().map(|c| printable(c))).collect();
    let mut widths = [0; COLUMNS];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.width().max(*width);
        }
    }
    let mut text = String::new();
    for line in &lines {
        let start = text.len();
        for (cell, width) in line.iter().zip(widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - cell.width()));
            text.push_str(GAP);
        }
        // Nothing after the last cell: a line must not be longer than what it shows.
        text.truncate(start + text.get(start..).unwrap_or_default().trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}
