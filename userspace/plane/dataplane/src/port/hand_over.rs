//! Hands datagrams to the poller that runs their session, on a port with several pollers.
//!
//! A session runs on one poller, but its packets may arrive at another: the device chooses the queue by a rule,
//! if it has rules (`plane/slot`), else by a hash of the addresses, and some devices have fewer queues than the
//! port has pollers. The poller that receives such a packet does not deliver it: a session has one owner, and
//! needs no lock for that reason. It puts the packet into the owner's lane.
//!
//! 1. *Claim.* Before the control thread sends a session to its poller, it enters the session's flow here
//!    ([`HandOver::claim`]). It replaces the table as a whole: a poller sees the table before or after, and never
//!    waits. Sessions of several pollers may have one flow.
//! 2. *Pass on.* A poller delivers a burst to its own sessions first. For what remains, and for flows that others
//!    have, too, [`Share::pass_on`] finds the lanes, moves the buffers there (pointers: no byte is copied; a buffer for
//!    several lanes is counted, and the last poller frees it), and wakes each owner once. This frees all other buffers
//!    of the burst. So it comes after the delivery.
//! 3. *Take.* In each turn the owner takes from its lane before it looks at the port's queues. A packet that has
//!    no session there, because the session is about to start or has ended, is counted as without a session. It
//!    is not passed on again, or two pollers could send it to each other for ever.
//! 4. *Release.* When the runtime is back, its flows leave the table ([`HandOver::release`]). A session that
//!    changes its addresses claims the new flow first and releases the old one at the end: between the two it has
//!    both.
//!
//! No thread waits for another. What does not fit a lane is dropped and counted (`rx_hand_over_full`): a poller
//! that is held up must neither hold up the others nor keep all buffers of the port's pool.
//!
//! *No wake-up is lost.* The owner announces its sleep, then looks at its lane once more. The other side pushes,
//! then looks whether the owner sleeps (`sleeper.rs`, SYNC poller-asleep). At least one of them sees what the
//! other did.
//!
//! *A poller that died takes nothing.* As it ends it closes its inbox, then empties its lane; the others skip the
//! lane of a closed inbox. A packet pushed at that very moment stays in the lane until [`HandOver::clear`], which
//! runs before the port closes: by then all buffers must be back in its pool.
//!
//! Lanes also carry what neighbours say (ARP, NDP). An answer arrives in one queue, but each poller sends with a
//! neighbour table of its own. So each message goes to all.
//!
//! Read on in `poller/sessions/delivery.rs` (what comes before) and `poller/mod.rs` (the sleep).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use arrayvec::ArrayVec;
use crossbeam_queue::ArrayQueue;
use onair_api::FlowSource;
use onair_dpdk::{Burst, Mbuf};
use onair_mutant::mutant;

use crate::flow::arrival::RX_BURST;
use crate::flow::map::FlowMap;
use crate::flow::{ReceivedFlow, admit};
use crate::sleeper::Sleeper;
use crate::transmit::NeighbourReport;

/// Packets that wait for one poller: two milliseconds of 1080p60 at 10 bit, eight such sessions.
const PACKETS: usize = 4096;
/// Messages about neighbours that wait for one poller.
const MESSAGES: usize = 64;

/// A received datagram without a session at the poller that received it, or with others elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unclaimed {
    /// Its place in the burst.
    pub(crate) at: usize,
    pub(crate) destination: SocketAddr,
    pub(crate) source: SocketAddr,
    /// Of RTP.
    pub(crate) payload_type: Option<u8>,
    /// A session of the poller that received it has it.
    pub(crate) has_session: bool,
}

/// The lanes of one port, and which of them each flow takes.
#[derive(Debug)]
pub(crate) struct HandOver {
    flows: ArcSwap<Flows>,
    /// Sessions of several pollers have one of the flows. A hint beside the flows: relaxed, for a poller may see either
    /// change first.
    has_shared: AtomicBool,
    lanes: Box<[Lane]>,
}

/// The flows are of one port.
const ANY_PORT: usize = 0;

/// By destination.
type Flows = FlowMap<Vec<Flow>>;

#[derive(Debug, Clone)]
struct Flow {
    /// Sources that it accepts; empty: every source.
    sources: Box<[FlowSource]>,
    lane: usize,
    session: u64,
}

/// Packets and neighbour messages from the port's other pollers to one.
#[derive(Debug)]
struct Lane {
    poller: Arc<Sleeper>,
    packets: ArrayQueue<Mbuf>,
    messages: ArrayQueue<NeighbourReport>,
}

impl Lane {
    fn clear(&self) {
        // Others may go on to push.
        let most = self.packets.capacity();
        std::iter::from_fn(|| self.packets.pop())
            .take(most)
            .for_each(drop);
    }
}

/// Counts of packets that were to be handed over.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) passed: usize,
    /// Dropped, because the lane was full.
    pub(crate) dropped: usize,
}

impl HandOver {
    /// A lane for each of `pollers`, in that order.
    pub(crate) fn new(pollers: impl IntoIterator<Item = Arc<Sleeper>>) -> Self {
        let lanes = pollers.into_iter().map(|poller| Lane {
            poller,
            packets: ArrayQueue::new(PACKETS),
            messages: ArrayQueue::new(MESSAGES),
        });
        Self {
            flows: ArcSwap::default(),
            has_shared: AtomicBool::new(false),
            lanes: lanes.collect(),
        }
    }

    /// Control thread: sends a flow to a lane from now on, beside those that get it already.
    pub(crate) fn claim(&self, flow: ReceivedFlow<'_>, lane: usize, session: u64) {
        let mut flows = Flows::clone(&self.flows.load());
        let beside = flows.or_default(ANY_PORT, flow.destination);
        // A session that turns to what it has already has it once.
        beside.retain(|it| it.session != session || *it.sources != *flow.sources);
        beside.push(Flow {
            sources: flow.sources.into(),
            lane,
            session,
        });
        self.publish(flows);
    }

    /// Control thread: the opposite of [`Self::claim`] for all flows of the session but `kept`.
    pub(crate) fn release(&self, session: u64, kept: Option<ReceivedFlow<'_>>) {
        let mut flows = Flows::clone(&self.flows.load());
        flows.retain(|destination, beside| {
            let kept = kept.filter(|it| it.destination == destination);
            beside.retain(|it| {
                let stays = kept.is_some_and(|kept| kept.sources == &*it.sources);
                it.session != session || stays || mutant!("hand-over: a flow stays in its lane")
            });
            !beside.is_empty()
        });
        self.publish(flows);
    }

    /// Each flow's destination, with its lane and its session.
    pub(crate) fn flows(&self) -> Vec<(SocketAddr, usize, u64)> {
        let flows = self.flows.load();
        let each = flows.iter().flat_map(|(destination, beside)| {
            let each = beside.iter();
            each.map(move |it| (destination, it.lane, it.session))
        });
        each.collect()
    }

    /// Pollers see the flows as they were before or after a change, and never wait.
    fn publish(&self, flows: Flows) {
        let is_shared = |beside: &Vec<Flow>| beside.iter().any(|it| it.lane != beside[0].lane);
        let has_shared = flows.iter().any(|(_, beside)| is_shared(beside));
        self.has_shared.store(has_shared, Ordering::Relaxed);
        self.flows.store(Arc::new(flows));
    }

    /// Frees the packets in the lanes: their port is closed, or about to be.
    pub(crate) fn clear(&self) {
        self.lanes.iter().for_each(Lane::clear);
    }
}

/// One poller's part in the hand-over of a port.
#[derive(Debug)]
pub(crate) struct Share {
    all: Arc<HandOver>,
    /// Its lane.
    own: usize,
}

impl Share {
    pub(crate) const fn new(all: Arc<HandOver>, own: usize) -> Self {
        Self { all, own }
    }

    fn lane(&self) -> &Lane {
        &self.all.lanes[self.own]
    }

    /// Whether sessions of several pollers have one of the flows.
    #[inline]
    pub(crate) fn has_shared(&self) -> bool {
        self.all.has_shared.load(Ordering::Relaxed)
    }

    /// Hands over those of `unclaimed` that belong to sessions of other pollers, and leaves those in it that no session
    /// has. `arrived` is then empty if there were any.
    pub(crate) fn pass_on(
        &self,
        unclaimed: &mut ArrayVec<Unclaimed, RX_BURST>,
        arrived: &mut Burst,
    ) -> Passed {
        let flows = self.all.flows.load();
        let mut wanted = [None::<(&[Flow], SocketAddr)>; RX_BURST];
        unclaimed.retain(|it| {
            let beside = flows.get(ANY_PORT, it.destination);
            let beside = beside.filter(|beside| self.lanes(beside, it.source).next().is_some());
            wanted[it.at] = beside.map(|beside| (&beside[..], it.source));
            beside.is_none() && !it.has_session
        });
        let mut result = Passed::default();
        if wanted.iter().all(Option::is_none) {
            return result;
        }
        let mut given = ArrayVec::<usize, RX_BURST>::new();
        for (packet, wanted) in arrived.drain().zip(wanted) {
            let Some((beside, source)) = wanted else {
                continue;
            };
            let mut lanes = self.lanes(beside, source).peekable();
            let mut rest = Some(packet);
            while let Some((lane, packet)) = lanes.next().zip(rest.take()) {
                rest = lanes.peek().map(|_| packet.share());
                match self.all.lanes[lane].packets.push(packet) {
                    Ok(()) => result.passed += 1,
                    Err(_) => result.dropped += 1,
                }
                if !given.contains(&lane) && given.try_push(lane).is_err() {
                    self.all.lanes[lane].poller.nudge();
                }
            }
        }
        for lane in given {
            self.all.lanes[lane].poller.nudge();
        }
        result
    }

    /// Whether a session of another poller receives this.
    pub(crate) fn has_elsewhere(&self, destination: SocketAddr, source: SocketAddr) -> bool {
        let flows = self.all.flows.load();
        let beside = flows.get(ANY_PORT, destination);
        beside.is_some_and(|beside| self.lanes(beside, source).next().is_some())
    }

    /// The lanes of other pollers' sessions, each once, but of pollers that have died: those take nothing more.
    fn lanes(&self, beside: &[Flow], source: SocketAddr) -> impl Iterator<Item = usize> {
        let takes = move |it: &Flow| {
            let is_other = it.lane != self.own && !self.all.lanes[it.lane].poller.is_closed();
            is_other && admit(&it.sources, source)
        };
        let is_first = move |at: usize| {
            let mut before = beside[..at].iter();
            takes(&beside[at]) && !before.any(|it| it.lane == beside[at].lane && takes(it))
        };
        let places = (0..beside.len()).filter(move |at| is_first(*at));
        places.map(|at| beside[at].lane)
    }

    /// Tells the other pollers what a neighbour said: each sends by itself.
    pub(crate) fn broadcast(&self, message: &NeighbourReport) {
        for (at, lane) in self.all.lanes.iter().enumerate() {
            // A neighbour repeats itself when it is asked again.
            if at != self.own && lane.messages.push(*message).is_ok() {
                lane.poller.nudge();
            }
        }
    }

    /// Takes what was handed to this poller, as many packets as `burst` has room for.
    pub(crate) fn take(&self, burst: &mut Burst) -> usize {
        let packets = &self.lane().packets;
        let room = burst.room();
        (0..room)
            .map_while(|_| packets.pop())
            .filter_map(|packet| burst.push(packet).ok())
            .count()
    }

    /// Frees what was handed to this poller, which has closed its inbox: it ends.
    pub(crate) fn clear(&self) {
        self.lane().clear();
    }

    /// The next neighbour message that another poller received.
    pub(crate) fn message(&self) -> Option<NeighbourReport> {
        self.lane().messages.pop()
    }

    /// Whether something waits for this poller.
    pub(crate) fn has_some(&self) -> bool {
        let lane = self.lane();
        !(lane.packets.is_empty() && lane.messages.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use onair_net::arp::ArpMessage;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;
    use crate::flow::tests::source;

    fn flow(port: u16) -> ReceivedFlow<'static> {
        ReceivedFlow {
            destination: SocketAddr::from(([239, 1, 1, 1], port)),
            sources: &[],
        }
    }

    fn two() -> Arc<HandOver> {
        let poller = || Arc::new(Sleeper::new().unwrap());
        Arc::new(HandOver::new([poller(), poller()]))
    }

    fn elsewhere(all: &Arc<HandOver>, own: usize, port: u16, last: u8) -> bool {
        let share = Share::new(Arc::clone(all), own);
        let source = SocketAddr::from(([10, 0, 0, last], 5000));
        share.has_elsewhere(flow(port).destination, source)
    }

    #[test]
    fn flow_of_several_sessions_in_a_lane_until_all_release_it() {
        let all = two();
        let has_shared = || Share::new(Arc::clone(&all), 0).has_shared();
        for (session, lane) in [(7, 0), (7, 0), (8, 1), (9, 1)] {
            all.claim(flow(1), lane, session);
            assert_eq!(has_shared(), lane == 1);
        }
        assert_eq!(all.flows().len(), 3);
        assert!(elsewhere(&all, 0, 1, 1) && elsewhere(&all, 1, 1, 1));
        all.release(8, None);
        assert!(elsewhere(&all, 0, 1, 1) && has_shared());
        all.release(9, None);
        assert!(!elsewhere(&all, 0, 1, 1) && !has_shared());
        assert!(elsewhere(&all, 1, 1, 1));
        all.release(7, None);
        assert!(!elsewhere(&all, 1, 1, 1));
    }

    #[test]
    fn packet_of_three_pollers_goes_once_into_each_of_two_lanes() {
        let sleeper = || Arc::new(Sleeper::new().unwrap());
        let all = Arc::new(HandOver::new([sleeper(), sleeper(), sleeper()]));
        for (session, lane) in [(6, 0), (7, 1), (8, 2), (9, 1)] {
            all.claim(flow(1), lane, session);
        }
        let share = Share::new(Arc::clone(&all), 0);
        let flows = all.flows.load();
        let beside = flows.get(ANY_PORT, flow(1).destination).unwrap();
        let lanes = || share.lanes(beside, flow(9).destination).collect::<Vec<_>>();
        assert_eq!(lanes(), [1, 2]);
        all.lanes[1].poller.close();
        assert_eq!(lanes(), [2]);
    }

    #[test]
    fn flows_exchanged_then_both_sessions_have_both_for_a_while() {
        let all = two();
        all.claim(flow(1), 0, 7);
        all.claim(flow(2), 1, 8);
        all.claim(flow(2), 0, 7);
        all.claim(flow(1), 1, 8);
        assert!([1, 2].iter().all(|port| elsewhere(&all, 0, *port, 1)));
        all.release(7, Some(flow(2)));
        all.release(8, Some(flow(1)));
        assert!(elsewhere(&all, 0, 1, 1) && !elsewhere(&all, 0, 2, 1));
        assert!(elsewhere(&all, 1, 2, 1) && !elsewhere(&all, 1, 1, 1));
    }

    #[test]
    fn two_sessions_of_one_destination_have_a_lane_for_each_source() {
        let all = two();
        let [one, other] = [source(1, None), source(2, None)];
        fn of(sources: &[FlowSource]) -> ReceivedFlow<'_> {
            ReceivedFlow { sources, ..flow(1) }
        }
        all.claim(of(&[one]), 0, 7);
        all.claim(of(&[other]), 1, 8);
        let seen = || [1, 2, 3].map(|last| elsewhere(&all, 0, 1, last));
        assert_eq!(seen(), [false, true, false]);
        // It turns to another source: until it has let go, it has both.
        let third = source(3, None);
        all.claim(of(&[third]), 1, 8);
        assert_eq!(seen(), [false, true, true]);
        // It turns to what it has already.
        all.claim(of(&[third]), 1, 8);
        all.release(8, Some(of(&[third])));
        assert_eq!(seen(), [false, false, true]);
        assert_eq!(all.flows().len(), 2);
    }

    /// A poller that sleeps without a time limit, and one that hands it a message as soon as it took
    /// the last.
    #[test]
    fn sleeper_is_woken_by_each_message() {
        const TURNS: u32 = 50_000;
        let all = two();
        let [a, b] = [0, 1].map(|own| Share::new(Arc::clone(&all), own));
        let [from, to] = [1, 2].map(|last| Ipv4Addr::new(10, 0, 0, last));
        let message = ArpMessage::request(onair_net::ethernet::Mac([2; 6]), from, to);
        let message = NeighbourReport::Arp(message);
        let taken = AtomicU32::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 0..TURNS {
                    while taken.load(Ordering::Acquire) < turn {
                        thread::yield_now();
                    }
                    a.broadcast(&message);
                }
            });
            let poller = &all.lanes[1].poller;
            for _ in 0..TURNS {
                while b.message().is_none() {
                    poller.doze();
                    if !b.has_some() {
                        let mut fds = [PollFd::new(&poller.waker, PollFlags::IN)];
                        let timeout = Timespec {
                            tv_sec: 20,
                            tv_nsec: 0,
                        };
                        assert_eq!(poll(&mut fds, Some(&timeout)), Ok(1), "it sleeps on");
                        poller.waker.clear();
                    }
                    poller.rouse();
                }
                taken.fetch_add(1, Ordering::Release);
            }
        });
    }

    #[test]
    fn neighbour_message_reaches_all_and_a_flood_fills_one_lane() {
        let all = two();
        let [a, b] = [0, 1].map(|own| Share::new(Arc::clone(&all), own));
        let mac = onair_net::ethernet::Mac([2; 6]);
        let [from, to] = [1, 2].map(|last| Ipv4Addr::new(10, 0, 0, last));
        let message = NeighbourReport::Arp(ArpMessage::request(mac, from, to));
        for _ in 0..2 * MESSAGES {
            a.broadcast(&message);
        }
        assert!(!a.has_some() && b.has_some());
        assert_eq!(std::iter::from_fn(|| b.message()).count(), MESSAGES);
        assert!(!b.has_some());
    }
}
