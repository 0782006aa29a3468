//! Which poller of a port runs a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Load of one poller, in bytes of units a second.
pub(crate) type Load = Arc<AtomicU64>;

/// A session's place on a poller, which carries its load until this is dropped.
#[derive(Debug)]
pub struct Placement {
    poller: usize,
    bytes_per_second: u64,
    load: Load,
}

impl Placement {
    /// On that of `pollers` with the least load, the first of several. `None` if there are none.
    pub(crate) fn on_one_of(
        pollers: impl Iterator<Item = usize>,
        loads: &[Load],
        bytes_per_second: u64,
    ) -> Option<Self> {
        // Only the control thread places sessions and drops them.
        let carried = |poller: &usize| loads[*poller].load(Ordering::Relaxed);
        let poller = pollers.min_by_key(carried)?;
        let load = Arc::clone(&loads[poller]);
        load.fetch_add(bytes_per_second, Ordering::Relaxed);
        Some(Self {
            poller,
            bytes_per_second,
            load,
        })
    }

    /// Load of the session, in bytes of units a second.
    #[must_use]
    pub const fn bytes_per_second(&self) -> u64 {
        self.bytes_per_second
    }

    /// Index of the poller.
    #[must_use]
    pub const fn poller(&self) -> usize {
        self.poller
    }
}

impl Drop for Placement {
    fn drop(&mut self) {
        self.load
            .fetch_sub(self.bytes_per_second, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_placed_where_there_is_least_load() {
        let loads: Vec<Load> = (0..3).map(|_| Load::default()).collect();
        let place =
            |among: &[usize], bytes| Placement::on_one_of(among.iter().copied(), &loads, bytes);
        let heavy = place(&[1, 2], 100).unwrap();
        let light = place(&[1, 2], 10).unwrap();
        let third = place(&[1, 2], 10).unwrap();
        assert_eq!([&heavy, &light, &third].map(|it| it.poller()), [1, 2, 2]);
        drop(heavy);
        assert_eq!(place(&[1, 2], 1).unwrap().poller(), 1);
        assert!(place(&[], 1).is_none());
    }
}
