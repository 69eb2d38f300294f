//! A frozen piece of a feed, shared by all who still have to be sent it, and the count of what such pieces hold.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Bytes that are kept because some client has not been sent them: blocks, and answers to single clients.
#[derive(Debug, Default)]
pub struct Backlog(AtomicUsize);

/// A frozen piece of a feed.
#[derive(Debug)]
pub struct Block {
    base: u64,
    bytes: Vec<u8>,
    next: OnceLock<Arc<Block>>,
    backlog: Arc<Backlog>,
}

impl Backlog {
    /// Counts bytes in.
    pub fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes out that were counted in.
    pub fn remove(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// How many there are.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Block {
    /// An empty one, at the beginning of a feed.
    #[must_use]
    pub fn first(backlog: &Arc<Backlog>) -> Arc<Block> {
        Block::new(0, Vec::new(), backlog)
    }

    /// Makes the block that follows this one, which has none yet: only the newest block of a feed is followed.
    pub fn follow(self: &Arc<Block>, bytes: Vec<u8>, backlog: &Arc<Backlog>) -> Arc<Block> {
        self.next.get_or_init(|| Block::new(self.end(), bytes, backlog)).clone()
    }

    /// One that belongs to no feed.
    #[must_use]
    pub fn alone(bytes: Vec<u8>, backlog: &Arc<Backlog>) -> Arc<Block> {
        Block::new(0, bytes, backlog)
    }

    fn new(base: u64, bytes: Vec<u8>, backlog: &Arc<Backlog>) -> Arc<Block> {
        backlog.add(bytes.len());
        Arc::new(Block { base, bytes, next: OnceLock::new(), backlog: backlog.clone() })
    }

    /// The position of its first byte.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// The position after its last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// All its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its bytes between two positions, as far as it has them.
    #[must_use]
    pub fn between(&self, from: u64, to: u64) -> &[u8] {
        let offset = |position: u64| usize::try_from(position.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let to = offset(to).min(self.bytes.len());
        self.bytes.get(offset(from)..to).unwrap_or_default()
    }

    /// The block that follows, once there is one.
    #[must_use]
    pub fn next(&self) -> Option<&Arc<Block>> {
        self.next.get()
    }

    /// The block in the chain from here on where reading goes on at `position`.
    #[must_use]
    pub fn seek(self: &Arc<Block>, position: u64) -> Arc<Block> {
        let mut block = self;
        while block.end() <= position
            && let Some(next) = block.next()
        {
            block = next;
        }
        block.clone()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.backlog.remove(self.bytes.len());
        // Takes the chain down in a loop: a long one would overflow the stack by recursion.
        let mut next = self.next.take();
        while let Some(block) = next {
            next = Arc::into_inner(block).and_then(|mut block| block.next.take());
        }
    }
}
