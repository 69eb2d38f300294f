//! How much a peer may send that brings no data: empty records, changes of its key, warnings, parts of messages.

/// What a record without data costs, in bytes of data: to change a key takes as long as to decrypt and read so many. A
/// longer record costs its length, because a part of a message is held.
const PRICE: usize = 1024;

/// How much may be spent beyond the data that was sent. Programs send none of it, or one record in hours.
const CREDIT: usize = 32 * PRICE;

/// What one peer has spent.
#[derive(Debug, Default)]
pub struct Overhead(usize);

impl Overhead {
    /// Counts a record of this length that has brought so much data. Returns whether the peer may go on.
    pub fn count(&mut self, record: usize, data: usize) -> bool {
        self.0 = if data > 0 { self.0.saturating_sub(data) } else { self.0 + record.max(PRICE) };
        self.0 < CREDIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_pays_for_what_brings_none() {
        let mut overhead = Overhead::default();
        for _ in 0..1000 {
            assert!(overhead.count(22, 0) && overhead.count(1046, 1024));
        }
        for _ in 0..32 {
            assert!(overhead.count(22, 0) && overhead.count(23, 1));
        }
        assert!(!overhead.count(22, 0), "a byte of data pays for a byte");
        let mut overhead = Overhead::default();
        assert!(overhead.count(16_406, 0) && !overhead.count(16_406, 0), "what is held is bounded");
    }
}
