//! The meaning of SIGHUP: reload the configuration, or stop because the controlling terminal was closed.

use std::fs::{self, File};

/// How this process treats SIGHUP.
#[derive(Debug, Clone, Copy)]
pub struct Hangup {
    /// Whether the process was started from a terminal and should end with it.
    of_terminal: bool,
}

impl Hangup {
    /// Must be called before a handler for the signal is installed: `nohup` makes the process ignore it, and then the
    /// daemon is meant to outlive its terminal.
    pub fn of_this_process() -> Hangup {
        let is_service = std::env::var_os("NOTIFY_SOCKET").is_some();
        Hangup { of_terminal: !is_service && !is_ignored() && has_terminal() }
    }

    /// Whether the SIGHUP that has just arrived means that the terminal was closed. The kernel takes the terminal away
    /// before it sends the signal, which tells it from a `kill -HUP` by hand.
    pub fn is_end(self) -> bool {
        self.of_terminal && !has_terminal()
    }
}

/// /dev/tty can be opened only by a process that has a controlling terminal (tty(4)).
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether SIGHUP, signal 1, is ignored (proc_pid_status(5)).
fn is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    ignored.is_some_and(|signals| signals & 1 != 0)
}
