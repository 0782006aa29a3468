//! From a burst to the sessions: each session gets its packets of the burst together.
//!
//! A port receives many flows at once. If the poller went through a burst packet by packet, each packet could
//! belong to another session than the one before, and the core would load the state of that session from memory
//! each time. So [`Sessions::deliver`] sorts a burst first (`docs/adr/0027-trains.md` has the figures):
//!
//! 1. *Cut.* Consecutive packets of one source and destination are a piece. One look at the demultiplexer
//!    (`flow/demux.rs`) finds the sessions of a whole piece: each gets a piece of its own of the same packets. The
//!    session's memory is prefetched now, so that it arrives while the other pieces are looked up.
//! 2. *Set aside.* A piece without a session here goes to `unclaimed`, with the place of each packet in the
//!    burst. The port then gives it to the pollers that have its sessions (`port/hand_over.rs`), or counts it as
//!    without a session. A piece that sessions here and elsewhere receive goes there, too, after its delivery. If
//!    the sessions of the destination accept other sources only, each counts the packets as of a wrong source;
//!    unless a session of another poller accepts them, which would miss them then.
//! 3. *Gather.* The pieces are sorted by the first piece of their session, then by their own place. A burst in
//!    which each session has one piece is in that order already. The order among sessions changes; the order in a
//!    session does not, because packets in order are copied as a train and others one by one.
//! 4. *Fetch.* What the packets will touch lies behind pointers, one behind the other. The poller fetches the
//!    first part for all sessions, then the second for all ([`Fetch`]): it waits for memory once a part, and not
//!    once a session.
//! 5. *Run.* Each session gets its packets, one source and one leg at a time, because the runtime judges the
//!    source of all packets of a call by the first ([`Runtime::packets`](crate::runtime::Runtime::packets)).
//!
//! A session that got packets is noted in `touched`. At the end of the turn [`Sessions::turn`] publishes the
//! counters of those sessions and asks each when it is due. Without the note, a session that was idle would keep
//! its old due time, and a frame of which one packet came would stay open for ever.
//!
//! A burst has at most [`RX_BURST`] packets, and the lists here are on the stack: this path allocates nothing. If
//! sessions share flows, a burst may have more pieces: those that are there run first, and a session's packets stay
//! in their order.
//!
//! The property test below delivers random bursts whole and packet by packet: the sessions must end up the same.
//!
//! Read on in `port/mod.rs` (where bursts come from) and `runtime/receive.rs` (what a session does with its
//! packets).

use arrayvec::ArrayVec;
use onair_dpdk::prefetch;
use onair_essence::legs::Leg;
use onair_mutant::mutant;

use super::{SessionEntry, Sessions};
use crate::flow::arrival::{Arrival, Packet, RX_BURST};
use crate::flow::demux::Routes;
use crate::port::NoSession;
use crate::port::hand_over::Unclaimed;
use crate::port::unclaimed::payload_type;
use crate::runtime::Fetch;

/// Consecutive packets of one flow and source.
#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    /// The session's entry.
    entry: usize,
    /// The session's first piece in the burst, and this one.
    order: (usize, usize),
    packets: &'a [Packet<'a>],
}

type Pieces<'a> = ArrayVec<Piece<'a>, RX_BURST>;

impl Sessions {
    /// Delivers packets received at `port`, at most a burst, to their sessions; each session's in their order, a
    /// source's together. Those without a session are added to `unclaimed`.
    pub(crate) fn deliver(
        &mut self,
        port: usize,
        packets: &[Packet<'_>],
        arrival: Arrival,
        unclaimed: &mut NoSession<'_>,
    ) {
        let Self {
            demux,
            entries,
            touched,
            ..
        } = self;
        let mut receivers = Receivers { entries, touched };
        let mut pieces = Pieces::new();
        for packets in packets.chunk_by(is_beside) {
            let ends = packets[0].datagram.ends;
            let (destination, source) = (ends.destination(), ends.source());
            let routes = demux.find(port, destination);
            let is_accepted = routes.is_some_and(|it| it.accept(source));
            // Those that accept other sources count it, unless a session of another poller has it.
            let routes =
                routes.filter(|_| is_accepted || !unclaimed.has_elsewhere(destination, source));
            let mut has_session = false;
            for at in 0..routes.map_or(0, Routes::count) {
                let entry = routes.and_then(|it| it.entry(at, source, is_accepted));
                let session = entry.and_then(|entry| receivers.entries[entry].as_ref());
                let (Some(entry), Some(session)) = (entry, session) else {
                    continue;
                };
                if has_session && mutant!("delivery: the second session of a flow gets nothing") {
                    continue;
                }
                prefetch(&*session.runtime);
                has_session = true;
                // Only if sessions share flows: a packet is in one piece else.
                if pieces.is_full() {
                    receivers.take(port, &mut pieces, arrival);
                }
                let first = pieces.iter().position(|it| it.entry == entry);
                let order = (first.unwrap_or(pieces.len()), pieces.len());
                pieces.push(Piece {
                    entry,
                    order,
                    packets,
                });
            }
            // Shared flows go to the other pollers, too, although a session here has had them.
            if !has_session || unclaimed.is_shared(destination, source) {
                unclaimed
                    .packets
                    .extend(packets.iter().map(|packet| Unclaimed {
                        at: packet.at,
                        destination,
                        source,
                        payload_type: payload_type(packet.datagram.payload),
                        has_session,
                    }));
            }
        }
        receivers.take(port, &mut pieces, arrival);
    }
}

/// Whether packets are of one flow and source.
fn is_beside(one: &Packet<'_>, next: &Packet<'_>) -> bool {
    one.datagram.ends == next.datagram.ends
}

/// The sessions that get packets.
struct Receivers<'a> {
    entries: &'a mut [Option<SessionEntry>],
    touched: &'a mut Vec<usize>,
}

impl Receivers<'_> {
    /// Gives each session its pieces, and leaves none.
    fn take(&mut self, port: usize, pieces: &mut Pieces<'_>, arrival: Arrival) {
        if !pieces.is_sorted_by_key(|it| it.order) {
            pieces.sort_unstable_by_key(|it| it.order);
        }
        let runs = || pieces.chunk_by(|one, next| one.entry == next.entry);
        for part in Fetch::ALL {
            for run in runs() {
                if let Some(entry) = &self.entries[run[0].entry] {
                    let count = run.iter().map(|it| it.packets.len()).sum();
                    entry.runtime.fetch(part, count, arrival.now_ns);
                }
            }
        }
        for run in runs() {
            match run {
                [piece] => self.run(port, piece.entry, piece.packets, arrival),
                pieces => {
                    let packets = pieces.iter().flat_map(|it| it.packets).copied();
                    let packets = ArrayVec::<_, RX_BURST>::from_iter(packets);
                    for of_one in packets.chunk_by(is_beside) {
                        self.run(port, pieces[0].entry, of_one, arrival);
                    }
                }
            }
        }
        pieces.clear();
    }

    /// Gives packets of one flow and source to their session.
    #[inline]
    fn run(&mut self, port: usize, index: usize, packets: &[Packet<'_>], arrival: Arrival) {
        let Some(entry) = &mut self.entries[index] else {
            return;
        };
        let leg = match entry.second == Some(port) {
            true => Leg::Second,
            false => Leg::First,
        };
        entry.runtime.packets(leg, packets, arrival);
        if !entry.touched {
            entry.touched = true;
            self.touched.push(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use onair_api::FlowSource;
    use onair_essence::send::{PacketPlan as _, StreamHeader};
    use onair_essence::video::st2110_20::{Packetiser, STANDARD_RTP_BYTES};
    use onair_essence::video::{Depth, FrameRate, VideoFormat};
    use onair_ipc::frames::FrameMemory;
    use onair_ipc::layout::Geometry;
    use onair_net::datagram::Datagram;
    use onair_net::ends::Ends;
    use proptest::prelude::*;

    use super::super::SessionEntry;
    use super::*;
    use crate::addresses::PortAddresses;
    use crate::config::PortInfo;
    use crate::flow::ReceivedFlow;
    use crate::groups::QueryInbox;
    use crate::messages::events::{Events, Outbox};
    use crate::port::PollerPort;
    use crate::port_queues::PortQueues;
    use crate::runtime::Runtime;
    use crate::runtime::receive::ReceiveConfig;

    const SESSIONS: u16 = 4;
    /// More sessions: the flow of each, and the port of the source that it accepts.
    const BESIDE: [(u16, Option<u16>); 3] = [(0, None), (0, Some(5000)), (1, Some(5001))];
    const TIMEOUT_NS: u64 = 1_000_000;

    fn format() -> VideoFormat {
        VideoFormat::new(320, 180, Depth::Ten, FrameRate::new(60, 1).unwrap()).unwrap()
    }

    fn destination(flow: u16) -> SocketAddr {
        SocketAddr::from(([10, 9, 0, 2], 5004 + flow))
    }

    fn sessions() -> Sessions {
        let mut sessions = Sessions::default();
        let own = (0..SESSIONS).map(|flow| (flow, None));
        for (flow, port) in own.chain(BESIDE) {
            let sources = port.map(|port| FlowSource {
                address: [10, 9, 0, 1].into(),
                port: Some(port),
            });
            let sources: Vec<_> = sources.into_iter().collect();
            let config = ReceiveConfig {
                timeout_ns: TIMEOUT_NS,
                sources: sources.clone(),
                ..ReceiveConfig::of_one_leg("b", destination(flow), format())
            };
            let bytes = u32::try_from(format().frame_bytes()).unwrap();
            let frames = FrameMemory::create(Geometry::new(2, bytes).unwrap(), true).unwrap();
            let entry = sessions.entries.len();
            let runtime = Runtime::receive(entry as u64, config, frames).unwrap();
            let flow = ReceivedFlow {
                destination: destination(flow),
                sources: &sources,
            };
            sessions.demux.add(0, flow, entry);
            sessions.entries.push(Some(SessionEntry {
                runtime: Box::new(runtime),
                port: Some(0),
                second: None,
                due_ns: 0,
                touched: false,
                quiescing: false,
            }));
        }
        sessions
    }

    /// Delivers them; where those are without a session.
    fn deliver(sessions: &mut Sessions, packets: &[Packet<'_>], now_ns: u64) -> Vec<usize> {
        let mut unclaimed = ArrayVec::new();
        let mut none = NoSession {
            packets: &mut unclaimed,
            share: None,
        };
        sessions.deliver(0, packets, Arrival::at(now_ns), &mut none);
        unclaimed.iter().map(|it| it.at).collect()
    }

    fn port() -> PollerPort {
        let addresses = PortAddresses::of_ipv4([10, 9, 0, 2].into(), 24);
        let info = PortInfo::without_device("b", [2; 6], addresses);
        let queries = Arc::new(QueryInbox::new(Arc::new(Events::new().unwrap())));
        let queues = None;
        PollerPort::new(PortQueues { info, queues }, <_>::default(), None, queries)
    }

    fn counters(sessions: &mut Sessions) -> Vec<String> {
        let entries = sessions.entries.iter_mut().flatten();
        let each = entries.map(|entry| {
            entry.runtime.show();
            format!("{:?}", entry.runtime.stats().snapshot())
        });
        each.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn burst_of_any_order_then_each_session_as_one_by_one(
            bursts in prop::collection::vec(
                prop::collection::vec((0..=SESSIONS, 0u16..8, 1usize..5), 1..=RX_BURST), 1..8),
        ) {
            let packetiser = Packetiser::new(format(), STANDARD_RTP_BYTES).unwrap();
            let mut sent = [0; SESSIONS as usize + 1];
            let (mut whole, mut single) = (sessions(), sessions());
            for (now_ns, burst) in (1_000..).step_by(300_000).zip(bursts) {
                let each = burst.iter().flat_map(|it| std::iter::repeat_n(it, it.2));
                let payloads: Vec<_> = each.take(RX_BURST).map(|&(flow, from, _)| {
                    let number = &mut sent[usize::from(flow)];
                    let packet = packetiser.packet(*number % packetiser.packets()).unwrap();
                    let stream = StreamHeader {
                        payload_type: 96,
                        timestamp: *number / packetiser.packets() * 1_500,
                        ssrc: u32::from(from == 0),
                    };
                    let mut payload = vec![0; packet.bytes()];
                    packet.write_headers(&stream, *number, &mut payload);
                    *number += 1;
                    let source = SocketAddr::from(([10, 9, 0, 1], 5000 + from / 7));
                    (destination(flow), source, payload)
                }).collect();
                let packets: Vec<_> = payloads.iter().enumerate().map(|(at, (destination, source, payload))| {
                    let datagram = Datagram { ends: Ends::new(*source, *destination), payload };
                    Packet { datagram, frame: &[], at }
                }).collect();
                let unclaimed = deliver(&mut whole, &packets, now_ns);
                let singly = packets.chunks(1).flat_map(|it| deliver(&mut single, it, now_ns));
                prop_assert_eq!(unclaimed, singly.collect::<Vec<_>>());
                prop_assert_eq!(&whole.touched.len(), &single.touched.len());
                let counted = counters(&mut whole);
                prop_assert_eq!(&counted, &counters(&mut single));
                prop_assert_eq!(&counted[0], &counted[usize::from(SESSIONS)]);
            }
        }

        #[test]
        fn frame_overdue_then_closed_in_the_next_turn(
            steps in prop::collection::vec((0u64..600_000, 0u16..3 * SESSIONS), 1..60),
        ) {
            let packetiser = Packetiser::new(format(), STANDARD_RTP_BYTES).unwrap();
            let (mut sessions, mut ports) = (sessions(), [port()]);
            let mut outbox = Outbox::new(Arc::new(Events::new().unwrap()));
            let mut now_ns = 1_000;
            // A frame has more packets than there are steps.
            let mut sent = [0; SESSIONS as usize];
            let mut last_ns = [None; SESSIONS as usize];
            let mut closed = [0; SESSIONS as usize];
            for (pause, flow) in steps {
                now_ns += pause;
                if flow < SESSIONS {
                    let at = usize::from(flow);
                    let stream = StreamHeader { payload_type: 96, timestamp: closed[at] * 1_500, ssrc: 1 };
                    let packet = packetiser.packet(sent[at]).unwrap();
                    let mut payload = vec![0; packet.bytes()];
                    packet.write_headers(&stream, sent[at], &mut payload);
                    let source = destination(9);
                    let datagram = Datagram { ends: Ends::new(source, destination(flow)), payload: &payload };
                    deliver(&mut sessions, &[Packet { datagram, frame: &[], at: 0 }], now_ns);
                    last_ns[at] = Some(now_ns);
                    sent[at] += 1;
                }
                sessions.turn(now_ns, &mut ports, &mut outbox);
                for at in 0..last_ns.len() {
                    if last_ns[at].is_some_and(|last_ns| now_ns >= last_ns + TIMEOUT_NS) {
                        (last_ns[at], closed[at]) = (None, closed[at] + 1);
                    }
                    let stats = sessions.entries[at].as_ref().unwrap().runtime.stats();
                    prop_assert_eq!(stats.snapshot().frames_incomplete, u64::from(closed[at]));
                }
            }
        }
    }
}
