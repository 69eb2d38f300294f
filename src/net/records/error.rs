//! What goes wrong with a connection, and how its peer is told.

use thiserror::Error;

/// Why a connection has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RecordError {
    /// A record or a message that has no place here.
    #[error("the peer has sent an unexpected TLS message")]
    Unexpected,
    /// A record that is longer than allowed.
    #[error("the peer has sent a TLS record that is too long")]
    TooLong,
    /// A record that was changed on its way, or is out of order.
    #[error("cannot decrypt the peer's TLS record")]
    Forged,
    /// An alert of the wrong length.
    #[error("the peer has sent a malformed TLS alert")]
    Malformed,
    /// A `KeyUpdate` that neither wants nor refuses an answer.
    #[error("the peer has sent an invalid TLS key update")]
    Illegal,
    /// Too many records without data.
    #[error("the peer has sent too many TLS records without data")]
    WithoutData,
    /// The peer has found a fault.
    #[error("the peer has sent the TLS alert {0}")]
    Alert(u8),
    /// No sequence number is left.
    #[error("the TLS key has been used too often")]
    Exhausted,
    /// A fault on this side.
    #[error("a fault in TLS on this side")]
    Internal,
}

impl RecordError {
    /// The alert that tells the peer (section 6.2); an alert is not answered.
    pub(super) fn alert(self) -> Option<u8> {
        match self {
            Self::Unexpected | Self::WithoutData => Some(10),
            Self::TooLong => Some(22),
            Self::Forged => Some(20),
            Self::Malformed => Some(50),
            Self::Illegal => Some(47),
            Self::Alert(_) => None,
            Self::Exhausted | Self::Internal => Some(80),
        }
    }
}
