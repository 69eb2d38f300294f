//! Reading a small file as a whole: not more than is sensible, and no longer than is sensible.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::retry_on_intr;

use crate::directories;

/// The largest file that is read, in bytes: ten times any configuration or list of authorities.
pub const LARGEST: u64 = 1 << 20;

/// How long a pipe may take to say everything, see [`read`].
pub const LONGEST: Duration = Duration::from_secs(10);

/// Reads a file of at most [`LARGEST`] bytes. It may be a pipe, as `<(...)` of a shell is, or a FIFO: then somebody has
/// to write to it within [`LONGEST`].
///
/// # Errors
/// What the kernel says; [`ErrorKind::FileTooLarge`]; [`ErrorKind::TimedOut`] when nobody writes to a pipe.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + LONGEST;
    // A FIFO without a writer would not even open. Regular files do not care.
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

/// Waits until there is something to read, or nobody left to write it.
fn wait(file: &File, deadline: Instant) -> io::Result<()> {
    let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).map_err(io::Error::other)?;
    match retry_on_intr(|| poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&left)))? {
        0 => Err(ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

/// What to say about a file that [`read`] could not read.
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
