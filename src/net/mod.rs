//! Connections: listeners, byte streams, certificates and TLS.
//!
//! This module deals with sockets and keys only. It knows nothing of rooms, dialects or sessions.

mod admission;
mod bind;
mod bind_error;
pub mod certificate;
mod handshake;
mod inherited;
mod listener;
mod poller;
mod reactor;
pub mod self_signed;
mod stream;
pub mod tls;
mod transport;

pub use admission::{Admission, Admissions};
pub use bind_error::BindError;
pub use handshake::{HandshakeError, Plaintext, read_client_hello};
pub use inherited::{Inherited, InheritedError};
pub use listener::{Listener, SocketFile};
pub use poller::Poller;
pub use stream::{Address, Readiness, Stream};
pub use transport::{Socket, Transport};
