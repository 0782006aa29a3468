//! The packets of one stream in a capture: those to its destination, or of its two legs.

use std::net::SocketAddr;

use onair_essence::legs::{Class, Leg, Merge, MergeConfig, Onward as _, Receiving};
use onair_essence::receive::{Depacketise, ReceiveStats, Sink};
use onair_essence::survey::{CapturedPacket, Link};

use crate::FrameStream;

/// Counts of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCounts {
    /// Packets of frames, complete or not; of two copies one.
    pub of_frames: u64,
    /// Packets of no frame: duplicate, late, malformed, or not of the stream.
    pub of_no_frame: u64,
    /// Packets of no frame because only their start was captured.
    pub cut: u64,
    /// Packets that did not come, between the first and the last one.
    pub lost: u64,
}

impl PacketCounts {
    /// With the losses that a receiver counted.
    #[must_use]
    pub const fn with(self, stats: &ReceiveStats) -> Self {
        Self {
            lost: stats.lost.saturating_sub(stats.lost_arrived),
            ..self
        }
    }
}

/// Which packets of a capture are a stream's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// Destination of the first leg; `None`: of every packet that is not of the second one.
    pub first: Option<SocketAddr>,
    /// Destination of the second leg, if the stream has two.
    pub second: Option<SocketAddr>,
}

impl Destinations {
    fn leg(&self, destination: SocketAddr) -> Option<Leg> {
        if self.first.is_some_and(|it| it == destination) {
            return Some(Leg::First);
        }
        if self.second == Some(destination) {
            return Some(Leg::Second);
        }
        self.first.is_none().then_some(Leg::First)
    }
}

/// Takes the packets of one stream out of a capture, and makes one stream of its legs.
#[derive(Debug)]
pub struct Packets {
    destinations: Destinations,
    merge: Option<Box<Merge>>,
    now_ns: u64,
    counts: PacketCounts,
}

impl Packets {
    /// The packets of `stream` to these destinations.
    #[must_use]
    pub fn new(stream: &FrameStream<'_>, destinations: Destinations) -> Self {
        let config = || MergeConfig {
            payload_types: stream.payload_types,
            clock_hz: stream.format.clock_hz(),
            bytes_per_second: stream.format.bytes_per_second(),
            period_ns: stream.format.period_ns(1),
            packets_a_second: stream.format.packets_a_second(),
            packet_bytes: stream.format.max_udp().into(),
            // A capture may have been taken anywhere.
            class: Class::C,
            silence_ns: stream.timeout_ns,
        };
        let merge = destinations.second.map(|_| Merge::new(&config()).into());
        Self {
            destinations,
            merge,
            now_ns: 0,
            counts: PacketCounts::default(),
        }
    }

    /// Counts so far, without losses.
    #[must_use]
    pub const fn counts(&self) -> PacketCounts {
        self.counts
    }

    /// Takes a frame of a capture, captured at `at_ns`. The receiver gets whole packets of the stream.
    pub fn take<K: Sink>(
        &mut self,
        at_ns: u64,
        (link, bytes): (Link, &[u8]),
        receiver: &mut impl Depacketise<K::Slot>,
        sink: &mut K,
    ) {
        let packet = CapturedPacket::parse(link, bytes).ok();
        let of_leg = packet.and_then(|it| Some((self.destinations.leg(it.destination)?, it)));
        let Some((leg, packet)) = of_leg else {
            self.counts.of_no_frame += 1;
            return;
        };
        if packet.payload.len() < packet.payload_bytes {
            self.counts.cut += 1;
            return;
        }
        self.now_ns = self.now_ns.max(at_ns);
        let now_ns = if self.merge.is_some() {
            self.now_ns
        } else {
            at_ns
        };
        self.give(receiver, sink, now_ns, |merge, onward| match merge {
            None => onward.pass(&[packet.datagram]),
            Some(merge) => _ = merge.push(leg, &[packet.datagram], now_ns, onward),
        });
    }

    /// No packets follow: gives those that wait for others.
    pub fn end<K: Sink>(&mut self, receiver: &mut impl Depacketise<K::Slot>, sink: &mut K) {
        self.give(receiver, sink, self.now_ns, |merge, onward| {
            merge.into_iter().for_each(|it| it.expire(u64::MAX, onward));
        });
    }

    fn give<D: Depacketise<K::Slot>, K: Sink>(
        &mut self,
        receiver: &mut D,
        sink: &mut K,
        now_ns: u64,
        give: impl FnOnce(Option<&mut Merge>, &mut Receiving<'_, D, K>),
    ) {
        let of = |it: &D| (it.stats().packets, it.stats().accepted);
        let (packets, accepted) = of(receiver);
        let mut onward = Receiving {
            receiver: &mut *receiver,
            sink,
            now_ns,
        };
        give(self.merge.as_deref_mut(), &mut onward);
        let (given, used) = of(receiver);
        let (counts, used) = (&mut self.counts, used - accepted);
        counts.of_frames += used;
        // A packet that was kept until another agreed with it counts as used with that one.
        counts.of_no_frame = (counts.of_no_frame + given - packets).saturating_sub(used);
    }
}
