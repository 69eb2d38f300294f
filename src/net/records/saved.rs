//! The form in which a TLS connection travels from one process to the next.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Secret;

/// A TLS 1.3 connection between two records. It holds its secrets: who has them can read and forge what is sent from
/// now on.
#[derive(Serialize, Deserialize)]
pub struct SavedTls {
    /// The registered number of the cipher suite.
    pub suite: u16,
    /// What this side sends.
    pub ours: SavedDirection,
    /// What the peer sends.
    pub theirs: SavedDirection,
    /// The beginning of a record that has not arrived completely.
    pub partial: Vec<u8>,
    /// Decrypted bytes that have not been read.
    pub unread: Vec<u8>,
    /// Encrypted bytes that have not been sent.
    pub unsent: Vec<u8>,
}

/// One direction of a connection between two records.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedDirection {
    /// The current traffic secret.
    pub secret: Secret,
    /// The number of the next record.
    pub sequence: u64,
}

/// Shows lengths only: what has not been read is private.
impl fmt::Debug for SavedTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedTls")
            .field("suite", &format_args!("{:#06x}", self.suite))
            .field("ours", &self.ours)
            .field("theirs", &self.theirs)
            .field("partial", &self.partial.len())
            .field("unread", &self.unread.len())
            .field("unsent", &self.unsent.len())
            .finish()
    }
}
