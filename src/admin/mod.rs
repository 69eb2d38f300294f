//! The control interface: what an administrator can ask of a running daemon, and the protocol.
//!
//! The protocol is [Varlink](https://varlink.org): JSON objects, each terminated by a NUL byte, over a Unix stream
//! socket. `org.chatd.Admin.varlink` describes the interface for people and for `varlinkctl`.
//!
//! - [`types`]: data of replies and errors; shared by the daemon and chatctl
//! - [`request`]: methods and their parameters; shared as well
//! - [`varlink`]: framing, calls and replies; no I/O
//! - [`service`]: the daemon's side of the socket
//!
//! chatctl's side is [`crate::ctl`]. Nothing here knows client sockets, dialects or the configuration:
//! [`crate::server::Server`] carries out requests, and [`crate::log`] provides the events.

mod answers;
pub mod request;
pub mod service;
pub mod types;
pub mod varlink;
