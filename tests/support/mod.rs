//! What all tests share.

pub mod journal;
