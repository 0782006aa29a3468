//! A port as its poller uses it: what arrives is sorted, what is asked of the port is answered.

use std::net::Ipv4Addr;
use std::sync::Arc;

use onair_dpdk::{Burst, RxQueue, TxQueue};
use onair_media::arp::ArpMessage;
use onair_media::datagram::{Datagram, DatagramReject};
use onair_media::ethernet::{self, ETHERTYPE_ARP, ETHERTYPE_IPV4, EthernetHeader, Mac};
use onair_media::icmp;
use onair_media::ipv4::{self, Ipv4Header, PROTOCOL_ICMP};

use super::config::PortInfo;
use super::neighbour::Neighbours;
use super::stats::PortCounters;

/// Packets taken from a port at once …
const RX_BURST: usize = 32;
/// … and how often in one turn, while there are as many. More than the sessions send in a turn: a
/// poller that was held up must not send faster than it receives, or what it sends to itself over
/// a loop is lost.
const RX_BURSTS_A_TURN: usize = 8;
/// Most packets given to a port at once: a veth has room for 256.
const TX_BURST: usize = 64;

/// Where packets to be sent go.
pub(super) trait Outlet {
    /// Makes a packet of `octets` octets, all of which `fill` must write, and queues it. Whether
    /// there was room; if not, `fill` is not called.
    fn packet(&mut self, octets: usize, fill: impl FnOnce(&mut [u8])) -> bool;
}

/// The sending half.
#[derive(Debug)]
pub(super) struct Transmit {
    queue: TxQueue,
    burst: Burst,
    counters: Arc<PortCounters>,
}

impl Transmit {
    /// Gives what is queued to the port. What it does not take stays, in order.
    pub(super) fn flush(&mut self) {
        if self.burst.is_empty() {
            return;
        }
        let octets = |burst: &Burst| burst.iter().map(|packet| packet.len() as u64).sum::<u64>();
        let offered = octets(&self.burst);
        let sent = self.queue.burst(&mut self.burst);
        self.counters.tx_packets.add(sent as u64);
        self.counters.tx_octets.add(offered - octets(&self.burst));
        if !self.burst.is_empty() {
            self.counters.tx_full.add(1);
        }
    }

    /// Whether packets wait that the port did not take.
    pub(super) fn is_stuck(&self) -> bool {
        !self.burst.is_empty()
    }
}

impl Outlet for Transmit {
    fn packet(&mut self, octets: usize, fill: impl FnOnce(&mut [u8])) -> bool {
        if self.burst.room() == 0 {
            self.flush();
            if self.burst.room() == 0 {
                return false;
            }
        }
        let Some(mut packet) = self.queue.alloc() else {
            self.counters.tx_no_mbuf.add(1);
            return false;
        };
        let Some(bytes) = packet.append(octets) else {
            return false;
        };
        fill(bytes);
        self.burst.push(packet).is_ok()
    }
}

/// Both halves, and who is behind the wire.
#[derive(Debug)]
pub(super) struct PollerPort {
    pub(super) info: PortInfo,
    pub(super) transmit: Transmit,
    pub(super) neighbours: Neighbours,
    pub(super) receive: RxQueue,
    pub(super) arrived: Burst,
    pub(super) counters: Arc<PortCounters>,
}

impl PollerPort {
    pub(super) fn new(
        info: PortInfo,
        rx: RxQueue,
        tx: TxQueue,
        counters: Arc<PortCounters>,
    ) -> Self {
        let burst = Burst::with_limit(TX_BURST);
        Self {
            neighbours: Neighbours::new(Mac(info.mac), info.address.0),
            transmit: Transmit {
                queue: tx,
                burst,
                counters: Arc::clone(&counters),
            },
            receive: rx,
            arrived: Burst::with_limit(RX_BURST),
            info,
            counters,
        }
    }

    /// Takes what arrived and hands the datagrams to `deliver`, which answers whether one was for
    /// somebody. Answers whether anything arrived.
    pub(super) fn poll(
        &mut self,
        now_ns: u64,
        mut deliver: impl FnMut(&Datagram<'_>) -> bool,
    ) -> bool {
        for turn in 0..RX_BURSTS_A_TURN {
            let count = self.burst(now_ns, &mut deliver);
            if count < RX_BURST {
                return turn > 0 || count > 0;
            }
        }
        true
    }

    fn burst(&mut self, now_ns: u64, deliver: &mut impl FnMut(&Datagram<'_>) -> bool) -> usize {
        let count = self.receive.burst(&mut self.arrived);
        if count == 0 {
            return 0;
        }
        let mut side = Side {
            mac: Mac(self.info.mac),
            address: self.info.address.0,
            neighbours: &mut self.neighbours,
            transmit: &mut self.transmit,
            counters: &self.counters,
        };
        let mut octets = 0;
        for packet in self.arrived.iter() {
            let packet = packet.data();
            octets += packet.len() as u64;
            side.sort(packet, now_ns, deliver);
        }
        self.counters.rx_packets.add(count as u64);
        self.counters.rx_octets.add(octets);
        self.arrived.clear();
        count
    }
}

/// What sorting a packet may touch.
struct Side<'a> {
    mac: Mac,
    address: Ipv4Addr,
    neighbours: &'a mut Neighbours,
    transmit: &'a mut Transmit,
    counters: &'a PortCounters,
}

impl Side<'_> {
    fn sort(
        &mut self,
        packet: &[u8],
        now_ns: u64,
        deliver: &mut impl FnMut(&Datagram<'_>) -> bool,
    ) {
        let Ok((header, payload)) = EthernetHeader::parse(packet) else {
            self.counters.rx_malformed.add(1);
            return;
        };
        match header.ethertype {
            ETHERTYPE_IPV4 => match Datagram::parse(payload) {
                Ok(datagram) if deliver(&datagram) => {}
                Ok(_) => self.counters.rx_no_session.add(1),
                Err(DatagramReject::Protocol(PROTOCOL_ICMP)) => self.echo(&header, payload),
                Err(DatagramReject::Protocol(_)) => self.counters.rx_other.add(1),
                Err(_) => self.counters.rx_malformed.add(1),
            },
            ETHERTYPE_ARP => self.arp(payload, now_ns),
            _ => self.counters.rx_other.add(1),
        }
    }

    fn arp(&mut self, payload: &[u8], now_ns: u64) {
        let Ok(message) = ArpMessage::parse(payload) else {
            self.counters.rx_malformed.add(1);
            return;
        };
        let Some(reply) = self.neighbours.hear(&message, now_ns) else {
            return;
        };
        let frame = reply.to_frame();
        if self
            .transmit
            .packet(frame.len(), |bytes| bytes.copy_from_slice(&frame))
        {
            self.counters.arp_answered.add(1);
        }
    }

    fn echo(&mut self, ethernet: &EthernetHeader, packet: &[u8]) {
        let (mac, address) = (self.mac, self.address);
        let Ok((ip, request)) = Ipv4Header::parse(packet) else {
            return;
        };
        if ip.destination != address || ethernet.source.is_group() {
            return;
        }
        let mut reply = [0; 1480];
        let Some(octets) = icmp::echo_reply(request, &mut reply) else {
            self.counters.rx_other.add(1);
            return;
        };
        let headers = ethernet::HEADER_OCTETS + ipv4::HEADER_OCTETS;
        let answered = self.transmit.packet(headers + octets, |bytes| {
            let back = EthernetHeader {
                destination: ethernet.source,
                source: mac,
                ..*ethernet
            };
            let ip = Ipv4Header {
                source: address,
                destination: ip.source,
                protocol: PROTOCOL_ICMP,
                ttl: onair_media::datagram::TTL,
            };
            bytes[..ethernet::HEADER_OCTETS].copy_from_slice(&back.to_octets());
            bytes[ethernet::HEADER_OCTETS..headers].copy_from_slice(&ip.to_octets(0, octets));
            bytes[headers..].copy_from_slice(&reply[..octets]);
        });
        self.counters.echo_answered.add(u64::from(answered));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An outlet that keeps what it is given, as long as it has room.
    #[derive(Debug)]
    pub(in super::super) struct Wire {
        pub(in super::super) packets: Vec<Vec<u8>>,
        pub(in super::super) room: usize,
    }

    impl Default for Wire {
        fn default() -> Self {
            Self {
                packets: Vec::new(),
                room: usize::MAX,
            }
        }
    }

    impl Outlet for Wire {
        fn packet(&mut self, octets: usize, fill: impl FnOnce(&mut [u8])) -> bool {
            if self.packets.len() >= self.room {
                return false;
            }
            let mut bytes = vec![0xaa; octets];
            fill(&mut bytes);
            self.packets.push(bytes);
            true
        }
    }
}
