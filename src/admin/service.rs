//! The daemon's side of the admin socket: accepts administrators and answers their calls in order.
//!
//! Each administrator has a task, so they do not wait for each other. A peer can make the daemon hold at most one
//! incomplete call and one reply, or one page of the history. A watcher costs no memory of its own: the log keeps the recent events and counts
//! those that a slow watcher missed. Access is controlled by the socket's owner and mode, not here.

mod backup;
mod history;
mod places;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::net::SendFlags;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use super::request::{ADMIN, BanQuery, Request, SERVICE};
use super::types::{BackupPiece, Banned, Bans, Error, History, Noticed, Reloaded, Status, Users, WatchEvent};
use super::varlink::{self, Call, FrameTooLarge, Frames};
use crate::chat::Ban;
use crate::log::{self, Missed};
use crate::server::{BanRequest, Server, UserList};
use places::Places;

/// How long a connection may take to send its next complete call.
const CALL_LIMIT: Duration = Duration::from_secs(300);

/// How long a peer may take to read one reply.
const REPLY_LIMIT: Duration = Duration::from_secs(30);

/// How long to pause after accept fails. The usual cause is a lack of descriptors, and retrying at once would only burn
/// CPU.
const ACCEPT_REST: Duration = Duration::from_secs(1);

/// Serves up to `connections` administrators at once and answers their calls. When another one comes, whoever has been
/// idle longest makes room. Never returns; dropping the future closes every connection.
pub async fn serve(listener: UnixListener, server: Arc<Server>, connections: usize) -> Infallible {
    let places = Arc::new(Places::new(connections));
    let mut peers = JoinSet::new();
    loop {
        let accepted = match listener.accept().await {
            Ok((stream, _)) => stream.peer_cred().map(|peer| (stream, peer.uid())),
            Err(error) => Err(error),
        };
        match accepted {
            Ok((stream, uid)) if !places.make_room(&mut peers).await => {
                tracing::warn!(
                    chatd.event = "limit",
                    chatd.uid = uid,
                    chatd.reason = "admin.connections",
                    "an administrator was refused: all {} connections are in use, and none is idle",
                    places.all
                );
                tell_last(&stream, &places.none_left());
            }
            Ok((stream, uid)) => {
                peers.spawn(Peer::new(stream, uid, Arc::clone(&server), Arc::clone(&places)).converse());
            }
            Err(error) => {
                tracing::warn!(
                    chatd.event = "limit",
                    chatd.reason = "accept",
                    "no connection can be accepted on the admin socket for a moment: {error}"
                );
                sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// Sends an error to a peer whose connection is then closed, if there is space for it.
fn tell_last(stream: &UnixStream, error: &Error) {
    if let Ok(reply) = varlink::encode(error) {
        let _ = rustix::net::send(stream, &reply, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }
}

/// One administrator's connection.
struct Peer {
    stream: BufReader<UnixStream>,
    frames: Frames,
    uid: u32,
    server: Arc<Server>,
    places: Arc<Places>,
}

/// Why the daemon closed a connection. Merely invalid requests are answered instead.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    FrameTooLarge(#[from] FrameTooLarge),
    #[error("a message is not a Varlink call, from line {}, column {} on", .0.line(), .0.column())]
    NotACall(serde_json::Error),
    #[error("it closed the connection in the middle of a call")]
    CutOff,
    #[error("another administrator needs its place")]
    Displaced,
    #[error("no call came for {} seconds", CALL_LIMIT.as_secs())]
    Idle,
    #[error("a reply was not read within {} seconds", REPLY_LIMIT.as_secs())]
    NotRead,
    #[error("a reply could not be written as JSON: {0}")]
    Unwritable(serde_json::Error),
}

impl Fault {
    /// The name of the fault, for the journal; `None` if there is nothing to report.
    fn code(&self) -> Option<&'static str> {
        match self {
            // A peer that has seen enough of an answer simply closes.
            Fault::Io(_) | Fault::Idle | Fault::Displaced => None,
            Fault::FrameTooLarge(_) => Some("too-long"),
            Fault::NotACall(_) => Some("not-a-call"),
            Fault::CutOff => Some("cut-off"),
            Fault::NotRead => Some("not-read"),
            Fault::Unwritable(_) => Some("unwritable"),
        }
    }
}

impl Peer {
    fn new(stream: UnixStream, uid: u32, server: Arc<Server>, places: Arc<Places>) -> Peer {
        let stream = BufReader::with_capacity(4096, stream);
        Peer { stream, frames: Frames::new(varlink::MAXIMUM_CALL), uid, server, places }
    }

    /// Answers calls in order until the peer closes the connection or violates the protocol.
    async fn converse(mut self) {
        let uid = self.uid;
        let Err(fault) = self.answer_all().await else { return };
        if let Fault::Displaced = fault {
            tell_last(self.stream.get_ref(), &self.places.none_left());
        }
        match fault.code() {
            None => tracing::debug!(chatd.uid = uid, "the connection of an administrator has ended: {fault}"),
            Some(code) => tracing::warn!(
                chatd.event = "admin",
                chatd.uid = uid,
                chatd.reason = code,
                "the connection of an administrator was closed: {fault}"
            ),
        }
    }

    async fn answer_all(&mut self) -> Result<(), Fault> {
        loop {
            let places = Arc::clone(&self.places);
            let next = tokio::select! {
                biased;
                () = places.needed() => return Err(Fault::Displaced),
                next = timeout(CALL_LIMIT, self.next_frame()) => next.map_err(|_| Fault::Idle)?,
            };
            let Some(frame) = next? else { return Ok(()) };
            let call: Call = serde_json::from_slice(&frame).map_err(Fault::NotACall)?;
            let oneway = call.oneway;
            // A restart waits for the reply.
            let _under_way = self.server.restarting();
            let reply = self.answer(call).await?;
            if !oneway {
                timeout(REPLY_LIMIT, self.stream.get_mut().write_all(&reply)).await.map_err(|_| Fault::NotRead)??;
            }
            // The chat goes on between two calls, even if a hundred have come at once.
            yield_now().await;
        }
    }

    /// The next frame, or `None` if the peer has closed the connection between frames.
    async fn next_frame(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        loop {
            let bytes = self.stream.fill_buf().await?;
            if bytes.is_empty() {
                return if self.frames.is_inside() { Err(Fault::CutOff) } else { Ok(None) };
            }
            let (taken, frame) = self.frames.take(bytes)?;
            self.stream.consume(taken);
            if frame.is_some() {
                return Ok(frame);
            }
        }
    }

    /// Carries out a call and returns its last reply, encoded.
    async fn answer(&mut self, call: Call) -> Result<Vec<u8>, Fault> {
        let (more, oneway) = (call.more, call.oneway);
        let outcome = match parse_request(call) {
            Err(error) => Err(error),
            Ok(request) if request.answers_more() && !more => Err(Error::ExpectedMore {}),
            // The caller wants no replies, so there is nothing to do.
            Ok(request) if request.answers_more() && oneway => Err(Error::WatchEnded {}),
            Ok(Request::Watch { resume }) => Err(self.watch(resume).await?),
            Ok(Request::History(query)) => self.history(query).await?.map(Answer::History),
            Ok(Request::Backup {}) => self.back_up().await?.map(Answer::BackupPiece),
            Ok(request) => self.perform(request).await,
        };
        match outcome {
            Ok(answer) => answer.encode().await,
            Err(error) => varlink::encode(&error).map_err(Fault::Unwritable),
        }
    }

    /// Carries out a request with a single reply.
    async fn perform(&self, request: Request) -> Result<Answer, Error> {
        Ok(match request {
            Request::GetInfo {} => Answer::Info(Info::ours()),
            Request::GetInterfaceDescription { interface } => Answer::Description(describe(interface)?),
            Request::List {} => Answer::UserList(self.server.list().await),
            Request::Kick { name, reason } => {
                self.server.kick(&name, reason.as_deref(), self.uid)?;
                Answer::Nothing {}
            }
            Request::Ban(BanQuery { target, account, address, duration, reason }) => {
                if account && address {
                    return Err(Error::InvalidParameter { parameter: "address".to_owned() });
                }
                let request = BanRequest { target, account, address, duration, reason };
                Answer::Banned(self.server.ban(&request, self.uid).await?.into())
            }
            Request::Unban { target, account } => Answer::BanList(self.server.unban(&target, account, self.uid)?),
            Request::ListBans {} => Answer::BanList(self.server.bans()),
            Request::Notice { text } => {
                Answer::Noticed(Noticed { reached: self.server.notice(&text, self.uid)? as u64 })
            }
            Request::Status {} => Answer::Status(Box::new(self.server.status_report().into())),
            Request::Watch { .. } | Request::History(_) | Request::Backup {} => return Err(Error::ExpectedMore {}),
            Request::Reload {} => match self.server.reload(Some(self.uid)).await {
                Ok(warnings) => Answer::Reloaded(Reloaded { warnings }),
                Err(mistakes) => return Err(Error::ReloadFailed { mistakes }),
            },
            Request::Restart {} => match self.server.restart(Some(self.uid)).await {
                Ok(()) => Answer::Nothing {},
                Err(mistakes) => return Err(Error::RestartFailed { mistakes }),
            },
        })
    }

    /// Sends events until the peer sends anything or closes. The final reply is an error, because it is not an event.
    ///
    /// Writing a reply has no timeout here: a pager may block the peer for as long as its user reads, and a blocked
    /// watcher costs only the count of missed events.
    async fn watch(&mut self, resume: bool) -> Result<Error, Fault> {
        let _permit = match self.places.watcher() {
            Ok(permit) => permit,
            Err(error) => return Ok(error),
        };
        let mut restarting = self.server.restarting();
        let mut records = if resume { log::watch_from_start() } else { log::watch() };
        tracing::info!(chatd.event = "admin", chatd.uid = self.uid, "an administrator is watching");
        loop {
            let next = tokio::select! {
                next = records.next() => next,
                bytes = self.stream.fill_buf() => {
                    bytes?;
                    return Ok(Error::WatchEnded {});
                }
                () = restarting.begun() => match records.try_next() {
                    Some(next) => next,
                    None => return Ok(Error::Restarting { after: None }),
                },
            };
            let event = match next {
                Ok(record) => watch_event(&record),
                Err(Missed(count)) => WatchEvent::missed(SystemTime::now(), count),
            };
            let reply = varlink::encode_reply(&event, true).map_err(Fault::Unwritable)?;
            self.stream.get_mut().write_all(&reply).await?;
        }
    }
}

/// Parses a call. An upgrade to another protocol is refused: a normal reply would make the peer switch.
fn parse_request(call: Call) -> Result<Request, Error> {
    let upgrade = call.upgrade.then(|| call.method.clone());
    let request = Request::from_call(call)?;
    upgrade.map_or(Ok(request), |method| Err(Error::MethodNotImplemented { method }))
}

/// Converts a log entry for a watcher.
fn watch_event(record: &log::Record) -> WatchEvent {
    WatchEvent {
        time: record.time,
        event: record.kind.map_or("", |kind| kind.name).to_owned(),
        message: record.message.clone(),
        user: record.user.clone(),
        address: record.address.clone(),
        transport: record.transport.clone(),
        protocol: record.protocol.clone(),
        reason: record.reason.clone(),
        uid: record.uid,
        missed: None,
    }
}

/// The parameters of all replies.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    Info(Info),
    Description(Description),
    /// Converted to [`Users`] when it is encoded.
    #[serde(skip_serializing)]
    UserList(UserList),
    Banned(Banned),
    /// Converted to [`Bans`] when it is encoded.
    #[serde(skip_serializing)]
    BanList(Vec<Arc<Ban>>),
    Noticed(Noticed),
    Status(Box<Status>),
    Reloaded(Reloaded),
    History(History),
    BackupPiece(BackupPiece),
    Nothing {},
}

impl Answer {
    /// The encoded reply. Sorting and encoding a list of thousands takes milliseconds, so that runs on another thread than
    /// the room's.
    async fn encode(self) -> Result<Vec<u8>, Fault> {
        let encoded = match self {
            Answer::UserList(found) => {
                tokio::task::spawn_blocking(|| varlink::encode_reply(&Users::from(found), false)).await
            }
            Answer::BanList(found) => {
                tokio::task::spawn_blocking(move || varlink::encode_reply(&Bans::from(&*found), false)).await
            }
            other => return varlink::encode_reply(&other, false).map_err(Fault::Unwritable),
        };
        encoded.map_err(io::Error::from)?.map_err(Fault::Unwritable)
    }
}

/// The reply to `org.varlink.service.GetInfo`.
#[derive(Debug, Serialize)]
struct Info {
    vendor: &'static str,
    product: &'static str,
    version: &'static str,
    url: &'static str,
    interfaces: &'static [&'static str],
}

impl Info {
    fn ours() -> Info {
        Info {
            vendor: "chatd",
            product: "chatd",
            version: env!("CARGO_PKG_VERSION"),
            url: env!("CARGO_PKG_REPOSITORY"),
            interfaces: &[ADMIN, SERVICE],
        }
    }
}

/// The reply to `org.varlink.service.GetInterfaceDescription`.
#[derive(Debug, Serialize)]
struct Description {
    description: &'static str,
}

fn describe(interface: String) -> Result<Description, Error> {
    let description = match interface.as_str() {
        ADMIN => include_str!("org.chatd.Admin.varlink"),
        SERVICE => include_str!("org.varlink.service.varlink"),
        _ => return Err(Error::InterfaceNotFound { interface }),
    };
    Ok(Description { description })
}
