//! Connections: listeners, byte streams, certificates and TLS.
//!
//! This module deals with sockets and keys only. It knows nothing of rooms, dialects or sessions.
//!
//! # TLS
//!
//! [`read_client_hello`] lets rustls make the handshake ([`tls`]: with what). Then a [`Socket`] drives rustls directly
//! (`handshaken`): it is given whole records and everything that it decrypts is taken at once, so that between two calls
//! nothing is in it but the keys. That makes a TLS 1.3 connection one that another process can continue:
//! [`Socket::save`] takes the keys from rustls, and after [`Socket::restore`], [`records`] goes on with them.

mod admission;
mod bind;
mod bind_error;
pub mod certificate;
mod encrypted;
mod handshake;
mod handshaken;
mod inherited;
mod listener;
mod poller;
mod reactor;
pub mod records;
mod secret_log;
pub mod self_signed;
mod stream;
pub mod tls;
mod transport;

pub use admission::{Admission, Admissions, shares};
pub use bind_error::BindError;
pub use handshake::{HandshakeError, Plaintext, read_client_hello};
pub use handshaken::Handshaken;
pub use inherited::{Inherited, InheritedError};
pub use listener::{Listener, SocketFile};
pub use poller::Poller;
pub use reactor::register;
pub use stream::{Address, Readiness, Stream};
pub use transport::{NotRestored, NotSaved, SavedTransport, Socket, Transport};
