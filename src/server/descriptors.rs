//! The limit on open files: each client needs one, and some are never theirs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::config::Config;

/// What the daemon opens beside its listeners, administrators and clients: the store's files and a backup of them, the log,
/// the runtime's own, and what a reload or a restart needs for a moment. About 30 at most; the rest is spare.
const OWN_DESCRIPTORS: u64 = 48;
/// For each configured listener: its sockets, for a host name perhaps two, and a client that waits for a place.
const PER_LISTENER: u64 = 3;

/// Raises the limit of open files as far as this process may.
pub fn allow_all_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If that fails, the limit is said to be too low when it is reached.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Raises the limit of open files to what a configuration needs, as far as this process may. Returns how many clients
/// can be connected: `limits.connections`, or fewer, so that administrators, files and a restart always find descriptors.
#[must_use]
pub fn allow_descriptors(config: &Config) -> usize {
    let connections = config.limits.connections;
    let reserved = OWN_DESCRIPTORS
        .saturating_add(PER_LISTENER.saturating_mul(config.listen.len() as u64))
        .saturating_add(config.admin.connections as u64);
    let needed = reserved.saturating_add(connections as u64);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return connections;
    }
    let wanted = maximum.map_or(needed, |maximum| maximum.min(needed));
    let possible = match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => wanted,
        Err(_) => current.unwrap_or(wanted),
    };
    let clients = clients(possible, reserved, connections);
    if clients < connections {
        warn!(
            chatd.event = "limit",
            "limits.connections needs {needed} open files, but only {possible} are allowed, which is enough for {clients} \
             clients at a time; raise LimitNOFILE="
        );
    }
    clients
}

/// How many clients fit into `possible` descriptors. Under a limit that is lower than any sensible one, half of it is theirs.
fn clients(possible: u64, reserved: u64, connections: usize) -> usize {
    let theirs = possible.saturating_sub(reserved).max(possible / 2);
    usize::try_from(theirs).unwrap_or(usize::MAX).min(connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_take_the_last_descriptors() {
        assert_eq!(clients(1024, 70, 10_000), 954);
        assert_eq!(clients(1024, 70, 100), 100);
        assert_eq!(clients(100, 70, 10_000), 50);
        assert_eq!(clients(u64::MAX, 70, 10_000), 10_000);
    }
}
