//! The limit on open files: each client needs one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Descriptors that are needed beside the clients'.
const OWN_DESCRIPTORS: u64 = 64;

/// Raises the limit of open files as far as this process may.
pub fn allow_all_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If that fails, the limit is said to be too low when it is reached.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Raises the limit of open files to what so many connections need, as far as this process may.
pub fn allow_descriptors(connections: usize) {
    let needed = connections as u64 + OWN_DESCRIPTORS;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return;
    }
    let possible = maximum.map_or(needed, |maximum| maximum.min(needed));
    if setrlimit(Resource::Nofile, Rlimit { current: Some(possible), maximum }).is_err() || possible < needed {
        warn!(
            chatd.event = "limit",
            "limits.connections needs {needed} open files, but only {possible} are allowed; raise LimitNOFILE="
        );
    }
}
