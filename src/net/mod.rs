//! Where clients come in: listeners, byte streams, certificates and TLS.
//!
//! Everything here is about sockets and keys. It knows nothing of rooms, dialects and sessions: a session is given a
//! [`Stream`] and an [`Address`] and, where TLS comes first, the configuration that [`tls::TlsInForce`] holds.

pub mod certificate;
mod inherited;
mod listener;
pub mod self_signed;
mod stream;
pub mod tls;

pub use inherited::{Inherited, InheritedError};
pub use listener::{BindError, Listener, SocketFile};
pub use stream::{Address, Stream};
