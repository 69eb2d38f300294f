//! All integration tests in one binary, linked once, with a module per subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that meets what it does not expect has failed, and says where"
)]

mod admin;
mod architecture;
mod bans;
mod chatctl;
mod classic;
mod config;
mod dialect;
mod documents;
mod exit;
mod faults;
mod handover;
mod history;
mod irc;
mod journal;
mod limits;
mod logging;
mod names;
mod net;
mod podsixnet;
mod record;
mod reload;
mod room;
mod state;
mod stop;
mod support;
mod systemd;
mod tls;
mod vocabulary;
mod world;
