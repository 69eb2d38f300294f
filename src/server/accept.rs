//! Accepting clients: one loop for each listener, and one task for each TLS handshake, so that a slow client never delays
//! the next.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::Shutdown;
use rustls::ServerConnection;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{info, warn};

use super::arrivals::{Reached, Turn};
use super::{Server, clock, lock};
use crate::config;
use crate::dialect::Protocol;
use crate::dialect::detect::without_tls;
use crate::net::tls::{ALPN_IRC, TlsInForce, client_identity};
use crate::net::{Address, Admission, HandshakeError, Handshaken, Listener, Socket, Stream, read_client_hello};
use crate::session::{Origin, barred};
use crate::systemd::Heartbeat;

/// How long accepting pauses when the process or the system is out of descriptors or memory, at first and at most.
const MIN_BACKOFF: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// If a time limit is noticed so much too late, the process did not run.
const NOT_RUNNING: Duration = Duration::from_secs(1);

/// The answer to a client whose address has too many connections.
const TOO_MANY: &str = "Too many connections from your address.";
/// The answer to one of too many that come at a time.
const TOO_FAST: &str = "Too many connections at a time; please try again in a minute.";
/// The answers to a client that may not come in, when too many of them come to tell each why.
const MAY_NOT: &str = "You may not come in: banned, or this room is not open to your address.";
/// A fatal alert, `access_denied` (RFC 8446, section 6).
const ACCESS_DENIED: &[u8] = &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x31];

/// Accepts clients; never returns.
pub(super) async fn accept(server: Arc<Server>, listener: Arc<Listener>, how: config::Listen, heartbeat: Heartbeat) {
    let (mut backoff, mut not_before) = (MIN_BACKOFF, None);
    let place = || server.admissions.wait(|| server.driver.lock().limits().connections);
    loop {
        let next = async {
            // Skipped without a deadline: a timer costs a wake-up of the runtime for every client.
            if let Some(not_before) = not_before {
                sleep_until(not_before).await;
            }
            place().await;
            listener.accept().await
        };
        match heartbeat.answer_while(next).await {
            Ok((socket, address)) => {
                (backoff, not_before) = (MIN_BACKOFF, None);
                // Another listener may have used the last place while this one waited for a client.
                heartbeat.answer_while(place()).await;
                welcome(&server, socket, address, &how);
            }
            Err(e) if is_the_clients(&e) => {}
            Err(e) => {
                warn!(
                    chatd.event = "limit",
                    chatd.reason = "accept",
                    "{} cannot accept for {backoff:?}: {e}",
                    listener.description()
                );
                not_before = Some(Instant::now() + backoff);
                backoff = (backoff * 2).min(MAX_BACKOFF);
            }
        }
    }
}

/// Whether only this client's connection has failed, before it was accepted (accept(2)): the next may be accepted at once.
/// Everything else, such as `EMFILE`, `ENFILE`, `ENOBUFS` or `ENOMEM`, would only fail again.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, NotConnected, TimedOut};
    // What the network has told of the connection meanwhile.
    const TOLD: [Errno; 7] = [
        Errno::NETDOWN,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::NONET,
        Errno::HOSTUNREACH,
        Errno::NETUNREACH,
    ];
    matches!(error.kind(), ConnectionAborted | ConnectionReset | NotConnected | TimedOut)
        || Errno::from_io_error(error).is_some_and(|error| TOLD.contains(&error))
}

fn welcome(server: &Arc<Server>, socket: OwnedFd, address: Address, how: &config::Listen) {
    let now = clock::now();
    let (limits, barred) = {
        let connections = server.driver.lock();
        let limits = connections.limits().clone();
        let barred = barred(now, &connections.state.room.bans, &limits, &address);
        (limits, barred)
    };
    // One that is told why in its own protocol costs a handshake and a session, as any other client does.
    if let Some(reason) = barred
        && !server.courtesy.allows(now.ticks)
    {
        turn_away(&socket, how, MAY_NOT);
        return refuse(server, address, how.tls, reason.code(), &reason.to_string());
    }
    let per_address = limits.per_address(address.ip());
    let Some(admission) = server.admissions.enter(address, per_address.connections) else {
        turn_away(&socket, how, TOO_MANY);
        refuse(server, address, how.tls, "connections-per-address", "too many connections come from this address");
        return;
    };
    let turn = lock(&server.arrivals).turn(now.ticks, &address, &limits);
    match turn {
        Turn::Now => serve(server, socket, admission, how, limits.handshake_timeout),
        Turn::At(at, reached) => {
            tell_of(reached);
            let (server, how) = (server.clone(), how.clone());
            tokio::spawn(async move {
                let wait = Duration::from_micros(at.saturating_sub(now.ticks));
                // Until its turn, or until the daemon has no time left to wait. It counts as connected meanwhile.
                let _ = timeout(wait, server.hurry.subscribe().wait_for(|hurry| *hurry)).await;
                serve(&server, socket, admission, &how, limits.handshake_timeout);
            });
        }
        Turn::Refused(reached) => {
            drop(admission);
            turn_away(&socket, how, TOO_FAST);
            refuse(server, address, how.tls, reason(reached), "too many connections come at a time");
        }
    }
}

/// Begins with a client whose turn it is.
fn serve(server: &Arc<Server>, socket: OwnedFd, admission: Admission, how: &config::Listen, limit: Duration) {
    let protocol = how.protocol.clone();
    match &server.tls {
        Some(tls) if how.tls => {
            let (server, tls) = (server.clone(), tls.clone());
            let handshakes = server.clone();
            let shaken = async move { handshake(&server, &tls, socket, admission, protocol, limit).await };
            handshakes.handshakes.spawn(shaken);
        }
        _ => start(server, socket, None, admission, protocol),
    }
}

/// Tells a client why it is turned away, in one line, because its protocol is unknown yet; or over TLS by an alert.
fn turn_away(socket: &OwnedFd, how: &config::Listen, why: &str) {
    let words = match &how.protocol {
        _ if how.tls => ACCESS_DENIED.to_vec(),
        Some(Protocol::Irc) => format!("ERROR :{why}\r\n").into_bytes(),
        _ => format!("*** {why}\n").into_bytes(),
    };
    // An empty socket has space for it, unless the client is gone. What it has said is read, because to close a socket with
    // unread input would discard the answer.
    let _ = rustix::io::write(socket, &words);
    let _ = rustix::net::shutdown(socket, Shutdown::Write);
    let _ = rustix::io::read(socket, &mut [0; 1024]);
}

/// The name of a limit, for the journal.
fn reason(reached: Reached) -> &'static str {
    match reached {
        Reached::InAll => "connection-rate",
        Reached::PerAddress => "connection-rate-per-address",
    }
}

/// Tells the administrator that clients have to wait.
fn tell_of(reached: Reached) {
    let whose = match reached {
        Reached::InAll => "clients come",
        Reached::PerAddress => "clients of one address come",
    };
    let limit = reason(reached);
    warn!(chatd.event = "limit", chatd.reason = limit, "{whose} faster than {limit} allows; they wait");
}

async fn handshake(
    server: &Arc<Server>,
    tls: &TlsInForce,
    socket: OwnedFd,
    admission: Admission,
    protocol: Option<Protocol>,
    limit: Duration,
) {
    let address = *admission.address();
    let irc = matches!(protocol, None | Some(Protocol::Irc));
    let shaken = async {
        let hello = read_client_hello(socket).await?;
        server.refresh_certificate();
        hello.answer(tls, irc).await
    };
    match within(limit, shaken).await {
        Ok(Ok((socket, tls))) => {
            // A client that negotiated IRC by ALPN needs no detection.
            let asked = (tls.connection().alpn_protocol() == Some(ALPN_IRC)).then_some(Protocol::Irc);
            let protocol = protocol.or(asked);
            start(server, socket, Some(tls), admission, protocol);
        }
        Ok(Err(HandshakeError::Failed(why))) => {
            refuse(server, address, true, "tls", &format!("the TLS handshake failed: {why}"));
        }
        Ok(Err(HandshakeError::Plaintext(client))) => {
            refuse(server, address, true, "tls", "it does not begin with TLS, which comes first here");
            let answer = without_tls(&client.said);
            // The connection counts until it is closed.
            let _ = timeout(limit, client.answer(answer)).await;
        }
        Err(TooLong) => {
            server.handshake_timeout.fetch_add(1, Ordering::Relaxed);
            refuse(server, address, true, "handshake-timeout", "the TLS handshake took too long");
        }
    }
}

/// It was not done in time.
#[derive(Debug, PartialEq, Eq)]
struct TooLong;

/// Waits for something that the other side has to do within `limit`. If the process could not run when the time was over,
/// suspended or starved, it was not the other side that was late, and the time begins anew.
async fn within<T>(limit: Duration, done: impl Future<Output = T>) -> Result<T, TooLong> {
    let mut done = pin!(done);
    loop {
        let deadline = Instant::now() + limit;
        match timeout_at(deadline, &mut done).await {
            Ok(done) => return Ok(done),
            Err(_) if deadline.elapsed() > NOT_RUNNING => {}
            Err(_) => return Err(TooLong),
        }
    }
}

/// Creates the session of a connection.
pub(super) fn start(
    server: &Server,
    socket: OwnedFd,
    tls: Option<Handshaken>,
    admission: Admission,
    protocol: Option<Protocol>,
) {
    let (address, encrypted, now) = (*admission.address(), tls.is_some(), clock::now());
    let account = tls.as_ref().and_then(|tls| account(tls.connection()));
    let origin = Origin { address, encrypted, account, connected: now };
    let socket = Socket::new(Stream::from(socket), tls);
    let mut connections = server.driver.lock();
    let id = connections.insert(now, origin, protocol.as_ref(), socket, admission);
    let watched = connections.transport(id).map(|socket| server.driver.poller.add(socket.descriptor(), id));
    if let Some(Err(e)) = watched {
        connections.remove(id);
        drop(connections);
        refuse(server, address, encrypted, "limit", &format!("the kernel cannot watch its socket: {e}"));
    }
}

/// The name in a client's certificate, as one word; its fingerprint if it has no name. rustls has verified the
/// certificate.
fn account(tls: &ServerConnection) -> Option<Box<str>> {
    let identity = client_identity(tls)?;
    let name = identity.common_name.unwrap_or(identity.fingerprint);
    let word = name.chars().map(|c| if c.is_whitespace() || matches!(c, ',' | '*' | ':') { '_' } else { c });
    Some(word.collect::<String>().into())
}

fn refuse(server: &Server, address: Address, tls: bool, reason: &str, sentence: &str) {
    server.driver.lock().counters.refused += 1;
    let transport = if tls { "tls" } else { "plain" };
    info!(chatd.event = "refused", chatd.address = %address, chatd.transport = transport, chatd.reason = reason,
        "a connection was refused: {sentence}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_concerns_one_client_is_tried_again_at_once() {
        let raised = |error: Errno| is_the_clients(&io::Error::from(error));
        for error in [Errno::CONNABORTED, Errno::CONNRESET, Errno::PROTO, Errno::HOSTUNREACH, Errno::TIMEDOUT] {
            assert!(raised(error), "{error}");
        }
        for error in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::PERM, Errno::BADF, Errno::INVAL] {
            assert!(!raised(error), "{error}");
        }
    }

    #[tokio::test]
    async fn whoever_is_late_because_the_process_did_not_run_is_given_the_time_anew() {
        let limit = Duration::from_millis(20);
        assert_eq!(within(limit, std::future::pending::<()>()).await, Err(TooLong));
        let mut asked = 0;
        let suspended = std::future::poll_fn(|context| {
            asked += 1;
            if asked == 1 {
                std::thread::sleep(limit + NOT_RUNNING + limit);
            } else if asked > 2 {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        });
        assert_eq!(within(limit, suspended).await, Ok(()));
    }
}
