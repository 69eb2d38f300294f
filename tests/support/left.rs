//! Sockets that nobody listens on. They never listen, because a program that another test is about to start could hold a
//! listening one open for a moment.

use std::net::SocketAddr;
use std::path::Path;

use tokio::net::{TcpSocket, UnixSocket};

/// Leaves a socket's file behind, as a crash does.
pub fn leave_socket(path: &Path) {
    UnixSocket::new_stream().unwrap().bind(path).unwrap();
    assert!(path.exists());
}

/// A port that nothing listens on.
pub fn free_port() -> u16 {
    let socket = TcpSocket::new_v4().unwrap();
    // Whoever listens on it next need not wait for it.
    socket.set_reuseaddr(true).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    socket.local_addr().unwrap().port()
}
