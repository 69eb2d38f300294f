//! What people are told who wait at systemd's sockets while the daemon cannot start.
//!
//! A connection that nobody accepts has systemd start the daemon again at once, until it gives up and closes the
//! sockets as well. So whoever has come is told and sent away, and for a while whoever comes next.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::admin::types::Error;
use crate::admin::varlink;
use crate::net::Inherited;

/// How long the daemon stays, once somebody has come: so long that systemd, whose limit is in chatd.service, does not
/// find it started too often.
const STAY: Duration = Duration::from_secs(3);
/// How long one of them may take to say something, so that it can be answered in its own language.
const HEARING: Duration = Duration::from_millis(100);

/// What a client is told: it may speak anything, and need not know more.
const CLOSED: &[u8] =
    b"*** The room is closed: the server cannot start. Its administrator finds the reason in the journal.\n";
/// TLS: a fatal alert, `internal_error` (RFC 8446, section 6).
const TLS_ALERT: &[u8] = &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x50];

/// Tells whoever waits, and administrators these mistakes. Returns at once when nobody waits, or when the daemon is told
/// to stop.
pub fn turn_away(inherited: &Inherited, mistakes: Vec<String>) {
    let refusal = varlink::encode(&Error::CannotStart { mistakes }).unwrap_or_default();
    let (mut end, mut patience) = (None, Duration::ZERO);
    while let Ok(come) = inherited.accept_waiting(patience) {
        if !come.is_empty() {
            end.get_or_insert_with(|| Instant::now() + STAY);
        }
        come.into_iter().for_each(|(socket, local)| answer(socket, local, &refusal));
        patience = end.map(|end| end.saturating_duration_since(Instant::now())).unwrap_or_default();
        if patience.is_zero() {
            return;
        }
    }
}

/// Answers in the language that is spoken. Whoever cannot be told is gone, or does not listen.
fn answer(socket: OwnedFd, local: bool, refusal: &[u8]) {
    let hearing = Timespec::try_from(HEARING).ok();
    let _ = poll(&mut [PollFd::new(&socket, PollFlags::IN)], hearing.as_ref());
    // Of TCP or not, which makes no difference here.
    let mut socket = TcpStream::from(socket);
    let mut said = [0; 4096];
    // What has been said is read, because closing a socket with unread input would take back the answer.
    let length = socket.set_nonblocking(true).and_then(|()| socket.read(&mut said)).unwrap_or_default();
    let _ = socket.write_all(match said.first().filter(|_| length > 0) {
        // Varlink. The mistakes are not for everybody in the network.
        Some(b'{') if local => refusal,
        Some(0x16) => TLS_ALERT,
        _ => CLOSED,
    });
}
