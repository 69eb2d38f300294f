//! chatctl's errors: a sentence for the user, and an exit status for scripts.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::admin::types::Error;
use crate::admin::varlink::MAXIMUM_CALL;
use crate::arguments::EXIT_USAGE;

use super::terminal::printable;

/// The daemon refused the request.
pub const EXIT_REFUSED: u8 = 1;
/// No daemon is listening (sysexits.h: EX_UNAVAILABLE).
pub const EXIT_NO_DAEMON: u8 = 69;
/// The output could not be written (sysexits.h: EX_IOERR).
pub const EXIT_OUTPUT: u8 = 74;
/// No permission to use the socket (sysexits.h: EX_NOPERM).
pub const EXIT_NOT_PERMITTED: u8 = 77;

/// Why chatctl failed. Text from the daemon is escaped for the terminal here.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum Failure {
    #[error("{}", refusal(.0))]
    Refused(Error),
    #[error("the daemon refused: {} {}", printable(.name), printable(.parameters))]
    RefusedOtherwise { name: String, parameters: String },
    #[error("this is too long for the daemon, which accepts {MAXIMUM_CALL} bytes at once")]
    TooLong,
    #[error(
        "no chatd is running here: nobody listens on {}; start one with \"systemctl start chatd\" or by running chatd \
         (\"systemctl status chatd\" says why it has failed, if it has), or name another's socket with --socket",
        paths(.tried)
    )]
    NoDaemon { tried: Vec<PathBuf> },
    #[error(
        "you may not use {}; ask to be added to the group that owns it (chatd-admin, where chatd is installed), or \
         become root or the user who started the daemon",
        paths(.sockets)
    )]
    NotPermitted { sockets: Vec<PathBuf> },
    #[error("the socket {} cannot be used: {error}", one(.socket))]
    Unusable { socket: PathBuf, error: io::Error },
    #[error("the daemon did not answer within {seconds} seconds; is it stopped, or are too many others connected?")]
    NoAnswer { seconds: u64 },
    #[error(
        "chatd was to restart, but is not back after {seconds} seconds; its log says why (\"systemctl status chatd\", if \
         it is a service)"
    )]
    NotBack { seconds: u64 },
    #[error("the daemon has closed the connection")]
    Closed,
    #[error("the connection to the daemon failed: {0}")]
    Connection(io::Error),
    #[error("what the daemon answered cannot be understood: {}", printable(.0))]
    NotUnderstood(String),
    #[error("the output cannot be written: {0}")]
    Output(io::Error),
    #[error("{} is there already, and nothing is overwritten; remove it, or name another file", one(.path))]
    FileExists { path: PathBuf },
    #[error("the file {} cannot be written: {error}", one(.path))]
    File { path: PathBuf, error: io::Error },
    #[error("interrupted")]
    Interrupted,
    #[error("chatctl cannot prepare for being interrupted: {0}")]
    Interruptible(io::Error),
}

impl Failure {
    /// A shorter message for users who see the daemon's log in the same journal, where the rest already is.
    pub fn logged(&self) -> Option<&'static str> {
        match self {
            Failure::Refused(Error::ReloadFailed { .. }) => {
                Some("nothing was reloaded, what was in force before stays so; chatd has logged why")
            }
            Failure::Refused(Error::RestartFailed { .. }) => {
                Some("nothing was restarted, and everybody stays; chatd has logged why")
            }
            _ => None,
        }
    }

    /// The exit status that scripts see.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Refused(Error::CannotStart { .. }) => EXIT_NO_DAEMON,
            Failure::Refused(Error::InvalidTime { .. }) => EXIT_USAGE,
            Failure::Refused(_) | Failure::RefusedOtherwise { .. } => EXIT_REFUSED,
            Failure::TooLong => EXIT_USAGE,
            Failure::FileExists { .. } | Failure::File { .. } | Failure::Interrupted => EXIT_OUTPUT,
            Failure::NotPermitted { .. } => EXIT_NOT_PERMITTED,
            Failure::Output(_) | Failure::Interruptible(_) => EXIT_OUTPUT,
            Failure::NoDaemon { .. }
            | Failure::Unusable { .. }
            | Failure::NoAnswer { .. }
            | Failure::NotBack { .. }
            | Failure::Closed
            | Failure::Connection(_)
            | Failure::NotUnderstood(_) => EXIT_NO_DAEMON,
        })
    }
}

/// A refusal as a sentence. Mistakes in the configuration get a line each, like a compiler's.
fn refusal(error: &Error) -> String {
    let (sentence, mistakes) = match error {
        Error::ReloadFailed { mistakes } => ("nothing was reloaded, what was in force before stays so", mistakes),
        Error::RestartFailed { mistakes } => ("nothing was restarted, and everybody stays", mistakes),
        Error::CannotStart { mistakes } => {
            ("chatd cannot start; when this is mended: systemctl restart chatd", mistakes)
        }
        other => return printable(&other.to_string()).into_owned(),
    };
    let mut text = sentence.to_owned();
    for mistake in mistakes {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{}", printable(mistake));
    }
    text
}

fn one(path: &PathBuf) -> String {
    paths(std::slice::from_ref(path))
}

fn paths(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|path| printable(&path.to_string_lossy()).into_owned()).collect();
    names.join(" or ")
}
