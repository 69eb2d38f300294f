//! The method `Backup`: the bytes of a copy of the history, piece by piece.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{Fault, Peer, REPLY_LIMIT, varlink};
use crate::admin::types::{BackupPiece, Error};

/// The most bytes of the file in one reply.
const PIECE: u64 = 192 * 1024;

impl Peer {
    /// Sends all replies but the last, which has no bytes. An error is the last reply, too.
    pub(super) async fn back_up(&mut self) -> Result<Result<BackupPiece, Error>, Fault> {
        let mut backup = match self.server.back_up(self.uid).await {
            Ok(backup) => backup,
            Err(error) => return Ok(Err(error.into())),
        };
        let (bytes, lines) = (backup.copy.bytes(), backup.copy.lines());
        loop {
            let read = spawn_blocking(move || {
                let piece = backup.copy.read(PIECE)?;
                if piece.is_empty() {
                    return Ok((backup, None));
                }
                let reply = BackupPiece { data: STANDARD.encode(piece), bytes, lines };
                Ok((backup, Some(varlink::encode_reply(&reply, true))))
            });
            let reply;
            (backup, reply) = match read.await.map_err(io::Error::from)? {
                Ok(read) => read,
                Err(error) => return Ok(Err(failed(&error))),
            };
            let Some(reply) = reply else { return Ok(Ok(BackupPiece { data: String::new(), bytes, lines })) };
            let reply = reply.map_err(Fault::Unwritable)?;
            timeout(REPLY_LIMIT, self.stream.get_mut().write_all(&reply)).await.map_err(|_| Fault::NotRead)??;
        }
    }
}

fn failed(error: &io::Error) -> Error {
    Error::BackupFailed { reason: format!("the copy cannot be read: {error}") }
}
