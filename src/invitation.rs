//! The greeting shown when the daemon is started by hand: commands for joining, ready to paste.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Shows only the room's output, ends with its input, and never interprets a letter at the start of a line as a
/// command.
const S_CLIENT: &str = "openssl s_client -quiet -no_ign_eof -nocommands";

/// An address to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address<'a> {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket's path.
    Unix(&'a Path),
}

/// Builds the greeting: commands for joining the room and for administering it.
///
/// `addresses`: where to connect, and whether each address uses TLS. `cargo`: the daemon was started by `cargo run`, so
/// chatctl should be too. `socket`: the admin socket, if chatctl does not find it by itself.
#[must_use]
pub fn invitation(room: &str, addresses: &[(Address<'_>, bool)], cargo: bool, socket: Option<&Path>) -> String {
    let mut text = format!("The room {room:?} is open. Join it from another terminal:\n\n");
    for (address, tls) in addresses {
        let command = match (address, tls) {
            (Address::Tcp(address), false) => {
                let address = reachable(*address);
                format!("nc -N {} {}", address.ip(), address.port())
            }
            (Address::Unix(path), false) => format!("nc -N -U {}", quoted(path)),
            (Address::Tcp(address), true) => format!("{S_CLIENT} -connect {}", reachable(*address)),
            (Address::Unix(path), true) => format!("{S_CLIENT} -unix {}", quoted(path)),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {command}");
    }
    text.push_str(
        "\nCtrl-D leaves. Lines that you type are shown twice, by the terminal and by the room: /echo off ends that.\n",
    );
    let chatctl = if cargo { "cargo run --quiet --bin chatctl --" } else { "chatctl" };
    let socket = socket.map_or_else(String::new, |path| format!(" --socket {}", quoted(path)));
    let _ = writeln!(text, "\nSee who is there, and steer it:\n");
    for command in ["list", "notice 'Hello, everybody'", "kick NAME"] {
        let _ = writeln!(text, "    {chatctl}{socket} {command}");
    }
    text.push_str("\nCtrl-C stops it.\n");
    text
}

/// An address at which a listener on `address` can be reached from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The path, quoted for a shell if necessary.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    if plain { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted() {
        let addresses = [
            (Address::Tcp("0.0.0.0:6667".parse().unwrap()), false),
            (Address::Tcp("[::]:6697".parse().unwrap()), true),
            (Address::Unix(Path::new("/tmp/it's here")), false),
        ];
        let text = invitation("lobby", &addresses, true, Some(Path::new("/tmp/admin.sock")));
        let commands: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("    ")).collect();
        assert_eq!(
            commands,
            [
                "nc -N 127.0.0.1 6667",
                "openssl s_client -quiet -no_ign_eof -nocommands -connect [::1]:6697",
                r"nc -N -U '/tmp/it'\''s here'",
                "cargo run --quiet --bin chatctl -- --socket /tmp/admin.sock list",
                "cargo run --quiet --bin chatctl -- --socket /tmp/admin.sock notice 'Hello, everybody'",
                "cargo run --quiet --bin chatctl -- --socket /tmp/admin.sock kick NAME",
            ]
        );
    }
}
