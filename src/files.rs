//! Reads small files whole, with a limit on size and on time.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::retry_on_intr;

use crate::directories;

/// The largest file accepted, in bytes: ten times any realistic configuration or CA bundle.
pub const LARGEST: u64 = 1 << 20;

/// The time limit for reading a pipe, see [`read`].
pub const LONGEST: Duration = Duration::from_secs(10);

/// Reads a file of at most [`LARGEST`] bytes. It may be a FIFO or a pipe, such as a shell's `<(...)`; then everything
/// must be written within [`LONGEST`].
///
/// # Errors
/// The kernel's error; [`ErrorKind::FileTooLarge`]; [`ErrorKind::TimedOut`] if a pipe is not written in time.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + LONGEST;
    // Without O_NONBLOCK, opening a FIFO would block until there is a writer. It does not affect regular files.
    let mut file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let (waits, mut bytes) = (!file.metadata()?.is_file(), Vec::new());
    loop {
        if waits {
            wait(&file, deadline)?;
        }
        match (&mut file).take(LARGEST + 1 - bytes.len() as u64).read_to_end(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(_) if bytes.len() as u64 > LARGEST => return Err(ErrorKind::FileTooLarge.into()),
            read => return read.map(|_| bytes),
        }
    }
}

/// Waits until the file is readable or has no writers left.
fn wait(file: &File, deadline: Instant) -> io::Result<()> {
    let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).map_err(io::Error::other)?;
    match retry_on_intr(|| poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&left)))? {
        0 => Err(ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

/// Explains an error from [`read`].
pub fn complaint(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::FileTooLarge => "it is larger than 1 MiB".to_owned(),
        ErrorKind::TimedOut => format!("it is a pipe to which nobody has written within {} s", LONGEST.as_secs()),
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::IsADirectory => "it is a directory".to_owned(),
        ErrorKind::PermissionDenied => format!("the user {} may not read it", directories::user()),
        _ => error.to_string(),
    }
}
