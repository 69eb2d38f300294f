//! Answers clients that wait at systemd's sockets while the daemon cannot start.
//!
//! If nobody accepts a waiting connection, systemd starts the daemon again at once, until it reaches the start limit
//! and closes the sockets too. So waiting clients are told and disconnected, and so are those that connect in the next
//! few seconds.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::admin::types::Error;
use crate::admin::varlink;
use crate::net::Inherited;

/// How long to keep answering after the first client: long enough that restarts stay below the start limit in
/// chatd.service.
const LINGER: Duration = Duration::from_secs(3);
/// How long to wait for a client's first bytes, which show the protocol to answer in.
const FIRST_BYTES: Duration = Duration::from_millis(100);

/// The answer for a client of an unknown protocol. It reveals no details.
const CLOSED: &[u8] =
    b"*** The room is closed: the server cannot start. Its administrator finds the reason in the journal.\n";
/// TLS: a fatal alert, `internal_error` (RFC 8446, section 6).
const TLS_ALERT: &[u8] = &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x50];

/// Answers all waiting clients; administrators are told `mistakes`. Returns at once if no client waits.
pub fn turn_away(inherited: &Inherited, mistakes: Vec<String>) {
    let refusal = varlink::encode(&Error::CannotStart { mistakes }).unwrap_or_default();
    let (mut end, mut patience) = (None, Duration::ZERO);
    while let Ok(come) = inherited.accept_waiting(patience) {
        if !come.is_empty() {
            end.get_or_insert_with(|| Instant::now() + LINGER);
        }
        come.into_iter().for_each(|(socket, local)| answer(socket, local, &refusal));
        patience = end.map(|end| end.saturating_duration_since(Instant::now())).unwrap_or_default();
        if patience.is_zero() {
            return;
        }
    }
}

/// Answers in the client's protocol. Errors are ignored: the client is gone or does not read.
fn answer(socket: OwnedFd, local: bool, refusal: &[u8]) {
    let timeout = Timespec::try_from(FIRST_BYTES).ok();
    let _ = poll(&mut [PollFd::new(&socket, PollFlags::IN)], timeout.as_ref());
    // May be a Unix socket; only reads and writes follow, so the type makes no difference.
    let mut socket = TcpStream::from(socket);
    let mut said = [0; 4096];
    // Read the input, because closing a socket with unread input would discard the answer.
    let length = socket.set_nonblocking(true).and_then(|()| socket.read(&mut said)).unwrap_or_default();
    let _ = socket.write_all(match said.first().filter(|_| length > 0) {
        // Varlink. The mistakes are for administrators on this machine only.
        Some(b'{') if local => refusal,
        Some(0x16) => TLS_ALERT,
        _ => CLOSED,
    });
}
