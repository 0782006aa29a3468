//! Unclaimed traffic: flows at the ports that belong to no session.

use std::net::SocketAddr;

use onair_api::{ArrivingFlow, ArrivingList, Problem};
use onair_dataplane::UnclaimedFlow;

use super::Services;
use crate::clock::Clocks;

/// A flow without a packet for so long does not arrive.
const SILENT_NS: u64 = 2_000_000_000;
/// Packets that make a flow.
const FLOW: u64 = 10;

/// The packets that a session waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) port: &'a str,
    pub(crate) destination: SocketAddr,
    pub(crate) payload_type: u8,
}

impl Services {
    /// Lists the flows that arrive at one port, or at any, and belong to no session.
    ///
    /// # Errors
    /// `no_such_port`.
    pub fn arriving(&self, port: Option<&str>) -> Result<ArrivingList, Problem> {
        let ports = match port {
            Some(name) => std::slice::from_ref(self.port_named(name)?),
            None => self.machine.dataplane().ports(),
        };
        let clock = self.machine.clock();
        let flows = ports.iter().flat_map(|port| {
            let flows = self.machine.dataplane().unclaimed(&port.name).into_iter();
            flows.map(|flow| ArrivingFlow {
                port: port.name.clone(),
                destination: flow.destination.to_string(),
                payload_type: flow.payload_type,
                first_seen: clock.wall_at(flow.first_ns),
                last_seen: clock.wall_at(flow.last_ns),
                packets: flow.packets,
            })
        });
        Ok(ArrivingList {
            arriving: flows.collect(),
        })
    }

    /// The flow that most likely is what a session waits for, at another address.
    pub(crate) fn arrives_instead(&self, expected: Expected<'_>) -> Option<UnclaimedFlow> {
        let flows = self.machine.dataplane().unclaimed(expected.port);
        likely(&flows, expected, self.machine.clock().monotonic_ns())
    }
}

impl Expected<'_> {
    /// Describes, for people, the flow that arrives in place of the expected one.
    pub(crate) fn instead(self, flow: &UnclaimedFlow, clock: &Clocks) -> String {
        let Self {
            port,
            destination,
            payload_type,
        } = self;
        let arriving = flow.payload_type.map_or_else(
            || format!("{} without RTP", flow.destination),
            |it| format!("{} with payload type {it}", flow.destination),
        );
        format!(
            "{arriving} arrives on port {port} since {} for no session, this session expects {destination} with payload \
             type {payload_type}",
            clock.wall_at(flow.first_ns)
        )
    }
}

/// A flow with the same address, else the same UDP port, else the same payload type; of several the busiest.
fn likely(flows: &[UnclaimedFlow], expected: Expected<'_>, now_ns: u64) -> Option<UnclaimedFlow> {
    let likeness = |flow: &UnclaimedFlow| {
        let has_address = flow.destination.ip() == expected.destination.ip();
        let has_port = flow.destination.port() == expected.destination.port();
        let has_type = flow.payload_type == Some(expected.payload_type);
        (has_address, has_port, has_type)
    };
    let arrives = |flow: &&UnclaimedFlow| {
        now_ns.saturating_sub(flow.last_ns) < SILENT_NS && flow.packets >= FLOW
    };
    let is_like = |flow: &&UnclaimedFlow| match likeness(flow) {
        (false, false, false) => false,
        (has_address, ..) => has_address || flow.payload_type.is_some(),
    };
    let like = flows.iter().filter(arrives).filter(is_like);
    like.max_by_key(|flow| (likeness(flow), flow.packets))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Still;

    const SECOND: u64 = 1_000_000_000;

    fn flow(destination: &str, payload_type: Option<u8>, packets: u64) -> UnclaimedFlow {
        UnclaimedFlow {
            destination: destination.parse().unwrap(),
            payload_type,
            first_ns: 0,
            last_ns: 9 * SECOND,
            packets,
        }
    }

    #[test]
    fn flow_that_is_most_alike_is_named() {
        let expected = Expected {
            port: "b",
            destination: "233.252.0.1:5004".parse().unwrap(),
            payload_type: 96,
        };
        let named = |flows: &[UnclaimedFlow]| {
            let found = likely(flows, expected, 10 * SECOND);
            found.map(|it| it.destination.to_string())
        };
        let all = [
            flow("233.252.0.1:5006", Some(96), 50),
            flow("233.252.0.1:5006", None, 5000),
            flow("233.252.0.9:5004", Some(97), 500),
            flow("233.252.0.9:5006", Some(96), 5000),
            flow("[ff3e::9]:5006", Some(96), 4000),
            flow("224.0.1.129:319", None, 9000),
            flow("233.252.0.8:5006", Some(98), 9000),
        ];
        assert_eq!(named(&all).as_deref(), Some("233.252.0.1:5006"));
        assert_eq!(likely(&all, expected, 10 * SECOND), Some(all[0]));
        assert_eq!(named(&all[2..]).as_deref(), Some("233.252.0.9:5004"));
        assert_eq!(named(&all[3..]).as_deref(), Some("233.252.0.9:5006"));
        assert_eq!(named(&all[4..]).as_deref(), Some("[ff3e::9]:5006"));
        assert_eq!(named(&all[5..]), None);
        assert_eq!(named(&[flow("233.252.0.1:5006", Some(96), 9)]), None);
        assert_eq!(likely(&all, expected, 12 * SECOND), None, "it has ended");
        let said = expected.instead(&all[3], &Still::clocks());
        assert!(
            said.starts_with("233.252.0.9:5006 with payload type 96 arrives on port b since ")
                && said.ends_with("this session expects 233.252.0.1:5004 with payload type 96"),
            "{said}"
        );
    }
}
