//! Bytes that nobody is shown, and that are erased when they are not needed.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize as _, Zeroizing};

/// The longest secret of a cipher suite: of SHA-384.
const LONGEST: usize = 48;

/// A traffic secret (RFC 8446, section 7.1). It has no public bytes but in its serialized form.
#[derive(Clone)]
pub struct Secret {
    /// What is behind the length is zero.
    bytes: [u8; LONGEST],
    length: u8,
}

impl Secret {
    /// Copies the bytes; `None` if they are too many for a secret.
    pub fn new(secret: &[u8]) -> Option<Secret> {
        let mut new = Secret { bytes: [0; LONGEST], length: u8::try_from(secret.len()).ok()? };
        new.bytes.get_mut(..secret.len())?.copy_from_slice(secret);
        Some(new)
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Zeroizing::new(Vec::<u8>::deserialize(deserializer)?);
        Secret::new(&bytes).ok_or_else(|| D::Error::invalid_length(bytes.len(), &"a traffic secret"))
    }
}
