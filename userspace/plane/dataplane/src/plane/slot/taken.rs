//! The destinations that the sessions of a port receive: the filter of its interface takes no others.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use onair_dpdk::Port;

/// Each destination with its sessions.
#[derive(Debug, Default)]
pub(super) struct TakenFlows(BTreeSet<(SocketAddr, u64)>);

impl TakenFlows {
    /// Returns whether the port had no session of `destination` before.
    pub(super) fn add(&mut self, destination: SocketAddr, session: u64) -> bool {
        let is_new = !self.has(destination);
        self.0.insert((destination, session));
        is_new
    }

    /// The session has none any more, or `kept` alone. Returns the destinations without a session now.
    pub(super) fn part(&mut self, session: u64, kept: Option<SocketAddr>) -> Vec<SocketAddr> {
        let is_over =
            |it: &(SocketAddr, u64)| it.1 == session && kept.is_none_or(|kept| kept != it.0);
        let over: Vec<_> = self.0.extract_if(.., is_over).collect();
        let gone = over.into_iter().map(|(destination, _)| destination);
        gone.filter(|it| !self.has(*it)).collect()
    }

    fn has(&self, destination: SocketAddr) -> bool {
        let of = (destination, 0)..=(destination, u64::MAX);
        self.0.range(of).next().is_some()
    }

    /// Tells a port that was just opened.
    pub(super) fn apply(&self, port: &Port) {
        if let Some(filter) = port.filter() {
            self.0.iter().for_each(|(it, _)| filter.take(*it));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destination_of_two_sessions_is_taken_until_the_last_parts() {
        let mut taken = TakenFlows::default();
        let [one, other] = [5004, 5006].map(|port| SocketAddr::from(([239, 0, 0, 1], port)));
        assert!(taken.add(one, 7) && !taken.add(one, 7) && !taken.add(one, 8));
        assert!(taken.add(other, 7));
        assert_eq!(taken.part(7, Some(one)), [other]);
        assert_eq!(taken.part(7, None), []);
        assert_eq!(taken.part(8, None), [one]);
        assert!(taken.add(one, 9));
    }
}
