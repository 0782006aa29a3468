//! The second leg of a sender (ST 2022-7): the same RTP packets from another port.

use std::net::SocketAddr;

use onair_net::datagram::{FlowHeader, ip_header_bytes};
use onair_net::ethernet::{self, Mac};

use super::{SendConfig, Sender, set_source, unset_source};
use crate::addresses::PortAddresses;
use crate::config::PortInfo;
use crate::flow::target::{FlowTarget, LegTarget};
use crate::transmit::TxSink;
use crate::transmit::neighbour::NextHop;

/// The second leg of a send session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondSend {
    /// Name of its port: another one than the session's, of the same poller.
    pub port: String,
    /// Where its packets go to, and from which UDP port.
    pub target: LegTarget,
}

/// How long both legs wait for the port of one that takes no packets. After that the other sends alone.
const PATIENCE_NS: u64 = 1_000_000;

/// The second leg, and what each has sent.
#[derive(Debug)]
pub(super) struct SecondFlow {
    flow: FlowHeader,
    /// Own addresses of its port: the source of its packets.
    addresses: PortAddresses,
    /// Bytes of the first leg's headers, which may be of another family.
    first_header: usize,
    identification: u16,
    payload_type: u8,
    /// The packet that the first leg has sent.
    copy: Box<[u8]>,
    /// When each port last took packets, ns: after [`PATIENCE_NS`] the other leg goes on alone.
    ready_ns: [u64; 2],
    sent: [u64; 2],
    not_sent: [u64; 2],
}

impl SecondFlow {
    /// For a session with a second leg.
    pub(super) fn of(config: &SendConfig) -> Option<Box<Self>> {
        let target = &config.second.as_ref()?.target;
        let bytes = ethernet::HEADER_BYTES + usize::from(config.mtu);
        Some(Box::new(Self {
            flow: FlowHeader {
                source_mac: Mac([0; 6]),
                destination_mac: Mac([0; 6]),
                source: unset_source(target.source_port),
                destination: target.destination,
                ttl: config.ttl,
                dscp: config.dscp,
            },
            addresses: PortAddresses::default(),
            first_header: header_bytes(config.destination),
            identification: 0,
            payload_type: target.payload_type,
            copy: vec![0; bytes].into(),
            ready_ns: [0; 2],
            sent: [0; 2],
            not_sent: [0; 2],
        }))
    }

    pub(super) fn set_target(&mut self, target: &FlowTarget) {
        let flow = &mut self.flow;
        self.first_header = header_bytes(target.destination);
        (flow.ttl, flow.dscp) = (target.ttl, target.dscp);
        if let Some(leg) = &target.second {
            flow.destination = leg.destination;
            flow.source.set_port(leg.source_port);
            self.payload_type = leg.payload_type;
            set_source(flow, &self.addresses);
        }
    }
}

/// Another payload type in the header of an RTP packet (RFC 3550 §5.1).
fn set_payload_type(rtp: &mut [u8], payload_type: u8) {
    if let Some(byte) = rtp.get_mut(1) {
        *byte = *byte & 0x80 | payload_type;
    }
}

fn header_bytes(destination: SocketAddr) -> usize {
    ethernet::HEADER_BYTES + ip_header_bytes(destination.ip())
}

/// Gives each packet to both legs, with the addresses of each.
struct BothLegs<'a, S> {
    second: &'a mut SecondFlow,
    sinks: [&'a mut S; 2],
    hops: [Option<Mac>; 2],
    now_ns: u64,
}

impl<S: TxSink> BothLegs<'_, S> {
    /// The legs that take the next packet; `None`: wait for one of them.
    fn ready(&mut self) -> Option<[bool; 2]> {
        let mut ready = [false; 2];
        for (leg, ready) in ready.iter_mut().enumerate() {
            if self.hops[leg].is_none() {
                continue;
            }
            if self.sinks[leg].has_room() {
                self.second.ready_ns[leg] = self.now_ns;
                *ready = true;
            } else if self.now_ns.saturating_sub(self.second.ready_ns[leg]) < PATIENCE_NS {
                return None;
            }
        }
        Some(ready)
    }
}

impl<S: TxSink> TxSink for BothLegs<'_, S> {
    fn packet(&mut self, size: usize, fill: impl FnOnce(&mut [u8])) -> bool {
        let Some([first, second]) = self.ready() else {
            return false;
        };
        if size > self.second.copy.len() {
            return false;
        }
        let (mut fill, mut sent) = (Some(fill), [false; 2]);
        if let (true, Some(mac)) = (first, self.hops[0]) {
            let copy = &mut self.second.copy[..size];
            sent[0] = self.sinks[0].packet(size, |bytes| {
                if let Some(fill) = fill.take() {
                    fill(bytes);
                }
                // The frame may have begun before the first leg's neighbour answered.
                bytes[..mac.0.len()].copy_from_slice(&mac.0);
                copy.copy_from_slice(bytes);
            });
        }
        if let (true, Some(mac)) = (second, self.hops[1]) {
            let leg = &mut *self.second;
            let flow = FlowHeader {
                destination_mac: mac,
                ..leg.flow
            };
            let payload = leg.first_header.min(size);
            let copy = &mut leg.copy[..size];
            let whole = flow.bytes() + size - payload;
            sent[1] = self.sinks[1].packet(whole, |bytes| {
                if let Some(fill) = fill.take() {
                    fill(copy);
                }
                let rtp = &mut bytes[flow.bytes()..];
                rtp.copy_from_slice(&copy[payload..]);
                set_payload_type(rtp, leg.payload_type);
                flow.write(leg.identification, bytes);
            });
            leg.identification = leg.identification.wrapping_add(1);
        }
        if sent == [false; 2] {
            return false;
        }
        for (leg, sent) in sent.into_iter().enumerate() {
            self.second.sent[leg] += u64::from(sent);
            self.second.not_sent[leg] += u64::from(!sent);
        }
        true
    }

    fn is_down(&self) -> bool {
        self.sinks.iter().all(|sink| sink.is_down())
    }

    fn has_room(&mut self) -> bool {
        self.sinks.iter_mut().any(|sink| sink.has_room())
    }
}

impl Sender {
    /// Sends what is due at `now_ns`, on each leg whose next hop is known and whose port takes packets.
    pub(crate) fn turn_both<S: TxSink>(
        &mut self,
        now_ns: u64,
        hops: [NextHop; 2],
        sinks: [&mut S; 2],
    ) {
        let Some(mut second) = self.second.take() else {
            let [sink, _] = sinks;
            return self.turn(now_ns, hops[0], sink);
        };
        let hop = match hops {
            [NextHop::Unknown, second] => second,
            [first, _] => first,
        };
        let mut both = BothLegs {
            second: &mut second,
            sinks,
            hops: hops.map(NextHop::mac),
            now_ns,
        };
        self.turn(now_ns, hop, &mut both);
        self.second = Some(second);
    }

    /// The port of the second leg may have another device now.
    pub(crate) fn renew_second(&mut self, port: &PortInfo) {
        if let Some(second) = &mut self.second {
            second.flow.source_mac = Mac(port.mac);
            second.addresses = port.addresses;
            set_source(&mut second.flow, &port.addresses);
        }
    }

    /// Publishes the counters of the legs.
    pub(crate) fn show(&self) {
        if let Some((stats, second)) = self.stats.legs.as_ref().zip(self.second.as_ref()) {
            stats.show_sent(second.sent, second.not_sent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, port};
    use super::*;
    use crate::runtime::send::FrameSource;
    use crate::stats::SessionStats;
    use crate::transmit::tests::Wire;
    use onair_net::datagram::{Datagram, HEADER_BYTES};

    const TURN_NS: u64 = 100_000;
    const HOPS: [NextHop; 2] = [NextHop::Known(Mac([1; 6])), NextHop::Known(Mac([2; 6]))];

    fn sender() -> Sender {
        sender_to("239.2.0.1:6000".parse().unwrap())
    }

    /// The first leg is of IPv4.
    fn sender_to(destination: SocketAddr) -> Sender {
        let mut config = config(FrameSource::Pattern);
        config.second = Some(SecondSend {
            port: "b".into(),
            target: LegTarget {
                destination,
                sources: Vec::new(),
                source_port: 6002,
                payload_type: 97,
            },
        });
        let stats = SessionStats::new(1).with_legs(true);
        let mut sender = Sender::new(config, std::sync::Arc::new(stats)).unwrap();
        sender.resume(&port(), 0);
        let mut second = port();
        second.mac = [9; 6];
        second.addresses = PortAddresses {
            ipv6: Some(("fd08::1".parse().unwrap(), 64)),
            ..PortAddresses::of_ipv4([10, 8, 0, 1].into(), 24)
        };
        sender.renew_second(&second);
        sender
    }

    /// All of an RTP packet but its payload type.
    fn but_for_type(rtp: &[u8]) -> (u8, u8, &[u8]) {
        (rtp[0], rtp[1] & 0x80, &rtp[2..])
    }

    /// Half a second of both legs.
    fn run(sender: &mut Sender, hops: [NextHop; 2], rooms: [usize; 2]) -> [Wire; 2] {
        let mut wires = rooms.map(|room| Wire {
            room,
            ..Wire::default()
        });
        let [first, second] = &mut wires;
        for turn in 0..5_000 {
            sender.turn_both(turn * TURN_NS, hops, [&mut *first, &mut *second]);
        }
        wires
    }

    #[test]
    fn legs_both_up_then_same_rtp_packets_with_own_addresses() {
        let mut sender = sender();
        let [first, second] = run(&mut sender, HOPS, [usize::MAX; 2]);
        assert!(first.packets.len() > 200);
        assert_eq!(first.packets.len(), second.packets.len());
        for (one, other) in first.packets.iter().zip(&second.packets) {
            let [one_rtp, other_rtp] = [one, other].map(|it| &it[HEADER_BYTES..]);
            assert_eq!(but_for_type(one_rtp), but_for_type(other_rtp));
            assert_eq!([one_rtp, other_rtp].map(|it| it[1] & 0x7f), [96, 97]);
            assert_eq!(
                (&one[..6], &other[..12]),
                (&[1; 6][..], &[2, 2, 2, 2, 2, 2, 9, 9, 9, 9, 9, 9][..])
            );
            let datagram = Datagram::of_frame(other).unwrap();
            assert_eq!(datagram.ends.source().to_string(), "10.8.0.1:6002");
            assert_eq!(datagram.ends.destination().to_string(), "239.2.0.1:6000");
        }
    }

    #[test]
    fn legs_of_two_families_then_same_rtp_packets() {
        for hops in [HOPS, [NextHop::Unknown, HOPS[1]]] {
            let mut sender = sender_to("[ff3e::8000:1]:6000".parse().unwrap());
            let [first, second] = run(&mut sender, hops, [usize::MAX; 2]);
            assert!(second.packets.len() > 200);
            for other in &second.packets {
                let datagram = Datagram::of_frame(other).unwrap();
                assert_eq!(datagram.ends.source().to_string(), "[fd08::1]:6002");
                assert_eq!(
                    datagram.ends.destination().to_string(),
                    "[ff3e::8000:1]:6000"
                );
            }
            for (one, other) in first.packets.iter().zip(&second.packets) {
                let [one, other] = [one, other].map(|it| Datagram::of_frame(it).unwrap());
                assert_eq!(but_for_type(one.payload), but_for_type(other.payload));
            }
        }
    }

    #[test]
    fn leg_that_takes_nothing_then_the_other_sends_all() {
        let mut whole = sender();
        let [all, _] = run(&mut whole, HOPS, [usize::MAX; 2]);
        for (hops, rooms) in [
            (HOPS, [90, usize::MAX]),
            (HOPS, [usize::MAX, 90]),
            ([NextHop::Unknown, HOPS[1]], [usize::MAX; 2]),
            ([HOPS[0], NextHop::Unknown], [usize::MAX; 2]),
        ] {
            let mut sender = sender();
            let wires = run(&mut sender, hops, rooms);
            let most = wires.iter().map(|it| it.packets.len()).max();
            assert_eq!(most, Some(all.packets.len()), "{hops:?} {rooms:?}");
            sender.show();
            let ([one, other], _) = sender.stats.legs().unwrap();
            for counted in [one, other] {
                let sum = counted.packets + counted.packets_lost;
                assert_eq!(sum, all.packets.len() as u64);
            }
        }
    }
}
