//! Accepting clients: one loop for each listener, and a task of its own for each TLS handshake, so that a slow client
//! never holds up the next.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConnection;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tracing::{info, warn};

use super::Server;
use super::admission::Admission;
use crate::config;
use crate::dialect::Protocol;
use crate::net::tls::{ALPN_IRC, TlsInForce};
use crate::net::{Address, Listener, Stream};
use crate::session::{Connection, Session, count};
use crate::systemd::Beat;

/// How long accepting rests when the process or the machine is out of something, at first and at most.
const SHORTEST_REST: Duration = Duration::from_millis(50);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// What a client is told whose address has too many connections; it may speak anything, so this is plain text.
const TOO_MANY: &[u8] = b"*** Too many connections from your address.\n";

/// Accepts clients for ever.
pub(super) async fn accept(server: Arc<Server>, listener: Listener, how: config::Listen, beat: Beat) {
    let (mut rest, mut not_before) = (SHORTEST_REST, Instant::now());
    let place = || server.admissions.wait(|| server.context.limits().connections);
    loop {
        let next = async {
            sleep_until(not_before).await;
            place().await;
            listener.accept().await
        };
        match beat.answer_while(next).await {
            Ok((stream, address)) => {
                rest = SHORTEST_REST;
                // Another listener may have taken the last place while this one waited for a client.
                beat.answer_while(place()).await;
                welcome(&server, stream, address, &how);
            }
            Err(e) if is_the_clients(&e) => {}
            Err(e) => {
                warn!(chatd.event = "limit", "{} cannot accept for {rest:?}: {e}", listener.description());
                not_before = Instant::now() + rest;
                rest = (rest * 2).min(LONGEST_REST);
            }
        }
    }
}

/// The client was gone before it was accepted (accept(2)).
fn is_the_clients(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
        || error.kind() == io::ErrorKind::NotConnected
}

fn welcome(server: &Arc<Server>, stream: Stream, address: Address, how: &config::Listen) {
    let limits = server.context.limits();
    let Some(admission) = server.admissions.enter(address, limits.connections_per_address) else {
        if !how.tls {
            // If it does not fit into an empty socket, the client is gone already.
            let _ = stream.try_write(TOO_MANY);
        }
        refuse(server, address, how.tls, "connections-per-address", "too many connections come from this address");
        return;
    };
    let protocol = how.protocol.clone();
    match &server.tls {
        Some(tls) if how.tls => {
            server.refresh_certificate();
            let (server, tls) = (server.clone(), tls.clone());
            tokio::spawn(async move {
                let irc = matches!(protocol, None | Some(Protocol::Irc));
                let shaken = handshake(&server, &tls, irc, stream, address, limits.handshake_timeout).await;
                if let Some((stream, tls)) = shaken {
                    // Whoever asks for IRC need not be found out.
                    let asked = (tls.alpn_protocol() == Some(ALPN_IRC)).then_some(Protocol::Irc);
                    let protocol = protocol.or(asked);
                    start(&server, Connection { stream, tls: Some(tls), address, protocol }, admission);
                }
            });
        }
        _ => start(server, Connection { stream, tls: None, address, protocol }, admission),
    }
}

fn start(server: &Server, connection: Connection, admission: Admission) {
    Session::start(server.context.clone(), connection, admission);
}

/// The handshake by tokio-rustls; afterwards the session drives rustls itself. `irc`: IRC is spoken here, if the client
/// asks for it.
async fn handshake(
    server: &Server,
    tls: &TlsInForce,
    irc: bool,
    stream: Stream,
    address: Address,
    limit: Duration,
) -> Option<(Stream, Box<ServerConnection>)> {
    async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
        tls: &TlsInForce,
        irc: bool,
        socket: S,
    ) -> io::Result<(S, Box<ServerConnection>)> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
        let asked = hello.client_hello().alpn().is_some_and(|mut asked| asked.any(|protocol| protocol == ALPN_IRC));
        let config = if irc && asked { tls.current_irc() } else { tls.current() };
        let (socket, connection) = hello.into_stream(config).await?.into_inner();
        Ok((socket, Box::new(connection)))
    }
    let shaken = async {
        Ok(match stream {
            Stream::Tcp(socket) => {
                let (socket, connection) = shake(tls, irc, socket).await?;
                (Stream::Tcp(socket), connection)
            }
            Stream::Unix(socket) => {
                let (socket, connection) = shake(tls, irc, socket).await?;
                (Stream::Unix(socket), connection)
            }
        })
    };
    match timeout(limit, shaken).await {
        Ok(Ok(shaken)) => return Some(shaken),
        Ok(Err(e)) => {
            let e: io::Error = e;
            refuse(server, address, true, "tls", &format!("the TLS handshake failed: {e}"));
        }
        Err(_) => {
            count(&server.handshake_timeout);
            refuse(server, address, true, "handshake-timeout", "the TLS handshake took too long");
        }
    }
    None
}

fn refuse(server: &Server, address: Address, tls: bool, reason: &str, sentence: &str) {
    count(&server.context.counters.refused);
    let transport = if tls { "tls" } else { "plain" };
    info!(chatd.event = "refused", chatd.address = %address, chatd.transport = transport, chatd.reason = reason,
        "a connection was refused: {sentence}");
}
