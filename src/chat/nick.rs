//! Nicknames: which are allowed, and when two are the same.

use std::fmt;
use std::sync::Arc;

use precis_core::profile::{Profile as _, Rules as _, stabilize};
use precis_profiles::Nickname;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use unicode_width::UnicodeWidthStr as _;

/// The maximum width of a name on a terminal, in columns.
pub const MAX_WIDTH: usize = 32;
/// Characters that have a meaning in one of the protocols, or could make a name look like the server's own lines.
const RESERVED: &[char] = &['*', ',', ':', '!', '?', '@', '"'];
/// Characters that have a meaning at the start of a word: commands, channels, services, status prefixes.
const RESERVED_START: &[char] = &['/', '#', '&', '$', '+', '%', '~', '{', '['];

/// A nickname by RFC 8266 (the PRECIS nickname profile), without spaces.
///
/// Cheap to clone. Two names are the same if their [`key`](Nick::key)s are equal.
#[derive(Clone, PartialEq, Eq)]
pub struct Nick {
    shown: Arc<str>,
    key: Arc<str>,
}

/// Why a name is not allowed; the text is shown to the user who chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NickError {
    /// Empty, or nothing but spaces.
    #[error("a name needs at least one character")]
    Empty,
    /// Wider than [`MAX_WIDTH`] columns.
    #[error("a name is at most {MAX_WIDTH} columns wide")]
    TooWide,
    /// Contains white space.
    #[error("a name has no spaces")]
    Space,
    /// Contains a character used by the protocols or by the server's own lines.
    #[error("a name has none of * , : ! ? @ \"")]
    Reserved,
    /// Starts with a character that has a meaning there.
    #[error("a name does not begin with any of / # & $ + % ~ {{ [")]
    ReservedStart,
    /// Contains a character that RFC 8264 does not allow: control, unassigned, invisible.
    #[error("a name has only visible characters")]
    NotVisible,
}

impl Nick {
    /// The maximum length in bytes, as given and in either normal form, which can be longer.
    pub const MAX_BYTES: usize = 4 * MAX_WIDTH;

    /// Checks and normalizes a name.
    ///
    /// # Errors
    /// The first rule that the name breaks.
    pub fn new(given: &str) -> Result<Nick, NickError> {
        let given = given.trim();
        if given.len() > Nick::MAX_BYTES {
            return Err(NickError::TooWide);
        }
        if given.is_empty() {
            return Err(NickError::Empty);
        }
        // Names of ASCII letters, digits, `-` and `_` are their own normal form; most names skip the tables.
        let plain = given.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let profile = Nickname::new();
        let shown = if plain { given.into() } else { profile.enforce(given).map_err(|_| NickError::NotVisible)? };
        if shown.contains(char::is_whitespace) {
            return Err(NickError::Space);
        }
        if shown.contains(RESERVED) {
            return Err(NickError::Reserved);
        }
        if shown.starts_with(RESERVED_START) {
            return Err(NickError::ReservedStart);
        }
        if shown.width() > MAX_WIDTH {
            return Err(NickError::TooWide);
        }
        let key = if plain { shown.to_ascii_lowercase() } else { comparison_form(&profile, &shown)? };
        if shown.len() > Nick::MAX_BYTES || key.len() > Nick::MAX_BYTES {
            return Err(NickError::TooWide);
        }
        let shown = Arc::<str>::from(shown);
        let key = if *key == *shown { shown.clone() } else { key.into() };
        Ok(Nick { shown, key })
    }

    /// The name for display.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// The form for comparison: case-folded and compatibility-normalized (RFC 8266, section 2.4).
    #[must_use]
    pub fn key(&self) -> &Arc<str> {
        &self.key
    }
}

/// RFC 8266, section 2.4: the rules are applied until the result no longer changes.
fn comparison_form(profile: &Nickname, name: &str) -> Result<String, NickError> {
    let form = stabilize(name, |s| {
        let s = profile.prepare(s)?;
        let s = profile.additional_mapping_rule(s)?;
        let s = profile.case_mapping_rule(s)?;
        profile.normalization_rule(s)
    });
    Ok(form.map_err(|_| NickError::NotVisible)?.into_owned())
}

impl Serialize for Nick {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown)
    }
}

impl<'de> Deserialize<'de> for Nick {
    /// Deserializing applies the same checks as [`Nick::new`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Nick, D::Error> {
        Nick::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl fmt::Display for Nick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Nick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown)
    }
}
