//! Where clients come in: listeners, byte streams, certificates and TLS.
//!
//! Everything here is about sockets and keys. It knows nothing of rooms, dialects and sessions: a session is given a
//! socket, of which it makes a [`Stream`], and an [`Address`] and, where TLS comes first, the configuration that [`tls::TlsInForce`] holds.

mod bind_error;
pub mod certificate;
mod handshake;
mod inherited;
mod listener;
mod poller;
pub mod self_signed;
mod stream;
pub mod tls;
mod watched;

pub use bind_error::BindError;
pub use handshake::{HandshakeError, Plaintext, hear};
pub use inherited::{Inherited, InheritedError};
pub use listener::{Listener, SocketFile};
pub use poller::Poller;
pub use stream::{Address, Readiness, Stream};
