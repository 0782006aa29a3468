//! Finds the session of a datagram by its destination and, where sessions of one destination differ by
//! their sources, by its source.

use std::net::SocketAddr;

use crate::flow::map::FlowMap;
use crate::flow::{ReceivedFlow, admit, meet};
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
struct Routes {
    first: Route,
    others: Vec<Route>,
}

impl Routes {
    fn iter(&self) -> impl Iterator<Item = &Route> {
        std::iter::once(&self.first).chain(&self.others)
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

/// Where a datagram belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlowMatch {
    /// To the session of this entry.
    Entry(usize),
    /// To none: this entry alone receives its destination, and not from its source.
    Refused(usize),
    /// To none.
    Nothing,
}

/// The flows that one poller's sessions receive.
#[derive(Debug, Default)]
pub(crate) struct Demux {
    /// Invariant: no packet fits two routes of one destination ([`meet`]).
    routes: FlowMap<Routes>,
}

impl Demux {
    #[inline]
    pub(crate) fn find(
        &self,
        port: usize,
        destination: SocketAddr,
        source: SocketAddr,
    ) -> FlowMatch {
        let Some(routes) = self.routes.get(port, destination) else {
            return FlowMatch::Nothing;
        };
        match routes.iter().find(|it| admit(&it.sources, source)) {
            Some(route) => FlowMatch::Entry(route.entry),
            None if routes.others.is_empty() => FlowMatch::Refused(routes.first.entry),
            None => FlowMatch::Nothing,
        }
    }

    /// Routes a flow to `entry`, which then has no other of that destination. False if another entry has
    /// packets of it.
    pub(crate) fn add(&mut self, port: usize, flow: ReceivedFlow<'_>, entry: usize) -> bool {
        let destination = flow.destination;
        let meets = |route: &Route| route.entry != entry && meet(&route.sources, flow.sources);
        let routes = self.routes.get(port, destination);
        if routes.is_some_and(|routes| routes.iter().any(meets)) {
            return false;
        }
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
        true
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

    #[test]
    fn demux_flows_added_and_removed_then_each_finds_its_entry_only() {
        let mut demux = Demux::default();
        let any = address(99, 5000);
        for entry in 0u8..200 {
            let flow = flow(address(entry, 5004), &[]);
            assert!(demux.add(0, flow, usize::from(entry)));
        }
        assert!(!demux.add(0, flow(address(7, 5004), &[]), 1));
        let find = |demux: &Demux, port, to| demux.find(port, to, any);
        for entry in 0u8..200 {
            let found = find(&demux, 0, address(entry, 5004));
            assert_eq!(found, FlowMatch::Entry(entry.into()));
            assert_eq!(find(&demux, 0, address(entry, 5005)), FlowMatch::Nothing);
            assert_eq!(find(&demux, 1, address(entry, 5004)), FlowMatch::Nothing);
        }
        demux.remove(0, address(7, 5004), 7);
        assert_eq!(find(&demux, 0, address(7, 5004)), FlowMatch::Nothing);
    }

    #[test]
    fn demux_one_destination_and_two_sources_then_each_has_its_own() {
        let mut demux = Demux::default();
        let group = address(200, 5004);
        let [one, two] = [source(1, None), source(2, None)];
        let from = |last| address(last, 5000);
        assert!(demux.add(0, flow(group, &[one]), 7));
        assert_eq!(demux.find(0, group, from(2)), FlowMatch::Refused(7));
        assert!(!demux.add(0, flow(group, &[]), 8), "any source meets one");
        assert!(!demux.add(0, flow(group, &[two, one]), 8));
        assert!(demux.add(0, flow(group, &[two]), 8));
        for (last, entry) in [(1, 7), (2, 8)] {
            assert_eq!(demux.find(0, group, from(last)), FlowMatch::Entry(entry));
        }
        assert_eq!(demux.find(0, group, from(3)), FlowMatch::Nothing);
        // The first turns to another source, but not to that of the second.
        assert!(!demux.add(0, flow(group, &[two]), 7));
        assert_eq!(demux.find(0, group, from(1)), FlowMatch::Entry(7));
        assert!(demux.add(0, flow(group, &[source(3, None)]), 7));
        assert_eq!(demux.find(0, group, from(1)), FlowMatch::Nothing);
        assert_eq!(demux.find(0, group, from(3)), FlowMatch::Entry(7));
        demux.remove(0, group, 8);
        demux.remove(0, group, 7);
        assert_eq!(demux.find(0, group, from(3)), FlowMatch::Nothing);
    }
}
