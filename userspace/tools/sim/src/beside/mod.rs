//! Lives of cores that need no callers and no shared words, lived beside each life.

mod retargets;

/// Lives the lives of `seed`.
pub(crate) fn live(seed: u64) {
    retargets::live(seed);
}
