//! Finds all syntax errors in a TOML text. The parser recovers from most errors; where it gives up or misreads what
//! follows, the offending lines are blanked out and the rest is parsed again. Knows no keys.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::mistake::Lines;
use super::value::excerpt;

/// A syntax error: its byte offset and a message.
pub(super) struct SyntaxError {
    pub(super) offset: usize,
    pub(super) what: String,
}

/// Returns the readable part of the text, with unchanged byte offsets, and the first error of each line.
pub(super) fn check(text: &str) -> (String, Vec<SyntaxError>) {
    let lines = Lines::of(text);
    let mut errors = BTreeMap::new();
    find(text, &lines, &mut errors);
    let readable = blank_out(text, &errors);
    if readable != text {
        // A further error on the same line is a consequence of the first.
        let mut further = BTreeMap::new();
        find(&readable, &lines, &mut further);
        for (line, error) in further {
            errors.entry(line).or_insert(error);
        }
    }
    (readable, errors.into_values().collect())
}

fn find(text: &str, lines: &Lines<'_>, errors: &mut BTreeMap<usize, SyntaxError>) {
    for error in DeTable::parse_recoverable(text).1 {
        let span = error.span().unwrap_or(0..0);
        let first = errors.get(&lines.line(span.start)).is_none_or(|known| span.start < known.offset);
        if first {
            let what = explain(text, span.clone(), error.message());
            errors.insert(lines.line(span.start), SyntaxError { offset: span.start, what });
        }
    }
}

/// Replaces what would keep the parser from reading the rest with spaces: lines that are not TOML at all, and broken
/// headers together with the lines below them, whose section is unknown.
fn blank_out(text: &str, errors: &BTreeMap<usize, SyntaxError>) -> String {
    let mut readable = String::with_capacity(text.len());
    let mut below_broken_header = false;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let is_header = line.trim_start().starts_with('[');
        let is_faulty = errors.contains_key(&number);
        below_broken_header = if is_header { is_faulty && !stands_alone(line) } else { below_broken_header };
        if below_broken_header || (is_faulty && says_nothing(line)) {
            readable.extend(line.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            readable.push_str(line);
        }
    }
    readable
}

/// Whether a line is valid TOML by itself, such as a header that occurs twice.
fn stands_alone(line: &str) -> bool {
    DeTable::parse(line).is_ok()
}

/// Whether a line contains no valid TOML, such as `key: value`.
fn says_nothing(line: &str) -> bool {
    DeTable::parse_recoverable(line).0.get_ref().is_empty()
}

/// Explains the parser's message in a sentence for the most common errors.
fn explain(text: &str, span: std::ops::Range<usize>, message: &str) -> String {
    if message == "duplicate key" {
        let key = text.get(span).unwrap_or_default();
        return format!("`{}` is already set further up; remove one of the two", excerpt(key));
    }
    let line_start = text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    if message.starts_with("key with no value") || message.starts_with("invalid unquoted key") {
        let line = excerpt(line.trim());
        return format!("`{line}` is neither a [section] nor a `key = value` nor a # comment");
    }
    if let Some((key, value)) = line.split_once('=') {
        let value = value.split(" #").next().unwrap_or_default().trim();
        let in_value = span.start > line_start + key.len();
        if in_value && value.is_empty() {
            return format!("`{}` has no value; write one after the =", excerpt(key.trim()));
        }
        if in_value && let Some(word) = ["true", "false"].into_iter().find(|word| value.eq_ignore_ascii_case(word)) {
            return format!("`{value}` is not a value; write {word}");
        }
        // Numbers and bare words alike: the parser calls whatever starts like a number an invalid float.
        let is_bare = !value.contains(['"', '\'', '[', '{', '=', '“', '”']);
        if in_value && is_bare {
            return format!("`{0}` is not a value; text stands in quotes: \"{0}\"", excerpt(value));
        }
    }
    format!("syntax error: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        let lines = Lines::of(text);
        check(text).1.into_iter().map(|error| lines.mistake(error.offset, error.what).to_string()).collect()
    }

    #[test]
    fn invalid_lines_do_not_hide_later_errors() {
        let text = "; ini comment\nname: yaml\nword\nlevel = info\n[limits\nconnections = 5\n[log]\ntarget =\naddresses = True\n";
        assert_eq!(
            errors(text),
            [
                "1:1: `; ini comment` is neither a [section] nor a `key = value` nor a # comment",
                "2:7: `name: yaml` is neither a [section] nor a `key = value` nor a # comment",
                "3:5: `word` is neither a [section] nor a `key = value` nor a # comment",
                "4:9: `info` is not a value; text stands in quotes: \"info\"",
                "5:8: syntax error: unclosed table, expected `]`",
                "8:9: `target` has no value; write one after the =",
                "9:13: `True` is not a value; write true",
            ]
        );
        assert_eq!(check(text).0.lines().nth(6), Some("[log]"), "what stands below a good header is kept");
        assert_eq!(check(text).0.len(), text.len());
    }

    #[test]
    fn a_duplicate_is_named_in_its_error() {
        let text = "[a]\nx = 1\nx = 2\n[a]\ny = 2\n";
        assert_eq!(
            errors(text),
            [
                "3:1: `x` is already set further up; remove one of the two",
                "4:2: `a` is already set further up; remove one of the two"
            ]
        );
        assert_eq!(check(text).0, text);
    }

    #[test]
    fn multiline_strings_are_not_blanked_out() {
        let text = "a = \"\"\"x\\q\ny\"\"\"\nb = 2\n";
        assert_eq!(errors(text).len(), 1);
        assert_eq!(check(text).0, text);
    }
}
