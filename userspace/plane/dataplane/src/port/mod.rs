//! A port as its poller uses it: sorts received packets, answers requests to the port itself.

pub(crate) mod hand_over;
mod host_traffic;
pub(crate) mod unclaimed;
pub(crate) mod vlan;

use std::net::SocketAddr;
use std::sync::Arc;

use arrayvec::ArrayVec;
use onair_dpdk::{Burst, RxQueue};
use onair_net::ethernet::Mac;

use crate::config::PortInfo;
use crate::flow::arrival::{Arrival, Nap, Packet, RX_BURST};
use crate::groups::QueryInbox;
use crate::port::hand_over::{Passed, Share, Unclaimed};
use crate::port::host_traffic::HostTraffic;
use crate::port::unclaimed::{UnclaimedFlows, UnclaimedTable};
use crate::port_queues::PortQueues;
use crate::stats::PortCounters;
use crate::transmit::neighbour::Neighbours;
use crate::transmit::{Transmit, TxSink};

/// Most bursts of one port in a turn. More than the sessions send in a turn: a delayed poller must
/// not send faster than it receives, or packets that it sends to itself over a loop are lost.
pub(crate) const RX_BURSTS_A_TURN: usize = 8;
/// Messages of other pollers taken in one turn.
const MESSAGES_A_TURN: usize = 64;
/// Most packets taken from one port in a turn.
pub(crate) const RECEIVED_A_TURN: usize = RX_BURST * RX_BURSTS_A_TURN;
/// The datagrams of a burst that have no session at their poller, or others elsewhere.
#[derive(Debug)]
pub(crate) struct NoSession<'a> {
    pub(crate) packets: &'a mut ArrayVec<Unclaimed, RX_BURST>,
    pub(crate) share: Option<&'a Share>,
}

impl NoSession<'_> {
    /// Whether a session of another poller receives this.
    pub(crate) fn has_elsewhere(&self, destination: SocketAddr, source: SocketAddr) -> bool {
        let share = self.share;
        share.is_some_and(|share| share.has_elsewhere(destination, source))
    }

    /// Whether a session of another poller receives this beside one of this poller.
    #[inline]
    pub(crate) fn is_shared(&self, destination: SocketAddr, source: SocketAddr) -> bool {
        let share = self.share.filter(|share| share.has_shared());
        share.is_some_and(|share| share.has_elsewhere(destination, source))
    }
}

/// Gives datagrams to their sessions, and adds those without one to the last.
pub(crate) trait Deliver: FnMut(&[Packet<'_>], Arrival, &mut NoSession<'_>) {}

impl<T> Deliver for T where T: FnMut(&[Packet<'_>], Arrival, &mut NoSession<'_>) {}

/// A poller's queues of the port, and its neighbours.
#[derive(Debug)]
pub(crate) struct PollerPort {
    pub(crate) info: PortInfo,
    pub(crate) transmit: Transmit,
    pub(crate) neighbours: Neighbours,
    /// None while the port's device is gone, or if the device has none for this poller; more than one
    /// after the death of another.
    pub(crate) receive: Vec<RxQueue>,
    pub(crate) arrived: Burst,
    pub(crate) counters: Arc<PortCounters>,
    /// Of a port with several pollers.
    pub(crate) share: Option<Share>,
    unclaimed: UnclaimedTable,
    nap: Nap,
    queries: Arc<QueryInbox>,
}

impl PollerPort {
    pub(crate) fn new(
        queues: PortQueues,
        (counters, unclaimed): (Arc<PortCounters>, Arc<UnclaimedFlows>),
        share: Option<Share>,
        queries: Arc<QueryInbox>,
    ) -> Self {
        let PortQueues { info, queues } = queues;
        let (receive, transmit) = queues.unzip();
        Self {
            neighbours: Neighbours::new(Mac(info.mac), info.addresses),
            transmit: Transmit::new(transmit, info.vlan, Arc::clone(&counters)),
            receive: Vec::from_iter(receive),
            arrived: Burst::with_limit(RX_BURST),
            info,
            counters,
            share,
            unclaimed: UnclaimedTable::new(unclaimed),
            nap: Nap::default(),
            queries,
        }
    }

    /// Sends without a device.
    pub(crate) fn into_void(mut self) -> Self {
        self.transmit = self.transmit.into_void();
        self
    }

    /// Gives up its queues: the device is gone.
    pub(crate) fn unplug(&mut self) {
        self.receive.clear();
        self.transmit.unplug();
    }

    /// Takes the queues of the device, which is back.
    pub(crate) fn plug(&mut self, queues: PortQueues, now_ns: u64) {
        self.neighbours.renew(Mac(queues.info.mac), now_ns);
        self.info = queues.info;
        let (receive, transmit) = queues.queues.unzip();
        self.receive = Vec::from_iter(receive);
        self.transmit.plug(transmit);
    }

    /// Takes the queues of a poller that has died, too. One to send with is enough.
    pub(crate) fn adopt(&mut self, queues: PortQueues) {
        let (receive, transmit) = queues.queues.unzip();
        self.receive.extend(receive);
        if !self.transmit.has_queue() {
            self.transmit.plug(transmit);
        }
    }

    /// Sends frames of the control thread.
    pub(crate) fn emit(&mut self, frames: &[Vec<u8>], now_ns: u64) {
        // A link that has just come up takes them.
        self.transmit.begin_turn(now_ns);
        self.transmit.look();
        for frame in frames {
            let copy = |bytes: &mut [u8]| bytes.copy_from_slice(frame);
            if self.transmit.packet(frame.len(), copy) {
                self.counters.igmp_sent.add(1);
            }
        }
        self.transmit.flush();
    }

    /// Receives packets and passes the datagrams, a burst at a time, to `deliver`, which tells which
    /// of them have no session. `napped_ns`: when the poller looked last, if it has napped since. Returns whether
    /// anything arrived.
    pub(crate) fn poll(
        &mut self,
        now_ns: u64,
        napped_ns: Option<u64>,
        mut deliver: impl Deliver,
    ) -> bool {
        // Its packets end a nap.
        let ends = |queue: &RxQueue| queue.wait_fd().is_some() && !queue.has_packet_socket();
        let since_ns = napped_ns.filter(|_| !self.receive.iter().any(ends));
        self.nap.end(since_ns, now_ns);
        self.transmit.begin_turn(now_ns);
        let mut worked = self.take_handed(now_ns, &mut deliver);
        for queue in 0..self.receive.len() {
            self.nap.next_queue();
            for _ in 0..RX_BURSTS_A_TURN {
                let count = self.burst(queue, now_ns, &mut deliver);
                worked |= count > 0;
                // A short burst: the queue was empty.
                if count < RX_BURST {
                    break;
                }
            }
        }
        worked
    }

    /// Takes what other pollers handed to this one.
    fn take_handed(&mut self, now_ns: u64, deliver: &mut impl Deliver) -> bool {
        let Some(share) = &self.share else {
            return false;
        };
        let mut worked = false;
        // Other pollers go on to send while this one takes.
        for message in std::iter::from_fn(|| share.message()).take(MESSAGES_A_TURN) {
            self.neighbours.learn(&message, now_ns);
            worked = true;
        }
        for _ in 0..RX_BURSTS_A_TURN {
            let Some(share) = &self.share else { break };
            if share.take(&mut self.arrived) == 0 {
                break;
            }
            // Its session may have ended since it was handed over.
            let mut unclaimed = ArrayVec::new();
            let arrival = self.nap.burst(self.arrived.len(), now_ns);
            let (mut side, arrived) = self.parts();
            side.sort(arrived, arrival, deliver, &mut unclaimed);
            // The poller that received it has handed it to all.
            unclaimed.retain(|it| !it.has_session);
            self.note_unclaimed(&unclaimed, now_ns);
            self.arrived.clear();
            worked = true;
        }
        worked
    }

    fn burst(&mut self, queue: usize, now_ns: u64, deliver: &mut impl Deliver) -> usize {
        let count = self.receive[queue].burst(&mut self.arrived);
        if count == 0 {
            return 0;
        }
        if let Some(own) = self.info.vlan {
            vlan::take_own(&mut self.arrived, own.id, &self.counters);
        }
        let mut unclaimed = ArrayVec::new();
        let arrival = self.nap.burst(self.arrived.len(), now_ns);
        let (mut side, arrived) = self.parts();
        let size = side.sort(arrived, arrival, deliver, &mut unclaimed);
        self.counters.rx_bytes.add(size);
        self.counters.rx_packets.add(count as u64);
        if !unclaimed.is_empty() {
            let Passed { passed, dropped } = match &self.share {
                Some(share) => share.pass_on(&mut unclaimed, &mut self.arrived),
                None => Passed::default(),
            };
            self.counters.rx_handed_over.add(passed as u64);
            self.counters.rx_hand_over_full.add(dropped as u64);
            self.note_unclaimed(&unclaimed, now_ns);
        }
        self.arrived.clear();
        count
    }

    /// Counts the datagrams of a burst that no session of any poller receives.
    fn note_unclaimed(&mut self, unclaimed: &[Unclaimed], now_ns: u64) {
        self.counters.rx_no_session.add(unclaimed.len() as u64);
        let flow = |it: &Unclaimed| (it.destination, it.payload_type);
        for packets in unclaimed.chunk_by(|one, next| flow(one) == flow(next)) {
            let (destination, payload_type) = flow(&packets[0]);
            let count = u32::try_from(packets.len()).unwrap_or(u32::MAX);
            self.unclaimed
                .note(destination, payload_type, count, now_ns);
        }
    }

    /// The host traffic, which sorts the burst, and the burst.
    fn parts(&mut self) -> (HostTraffic<'_>, &mut Burst) {
        let side = HostTraffic {
            mac: Mac(self.info.mac),
            mtu: self.info.mtu,
            addresses: &self.info.addresses,
            neighbours: &mut self.neighbours,
            transmit: &mut self.transmit,
            counters: &self.counters,
            share: self.share.as_ref(),
            queries: &self.queries,
        };
        (side, &mut self.arrived)
    }
}
