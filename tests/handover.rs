//! A restart that nobody notices: the real daemon executes itself anew, or hands over through a service manager, while
//! real clients are in the middle of something.

mod damage;
mod failing;
mod late;
mod sessions;
mod signals;
mod talking;

use crate::support::daemon::Daemon;

/// Has the daemon execute itself anew, and waits until it is ready.
fn restart(daemon: &Daemon) {
    let before = count(daemon, " is ready");
    daemon.signal("USR2");
    daemon.wait_for_log_count(" is ready", before + 1);
}

fn count(daemon: &Daemon, text: &str) -> usize {
    daemon.log_lines().iter().filter(|line| line.contains(text)).count()
}
