//! Nicknames: what is one, which can be chosen, and when two are the same.

mod choice;
mod precis;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

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
/// Cheap to clone. Two names are the same if their [`key`](Nick::key)s are equal; whether they only look the same says
/// [`Look`](super::Look).
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
    /// Contains a character that RFC 8264 does not allow: control, unassigned, invisible; or one that is blank.
    #[error("a name has only visible characters")]
    NotVisible,
    /// Begins with a combining mark, which would be drawn over what stands before the name.
    #[error("a name does not begin with a combining mark")]
    LoneMark,
    /// Has so many combining marks in a row that they cover other lines, or the same one twice.
    #[error("a name has at most {} combining marks in a row, all different", choice::MAX_MARKS)]
    Marks,
    /// Mixes scripts whose letters look alike.
    #[error("a name does not mix alphabets, such as Latin and Cyrillic")]
    MixedScripts,
    /// Contains what looks like a character of `RESERVED` or begins with what looks like one of `RESERVED_START`.
    #[error("a name has no sign that looks like *, : or another that has a meaning there")]
    LooksReserved,
}

impl Nick {
    /// The maximum length in bytes, as given and in either normal form, which can be longer.
    pub const MAX_BYTES: usize = 4 * MAX_WIDTH;

    /// Normalizes a name that somebody has or had, wherever it comes from: whatever [`choose`](Nick::choose) has ever
    /// allowed is one.
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
        let shown = if plain { given.into() } else { precis::shown(given).map_err(|_| NickError::NotVisible)? };
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
        let key = match plain {
            true => Cow::Owned(shown.to_ascii_lowercase()),
            false => precis::compared(&shown).map_err(|_| NickError::NotVisible)?,
        };
        if shown.len() > Nick::MAX_BYTES || key.len() > Nick::MAX_BYTES {
            return Err(NickError::TooWide);
        }
        let same = *key == *shown;
        let key = (!same).then(|| Arc::from(key));
        let shown = Arc::<str>::from(shown);
        Ok(Nick { key: key.unwrap_or_else(|| shown.clone()), shown })
    }

    /// Checks and normalizes a name that somebody wants to have: besides being a name, it deceives nobody by itself.
    /// Whether it looks like another is for [`Look`](super::Look).
    ///
    /// # Errors
    /// The first rule that the name breaks.
    pub fn choose(given: &str) -> Result<Nick, NickError> {
        let nick = Nick::new(given)?;
        if !nick.shown.is_ascii() {
            choice::check(&nick.shown)?;
        }
        Ok(nick)
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
