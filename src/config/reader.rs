//! Reads a TOML document key by key. The caller names each key once, with its default and its parser; the list of known
//! keys follows from these calls. Knows no keys itself.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Lines, Mistake, Place};
use super::syntax;
use super::value::{self, Read};

/// A known key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Section and key, such as `limits.connections`.
    pub path: String,
    /// The default as written in TOML; `None` if there is no fixed one.
    pub default: Option<&'static str>,
}

/// The state of reading a document.
pub(super) struct Reader<'t> {
    lines: Lines<'t>,
    mistakes: Vec<Mistake>,
    /// Lines with a syntax error; nothing else is reported about them.
    broken: BTreeSet<usize>,
    keys: Vec<Key>,
}

/// A section of the document, or the whole document.
pub(super) struct Section<'r, 't> {
    reader: &'r mut Reader<'t>,
    name: &'static str,
    table: &'r DeTable<'r>,
    /// The section's position, in bytes.
    offset: usize,
    asked: Vec<&'static str>,
}

/// Reads `text` with the function `read`, which is given the whole document as a section without a name. Returns its
/// result, all mistakes in the order of the text, and all keys in the order in which they were read.
pub(super) fn read<T>(text: &str, read: impl FnOnce(&mut Section<'_, '_>) -> T) -> (T, Vec<Mistake>, Vec<Key>) {
    let (readable, errors) = syntax::check(text);
    let lines = Lines::of(text);
    let broken = errors.iter().map(|error| lines.line(error.offset)).collect();
    let mistakes = errors.into_iter().map(|error| lines.mistake(error.offset, error.what)).collect();
    let mut reader = Reader { lines, mistakes, broken, keys: Vec::new() };
    let (document, _) = DeTable::parse_recoverable(&readable);
    let made = inside(&mut reader, "", document.get_ref(), 0, read);
    reader.mistakes.sort();
    (made, reader.mistakes, reader.keys)
}

/// Reads one section, and then reports its unknown keys.
fn inside<'r, 't, T>(
    reader: &'r mut Reader<'t>,
    name: &'static str,
    table: &'r DeTable<'r>,
    offset: usize,
    read: impl FnOnce(&mut Section<'r, 't>) -> T,
) -> T {
    let mut section = Section { reader, name, table, offset, asked: Vec::new() };
    let made = read(&mut section);
    section.report_unknown();
    made
}

impl Reader<'_> {
    fn mistake(&mut self, offset: usize, what: String) {
        if !self.broken.contains(&self.lines.line(offset)) {
            self.mistakes.push(self.lines.mistake(offset, what));
        }
    }
}

impl<'r> Section<'r, '_> {
    /// The value of `key`, or of `default` (in TOML) if the key is missing; `None` after a mistake.
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        default: &'static str,
        kind: impl Fn(&DeValue<'_>) -> Read<T>,
    ) -> Option<T> {
        self.record(key, Some(default));
        match self.ask(key) {
            Some(value) => self.check(key, value.span().start, value.get_ref(), kind),
            None => self.check(key, self.offset, DeValue::parse_recoverable(default).0.get_ref(), kind),
        }
    }

    /// The value of a `key` without a fixed default: `Some(None)` if it is missing, `None` after a mistake.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        kind: impl Fn(&DeValue<'_>) -> Read<T>,
    ) -> Option<Option<T>> {
        self.record(key, None);
        match self.ask(key) {
            Some(value) => self.check(key, value.span().start, value.get_ref(), kind).map(Some),
            None => Some(None),
        }
    }

    /// Reads a `[name]` section with `read`; a missing one counts as empty.
    pub(super) fn section<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Section<'_, '_>) -> T) -> T {
        self.subsection(name, name, read)
    }

    /// The same for a section within this one; `name` is its full name.
    pub(super) fn subsection<T>(
        &mut self,
        key: &'static str,
        name: &'static str,
        read: impl FnOnce(&mut Section<'_, '_>) -> T,
    ) -> T {
        let empty = DeTable::new();
        let (table, offset) = match self.ask(key).map(|value| (value.get_ref(), value.span().start)) {
            Some((DeValue::Table(table), offset)) => (table, offset),
            Some((DeValue::Array(_), offset)) => {
                self.reader.mistake(offset, format!("there is only one {name}: write [{name}] with single brackets"));
                (&empty, offset)
            }
            Some((other, offset)) => {
                let value = value::describe(other);
                self.reader.mistake(offset, format!("{name} must be a section that starts with [{name}], not {value}"));
                (&empty, offset)
            }
            None => (&empty, self.offset),
        };
        inside(self.reader, name, table, offset, read)
    }

    /// Reads each `[[name]]` section with `read`, up to `most` of them. If there are none, reads those in `default`, a
    /// TOML document. In this section they are `key`; `name` is their full name.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        name: &'static str,
        default: &'static str,
        most: usize,
        mut read: impl FnMut(&mut Section<'_, '_>) -> T,
    ) -> Vec<T> {
        let (default, _) = DeTable::parse_recoverable(default);
        let Some(list) = self.ask(key).or_else(|| default.get_ref().get(key)) else {
            return Vec::new();
        };
        let items = match list.get_ref() {
            DeValue::Array(items) if (1..=most).contains(&items.len()) => items,
            DeValue::Array(_) => {
                self.reader.mistake(list.span().start, format!("there must be 1 to {most} [[{name}]] sections"));
                return Vec::new();
            }
            _ => {
                let what = format!("there may be several of {name}: write [[{name}]] with double brackets");
                self.reader.mistake(list.span().start, what);
                return Vec::new();
            }
        };
        let mut made = Vec::with_capacity(items.len());
        for item in items {
            let offset = item.span().start;
            match item.get_ref() {
                DeValue::Table(table) => made.push(inside(self.reader, name, table, offset, &mut read)),
                other => {
                    let what = format!("{name} must be a list of sections, not of {}", value::describe(other));
                    self.reader.mistake(offset, what);
                }
            }
        }
        made
    }

    /// Whether the section has `key`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The line of `key`, or the section's if it is missing.
    pub(super) fn line_of(&self, key: &str) -> usize {
        self.reader.lines.line(self.offset_of(key))
    }

    /// The place of `key`.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.reader.lines.place(self.offset_of(key))
    }

    /// A warning about `key`.
    pub(super) fn warning(&self, key: &str, what: &str) -> Mistake {
        self.reader.lines.mistake(self.offset_of(key), what.to_owned())
    }

    /// Reports a mistake at `key`, or at the section's start if it is missing.
    pub(super) fn mistake(&mut self, key: &str, what: String) {
        self.reader.mistake(self.offset_of(key), what);
    }

    /// Reports that `key` has no effect without `needed`.
    pub(super) fn needs(&mut self, key: &str, needed: &str) {
        // The missing key may be on a line with a syntax error.
        if self.reader.broken.is_empty() {
            self.mistake(key, format!("`{key}` means nothing without `{needed}`; write both or remove it"));
        }
    }

    /// Reports that the section is missing something.
    pub(super) fn lacks(&mut self, what: &str) {
        if self.reader.broken.is_empty() {
            self.reader.mistake(self.offset, what.to_owned());
        }
    }

    fn offset_of(&self, key: &str) -> usize {
        self.table.get_key_value(key).map_or(self.offset, |(key, _)| key.span().start)
    }

    fn ask(&mut self, key: &'static str) -> Option<&'r Spanned<DeValue<'r>>> {
        self.asked.push(key);
        self.table.get(key)
    }

    fn check<T>(
        &mut self,
        key: &str,
        offset: usize,
        value: &DeValue<'_>,
        kind: impl Fn(&DeValue<'_>) -> Read<T>,
    ) -> Option<T> {
        let read = kind(value);
        if let Err(expected) = &read {
            let what = format!("{} must be {expected}, not {}", self.path(key), value::describe(value));
            self.reader.mistake(offset, what);
        }
        read.ok()
    }

    fn record(&mut self, key: &'static str, default: Option<&'static str>) {
        let key = Key { path: self.path(key), default };
        if !self.reader.keys.contains(&key) {
            self.reader.keys.push(key);
        }
    }

    fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    fn report_unknown(&mut self) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let place = if self.name.is_empty() { String::new() } else { format!(" in [{}]", self.name) };
            let advice = match closest(name, &self.asked) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", self.asked.join(", ")),
            };
            let what = format!("unknown key `{}`{place}; {advice}", value::excerpt(name));
            self.reader.mistake(key.span().start, what);
        }
    }
}

/// The known key that is most similar to `name`, as a suggestion.
fn closest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let near = |key: &&'static str| {
        // Tolerates one wrong letter in three; a very long name is not compared.
        let tolerated = key.len().max(3) / 3;
        let comparable = name.len().abs_diff(key.len()) <= tolerated;
        comparable
            .then(|| strsim::levenshtein(name, key))
            .filter(|distance| *distance <= tolerated)
            .map(|distance| (distance, *key))
    };
    known.iter().filter_map(near).min().map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_close_key_is_suggested() {
        let known = ["connections", "line-length", "tls"];
        assert_eq!(closest("conections", &known), Some("connections"));
        assert_eq!(closest("line_length", &known), Some("line-length"));
        assert_eq!(closest("tlss", &known), Some("tls"));
        assert_eq!(closest("history", &known), None);
        assert_eq!(closest("", &known), None);
    }
}
