//! Why the daemon cannot listen somewhere: a sentence for the administrator, who can do something about most of it.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use thiserror::Error;

use super::inherited::InheritedError;
use super::listener::LONGEST_PATH;
use crate::directories;

/// Gives chatd.service the network that its sandbox keeps from it, by a drop-in that the package has ready.
const OPEN_SANDBOX: &str = "install -Dm644 -t /etc/systemd/system/chatd.service.d \
    /usr/share/chatd/bind-addresses.conf && systemctl daemon-reload && systemctl restart chatd";

/// Why a daemon cannot listen somewhere.
#[derive(Debug, Error)]
pub enum BindError {
    /// A host name that means nothing here.
    #[error("cannot find the address of {address:?}: {source}; check the name or write the IP address instead")]
    Resolve {
        /// `host:port` as configured.
        address: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Somebody else has that address and port.
    #[error("{address} is already in use; `ss -ltnp` shows by which program")]
    InUse {
        /// The address.
        address: String,
    },
    /// The same, by one of our own listeners.
    #[error("{address} is taken already, by the listener on {other} of this configuration; remove one of the two")]
    InUseHere {
        /// The address.
        address: String,
        /// Where the other one listens.
        other: String,
    },
    /// The same, by a socket of systemd's that is meant for us.
    #[error(
        "{address} is taken already: systemd listens there for chatd; write systemd = {name:?} instead of the address, \
         or put that socket away: systemctl disable --now {unit}"
    )]
    InUseBySystemd {
        /// The address.
        address: String,
        /// The name that it is handed over under.
        name: String,
        /// Its unit.
        unit: String,
    },
    /// No process of the service may have such a socket.
    #[error(
        "{address} cannot be bound by chatd.service, because its sandbox has no network; give it the network with: \
         {OPEN_SANDBOX}"
    )]
    Sandbox {
        /// `host:port` as configured.
        address: String,
    },
    /// IPv6 where there is none.
    #[error("{address} cannot be bound, because IPv6 is off on this machine; write an IPv4 address")]
    NoIpv6 {
        /// The address.
        address: String,
    },
    /// An address that no interface has.
    #[error("{address} is not an address of this machine; `ip address` shows those it has")]
    NotAvailable {
        /// The address.
        address: String,
    },
    /// A low port, or a directory that is not ours.
    #[error("no permission to listen on {address}: {}", permission_hint(address))]
    Permission {
        /// The address, or the path of a socket.
        address: String,
    },
    /// A Unix socket that somebody answers on.
    #[error("another daemon listens on {}", path.display())]
    AnotherDaemon {
        /// The path of the socket.
        path: PathBuf,
    },
    /// Something else is where the socket should be.
    #[error("{} exists and is not a stream socket; remove it or choose another path", path.display())]
    NotASocket {
        /// The path of the socket.
        path: PathBuf,
    },
    /// Nowhere to put the socket.
    #[error("cannot make the socket {}: its directory does not exist", path.display())]
    NoDirectory {
        /// The path of the socket.
        path: PathBuf,
    },
    /// Longer than the kernel takes.
    #[error("the path {} is too long for a socket: {LONGEST_PATH} bytes is the limit", path.display())]
    PathTooLong {
        /// The path of the socket.
        path: PathBuf,
    },
    /// A handed-over socket that is missing or of the wrong kind.
    #[error(transparent)]
    Inherited(#[from] InheritedError),
    /// Anything else that the kernel may say.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address, or the path of a socket.
        address: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl BindError {
    /// The exit status of a daemon that ends for this reason. After 69, trying again may help.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Permission { .. } => 77,
            // What systemd hands over and what the configuration asks for are both the administrator's to mend.
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
    fn the_manual_opens_the_sandbox_by_the_same_commands() {
        let manual = include_str!("../../man/chatd.8").replace("\\e\n    ", "");
        for command in OPEN_SANDBOX.split(" && ") {
            assert!(manual.contains(&format!("\n{command}\n")), "{command}");
        }
    }
}
