//! The control interface: what an administrator can ask of a running daemon, and how it is asked.
//!
//! It speaks [Varlink](https://varlink.org): JSON objects, each ended by a NUL byte, on a Unix stream socket. The
//! interface is described for people and for `varlinkctl` in `org.chatd.Admin.varlink`.
//!
//! - [`types`]: what replies and errors carry; shared by the daemon and chatctl
//! - [`request`]: the methods and their parameters; shared as well
//! - [`varlink`]: the wire: frames, calls and replies; no I/O
//! - [`service`]: the daemon's side of the socket
//!
//! chatctl's side is [`crate::ctl`]. Nothing here knows sockets of clients, dialects or the configuration; what
//! is asked is done by [`crate::server::Server`], and what happens is read from [`crate::log`].

mod answers;
pub mod request;
pub mod service;
pub mod types;
pub mod varlink;
