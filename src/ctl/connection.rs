//! chatctl's side of the admin socket: finding a daemon, sending a request, reading the replies.
//!
//! All I/O has a timeout, except waiting for what has not happened yet.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use serde_json::value::RawValue;

use super::failure::Failure;
use crate::admin::request::Request;
use crate::admin::types::Error;
use crate::admin::varlink::{self, Frames, MAXIMUM_CALL, MAXIMUM_REPLY};

/// The timeout for the daemon to accept, to read a call, and to answer it.
pub const LIMIT: Duration = Duration::from_secs(10);

/// How often to look whether a daemon that restarts is there again.
const RETRY: Duration = Duration::from_millis(20);

/// A connection to a daemon.
#[derive(Debug)]
pub struct Connection {
    socket: PathBuf,
    stream: BufReader<UnixStream>,
    frames: Frames,
}

/// A reply that is no error.
#[derive(Debug)]
pub struct Reply {
    /// Its parameters, unparsed.
    pub parameters: Box<RawValue>,
    /// Whether there are further replies.
    pub continues: bool,
}

impl Connection {
    /// Connects to the first of these sockets on which a daemon listens and that this user may use.
    pub fn open(sockets: &[PathBuf]) -> Result<Connection, Failure> {
        let mut forbidden = Vec::new();
        for socket in sockets {
            match open_socket(socket) {
                Ok(stream) => {
                    let stream = BufReader::with_capacity(64 * 1024, stream);
                    return Ok(Connection { socket: socket.clone(), stream, frames: Frames::new(MAXIMUM_REPLY) });
                }
                Err(error) => match error.kind() {
                    // No socket, or a stale one.
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {}
                    io::ErrorKind::PermissionDenied => forbidden.push(socket.clone()),
                    io::ErrorKind::WouldBlock => return Err(no_answer()),
                    _ => return Err(Failure::Unusable { socket: socket.clone(), error }),
                },
            }
        }
        Err(if forbidden.is_empty() {
            Failure::NoDaemon { tried: sockets.to_vec() }
        } else {
            Failure::NotPermitted { sockets: forbidden }
        })
    }

    /// Sends a request with a single reply and returns the reply's parameters unparsed.
    pub fn ask(&mut self, request: &Request) -> Result<Box<RawValue>, Failure> {
        self.send(request, false)?;
        Ok(self.next_reply(Some(LIMIT))?.parameters)
    }

    /// Sends a request with many replies; read them with [`Connection::next_reply`].
    pub fn begin(&mut self, request: &Request) -> Result<(), Failure> {
        self.send(request, true)
    }

    /// Waits for the next reply, for as long as `limit` if there is one; after that, it may be called again.
    pub fn next_reply(&mut self, limit: Option<Duration>) -> Result<Reply, Failure> {
        self.reply(limit.map(|limit| Instant::now() + limit))
    }

    /// Waits until a daemon that restarts has closed this connection, and connects to the one that goes on in its place.
    /// Whoever connects before could still reach the old one.
    pub fn reconnect(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.next_frame(Some(deadline)) {
                Ok(_) => {}
                Err(Failure::Closed) => break,
                Err(failure) => return Err(not_back(failure)),
            }
        }
        loop {
            match Connection::open(std::slice::from_ref(&self.socket)) {
                Ok(next) => {
                    *self = next;
                    return Ok(());
                }
                Err(Failure::NoDaemon { .. }) if Instant::now() < deadline => std::thread::sleep(RETRY),
                Err(failure) => return Err(not_back(failure)),
            }
        }
    }

    fn send(&mut self, request: &Request, more: bool) -> Result<(), Failure> {
        let call = varlink::encode_call(request, more).map_err(|error| Failure::Connection(io::Error::other(error)))?;
        if call.len() > MAXIMUM_CALL + 1 {
            return Err(Failure::TooLong);
        }
        match self.stream.get_mut().write_all(&call) {
            // A daemon that closes without reading may have sent the reason, so go on to read it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            sent => sent.map_err(failed),
        }
    }

    fn reply(&mut self, deadline: Option<Instant>) -> Result<Reply, Failure> {
        let frame = self.next_frame(deadline)?;
        let reply: varlink::Reply = serde_json::from_slice(&frame).map_err(not_understood)?;
        let parameters = match reply.parameters {
            Some(parameters) => parameters,
            None => RawValue::from_string("{}".to_owned()).map_err(not_understood)?,
        };
        match reply.error {
            None => Ok(Reply { parameters, continues: reply.continues }),
            Some(name) => Err(refused(name, &parameters)),
        }
    }

    fn next_frame(&mut self, deadline: Option<Instant>) -> Result<Vec<u8>, Failure> {
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(no_answer());
            }
            self.stream.get_ref().set_read_timeout(left).map_err(Failure::Connection)?;
            let bytes = match self.stream.fill_buf() {
                Ok([]) => return Err(Failure::Closed),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            let (taken, frame) =
                self.frames.take(bytes).map_err(|too_large| Failure::NotUnderstood(too_large.to_string()))?;
            self.stream.consume(taken);
            if let Some(frame) = frame {
                return Ok(frame);
            }
        }
    }
}

/// Connects with a timeout. On a Unix socket SO_SNDTIMEO also limits connect(2), which blocks while the daemon does not
/// accept. It must be set before connecting, which std does not allow.
fn open_socket(path: &Path) -> io::Result<UnixStream> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(LIMIT))?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// Converts an error reply to a known error, or keeps it as it is.
fn refused(name: String, parameters: &RawValue) -> Failure {
    let known = serde_json::json!({ "error": &name, "parameters": parameters });
    match serde_json::from_value::<Error>(known) {
        Ok(error) => Failure::Refused(error),
        Err(_) => Failure::RefusedOtherwise { name, parameters: parameters.get().to_owned() },
    }
}

fn failed(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => no_answer(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Failure::Closed,
        _ => Failure::Connection(error),
    }
}

/// What a failure means after a restart.
pub fn not_back(failure: Failure) -> Failure {
    match failure {
        Failure::NoAnswer { seconds } => Failure::NotBack { seconds },
        Failure::NoDaemon { .. } => Failure::NotBack { seconds: LIMIT.as_secs() },
        other => other,
    }
}

fn no_answer() -> Failure {
    Failure::NoAnswer { seconds: LIMIT.as_secs() }
}

fn not_understood(error: serde_json::Error) -> Failure {
    Failure::NotUnderstood(error.to_string())
}
