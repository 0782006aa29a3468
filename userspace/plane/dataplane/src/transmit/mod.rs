//! The transmit half of a port.

pub(crate) mod neighbour;

use std::sync::Arc;

use onair_dpdk::{Burst, TxQueue};
use onair_mutant::mutant;
use onair_net::arp::ArpMessage;
use onair_net::ndp::NeighbourMessage;
use onair_net::vlan::{TAG_BYTES, Vlan};

use crate::stats::PortCounters;

/// Most packets in one burst: a veth has room for 256.
const TX_BURST: usize = 64;
/// Between two looks at the link of a port that sends, in nanoseconds.
const LOOK_NS: u64 = 1_000_000;
/// The kernel tells of a cable that is out up to a second late (linkwatch, net/core/link_watch.c): what it was given
/// meanwhile may be in its ring.
const TOLD_NS: u64 = 2_000_000_000;
/// Retry interval for a port that takes no packets, in nanoseconds.
pub(crate) const RETRY_NS: u64 = 200_000;

/// Destination of packets to send.
pub(crate) trait TxSink {
    /// Queues a packet of `bytes` bytes, all of which `fill` must write. If there is no room,
    /// returns false and does not call `fill`.
    fn packet(&mut self, size: usize, fill: impl FnOnce(&mut [u8])) -> bool;

    /// Whether it probably takes another packet.
    fn has_room(&mut self) -> bool;

    /// It takes none for long: what waits for it would be sent late.
    fn is_down(&self) -> bool {
        false
    }
}

/// Packets queued for a port.
#[derive(Debug)]
pub(crate) struct Transmit {
    /// `None` while the port's device is gone, or if the device has none for this poller: it takes no
    /// packets.
    queue: Option<TxQueue>,
    burst: Burst,
    vlan: Option<Vlan>,
    counters: Arc<PortCounters>,
    made: u64,
    now_ns: u64,
    /// When it looks at the link again.
    look_ns: u64,
    /// Packets given to the port since the last look.
    given: u64,
    /// The last look before which there were any.
    given_ns: Option<u64>,
    /// At the last look the link was down: it takes no packets.
    is_down: bool,
    /// Of a port of a simulated machine: packets are written here, one over the other, and count as sent.
    void: Option<Vec<u8>>,
}

impl Transmit {
    pub(crate) fn new(
        queue: Option<TxQueue>,
        vlan: Option<Vlan>,
        counters: Arc<PortCounters>,
    ) -> Self {
        Self {
            queue,
            burst: Burst::with_limit(TX_BURST),
            vlan,
            counters,
            made: 0,
            now_ns: 0,
            look_ns: 0,
            given: 0,
            given_ns: None,
            is_down: false,
            void: None,
        }
    }

    /// Takes all packets without a device.
    pub(crate) fn into_void(mut self) -> Self {
        self.void = Some(Vec::new());
        self
    }

    /// The port's device is gone, and with it what was queued.
    pub(crate) fn unplug(&mut self) {
        self.burst.clear();
        self.queue = None;
        (self.given, self.given_ns) = (0, None);
    }

    /// The port's device is back: looks at the link at once.
    pub(crate) fn plug(&mut self, queue: Option<TxQueue>) {
        self.queue = queue;
        self.look_ns = 0;
        self.is_down = false;
    }

    /// Whether it has a queue of the device: without one it takes no packets.
    pub(crate) const fn has_queue(&self) -> bool {
        self.queue.is_some() || self.void.is_some()
    }

    /// Packets queued so far.
    pub(crate) fn made(&self) -> u64 {
        self.made
    }

    /// Begins a turn. Looks at the link if packets were given to it a while ago, or if it is down.
    pub(crate) fn begin_turn(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        if self.due_ns() <= now_ns || self.is_down && self.look_ns <= now_ns {
            self.look();
        }
    }

    /// When the link is to be looked at next.
    pub(crate) const fn due_ns(&self) -> u64 {
        match self.given {
            0 => u64::MAX,
            _ => self.look_ns,
        }
    }

    /// Looks at the link. While it is down, nothing is given to the port: the kernel would keep it and send it late.
    /// Packets given in the last seconds may be in the kernel's ring: the queue is given up, and
    /// [`PortCounters::tx_stale`] tells the control thread to open the port anew.
    pub(crate) fn look(&mut self) {
        let Some(queue) = &self.queue else {
            return;
        };
        self.look_ns = self.now_ns + LOOK_NS;
        if self.given > 0 {
            self.given_ns = Some(self.now_ns);
        }
        self.is_down = !queue.is_up() && !mutant!("transmit: a link that is down takes packets");
        if self.is_down {
            self.counters
                .tx_no_link
                .add(self.burst.len() as u64 + self.given);
            self.burst.clear();
            let given = self.given_ns.take();
            if given.is_some_and(|at| self.now_ns - at < TOLD_NS) {
                self.counters.tx_stale.add(1);
                self.queue = None;
            }
        }
        self.given = 0;
    }

    /// Gives queued packets to the port. Packets that it does not take stay, in order.
    pub(crate) fn flush(&mut self) {
        if !self.burst.is_empty() && self.look_ns <= self.now_ns {
            self.look();
        }
        let Some(queue) = &mut self.queue else {
            return;
        };
        if self.burst.is_empty() {
            return;
        }
        let size = |burst: &Burst| burst.iter().map(|packet| packet.len() as u64).sum::<u64>();
        let offered = size(&self.burst);
        let sent = queue.burst(&mut self.burst);
        self.given += sent as u64;
        self.counters.tx_packets.add(sent as u64);
        self.counters.tx_bytes.add(offered - size(&self.burst));
        if !self.burst.is_empty() {
            self.counters.tx_full.add(1);
        }
    }

    /// Takes a packet without a device, if it is one that does.
    fn lose(&mut self, size: usize, fill: impl FnOnce(&mut [u8])) -> bool {
        let Some(bytes) = &mut self.void else {
            return false;
        };
        bytes.resize(size, 0);
        fill(bytes);
        self.made += 1;
        self.counters.tx_packets.add(1);
        self.counters.tx_bytes.add(size as u64);
        true
    }

    /// Whether packets wait that the port did not take.
    pub(crate) fn is_stuck(&self) -> bool {
        !self.burst.is_empty()
    }
}

impl TxSink for Transmit {
    fn packet(&mut self, size: usize, fill: impl FnOnce(&mut [u8])) -> bool {
        if self.burst.room() == 0 {
            self.flush();
            if self.burst.room() == 0 {
                return false;
            }
        }
        let Some(queue) = self.queue.as_mut().filter(|_| !self.is_down) else {
            return self.lose(size, fill);
        };
        let Some(mut packet) = queue.alloc() else {
            self.counters.tx_no_mbuf.add(1);
            return false;
        };
        let tag = self.vlan.map_or(0, |_| TAG_BYTES);
        let Some(bytes) = packet.append(tag + size) else {
            return false;
        };
        fill(&mut bytes[tag..]);
        if let Some(vlan) = self.vlan {
            vlan.tag(bytes);
        }
        self.made += 1;
        self.burst.push(packet).is_ok()
    }

    fn has_room(&mut self) -> bool {
        if self.burst.room() == 0 {
            self.flush();
        }
        !self.is_down() && self.burst.room() > 0
    }

    fn is_down(&self) -> bool {
        self.is_down || !self.has_queue()
    }
}

/// A message of either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NeighbourReport {
    /// IPv4.
    Arp(ArpMessage),
    /// IPv6.
    Ndp(NeighbourMessage),
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A sink that keeps what it is given, until it is full.
    #[derive(Debug)]
    pub(crate) struct Wire {
        pub(crate) packets: Vec<Vec<u8>>,
        pub(crate) room: usize,
        pub(crate) is_down: bool,
    }

    impl Default for Wire {
        fn default() -> Self {
            Self {
                packets: Vec::new(),
                room: usize::MAX,
                is_down: false,
            }
        }
    }

    impl TxSink for Wire {
        fn packet(&mut self, size: usize, fill: impl FnOnce(&mut [u8])) -> bool {
            if self.is_down || self.packets.len() >= self.room {
                return false;
            }
            let mut bytes = vec![0xaa; size];
            fill(&mut bytes);
            self.packets.push(bytes);
            true
        }

        fn has_room(&mut self) -> bool {
            !self.is_down && self.packets.len() < self.room
        }

        fn is_down(&self) -> bool {
            self.is_down
        }
    }
}
