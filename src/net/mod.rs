//! Where clients come in: listeners, byte streams, certificates and TLS.
//!
//! Everything here is about sockets and keys. It knows nothing of rooms, dialects and sessions.

mod admission;
mod bind_error;
pub mod certificate;
mod handshake;
mod inherited;
mod listener;
mod poller;
pub mod self_signed;
mod stream;
pub mod tls;
mod transport;
mod watched;

pub use admission::{Admission, Admissions};
pub use bind_error::BindError;
pub use handshake::{HandshakeError, Plaintext, hear};
pub use inherited::{Inherited, InheritedError};
pub use listener::{Listener, SocketFile};
pub use poller::Poller;
pub use stream::{Address, Readiness, Stream};
pub use transport::{Socket, Transport};
