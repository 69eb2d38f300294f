//! Text tables with a header, aligned by display width.

use unicode_width::UnicodeWidthStr;

use super::terminal::printable;

/// The gap between two columns.
const GAP: &str = "  ";

/// Formats a table: a header line and one line per row. Cells are escaped for the terminal. The header is always there,
/// so that an empty result is visible and scripts can always skip one line.
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
        // No trailing spaces after the last cell.
        text.truncate(start + text.get(start..).unwrap_or_default().trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}
