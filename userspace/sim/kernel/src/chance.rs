//! Chance: all of a life's comes from its seed.

use std::cell::Cell;

use crate::random::Random;

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
