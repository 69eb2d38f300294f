//! The daemon's side of the admin socket: who is connected, and answering their calls in order.
//!
//! One task per administrator, so that nobody waits for anybody else. What a peer makes us keep is bounded: one
//! unfinished call, one reply, and for a watcher nothing at all, since the log keeps what is being watched and
//! counts what a slow watcher missed. Who may connect is decided by the socket's owner and mode, not here.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::request::{ADMIN, Request, SERVICE};
use super::types::{Error, Happening, Noticed, Reloaded, Status, Users};
use super::varlink::{self, Call, FrameTooLarge, Frames};
use crate::log::{self, Missed};
use crate::server::{Found, Server};

/// How long a connection may take until its next call is complete. Another administrator may need its place.
const CALL_LIMIT: Duration = Duration::from_secs(300);

/// How long a peer may take to read one reply.
const REPLY_LIMIT: Duration = Duration::from_secs(30);

/// How long accepting rests after it failed: mostly descriptors ran out, and trying at once would only burn time.
const ACCEPT_REST: Duration = Duration::from_secs(1);

/// Accepts administrators, at most `connections` of them at once (more wait in the kernel's queue), and answers
/// their calls. It never ends by itself; dropping it closes every connection.
pub async fn serve(listener: UnixListener, server: Arc<Server>, connections: usize) -> Infallible {
    // Watching goes on for hours: a place is kept for somebody who wants to do something about what is seen.
    let maximum_watchers = connections.saturating_sub(1).max(1);
    let watchers = Arc::new(Semaphore::new(maximum_watchers.min(Semaphore::MAX_PERMITS)));
    let mut peers = JoinSet::new();
    loop {
        while peers.try_join_next().is_some() {}
        if peers.len() >= connections.max(1) {
            peers.join_next().await;
            continue;
        }
        let accepted = match listener.accept().await {
            Ok((stream, _)) => stream.peer_cred().map(|peer| (stream, peer.uid())),
            Err(error) => Err(error),
        };
        match accepted {
            Ok((stream, uid)) => {
                let server = Arc::clone(&server);
                let watchers = Arc::clone(&watchers);
                peers.spawn(Peer::new(stream, uid, server, watchers, maximum_watchers).converse());
            }
            Err(error) => {
                tracing::warn!(
                    chatd.event = "admin",
                    chatd.reason = %error,
                    "no connection can be accepted on the admin socket for a moment"
                );
                sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// One connection of an administrator.
struct Peer {
    stream: BufReader<UnixStream>,
    frames: Frames,
    uid: u32,
    server: Arc<Server>,
    /// One permit for each watcher there may still be.
    watchers: Arc<Semaphore>,
    maximum_watchers: usize,
}

/// Why a connection was ended by us; what a peer merely asks wrongly is answered instead.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    FrameTooLarge(#[from] FrameTooLarge),
    #[error("a message is not a Varlink call: {0}")]
    NotACall(serde_json::Error),
    #[error("it closed the connection in the middle of a call")]
    CutOff,
    #[error("no call came for {} seconds", CALL_LIMIT.as_secs())]
    Idle,
    #[error("a reply was not read within {} seconds", REPLY_LIMIT.as_secs())]
    NotRead,
    #[error("a reply could not be written as JSON: {0}")]
    Unwritable(serde_json::Error),
}

impl Peer {
    fn new(
        stream: UnixStream,
        uid: u32,
        server: Arc<Server>,
        watchers: Arc<Semaphore>,
        maximum_watchers: usize,
    ) -> Peer {
        let stream = BufReader::with_capacity(4096, stream);
        Peer { stream, frames: Frames::new(varlink::MAXIMUM_CALL), uid, server, watchers, maximum_watchers }
    }

    /// Answers calls in their order until the peer is done, or is at fault.
    async fn converse(mut self) {
        let uid = self.uid;
        match self.answer_all().await {
            Ok(()) => {}
            // Somebody who no longer wants the rest of an answer simply closes: nothing to report.
            Err(fault @ (Fault::Io(_) | Fault::Idle)) => tracing::debug!(
                chatd.uid = uid,
                chatd.reason = %fault,
                "the connection of an administrator has ended"
            ),
            Err(fault) => tracing::warn!(
                chatd.event = "admin",
                chatd.uid = uid,
                chatd.reason = %fault,
                "the connection of an administrator was closed"
            ),
        }
    }

    async fn answer_all(&mut self) -> Result<(), Fault> {
        loop {
            let next = timeout(CALL_LIMIT, self.next_frame()).await.map_err(|_| Fault::Idle)?;
            let Some(frame) = next? else { return Ok(()) };
            let call: Call = serde_json::from_slice(&frame).map_err(Fault::NotACall)?;
            let oneway = call.oneway;
            let reply = self.answer(call).await?;
            if !oneway {
                timeout(REPLY_LIMIT, self.stream.get_mut().write_all(&reply)).await.map_err(|_| Fault::NotRead)??;
            }
        }
    }

    /// The next frame, or `None` when the peer has closed between two.
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

    /// Does what a call asks; the bytes of the last reply to it.
    async fn answer(&mut self, call: Call) -> Result<Vec<u8>, Fault> {
        let (more, oneway) = (call.more, call.oneway);
        let outcome = match understand(call) {
            Err(error) => Err(error),
            Ok(request) if request.answers_more() && !more => Err(Error::ExpectedMore {}),
            // Nothing would ever be told, so there is nothing to watch for.
            Ok(Request::Watch {}) if oneway => Err(Error::WatchEnded {}),
            Ok(Request::Watch {}) => Err(self.watch().await?),
            Ok(request) => self.perform(request).await,
        };
        match outcome {
            Ok(answer) => answer.encode().await,
            Err(error) => varlink::encode(&error).map_err(Fault::Unwritable),
        }
    }

    /// Does what takes one reply.
    async fn perform(&self, request: Request) -> Result<Answer, Error> {
        Ok(match request {
            Request::GetInfo {} => Answer::Info(Info::ours()),
            Request::GetInterfaceDescription { interface } => Answer::Description(describe(interface)?),
            Request::List {} => Answer::Found(self.server.list().await),
            Request::Kick { name, reason } => {
                self.server.kick(&name, reason.as_deref(), self.uid)?;
                Answer::Nothing {}
            }
            Request::Notice { text } => {
                Answer::Noticed(Noticed { reached: self.server.notice(&text, self.uid)? as u64 })
            }
            Request::Status {} => Answer::Status(Box::new(self.server.numbers().into())),
            Request::Watch {} => return Err(Error::ExpectedMore {}),
            Request::Reload {} => match self.server.reload(Some(self.uid)).await {
                Ok(warnings) => Answer::Reloaded(Reloaded { warnings }),
                Err(mistakes) => return Err(Error::ReloadFailed { mistakes }),
            },
        })
    }

    /// Tells what happens until the peer says anything or closes. What it then gets is not a happening, and so
    /// the last reply is an error.
    ///
    /// There is no limit on how long a reply may take here: a pager may hold the peer up for as long as its user
    /// reads, and all this costs us is the count of what was missed.
    async fn watch(&mut self) -> Result<Error, Fault> {
        let Ok(_permit) = Arc::clone(&self.watchers).try_acquire_owned() else {
            return Ok(Error::TooManyWatchers { maximum: self.maximum_watchers as u64 });
        };
        let mut records = log::watch();
        tracing::info!(chatd.event = "admin", chatd.uid = self.uid, "an administrator is watching");
        loop {
            let happening = tokio::select! {
                record = records.next() => match record {
                    Ok(record) => happening(&record),
                    Err(Missed(count)) => Happening::missed(SystemTime::now(), count),
                },
                bytes = self.stream.fill_buf() => {
                    bytes?;
                    return Ok(Error::WatchEnded {});
                }
            };
            let reply = varlink::encode_reply(&happening, true).map_err(Fault::Unwritable)?;
            self.stream.get_mut().write_all(&reply).await?;
        }
    }
}

/// What a call asks for. Nothing here can be upgraded to another protocol, and answering as if it had been would
/// make the peer speak one.
fn understand(call: Call) -> Result<Request, Error> {
    let upgrade = call.upgrade.then(|| call.method.clone());
    let request = Request::from_call(call)?;
    upgrade.map_or(Ok(request), |method| Err(Error::MethodNotImplemented { method }))
}

/// An entry of the log as a watcher gets it.
fn happening(record: &log::Record) -> Happening {
    Happening {
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

/// The parameters of every reply there is.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    Info(Info),
    Description(Description),
    /// [`Users`] in the making.
    #[serde(skip_serializing)]
    Found(Found),
    Noticed(Noticed),
    Status(Box<Status>),
    Reloaded(Reloaded),
    Nothing {},
}

impl Answer {
    /// The reply's bytes. A list of ten thousand takes milliseconds to sort and to write, which the room should not
    /// feel: that is done beside the one thread that serves it.
    async fn encode(self) -> Result<Vec<u8>, Fault> {
        let Answer::Found(found) = self else {
            return varlink::encode_reply(&self, false).map_err(Fault::Unwritable);
        };
        let encode = || varlink::encode_reply(&Users::from(found), false);
        let encoded = tokio::task::spawn_blocking(encode).await;
        encoded.map_err(io::Error::from)?.map_err(Fault::Unwritable)
    }
}

/// What `org.varlink.service.GetInfo` answers.
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

/// What `org.varlink.service.GetInterfaceDescription` answers.
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
