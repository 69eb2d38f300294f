//! What is unsent, as it is saved and restored. Bytes that others are still to be sent, too, are saved once for all.

use serde::{Deserialize, Serialize};

use super::{Output, Piece, Source};
use crate::room::Log;

/// Unsent bytes as they are saved.
#[derive(Debug, Serialize, Deserialize)]
pub enum Unsent {
    /// Only this client is sent them; with who has caused them.
    Own(Source, Vec<u8>),
    /// A part of a block that is [saved once for all](Log::share).
    Shared {
        /// Its number.
        block: u32,
        /// Where the part begins, from the block's own beginning.
        from: u32,
        /// Where it ends.
        to: u32,
    },
}

impl Output {
    /// Everything unsent, in order. Afterwards it counts as sent.
    pub fn drain(&mut self, log: &mut Log) -> Vec<Unsent> {
        if let Some(last) = self.last_cursor() {
            log.pin(last);
        }
        let (mut pieces, mut total): (Vec<Unsent>, _) = (Vec::new(), 0);
        self.for_each_piece(|Piece { bytes, source, of }| {
            total += bytes.len();
            match (of, pieces.last_mut()) {
                (Some((block, from)), _) => {
                    let offset = |position: u64| u32::try_from(position).unwrap_or(u32::MAX);
                    let (from, to) = (offset(from), offset(from + bytes.len() as u64));
                    pieces.push(Unsent::Shared { block: log.share(block), from, to });
                }
                (None, Some(Unsent::Own(same, before))) if *same == source => before.extend_from_slice(bytes),
                (None, _) => pieces.push(Unsent::Own(source, bytes.to_vec())),
            }
            true
        });
        self.advance(total);
        pieces
    }

    /// Queues what was saved.
    pub fn restore(&mut self, log: &Log, unsent: Vec<Unsent>) {
        for unsent in unsent {
            match unsent {
                Unsent::Own(source, bytes) => self.post(log, &bytes, source),
                Unsent::Shared { block, from, to } => {
                    // What was saved may be damaged.
                    let Some(block) = log.shared(block) else { continue };
                    let (from, to) = (u64::from(from), u64::from(to).min(block.end()));
                    if from < to {
                        let at = self.feed().map_or(0, |feed| log.end(feed));
                        self.outbox_mut(log).insert_shared(at, block.clone(), (from, to));
                    }
                }
            }
        }
    }
}
