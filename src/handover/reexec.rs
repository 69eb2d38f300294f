//! Executing the program anew in the same process (execve(2)), for a restart without a service manager.
//!
//! What is handed over becomes the program's standard input, which the daemon does not use otherwise: of all descriptors,
//! that one can be passed and taken safely.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::stdio::dup2_stdin;

use super::Parcel;

/// Set to the process's number when its standard input is a [`Parcel`].
const VARIABLE: &str = "CHATD_HANDOVER";

/// What systemd says of the descriptors that it has passed (sd_listen_fds(3)). They are among what is handed over.
const SYSTEMD: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"];

/// Executes the program anew, as it was called. Returns only if that fails: the error, and what was to be handed over.
#[must_use]
pub fn execute(parcel: Parcel) -> (io::Error, Parcel) {
    let parcel = OwnedFd::from(parcel);
    let mut failed = io::ErrorKind::NotFound.into();
    for program in programs() {
        let input = match parcel.try_clone() {
            Ok(input) => input,
            Err(error) => return (error, parcel.into()),
        };
        let mut command = Command::new(program);
        command.args(std::env::args_os().skip(1)).env(VARIABLE, std::process::id().to_string());
        for variable in SYSTEMD {
            command.env_remove(variable);
        }
        failed = command.stdin(Stdio::from(input)).exec();
    }
    stay();
    (failed, parcel.into())
}

/// Undoes what the attempts have changed in this process. If that fails, there is nothing better to do than to go on.
fn stay() {
    // Writing to a closed connection is an error again, and not the end of the process.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGPIPE, Arc::default());
    let _ = close_input();
}

/// Whoever reads standard input is to find nothing there.
fn close_input() -> io::Result<()> {
    Ok(dup2_stdin(File::open("/dev/null")?)?)
}

/// What to execute: the program as it was called, because the file may have been replaced by another version since; then the
/// file that runs.
fn programs() -> impl Iterator<Item = OsString> {
    std::env::args_os().next().into_iter().chain(std::env::current_exe().ok().map(OsString::from))
}

/// What this process has handed over to itself, if it has. Standard input is /dev/null afterwards.
#[must_use]
pub fn received() -> Option<Parcel> {
    if std::env::var(VARIABLE).ok()? != std::process::id().to_string() {
        return None;
    }
    let parcel = io::stdin().as_fd().try_clone_to_owned().ok()?;
    close_input().ok()?;
    Some(parcel.into())
}
