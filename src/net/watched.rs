//! Descriptors that the runtime waits for.

use std::io;
use std::os::fd::AsRawFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the runtime watch a descriptor for this.
///
/// # Errors
/// The process or the machine is out of something.
#[expect(deprecated, reason = "its successor is unsafe, for types that may close or change their descriptor")]
pub(super) fn watched<T: AsRawFd>(descriptor: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(descriptor, interest)
}
