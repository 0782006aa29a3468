//! Hands datagrams to the poller that runs their session, on a port with several pollers.
//!
//! A device chooses the queue of a packet by a hash of its addresses, or has fewer queues than the
//! port has pollers. So a poller may receive what belongs to a session of another: it puts the
//! packet into that poller's lane. Nobody waits: what does not fit a lane is dropped and counted.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::net::SocketAddrV4;
use std::sync::Arc;

use arc_swap::ArcSwap;
use crossbeam_queue::ArrayQueue;
use onair_dpdk::{Burst, Mbuf};
use onair_media::arp::ArpMessage;

use super::demux::{FlowHasher, flow_key, flow_of};
use super::inbox::Inbox;
use super::port::RX_BURST;

/// Packets that wait for one poller: two milliseconds of 1080p60 at 10 bit, eight such sessions.
const PACKETS: usize = 4096;
/// ARP messages that wait for one poller.
const MESSAGES: usize = 64;

/// A received datagram without a session at the poller that received it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unclaimed {
    /// Its place in the burst.
    pub(super) at: usize,
    pub(super) destination: SocketAddrV4,
}

/// The lanes of one port, and which of them each flow takes.
#[derive(Debug)]
pub(super) struct HandOver {
    flows: ArcSwap<Flows>,
    lanes: Box<[Lane]>,
}

type Flows = HashMap<u64, Flow, BuildHasherDefault<FlowHasher>>;

#[derive(Debug, Clone, Copy)]
struct Flow {
    lane: usize,
    session: u64,
}

/// What the other pollers of the port hand to one.
#[derive(Debug)]
struct Lane {
    poller: Arc<Inbox>,
    packets: ArrayQueue<Mbuf>,
    messages: ArrayQueue<ArpMessage>,
}

impl Lane {
    fn clear(&self) {
        while self.packets.pop().is_some() {}
    }
}

/// What became of packets that were to be handed over.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) passed: usize,
    /// Dropped, because the lane was full.
    pub(super) dropped: usize,
}

impl HandOver {
    /// A lane for each of `pollers`, in that order.
    pub(super) fn new(pollers: impl IntoIterator<Item = Arc<Inbox>>) -> Self {
        let lanes = pollers.into_iter().map(|poller| Lane {
            poller,
            packets: ArrayQueue::new(PACKETS),
            messages: ArrayQueue::new(MESSAGES),
        });
        Self {
            flows: ArcSwap::default(),
            lanes: lanes.collect(),
        }
    }

    /// Control thread: sends a flow to a lane from now on. False if another session has it.
    pub(super) fn claim(&self, flow: SocketAddrV4, lane: usize, session: u64) -> bool {
        let mut flows = Flows::clone(&self.flows.load());
        let place = flows.entry(flow_key(flow));
        let is_free = place.or_insert(Flow { lane, session }).session == session;
        self.publish(flows);
        is_free
    }

    /// Control thread: the opposite of [`Self::claim`] for all flows of the session but `kept`.
    pub(super) fn release(&self, session: u64, kept: Option<SocketAddrV4>) {
        let mut flows = Flows::clone(&self.flows.load());
        let kept = kept.map(flow_key);
        flows.retain(|key, flow| flow.session != session || Some(*key) == kept);
        self.publish(flows);
    }

    /// Each flow, with its lane and its session.
    pub(super) fn flows(&self) -> Vec<(SocketAddrV4, usize, u64)> {
        let flows = self.flows.load();
        let each = flows
            .iter()
            .map(|(key, it)| (flow_of(*key), it.lane, it.session));
        each.collect()
    }

    /// Pollers see the flows as they were before or after a change, and never wait.
    fn publish(&self, flows: Flows) {
        self.flows.store(Arc::new(flows));
    }

    /// Frees the packets in the lanes: their port is closed, or about to be.
    pub(super) fn clear(&self) {
        self.lanes.iter().for_each(Lane::clear);
    }
}

/// One poller's part in the hand-over of a port.
#[derive(Debug)]
pub(super) struct Share {
    all: Arc<HandOver>,
    /// Its lane.
    own: usize,
}

impl Share {
    pub(super) const fn new(all: Arc<HandOver>, own: usize) -> Self {
        Self { all, own }
    }

    fn lane(&self) -> &Lane {
        &self.all.lanes[self.own]
    }

    /// Hands over those of `unclaimed` that belong to sessions of other pollers. `arrived` is then
    /// empty if there were any.
    pub(super) fn pass_on(&self, unclaimed: &[Unclaimed], arrived: &mut Burst) -> Passed {
        let flows = self.all.flows.load();
        // A poller that has died takes nothing more.
        let is_open = |lane: &usize| !self.all.lanes[*lane].poller.is_closed();
        let mut lanes = [None; RX_BURST];
        for Unclaimed { at, destination } in unclaimed {
            let lane = flows.get(&flow_key(*destination)).map(|flow| flow.lane);
            lanes[*at] = lane.filter(|lane| *lane != self.own && is_open(lane));
        }
        let mut result = Passed::default();
        if lanes.iter().all(Option::is_none) {
            return result;
        }
        for (packet, lane) in arrived.drain().zip(lanes) {
            let Some(lane) = lane else { continue };
            match self.all.lanes[lane].packets.push(packet) {
                Ok(()) => result.passed += 1,
                Err(_) => result.dropped += 1,
            }
        }
        for (at, lane) in self.all.lanes.iter().enumerate() {
            if lanes.contains(&Some(at)) {
                lane.poller.nudge();
            }
        }
        result
    }

    /// Tells the other pollers what a neighbour said: each sends by itself.
    pub(super) fn tell(&self, message: &ArpMessage) {
        for (at, lane) in self.all.lanes.iter().enumerate() {
            // A neighbour repeats itself when it is asked again.
            if at != self.own && lane.messages.push(*message).is_ok() {
                lane.poller.nudge();
            }
        }
    }

    /// Takes what was handed to this poller, as many packets as `burst` has room for.
    pub(super) fn take(&self, burst: &mut Burst) -> usize {
        let packets = &self.lane().packets;
        let room = burst.room();
        (0..room)
            .map_while(|_| packets.pop())
            .filter_map(|packet| burst.push(packet).ok())
            .count()
    }

    /// Frees what was handed to this poller, which has closed its inbox: it ends.
    pub(super) fn clear(&self) {
        self.lane().clear();
    }

    /// What a neighbour said to another poller.
    pub(super) fn message(&self) -> Option<ArpMessage> {
        self.lane().messages.pop()
    }

    /// Whether something waits for this poller.
    pub(super) fn has_some(&self) -> bool {
        let lane = self.lane();
        !(lane.packets.is_empty() && lane.messages.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::super::inbox::clear_wake;
    use super::*;

    fn flow(port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(239, 1, 1, 1), port)
    }

    fn two() -> Arc<HandOver> {
        let inbox = || Arc::new(Inbox::new().unwrap());
        Arc::new(HandOver::new([inbox(), inbox()]))
    }

    #[test]
    fn flow_belongs_to_the_session_that_claimed_it_until_that_releases_it() {
        let all = two();
        assert!(all.claim(flow(1), 0, 7) && all.claim(flow(1), 0, 7));
        assert!(!all.claim(flow(1), 1, 8), "another session has it");
        all.release(8, None);
        assert!(!all.claim(flow(1), 1, 8), "that one did not have it");
        all.release(7, None);
        assert!(all.claim(flow(1), 1, 8));
    }

    /// A poller that sleeps without a time limit, and one that hands it a message as soon as it took
    /// the last.
    #[test]
    fn sleeper_is_woken_by_each_message() {
        const TURNS: u32 = 50_000;
        let all = two();
        let [a, b] = [0, 1].map(|own| Share::new(Arc::clone(&all), own));
        let [from, to] = [1, 2].map(|last| Ipv4Addr::new(10, 0, 0, last));
        let message = ArpMessage::request(onair_media::ethernet::Mac([2; 6]), from, to);
        let taken = AtomicU32::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 0..TURNS {
                    while taken.load(Ordering::Acquire) < turn {
                        thread::yield_now();
                    }
                    a.tell(&message);
                }
            });
            let inbox = &all.lanes[1].poller;
            for _ in 0..TURNS {
                while b.message().is_none() {
                    inbox.doze();
                    if !b.has_some() {
                        let mut fds = [PollFd::new(&inbox.waker, PollFlags::IN)];
                        let patience = Timespec {
                            tv_sec: 20,
                            tv_nsec: 0,
                        };
                        assert_eq!(poll(&mut fds, Some(&patience)), Ok(1), "it sleeps on");
                        clear_wake(&inbox.waker);
                    }
                    inbox.rouse();
                }
                taken.fetch_add(1, Ordering::Release);
            }
        });
    }

    #[test]
    fn message_of_a_neighbour_reaches_every_other_poller_and_a_flood_only_fills_its_own_lane() {
        let all = two();
        let [a, b] = [0, 1].map(|own| Share::new(Arc::clone(&all), own));
        let mac = onair_media::ethernet::Mac([2; 6]);
        let [from, to] = [1, 2].map(|last| Ipv4Addr::new(10, 0, 0, last));
        let message = ArpMessage::request(mac, from, to);
        for _ in 0..2 * MESSAGES {
            a.tell(&message);
        }
        assert!(!a.has_some() && b.has_some());
        assert_eq!(std::iter::from_fn(|| b.message()).count(), MESSAGES);
        assert!(!b.has_some());
    }
}
