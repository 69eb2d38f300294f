//! The admin interface and chatctl, as far as no running daemon is needed.

mod chatctl;
mod interface;
mod manual;
mod service;
mod show;
mod wire;
