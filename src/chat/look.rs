//! What a name looks like, whatever characters it is made of.
//!
//! Two names look alike if their skeletons are the same (UTS 39, section 4), as they are shown or in lower case. Names of
//! ASCII characters alone have looks, too, but who compares them with each other would make `guest1` and `guestl` one
//! name; so that is done for reserved names only, and RFC 8266 decides about the others.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::Nick;

/// The look of a name, as numbers; that two names have one by chance is as good as impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether the name is of ASCII characters alone.
    pub is_ascii: bool,
    /// Of the name as it is shown, and of its comparison form.
    forms: [u64; 2],
}

impl Look {
    /// The look of a name.
    #[must_use]
    pub fn of(nick: &Nick) -> Look {
        let key = form(nick.key());
        let shown = if nick.as_str() == &**nick.key() { key } else { form(nick.as_str()) };
        Look { is_ascii: nick.as_str().is_ascii(), forms: [shown, key] }
    }

    /// One number or two: names that have one in common look alike.
    pub fn forms(&self) -> impl Iterator<Item = u64> + use<> {
        let [shown, key] = self.forms;
        [Some(shown), (key != shown).then_some(key)].into_iter().flatten()
    }
}

/// Whether two names are the same or look alike. Names of ASCII characters alone are not compared by their looks.
#[must_use]
pub fn are_alike(one: &Nick, other: &Nick) -> bool {
    let (one_look, other_look) = (Look::of(one), Look::of(other));
    let alike = || one_look.forms().any(|form| other_look.forms().any(|other| other == form));
    one.key() == other.key() || !(one_look.is_ascii && other_look.is_ascii) && alike()
}

fn form(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    skeleton(name).hash(&mut hasher);
    hasher.finish()
}

/// The skeleton of a name without regard to case. A letter may look like a capital of another script, whose small form
/// looks like something else: hence the second time.
fn skeleton(name: &str) -> String {
    if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return plain_skeleton(name);
    }
    let once: String = unicode_security::skeleton(name).flat_map(char::to_lowercase).collect();
    let twice: String = unicode_security::skeleton(&once).collect();
    // A dot on a letter that has one is not seen.
    twice.replace("i\u{307}", "i").replace("j\u{307}", "j")
}

/// The same for a name of ASCII letters, digits, `-` and `_`, without the tables.
fn plain_skeleton(name: &str) -> String {
    let mut skeleton = String::with_capacity(name.len() + 8);
    for c in name.chars() {
        match c {
            '0' => skeleton.push('o'),
            '1' | 'I' => skeleton.push('l'),
            'm' | 'M' => skeleton.push_str("rn"),
            other => skeleton.push(other.to_ascii_lowercase()),
        }
    }
    skeleton
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_has_the_skeleton_of_the_tables() {
        for c in ('0'..='z').chain(['-']).filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)) {
            // Ж is not plain, and looks like nothing else.
            let by_tables = skeleton(&format!("{c}Ж"));
            assert_eq!(plain_skeleton(&c.to_string()), by_tables.trim_end_matches('ж'), "{c}");
        }
    }
}
