//! Packets for the port itself: neighbours, echo requests, queries about groups.

use std::net::Ipv4Addr;

use arrayvec::ArrayVec;
use onair_dpdk::Mbuf;
use onair_net::arp::ArpMessage;
use onair_net::datagram::{Datagram, DatagramReject, is_cut_at};
use onair_net::ethernet::{
    self, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, EthernetHeader, Mac,
};
use onair_net::icmp;
use onair_net::igmp::{self, IgmpReject, Query};
use onair_net::ipv4::{self, Ipv4Header, PROTOCOL_ICMP};
use onair_net::ipv6::{self, Ipv6Header, NEXT_HOP_BY_HOP, NEXT_ICMP};
use onair_net::ndp::{NdpReject, NeighbourMessage};
use onair_net::vlan::id_of;

use crate::addresses::PortAddresses;
use crate::flow::arrival::{Arrival, Packet, RX_BURST};
use crate::groups::QueryInbox;
use crate::port::hand_over::{Share, Unclaimed};
use crate::port::{Deliver, NoSession};
use crate::stats::PortCounters;
use crate::transmit::neighbour::Neighbours;
use crate::transmit::{NeighbourReport, Transmit, TxSink};

/// How many packets ahead the poller prefetches headers.
const PREFETCH: usize = 4;

/// The parts of a port that sorting a packet uses.
pub(super) struct HostTraffic<'a> {
    pub(super) mac: Mac,
    pub(super) mtu: u16,
    pub(super) addresses: &'a PortAddresses,
    pub(super) neighbours: &'a mut Neighbours,
    pub(super) transmit: &'a mut Transmit,
    pub(super) counters: &'a PortCounters,
    pub(super) share: Option<&'a Share>,
    pub(super) queries: &'a QueryInbox,
}

impl HostTraffic<'_> {
    /// Answers what is for the port itself, and passes the datagrams on. Those without a session are
    /// added to `unclaimed`. Returns the bytes of all.
    pub(super) fn sort(
        &mut self,
        arrived: &[Mbuf],
        arrival: Arrival,
        deliver: &mut impl Deliver,
        unclaimed: &mut ArrayVec<Unclaimed, RX_BURST>,
    ) -> u64 {
        let mut size = 0;
        for packet in arrived.iter().take(PREFETCH) {
            packet.prefetch();
        }
        let mut packets = ArrayVec::<_, RX_BURST>::new();
        for (at, packet) in arrived.iter().enumerate() {
            if let Some(later) = arrived.get(at + PREFETCH) {
                later.prefetch();
            }
            let frame = packet.data();
            size += frame.len() as u64;
            let datagram = Datagram::of_frame(frame).or_else(|| self.own(frame, arrival.now_ns));
            if let Some(datagram) = datagram {
                packets.push(Packet {
                    datagram,
                    frame,
                    at,
                });
            }
        }
        let mut unclaimed = NoSession {
            packets: unclaimed,
            share: self.share,
        };
        deliver(&packets, arrival, &mut unclaimed);
        size
    }

    /// Handles a frame that is no plain datagram: answers requests to the port itself, and counts the rest by reason
    /// (malformed, cut, of another VLAN or protocol). Returns a datagram only of a frame with a priority tag or IP options.
    #[inline(never)]
    fn own<'a>(&mut self, frame: &'a [u8], now_ns: u64) -> Option<Datagram<'a>> {
        let Ok((mut header, mut payload)) = EthernetHeader::parse(frame) else {
            self.counters.rx_malformed.add(1);
            return None;
        };
        match id_of(frame) {
            None => {}
            // A priority without a VLAN.
            Some(0) => {
                let inner = payload.split_first_chunk();
                let Some((&[_, _, high, low], rest)) = inner else {
                    self.counters.rx_malformed.add(1);
                    return None;
                };
                (header.ethertype, payload) = (u16::from_be_bytes([high, low]), rest);
            }
            Some(_) => {
                self.counters.rx_other_vlan.add(1);
                return None;
            }
        }
        match header.ethertype {
            ETHERTYPE_IPV4 if igmp::is_igmp(payload) => self.igmp(payload),
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => match Datagram::parse(payload) {
                Ok(datagram) => return Some(datagram),
                Err(DatagramReject::Protocol(PROTOCOL_ICMP)) => self.echo(&header, payload),
                Err(DatagramReject::Protocol(NEXT_HOP_BY_HOP)) => self.mld(payload),
                Err(DatagramReject::Protocol(NEXT_ICMP)) => self.icmpv6(&header, payload, now_ns),
                Err(DatagramReject::Protocol(_)) => self.counters.rx_other.add(1),
                Err(_) if is_cut_at(payload, self.mtu.into()) => self.counters.rx_cut.add(1),
                Err(_) => self.counters.rx_malformed.add(1),
            },
            ETHERTYPE_ARP => self.arp(payload, now_ns),
            _ => self.counters.rx_other.add(1),
        }
        None
    }

    /// Passes a query to the control thread, which answers it.
    fn igmp(&mut self, packet: &[u8]) {
        let own = self.addresses.ipv4.map_or(Ipv4Addr::UNSPECIFIED, |it| it.0);
        self.queried(Query::parse(packet, own));
    }

    /// Of IPv6: the only packets with hop-by-hop options that a port needs.
    fn mld(&mut self, packet: &[u8]) {
        match self.addresses.ipv6 {
            Some((own, _)) => self.queried(Query::parse_mld(packet, own)),
            None => self.counters.rx_other.add(1),
        }
    }

    fn queried(&mut self, query: Result<Query, IgmpReject>) {
        match query {
            Ok(query) => {
                let fits = self.queries.push(query);
                self.counters.igmp_queries.add(fits.into());
                self.counters.igmp_dropped.add((!fits).into());
            }
            // Other hosts' reports.
            Err(IgmpReject::Type(_)) => self.counters.rx_other.add(1),
            Err(_) => self.counters.rx_malformed.add(1),
        }
    }

    /// Messages about neighbours, and echo requests.
    fn icmpv6(&mut self, ethernet: &EthernetHeader, packet: &[u8], now_ns: u64) {
        if self.addresses.ipv6.is_none() {
            self.counters.rx_other.add(1);
            return;
        }
        match NeighbourMessage::parse(packet) {
            Ok(message) => self.said(&NeighbourReport::Ndp(message), now_ns),
            Err(NdpReject::Type(_)) => self.echo_ipv6(ethernet, packet),
            Err(_) => self.counters.rx_malformed.add(1),
        }
    }

    fn arp(&mut self, payload: &[u8], now_ns: u64) {
        let Ok(message) = ArpMessage::parse(payload) else {
            self.counters.rx_malformed.add(1);
            return;
        };
        self.said(&NeighbourReport::Arp(message), now_ns);
    }

    /// Tells the other pollers, and answers.
    fn said(&mut self, message: &NeighbourReport, now_ns: u64) {
        if let Some(share) = self.share {
            share.broadcast(message);
        }
        let Some(frame) = self.neighbours.learn(message, now_ns) else {
            return;
        };
        if self
            .transmit
            .packet(frame.len(), |bytes| bytes.copy_from_slice(&frame))
        {
            self.counters.arp_answered.add(1);
        }
    }

    fn echo(&mut self, ethernet: &EthernetHeader, packet: &[u8]) {
        let mac = self.mac;
        let Ok((ip, request)) = Ipv4Header::parse(packet) else {
            return;
        };
        if !self.addresses.is_own(ip.destination.into()) || ethernet.source.is_group() {
            return;
        }
        let mut reply = [0; 1480];
        let Some(size) = icmp::echo_reply(request, &mut reply) else {
            self.counters.rx_other.add(1);
            return;
        };
        let headers = ethernet::HEADER_BYTES + ipv4::HEADER_BYTES;
        let answered = self.transmit.packet(headers + size, |bytes| {
            let back = EthernetHeader {
                destination: ethernet.source,
                source: mac,
                ..*ethernet
            };
            let ip = Ipv4Header {
                source: ip.destination,
                destination: ip.source,
                protocol: PROTOCOL_ICMP,
                ttl: onair_net::datagram::TTL,
                dscp: 0,
            };
            bytes[..ethernet::HEADER_BYTES].copy_from_slice(&back.to_bytes());
            bytes[ethernet::HEADER_BYTES..headers].copy_from_slice(&ip.to_bytes(0, size));
            bytes[headers..].copy_from_slice(&reply[..size]);
        });
        self.counters.echo_answered.add(u64::from(answered));
    }

    fn echo_ipv6(&mut self, ethernet: &EthernetHeader, packet: &[u8]) {
        let Ok((ip, request)) = Ipv6Header::parse(packet) else {
            return;
        };
        let mut reply = [0; 1480];
        let is_ours = self.addresses.is_own(ip.destination.into()) && !ethernet.source.is_group();
        let size = icmp::echo_reply_ipv6(&ip, request, &mut reply).filter(|_| is_ours);
        let Some(size) = size else {
            self.counters.rx_other.add(1);
            return;
        };
        let back = EthernetHeader {
            destination: ethernet.source,
            source: self.mac,
            ..*ethernet
        };
        let ip = Ipv6Header {
            source: ip.destination,
            destination: ip.source,
            next_header: NEXT_ICMP,
            hop_limit: onair_net::datagram::TTL,
            dscp: 0,
        };
        let headers = ethernet::HEADER_BYTES + ipv6::HEADER_BYTES;
        let answered = self.transmit.packet(headers + size, |bytes| {
            bytes[..ethernet::HEADER_BYTES].copy_from_slice(&back.to_bytes());
            bytes[ethernet::HEADER_BYTES..headers].copy_from_slice(&ip.to_bytes(size));
            bytes[headers..].copy_from_slice(&reply[..size]);
        });
        self.counters.echo_answered.add(u64::from(answered));
    }
}
