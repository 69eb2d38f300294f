//! Shared by all tests: a real daemon in its own directory, and clients that wait for what they expect.

pub mod client;
pub mod daemon;
pub mod fifo;
pub mod journal;
pub mod left;
pub mod ordinary;
pub mod pair;
pub mod program;
pub mod screen;
pub mod talk;
pub mod tool;

use std::time::Duration;

/// The timeout for every wait, after which the test fails. It measures nothing; it only has to be long enough for the
/// slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
