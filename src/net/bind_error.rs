//! Why the daemon cannot listen on an address: one sentence that tells the administrator what to do.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use thiserror::Error;

use super::inherited::InheritedError;
use crate::directories;

/// Gives chatd.service network access, which its sandbox denies by default, with a drop-in that the package ships.
const OPEN_SANDBOX: &str = "install -Dm644 -t /etc/systemd/system/chatd.service.d \
    /usr/share/chatd/bind-addresses.conf && systemctl daemon-reload && systemctl restart chatd";

/// The maximum length of a Unix socket's path, in bytes (unix(7): `sun_path` without its terminating NUL).
pub(super) const MAX_PATH: usize = 107;

/// Why the daemon cannot listen on an address.
#[derive(Debug, Error)]
pub enum BindError {
    /// The host name cannot be resolved.
    #[error("cannot find the address of {address:?}: {source}; check the name or write the IP address instead")]
    Resolve {
        /// `host:port` as configured.
        address: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// Another program uses the address and port.
    #[error("{address} is already in use; `ss -ltnp` shows by which program")]
    InUse {
        /// The address.
        address: String,
    },
    /// Another listener of this daemon uses the address and port.
    #[error("{address} is taken already, by the listener on {other} of this configuration; remove one of the two")]
    InUseHere {
        /// The address.
        address: String,
        /// The other listener's address.
        other: String,
    },
    /// systemd listens on the address with a socket for this daemon.
    #[error(
        "{address} is taken already: systemd listens there for chatd; write systemd = {name:?} instead of the address, \
         or put that socket away: systemctl disable --now {unit}"
    )]
    InUseBySystemd {
        /// The address.
        address: String,
        /// The name of that socket.
        name: String,
        /// The unit of that socket.
        unit: String,
    },
    /// The service's sandbox forbids sockets of this kind.
    #[error(
        "{address} cannot be bound by chatd.service, because its sandbox has no network; give it the network with: \
         {OPEN_SANDBOX}"
    )]
    Sandbox {
        /// `host:port` as configured.
        address: String,
    },
    /// IPv6 is not available.
    #[error("{address} cannot be bound, because IPv6 is off on this machine; write an IPv4 address")]
    NoIpv6 {
        /// The address.
        address: String,
    },
    /// No network interface has the address.
    #[error("{address} is not an address of this machine; `ip address` shows those it has")]
    NotAvailable {
        /// The address.
        address: String,
    },
    /// A privileged port, or a directory without write permission.
    #[error("no permission to listen on {address}: {}", permission_hint(address))]
    Permission {
        /// The address, or the path of the socket.
        address: String,
    },
    /// Another process listens on the Unix socket.
    #[error("another daemon listens on {}", path.display())]
    AnotherDaemon {
        /// The path of the socket.
        path: PathBuf,
    },
    /// The path exists and is not a socket.
    #[error("{} exists and is not a stream socket; remove it or choose another path", path.display())]
    NotASocket {
        /// The path of the socket.
        path: PathBuf,
    },
    /// The directory for the socket does not exist.
    #[error("cannot make the socket {}: its directory does not exist", path.display())]
    NoDirectory {
        /// The path of the socket.
        path: PathBuf,
    },
    /// The path exceeds the kernel's limit.
    #[error("the path {} is too long for a socket: {MAX_PATH} bytes is the limit", path.display())]
    PathTooLong {
        /// The path of the socket.
        path: PathBuf,
    },
    /// A socket that systemd should have passed is missing or of the wrong kind.
    #[error(transparent)]
    Inherited(#[from] InheritedError),
    /// Any other error from the kernel.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address, or the path of the socket.
        address: String,
        /// The kernel's error.
        source: io::Error,
    },
}

impl BindError {
    /// The daemon's exit status for this error. With 69, trying again may help.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Permission { .. } => 77,
            // Wrong sockets from systemd and a wrong configuration are both for the administrator to fix.
            Self::Inherited(_) | Self::Sandbox { .. } | Self::InUseHere { .. } | Self::InUseBySystemd { .. } => 78,
            _ => 69,
        }
    }

    pub(super) fn new(address: impl ToString, source: io::Error) -> Self {
        let address = address.to_string();
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::AddrNotAvailable => Self::NotAvailable { address },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Permission { address },
            _ if Errno::from_io_error(&source) == Some(Errno::AFNOSUPPORT) => Self::NoIpv6 { address },
            _ => Self::Other { address, source },
        }
    }
}

fn permission_hint(address: &str) -> String {
    match address.starts_with('/') {
        true => format!(
            "its directory, and a socket that is already there, must be writable for the user {}; \
             or a .socket unit makes it (see \"The sandbox\" in chatd(8))",
            directories::user()
        ),
        false => "ports below 1024 need CAP_NET_BIND_SERVICE, or a socket handed over by systemd".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_the_same_sandbox_commands() {
        let manual = include_str!("../../man/chatd.8").replace("\\e\n    ", "");
        for command in OPEN_SANDBOX.split(" && ") {
            assert!(manual.contains(&format!("\n{command}\n")), "{command}");
        }
    }
}
