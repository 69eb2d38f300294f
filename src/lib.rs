//! chatd: one chat room as a system service.

pub mod admin;
pub mod chat;
pub mod config;
pub mod ctl;
pub mod daemon;
pub mod dialect;
pub mod directories;
pub mod log;
pub mod net;
pub mod room;
pub mod server;
pub mod session;
pub mod systemd;
