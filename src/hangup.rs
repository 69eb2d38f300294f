//! What SIGHUP means: read the configuration again, or that the terminal is gone from which the daemon was started.

use std::fs::{self, File};

/// How this process takes SIGHUP.
#[derive(Debug, Clone, Copy)]
pub struct Hangup {
    /// Whether it belongs to a terminal, and nobody wants it to outlive that.
    of_terminal: bool,
}

impl Hangup {
    /// To be asked before anything handles the signal: `nohup` has it ignored, and then a terminal means nothing.
    pub fn of_this_process() -> Hangup {
        let is_service = std::env::var_os("NOTIFY_SOCKET").is_some();
        Hangup { of_terminal: !is_service && !is_ignored() && has_terminal() }
    }

    /// Whether the SIGHUP that has just come says that the terminal was closed. By then the kernel has taken the terminal
    /// away, so one that somebody sent by hand is told apart.
    pub fn is_end(self) -> bool {
        self.of_terminal && !has_terminal()
    }
}

/// A process has a controlling terminal when it can open this name of it (tty(4)).
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether SIGHUP, the first signal, is ignored (proc_pid_status(5)).
fn is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    ignored.is_some_and(|signals| signals & 1 != 0)
}
