//! The admin interface and chatctl, as far as they can be tested without a running daemon.

mod abuse;
mod chatctl;
mod interface;
mod manual;
mod service;
mod show;
mod wire;
