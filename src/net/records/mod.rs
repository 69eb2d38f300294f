//! The record layer of a TLS 1.3 connection whose handshake another process made (RFC 8446, section 5).
//!
//! rustls can give the keys of a connection away, but cannot go on with keys that it is given. [`Layer`] can: it is made
//! from a [`SavedTls`], reads and writes records, follows and sends `KeyUpdate`, and becomes a [`SavedTls`] again. It is a
//! plain value without sockets, and makes no handshake: tickets, certificates and renegotiation are not its business.
//!
//! - [`frame`]: where records begin and end
//! - [`secret`]: bytes that are erased, and never shown
//! - [`suite`]: the cipher suites, and what is derived from a traffic secret (section 7)
//! - [`direction`]: one direction: a secret, its key, and a sequence number
//! - [`layer`]: both directions, and what their messages mean
//! - [`saved`]: the form in which a connection travels
//! - [`overhead`]: how much a peer may send that brings no data, also while rustls reads it
//! - [`error`]: what goes wrong, and how the peer is told

pub mod direction;
pub mod error;
pub mod frame;
pub mod layer;
pub mod overhead;
pub mod saved;
pub mod secret;
pub mod suite;
#[cfg(test)]
mod tests;

pub use error::RecordError;
pub use layer::Layer;
pub use overhead::Overhead;
pub use saved::{SavedDirection, SavedTls};
pub use secret::Secret;
pub use suite::Suite;
