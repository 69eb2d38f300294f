//! Bytes in and out of one connection, with or without TLS. rustls is driven directly: no task, no buffer and no
//! copy beside its own.

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::task::Poll;

use rustls::ServerConnection;

use crate::net::Stream;

/// Reads what has arrived. `Ok(0)`: the peer has ended its side properly.
///
/// # Errors
/// [`ErrorKind::WouldBlock`] when nothing has arrived; otherwise the connection is broken, with
/// [`ErrorKind::InvalidData`] for what is wrong with the peer's TLS.
pub fn read(stream: &Stream, tls: &mut Option<Box<ServerConnection>>, buffer: &mut [u8]) -> io::Result<usize> {
    let Some(tls) = tls else { return stream.try_read(buffer) };
    loop {
        match tls.reader().read(buffer) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            read => return read,
        }
        tls.read_tls(&mut &*stream)?;
        if let Err(e) = tls.process_new_packets() {
            // The alert that tells the peer what it did wrong; if it does not fit, the peer will see the end.
            let _ = tls.write_tls(&mut &*stream);
            return Err(io::Error::new(ErrorKind::InvalidData, e));
        }
    }
}

/// Takes bytes for sending; all of a round's into as few TLS records as they fill.
///
/// # Errors
/// [`ErrorKind::WouldBlock`] when none could be taken; otherwise the connection is broken.
pub fn write(stream: &Stream, tls: &mut Option<Box<ServerConnection>>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    if let Some(connection) = tls {
        if flush_records(stream, connection)?.is_pending() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let taken = connection.writer().write_vectored(slices)?;
        // What does not go out now is asked for by `has_unsent`.
        let _ = flush_records(stream, connection)?;
        return Ok(taken);
    }
    match slices {
        [one] => stream.try_write(one),
        many => stream.try_write_vectored(many),
    }
}

/// Sends what TLS has encrypted already. Pending: the socket is full.
///
/// # Errors
/// The connection is broken.
pub fn flush(stream: &Stream, tls: &mut Option<Box<ServerConnection>>) -> io::Result<Poll<()>> {
    tls.as_mut().map_or(Ok(Poll::Ready(())), |tls| flush_records(stream, tls))
}

fn flush_records(stream: &Stream, tls: &mut ServerConnection) -> io::Result<Poll<()>> {
    while tls.wants_write() {
        match tls.write_tls(&mut &*stream) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(Poll::Pending),
            sent => sent?,
        };
    }
    Ok(Poll::Ready(()))
}

/// Whether TLS holds encrypted bytes that the socket had no room for.
#[must_use]
pub fn has_unsent(tls: &Option<Box<ServerConnection>>) -> bool {
    tls.as_ref().is_some_and(|tls| tls.wants_write())
}

/// Ends our side properly; everything must have been sent. Pending: the socket is full.
///
/// # Errors
/// The connection is broken.
pub fn end(stream: &Stream, tls: &mut Option<Box<ServerConnection>>) -> io::Result<Poll<()>> {
    if let Some(tls) = tls {
        tls.send_close_notify();
    }
    let sent = flush(stream, tls)?;
    if sent.is_ready() {
        stream.shutdown_write()?;
    }
    Ok(sent)
}
