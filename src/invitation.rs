//! What somebody who starts the daemon by hand reads: how to join, ready to paste.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Only what the room says is shown, the end of the input ends it, and no letter at the start of a line is a command.
const S_CLIENT: &str = "openssl s_client -quiet -no_ign_eof -nocommands";

/// A place to join at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door<'a> {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket's path.
    Unix(&'a Path),
}

/// Commands for joining the room and for steering it.
///
/// `doors`: where to join, and whether TLS comes first; `cargo`: the daemon was started by `cargo run`, so chatctl is
/// best started the same way; `socket`: the admin socket, if chatctl does not find it by itself.
#[must_use]
pub fn invitation(room: &str, doors: &[(Door<'_>, bool)], cargo: bool, socket: Option<&Path>) -> String {
    let mut text = format!("The room {room:?} is open. Join it from another terminal:\n\n");
    for (door, tls) in doors {
        let command = match (door, tls) {
            (Door::Tcp(address), false) => {
                let address = reachable(*address);
                format!("nc -N {} {}", address.ip(), address.port())
            }
            (Door::Unix(path), false) => format!("nc -N -U {}", quoted(path)),
            (Door::Tcp(address), true) => format!("{S_CLIENT} -connect {}", reachable(*address)),
            (Door::Unix(path), true) => format!("{S_CLIENT} -unix {}", quoted(path)),
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

/// An address that leads from this machine to a listener on `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// As a shell reads it back.
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
        let doors = [
            (Door::Tcp("0.0.0.0:6667".parse().unwrap()), false),
            (Door::Tcp("[::]:6697".parse().unwrap()), true),
            (Door::Unix(Path::new("/tmp/it's here")), false),
        ];
        let text = invitation("lobby", &doors, true, Some(Path::new("/tmp/admin.sock")));
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
