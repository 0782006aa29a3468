//! Finds the sessions of a datagram by its destination and, where they accept some sources only, by its source.

use std::net::SocketAddr;

use crate::flow::map::FlowMap;
use crate::flow::{ReceivedFlow, admit};
use onair_api::FlowSource;

/// One session's part of a destination.
#[derive(Debug)]
struct Route {
    /// Sources that it accepts; empty: every source.
    sources: Box<[FlowSource]>,
    entry: usize,
}

/// The routes of one destination: usually one, beside its key, so that a packet finds it without
/// another wait for memory.
#[derive(Debug)]
pub(crate) struct Routes {
    first: Route,
    others: Vec<Route>,
}

impl Routes {
    /// Number of sessions.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// Whether one of the sessions accepts `source`.
    #[inline]
    pub(crate) fn accept(&self, source: SocketAddr) -> bool {
        let accepts = |it: &Route| admit(&it.sources, source);
        accepts(&self.first) || self.others.iter().any(accepts)
    }

    /// The entry of session `at` of [`Self::count`], if it gets a packet of `source`: it accepts it, or none does, for
    /// then each counts it as of a wrong source.
    #[inline]
    pub(crate) fn entry(&self, at: usize, source: SocketAddr, is_accepted: bool) -> Option<usize> {
        let route = match at {
            0 => &self.first,
            _ => self.others.get(at - 1)?,
        };
        let gets = !is_accepted || self.others.is_empty() || admit(&route.sources, source);
        gets.then_some(route.entry)
    }

    /// Removes the route of `entry`; `None` if no other is left.
    fn without(mut self, entry: usize) -> Option<Self> {
        self.others.retain(|route| route.entry != entry);
        if self.first.entry == entry {
            self.first = self.others.pop()?;
        }
        Some(self)
    }
}

/// The flows that one poller's sessions receive. Any number of sessions receive one flow.
#[derive(Debug, Default)]
pub(crate) struct Demux {
    /// Invariant: an entry has one route of a destination.
    routes: FlowMap<Routes>,
}

impl Demux {
    /// The sessions of a destination.
    #[inline]
    pub(crate) fn find(&self, port: usize, destination: SocketAddr) -> Option<&Routes> {
        self.routes.get(port, destination)
    }

    /// Routes a flow to `entry`, which then has no other of that destination.
    pub(crate) fn add(&mut self, port: usize, flow: ReceivedFlow<'_>, entry: usize) {
        let destination = flow.destination;
        let route = Route {
            sources: flow.sources.into(),
            entry,
        };
        let others = self.routes.remove(port, destination);
        let others = others.and_then(|it| it.without(entry));
        let routes = match others {
            Some(mut routes) => {
                routes.others.push(route);
                routes
            }
            None => Routes {
                first: route,
                others: Vec::new(),
            },
        };
        self.routes.insert(port, destination, routes);
    }

    /// Removes the flow of `entry` with this destination.
    pub(crate) fn remove(&mut self, port: usize, destination: SocketAddr, entry: usize) {
        let routes = self.routes.remove(port, destination);
        if let Some(routes) = routes.and_then(|it| it.without(entry)) {
            self.routes.insert(port, destination, routes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::tests::source;

    fn address(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], port))
    }

    fn flow(destination: SocketAddr, sources: &[FlowSource]) -> ReceivedFlow<'_> {
        ReceivedFlow {
            destination,
            sources,
        }
    }

    /// The entries that get a packet, and whether one accepts it.
    fn find(demux: &Demux, port: usize, to: SocketAddr, from: SocketAddr) -> (Vec<usize>, bool) {
        let Some(routes) = demux.find(port, to) else {
            return (Vec::new(), false);
        };
        let is_accepted = routes.accept(from);
        let entries = (0..routes.count()).filter_map(|at| routes.entry(at, from, is_accepted));
        let mut entries: Vec<_> = entries.collect();
        entries.sort_unstable();
        (entries, is_accepted)
    }

    #[test]
    fn demux_flows_added_and_removed_then_each_finds_its_entry_only() {
        let mut demux = Demux::default();
        let any = address(99, 5000);
        for entry in 0u8..200 {
            demux.add(0, flow(address(entry, 5004), &[]), entry.into());
        }
        let nothing = (Vec::new(), false);
        for entry in 0u8..200 {
            let to = address(entry, 5004);
            assert_eq!(find(&demux, 0, to, any), (vec![entry.into()], true));
            assert_eq!(find(&demux, 0, address(entry, 5005), any), nothing);
            assert_eq!(find(&demux, 1, to, any), nothing);
        }
        demux.remove(0, address(7, 5004), 7);
        assert_eq!(find(&demux, 0, address(7, 5004), any), nothing);
    }

    #[test]
    fn demux_one_destination_then_each_gets_its_sources() {
        let mut demux = Demux::default();
        let group = address(200, 5004);
        let [one, two] = [source(1, None), source(2, None)];
        let from = |demux: &Demux, last| find(demux, 0, group, address(last, 5000));
        demux.add(0, flow(group, &[one]), 7);
        assert_eq!(from(&demux, 2), (vec![7], false));
        demux.add(0, flow(group, &[two, one]), 8);
        demux.add(0, flow(group, &[two]), 9);
        assert_eq!(from(&demux, 1), (vec![7, 8], true));
        assert_eq!(from(&demux, 2), (vec![8, 9], true));
        assert_eq!(from(&demux, 3), (vec![7, 8, 9], false));
        // The first turns to any source: it has one route still.
        demux.add(0, flow(group, &[]), 7);
        assert_eq!(from(&demux, 3), (vec![7], true));
        assert_eq!(from(&demux, 2), (vec![7, 8, 9], true));
        for (gone, left) in [(7, vec![8, 9]), (9, vec![8]), (8, vec![])] {
            demux.remove(0, group, gone);
            assert_eq!(from(&demux, 2), (left.clone(), !left.is_empty()));
        }
    }
}
