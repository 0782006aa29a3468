//! Random numbers that are the same in each run, so that a failure can be repeated.

/// Marsaglia's xorshift64.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The numbers that follow from `seed`, which must not be 0.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// A length below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll(end as u64)).unwrap_or_default()
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.roll(256).to_be_bytes()[7]
    }

    /// True in so many of a thousand.
    pub fn one_of(&mut self, thousandths: u64) -> bool {
        self.roll(1000) < thousandths
    }
}
