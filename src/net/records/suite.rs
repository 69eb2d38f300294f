//! The cipher suites of TLS 1.3, and what is derived from a traffic secret (RFC 8446, sections 7.1 to 7.3).

use aws_lc_rs::aead::{self, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use super::Secret;

/// The length of an initialization vector.
pub(super) const IV: usize = aead::NONCE_LEN;

/// The longest key.
const LONGEST_KEY: usize = 32;

/// A cipher suite (RFC 8446, appendix B.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// `TLS_AES_128_GCM_SHA256`
    Aes128,
    /// `TLS_AES_256_GCM_SHA384`
    Aes256,
    /// `TLS_CHACHA20_POLY1305_SHA256`
    ChaCha20,
}

impl Suite {
    /// The suite with this number.
    pub fn from_number(number: u16) -> Option<Suite> {
        [Suite::Aes128, Suite::Aes256, Suite::ChaCha20].into_iter().find(|suite| suite.number() == number)
    }

    /// Its registered number.
    pub fn number(self) -> u16 {
        match self {
            Suite::Aes128 => 0x1301,
            Suite::Aes256 => 0x1302,
            Suite::ChaCha20 => 0x1303,
        }
    }

    fn cipher(self) -> &'static aead::Algorithm {
        match self {
            Suite::Aes128 => &aead::AES_128_GCM,
            Suite::Aes256 => &aead::AES_256_GCM,
            Suite::ChaCha20 => &aead::CHACHA20_POLY1305,
        }
    }

    fn hash(self) -> hkdf::Algorithm {
        match self {
            Suite::Aes128 | Suite::ChaCha20 => hkdf::HKDF_SHA256,
            Suite::Aes256 => hkdf::HKDF_SHA384,
        }
    }

    /// The length of its secrets.
    pub fn secret_length(self) -> usize {
        hkdf::KeyType::len(&self.hash())
    }

    /// The secret of the next generation (section 7.2); `None` if this is no secret of the suite.
    pub fn next(self, secret: &Secret) -> Option<Secret> {
        let mut next = Zeroizing::new([0; 48]);
        let next = next.get_mut(..self.secret_length())?;
        self.expand(secret, b"traffic upd", next)?;
        Secret::new(next)
    }

    /// The key and the initialization vector (section 7.3) as bytes.
    pub fn with_key<T>(self, secret: &Secret, use_it: impl FnOnce(&[u8], &[u8; IV]) -> T) -> Option<T> {
        let mut key = Zeroizing::new([0; LONGEST_KEY]);
        let mut iv = Zeroizing::new([0; IV]);
        let key = key.get_mut(..self.cipher().key_len())?;
        self.expand(secret, b"key", key)?;
        self.expand(secret, b"iv", iv.as_mut())?;
        Some(use_it(key, &iv))
    }

    /// The key, ready for use.
    pub(super) fn ready_key(self, key: &[u8]) -> Option<LessSafeKey> {
        UnboundKey::new(self.cipher(), key).ok().map(LessSafeKey::new)
    }

    /// HKDF-Expand-Label with an empty context (section 7.1).
    fn expand(self, secret: &Secret, label: &[u8], to: &mut [u8]) -> Option<()> {
        /// Every label begins with this.
        const PREFIX: &[u8] = b"tls13 ";
        if secret.bytes().len() != self.secret_length() {
            return None;
        }
        let wanted = u16::try_from(to.len()).ok()?.to_be_bytes();
        let label_length = [u8::try_from(PREFIX.len() + label.len()).ok()?];
        let info: [&[u8]; 5] = [&wanted, &label_length, PREFIX, label, &[0]];
        let secret = hkdf::Prk::new_less_safe(self.hash(), secret.bytes());
        secret.expand(&info, Length(to.len())).and_then(|expanded| expanded.fill(to)).ok()
    }
}

/// How much is to be derived.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
