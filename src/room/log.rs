//! The log rendered for one wire form: a chain of frozen blocks and an open tail.
//!
//! A position is a number of bytes since the feed began; it only grows. Blocks are shared by everybody who still has
//! to be sent them: each holds the next one, a reader holds the block it stands in, and what nobody needs frees
//! itself. No sockets, no clock, no runtime.

use std::sync::{Arc, OnceLock};

use crate::chat::Form;

/// The largest room that is made ready for a round's bytes, so that one burst does not stay in memory.
const MAX_SPARE: usize = 64 * 1024;

/// A frozen piece of a feed.
#[derive(Debug)]
pub struct Block {
    base: u64,
    bytes: Vec<u8>,
    next: OnceLock<Arc<Block>>,
}

impl Block {
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
    /// Takes the chain down in a loop: a long one would overflow the stack by recursion.
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(block) = next {
            next = Arc::into_inner(block).and_then(|mut block| block.next.take());
        }
    }
}

/// One wire form's view of the log.
pub struct Feed {
    form: Arc<dyn Form>,
    tail: Vec<u8>,
    head: Arc<Block>,
    delivered: Arc<Block>,
    readers: usize,
}

impl Feed {
    /// An empty feed that nobody reads yet.
    #[must_use]
    pub fn new(form: Arc<dyn Form>) -> Feed {
        let head = Arc::new(Block { base: 0, bytes: Vec::new(), next: OnceLock::new() });
        Feed { form, tail: Vec::new(), delivered: head.clone(), head, readers: 0 }
    }

    /// The wire form.
    #[must_use]
    pub fn form(&self) -> &Arc<dyn Form> {
        &self.form
    }

    /// Counts a reader in.
    pub fn add_reader(&mut self) {
        self.readers += 1;
    }

    /// Counts a reader out. What is only rendered for nobody is not rendered at all.
    pub fn remove_reader(&mut self) {
        self.readers = self.readers.saturating_sub(1);
    }

    /// The open tail to render into, unless nobody would read it.
    pub fn tail(&mut self) -> Option<(&dyn Form, &mut Vec<u8>)> {
        (self.readers > 0).then_some((&*self.form, &mut self.tail))
    }

    /// The position after everything appended so far.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.head.end() + self.tail.len() as u64
    }

    /// The newest block. The open tail follows it.
    #[must_use]
    pub fn head(&self) -> &Arc<Block> {
        &self.head
    }

    /// Closes the open tail, so that it can be shared, and returns the newest block.
    pub fn freeze(&mut self) -> Arc<Block> {
        if !self.tail.is_empty() {
            let spare = self.tail.len().next_power_of_two().min(MAX_SPARE);
            let bytes = std::mem::replace(&mut self.tail, Vec::with_capacity(spare));
            let block = Arc::new(Block { base: self.head.end(), bytes, next: OnceLock::new() });
            // A head has no next block until it stops being the head, here.
            let _ = self.head.next.set(block.clone());
            self.head = block;
        }
        self.head.clone()
    }

    /// The newest block that every reader who keeps up has been given.
    #[must_use]
    pub fn delivered(&self) -> &Arc<Block> {
        &self.delivered
    }

    /// Notes that every reader who keeps up has been given everything up to the end of `block`, and gives back
    /// memory that an idle room does not need.
    pub fn set_delivered(&mut self, block: Arc<Block>) {
        self.delivered = block;
        if self.tail.is_empty() {
            self.tail = Vec::new();
        }
    }
}
