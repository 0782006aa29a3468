//! Connections that wait: their address has its share, or the server has all that it takes.

use std::collections::VecDeque;
use std::net::IpAddr;

/// Most of one address.
const OF_ONE: usize = 256;
/// Most of all.
const MOST: usize = 1024;

/// Connections that wait, the oldest first.
#[derive(Debug)]
pub(crate) struct Waiting<T>(VecDeque<(IpAddr, T)>);

impl<T> Waiting<T> {
    pub(crate) const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// How many of an address wait.
    pub(crate) fn of(&self, address: IpAddr) -> usize {
        self.0.iter().filter(|(of, _)| *of == address).count()
    }

    /// One more; it is closed if there are too many.
    pub(crate) fn push(&mut self, address: IpAddr, connection: T) {
        if self.0.len() < MOST && self.of(address) < OF_ONE {
            self.0.push_back((address, connection));
        }
    }

    /// The oldest one whose address may enter, with what it enters by.
    pub(crate) fn next<P>(&mut self, enter: impl Fn(IpAddr) -> Option<P>) -> Option<(T, P)> {
        let mut last = None;
        for at in 0..self.0.len() {
            let address = self.0[at].0;
            // Those of one address come in a row.
            if last.replace(address) == Some(address) {
                continue;
            }
            if let Some(place) = enter(address) {
                return Some((self.0.remove(at)?.1, place));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_wait_then_closed_and_another_address_enters() {
        let [one, other] = [1, 2].map(|it| IpAddr::from([10, 0, 0, it]));
        let mut waiting = Waiting::new();
        (0..OF_ONE + 3).for_each(|it| waiting.push(one, it));
        waiting.push(other, 7);
        assert_eq!((waiting.of(one), waiting.of(other)), (OF_ONE, 1));
        let next = waiting.next(|it| (it == other).then_some(()));
        assert_eq!(next, Some((7, ())));
        let order: Vec<_> = std::iter::from_fn(|| waiting.next(|_| Some(()))).collect();
        assert!(order.into_iter().map(|(it, ())| it).eq(0..OF_ONE));
    }
}
