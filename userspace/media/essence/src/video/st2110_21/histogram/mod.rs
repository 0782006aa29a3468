//! Histograms with constant memory: of levels, and of distances in time.

pub(super) mod intervals;
pub(super) mod levels;
