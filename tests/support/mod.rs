//! What all tests share: a real daemon in a directory of its own, and clients that wait for what they expect.

pub mod client;
pub mod daemon;
pub mod fifo;
pub mod journal;
pub mod ordinary;
pub mod program;
pub mod screen;
pub mod talk;
pub mod tool;

use std::time::Duration;

/// How long anything that is waited for may take before the test fails. Nothing is measured by it: it only has to be
/// longer than the slowest machine needs.
pub const PATIENCE: Duration = Duration::from_secs(30);
