//! Registers descriptors with the runtime (tokio).

use std::io;
use std::os::fd::AsRawFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a descriptor with the runtime, for events of this kind.
///
/// # Errors
/// The process or the system is out of descriptors or memory.
#[expect(deprecated, reason = "its successor is unsafe, for types that may close or change their descriptor")]
pub fn register<T: AsRawFd>(descriptor: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(descriptor, interest)
}
