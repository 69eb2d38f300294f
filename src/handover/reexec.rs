//! Executing the program anew in the same process (execve(2)), for a restart without a service manager.
//!
//! What is handed over becomes the program's standard input, which the daemon does not use otherwise: of all descriptors,
//! that one can be passed and taken safely.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStringExt as _;

use nix::unistd::execvpe;
use rustix::stdio::dup2_stdin;

use super::Parcel;

/// Set to the process's number when its standard input is a [`Parcel`].
const VARIABLE: &str = "CHATD_HANDOVER";

/// What systemd says of the descriptors that it has passed (sd_listen_fds(3)). They are among what is handed over.
const SYSTEMD: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"];

/// Executes the program anew, as it was called, and hands this over to it. Returns only if that fails, with the error.
/// Signals that this thread holds back are held back in the next program, too.
#[must_use]
pub fn execute(parcel: &Parcel) -> io::Error {
    let error = match dup2_stdin(parcel.descriptor()) {
        Ok(()) => programs().map(execute_instead).last().unwrap_or(io::ErrorKind::NotFound.into()),
        Err(error) => error.into(),
    };
    // If that fails, there is nothing better to do than to go on.
    let _ = close_input();
    error
}

/// Returns only if that fails. Unlike `std::process::Command`, it leaves signals alone.
fn execute_instead(program: OsString) -> io::Error {
    let environment = std::env::vars_os().filter(|(name, _)| !SYSTEMD.iter().any(|variable| name == variable));
    let handover = (VARIABLE.into(), std::process::id().to_string().into());
    let environment = environment.filter(|(name, _)| name != VARIABLE).chain([handover]).map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        name
    });
    let arguments = std::iter::once(program).chain(std::env::args_os().skip(1));
    let (arguments, environment) = match (strings(arguments), strings(environment)) {
        (Ok(arguments), Ok(environment)) => (arguments, environment),
        (Err(error), _) | (_, Err(error)) => return error,
    };
    let Some(program) = arguments.first() else { return io::ErrorKind::NotFound.into() };
    match execvpe(program, &arguments, &environment) {
        Ok(never) => match never {},
        Err(error) => error.into(),
    }
}

fn strings(all: impl Iterator<Item = OsString>) -> io::Result<Vec<CString>> {
    Ok(all.map(|one| CString::new(one.into_vec())).collect::<Result<_, _>>()?)
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
