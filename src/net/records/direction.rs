//! One direction of a connection: encrypts or decrypts records with one key after the other.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use zeroize::Zeroize as _;

use super::frame::{self, HEADER};
use super::suite::IV;
use super::{RecordError, SavedDirection, Secret, Suite};

/// The most content of a record (RFC 8446, section 5.1).
pub const LONGEST_PLAINTEXT: usize = 1 << 14;

/// The most encrypted content of a record (section 5.2): type, padding and tag are 256 bytes at most.
const LONGEST_CIPHERTEXT: usize = LONGEST_PLAINTEXT + 256;

/// The length of the authentication tag, of every suite.
const TAG: usize = 16;

/// What encryption adds to the content: header, type, tag.
pub const OVERHEAD: usize = HEADER + 1 + TAG;

/// The type that encrypted records have outside, whatever they are inside.
const OUTER_TYPE: u8 = 23;

/// One direction. What it is told to encrypt it never encrypts again with the same nonce.
pub struct Direction {
    suite: Suite,
    secret: Secret,
    key: LessSafeKey,
    iv: [u8; IV],
    /// The number of the next record.
    sequence: u64,
}

impl Direction {
    /// Goes on with the next record; `None` if the secret is none of the suite.
    pub fn new(suite: Suite, saved: SavedDirection) -> Option<Direction> {
        let SavedDirection { secret, sequence } = saved;
        let (key, iv) = suite.with_key(&secret, |key, iv| Some((suite.ready_key(key)?, *iv)))??;
        Some(Direction { suite, secret, key, iv, sequence })
    }

    /// What another process needs to go on.
    pub fn save(self) -> SavedDirection {
        SavedDirection { secret: self.secret.clone(), sequence: self.sequence }
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// How many records the key has protected.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Goes over to the next key (section 7.2).
    pub fn update(&mut self) -> Result<(), RecordError> {
        let next = self.suite.next(&self.secret).map(|secret| SavedDirection { secret, sequence: 0 });
        *self = next.and_then(|next| Direction::new(self.suite, next)).ok_or(RecordError::Internal)?;
        Ok(())
    }

    /// Appends one record: `fill` appends its content, of the type `kind`.
    pub fn seal(&mut self, kind: u8, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), RecordError> {
        let start = out.len();
        out.extend([0; HEADER]);
        fill(out);
        out.push(kind);
        let sealed = self.seal_in_place(out.get_mut(start..).unwrap_or_default());
        match sealed {
            Ok(tag) => out.extend(tag),
            Err(_) => out.truncate(start),
        }
        sealed.map(drop)
    }

    /// Encrypts what follows a header, writes the header, and returns the tag.
    fn seal_in_place(&mut self, record: &mut [u8]) -> Result<[u8; TAG], RecordError> {
        let (space, content) = record.split_first_chunk_mut::<HEADER>().ok_or(RecordError::Internal)?;
        let [high, low] = u16::try_from(content.len() + TAG).map_err(|_| RecordError::Internal)?.to_be_bytes();
        let header = [OUTER_TYPE, 3, 3, high, low];
        *space = header;
        let nonce = self.nonce()?;
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(header), content);
        tag.ok().and_then(|tag| tag.as_ref().try_into().ok()).ok_or(RecordError::Internal)
    }

    /// Decrypts a record in place: the type and the length of its content, which is behind the header.
    pub fn open(&mut self, record: &mut [u8]) -> Result<(u8, usize), RecordError> {
        let (header, content) = record.split_first_chunk_mut::<HEADER>().ok_or(RecordError::Unexpected)?;
        let (kind, length) = (header[0], frame::content_length(header));
        if kind != OUTER_TYPE {
            return Err(RecordError::Unexpected);
        }
        if length > LONGEST_CIPHERTEXT {
            return Err(RecordError::TooLong);
        }
        if length != content.len() {
            return Err(RecordError::Internal);
        }
        let nonce = self.nonce()?;
        // The version is not looked at (section 5.1), but it is authenticated as it came.
        let opened = self.key.open_in_place(nonce, Aad::from(*header), content);
        let opened = opened.map_err(|_| RecordError::Forged)?;
        // The type is behind the content, and padding of zeros behind the type (section 5.4).
        let end = opened.iter().rposition(|byte| *byte != 0).ok_or(RecordError::Unexpected)?;
        if end > LONGEST_PLAINTEXT || opened.len() > LONGEST_PLAINTEXT + 1 {
            return Err(RecordError::TooLong);
        }
        Ok((opened.get(end).copied().unwrap_or_default(), end))
    }

    /// The nonce of the next record (section 5.3), which is used up with that.
    fn nonce(&mut self) -> Result<Nonce, RecordError> {
        let sequence = self.sequence;
        self.sequence = sequence.checked_add(1).ok_or(RecordError::Exhausted)?;
        let mut nonce = self.iv;
        let (_, end) = nonce.split_last_chunk_mut::<{ size_of::<u64>() }>().ok_or(RecordError::Internal)?;
        *end = (u64::from_be_bytes(*end) ^ sequence).to_be_bytes();
        Ok(Nonce::assume_unique_for_key(nonce))
    }
}

impl Drop for Direction {
    fn drop(&mut self) {
        self.iv.zeroize();
    }
}
