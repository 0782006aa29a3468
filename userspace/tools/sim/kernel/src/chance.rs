//! Chance: all of a life's comes from its seed. The generator is splitmix64.

use std::cell::Cell;

thread_local! {
    static RANDOM: Cell<Random> = const { Cell::new(Random::new(0)) };
}

/// Begins anew.
pub(crate) fn seed(seed: u64) {
    RANDOM.set(Random::new(seed));
}

fn draw(limit: u64) -> u64 {
    let mut random = RANDOM.get();
    let number = random.below(limit);
    RANDOM.set(random);
    number
}

/// A number below `limit`, by chance.
#[must_use]
pub fn below(limit: usize) -> usize {
    usize::try_from(draw(limit as u64)).unwrap_or(0)
}

/// True `of` times in `all`.
#[must_use]
pub fn chance(of: u64, all: u64) -> bool {
    draw(all) < of
}

/// A generator. The same seed gives the same numbers.
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that starts from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 if `limit` is 0.
    pub const fn below(&mut self, limit: u64) -> u64 {
        let wide = self.next() as u128 * limit as u128;
        (wide >> 64) as u64
    }
}
