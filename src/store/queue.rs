//! What waits to be written. The room never waits for the disk: when too much waits, what comes next is not kept, and a
//! gap takes its place. A plain value without a lock.

use std::collections::VecDeque;

use crate::chat::{Durable, Gap};

/// Bytes that may wait. At 100 bytes a line this is more than a second of the fastest talk that was ever measured.
const CAPACITY: usize = 8 << 20;
/// The most items, and about the most bytes, of one transaction.
const BATCH: usize = 4096;
const BATCH_BYTES: usize = 1 << 20;
/// The memory of one item apart from its text, roughly.
const OVERHEAD: usize = 128;

/// Items in their order, with a bound.
#[derive(Debug, Default)]
pub struct Queue {
    items: VecDeque<Durable>,
    /// Of the items here and of those that were taken but are not written yet.
    bytes: usize,
    /// What has been dropped since the last item.
    gap: Option<Gap>,
}

/// The memory of an item, roughly.
fn size(item: &Durable) -> usize {
    let text = match item {
        Durable::Event(record) => record.size(),
        Durable::Gap(_) => 0,
        Durable::Marker { account, target, .. } => account.len() + target.len(),
    };
    OVERHEAD + text
}

impl Queue {
    /// Adds an item. Returns whether it will be kept. After one that is not, nothing is kept until half of the room is
    /// free again, so that there is one large gap and not many small ones.
    pub fn push(&mut self, item: Durable) -> bool {
        let size = size(&item);
        let limit = if self.gap.is_some() { CAPACITY / 2 } else { CAPACITY };
        if self.bytes + size > limit {
            match (&item, &mut self.gap) {
                (Durable::Event(record), Some(gap)) => gap.extend(record.stamp),
                (Durable::Event(record), None) => self.gap = Some(Gap::from(record.stamp)),
                _ => {}
            }
            return false;
        }
        if let Some(gap) = self.gap.take() {
            self.add(Durable::Gap(gap));
        }
        self.add(item);
        true
    }

    fn add(&mut self, item: Durable) {
        self.bytes += size(&item);
        self.items.push_back(item);
    }

    /// Removes items for one transaction, oldest first. They count until they are [written](Self::written).
    pub fn take(&mut self) -> Vec<Durable> {
        if self.items.is_empty()
            && let Some(gap) = self.gap.take()
        {
            self.add(Durable::Gap(gap));
        }
        let mut room = BATCH_BYTES;
        let count = self.items.iter().take(BATCH).take_while(|item| {
            let fits = room > 0;
            room = room.saturating_sub(size(item));
            fits
        });
        let count = count.count();
        self.items.drain(..count).collect()
    }

    /// These items are written, or given up.
    pub fn written(&mut self, items: &[Durable]) {
        self.bytes -= items.iter().map(size).sum::<usize>().min(self.bytes);
        if self.items.is_empty() {
            // Frees the memory that a burst needed.
            self.items = VecDeque::new();
        }
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.gap.is_none()
    }

    /// How many items wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Event, Record, Stamp};

    fn item(sequence: u64) -> Durable {
        let text = "x".repeat(1000).into();
        Durable::Event(Record { stamp: Stamp { sequence, unix: 10 * sequence }, event: Event::Notice(text) })
    }

    #[test]
    fn what_does_not_fit_becomes_one_gap_in_its_place() {
        let mut queue = Queue::default();
        let fitting = (1..).take_while(|number| queue.push(item(*number))).count() as u64;
        assert_eq!(fitting, (CAPACITY / (1000 + OVERHEAD)) as u64);
        assert!(!queue.push(item(fitting + 2)), "a gap goes on until there is room again");
        let mut taken = queue.take();
        assert!((900..1000).contains(&taken.len()), "about a mebibyte: {}", taken.len());
        queue.written(&taken);
        assert!(!queue.push(item(fitting + 3)), "a few free places do not end it");
        taken.clear();
        while !queue.items.is_empty() {
            taken.extend(queue.take());
        }
        assert!(!queue.push(item(fitting + 4)), "taken is not written");
        queue.written(&taken);
        assert!(queue.push(item(fitting + 5)));
        let stamp = |sequence| Stamp { sequence, unix: 10 * sequence };
        let gap = Gap { first: stamp(fitting + 1), last: stamp(fitting + 4), count: 4 };
        assert_eq!(queue.take(), [Durable::Gap(gap), item(fitting + 5)]);
    }

    #[test]
    fn a_gap_is_written_though_nothing_follows_it() {
        let mut queue = Queue::default();
        let fitting = (1..).take_while(|number| queue.push(item(*number))).count() as u64;
        while !queue.items.is_empty() {
            let taken = queue.take();
            queue.written(&taken);
        }
        assert!(!queue.is_empty());
        let [Durable::Gap(gap)] = queue.take()[..] else { panic!("no gap") };
        assert_eq!((gap.first.sequence, gap.count), (fitting + 1, 1));
        assert!(queue.is_empty());
    }
}
