//! Choices that the printed seed repeats.

/// A generator of numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    /// Another one for each `stream` of the same seed.
    pub fn new(seed: u64, stream: u64) -> Random {
        let mut random = Random((seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1);
        for _ in 0..8 {
            let _ = random.next();
        }
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end
    }

    /// Whether something happens that does in `percent` of all cases.
    pub fn happens(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A time around `mean` seconds, from half to one and a half of it.
    pub fn around(&mut self, mean: f64) -> std::time::Duration {
        std::time::Duration::from_secs_f64(mean * (0.5 + self.below(1000) as f64 / 1000.0))
    }

    pub fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}
