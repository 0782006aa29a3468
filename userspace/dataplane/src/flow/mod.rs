//! What a receive session receives, and when two of them can exist beside each other.

pub(crate) mod arrival;
pub(crate) mod demux;
pub(crate) mod map;
pub(crate) mod packet;
pub(crate) mod target;

use std::net::SocketAddr;

use onair_api::FlowSource;

/// A destination, and the sources that count there; none of them means any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedFlow<'a> {
    /// The port's address or a multicast group, and the UDP port.
    pub destination: SocketAddr,
    /// Accepted sources.
    pub sources: &'a [FlowSource],
}

impl ReceivedFlow<'_> {
    /// Whether a packet could belong to both: then the two cannot be received on one port. A flow of any
    /// source meets each other one of its destination, because its session would lose the packets
    /// of that source without being told.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.destination == other.destination && meet(self.sources, other.sources)
    }
}

/// Whether sources `own` accept `source`.
#[inline]
pub(crate) fn admit(own: &[FlowSource], source: SocketAddr) -> bool {
    own.is_empty() || own.iter().any(|it| it.admits(source))
}

/// Whether a packet to one destination could be accepted by both.
pub(crate) fn meet(own: &[FlowSource], others: &[FlowSource]) -> bool {
    let is_any = own.is_empty() || others.is_empty();
    is_any
        || own
            .iter()
            .any(|it| others.iter().any(|other| it.meets(other)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn source(last: u8, port: Option<u16>) -> FlowSource {
        FlowSource {
            address: [10, 0, 0, last].into(),
            port,
        }
    }

    #[test]
    fn flows_meet_if_a_packet_could_belong_to_both() {
        let [one, other] = [source(1, None), source(2, None)];
        let [low, high] = [5000, 5002].map(|port| source(1, Some(port)));
        for (own, others, expected) in [
            (&[][..], &[][..], true),
            (&[one], &[], true),
            (&[one], &[other], false),
            (&[one, other], &[other], true),
            (&[low], &[high], false),
            (&[low], &[one], true),
            (&[low], &[low], true),
        ] {
            assert_eq!(meet(own, others), expected, "{own:?} {others:?}");
            assert_eq!(meet(others, own), expected, "{own:?} {others:?}");
            let packets = [1, 2].into_iter().flat_map(|last| {
                let ports = [5000, 5002].into_iter();
                ports.map(move |port| SocketAddr::from(([10, 0, 0, last], port)))
            });
            let mut both = packets.filter(|it| admit(own, *it) && admit(others, *it));
            assert_eq!(both.next().is_some(), expected);
        }
        let flow = |port| ReceivedFlow {
            destination: SocketAddr::from(([239, 0, 0, 1], port)),
            sources: &[],
        };
        assert!(flow(5004).meets(&flow(5004)) && !flow(5004).meets(&flow(5006)));
    }
}
