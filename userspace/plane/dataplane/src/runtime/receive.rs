//! Runtime of a receive session: assembles packets into frames, loans frames to every attachment.

use std::net::SocketAddr;
use std::sync::Arc;

use arrayvec::ArrayVec;
use onair_api::FlowSource;
use onair_essence::legs::{Leg, MergeConfig, Receiving};
use onair_essence::media_time::RtpClock;
use onair_essence::receive::{Depacketise as _, Run, Sink};
use onair_essence::rtp::{PayloadTypes, RtpHeader};
use onair_essence::{Depacketiser, Format};
use onair_ipc::frames::FrameMemory;

use crate::clock::MediaClock;
use crate::flow::admit;
use crate::flow::arrival::{Arrival, Packet, RX_BURST};
use crate::flow::target::{FlowTarget, ip_bytes, payload_types};
use crate::runtime::frame_pool::FramePool;
use crate::runtime::legs::{Legs, SecondLeg};
use crate::runtime::senders::Senders;
use crate::runtime::tap::Taps;
use crate::stats::survey::Surveyor;
use crate::stats::timing::Timing;
use crate::stats::{FrameClock, Sender, SessionStats};

/// Configuration of a receive session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveConfig {
    /// Name of the port that receives the flow.
    pub port: String,
    /// The flow's destination: the port's address or a multicast group, and the UDP port.
    pub destination: SocketAddr,
    /// Accepted sources; if there are none, every one.
    pub sources: Vec<FlowSource>,
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// Offset that the sender adds to its RTP timestamps, in ticks.
    pub media_clock_offset: u32,
    /// Format of the flow, and the pacing that its sender declares.
    pub format: Format,
    /// Largest IP packet of the port in bytes.
    pub mtu: u16,
    /// Nanoseconds without a packet after which a unit is closed as incomplete; see
    /// [`Format::default_timeout_ns`].
    pub timeout_ns: u64,
    /// Most attachments at once.
    pub max_attachments: usize,
    /// The second leg, if it has two.
    pub second: Option<SecondLeg>,
}

impl ReceiveConfig {
    /// A flow of one leg with payload type 96 from any source, at an MTU of 1500 bytes and for one attachment.
    #[must_use]
    pub fn of_one_leg(port: &str, destination: SocketAddr, format: impl Into<Format>) -> Self {
        let format = format.into();
        Self {
            port: port.to_owned(),
            destination,
            sources: Vec::new(),
            payload_type: 96,
            media_clock_offset: 0,
            timeout_ns: format.default_timeout_ns(),
            format,
            mtu: 1500,
            max_attachments: 1,
            second: None,
        }
    }

    /// Accepted sources of a leg.
    fn sources_of(&self, leg: Leg) -> &[FlowSource] {
        match (leg, &self.second) {
            (Leg::Second, Some(second)) => &second.target.sources,
            _ => &self.sources,
        }
    }

    /// The clock of the timestamps.
    pub(crate) fn rtp_clock(&self) -> RtpClock {
        RtpClock {
            hz: self.format.clock_hz(),
            offset: self.media_clock_offset,
        }
    }

    fn clock_and_period_ns(&self) -> (RtpClock, u64) {
        (self.rtp_clock(), self.format.period_ns(1))
    }

    /// Bytes of its largest IP header, of all legs.
    pub(crate) fn ip_bytes(&self) -> u16 {
        let second = self.second.as_ref().map(|it| it.target.destination);
        ip_bytes(std::iter::once(self.destination).chain(second))
    }

    /// Largest IP packet that each port takes, in bytes.
    pub(crate) fn least_mtu(&self) -> u16 {
        let second = self.second.as_ref().map(|it| it.mtu);
        second.map_or(self.mtu, |it| it.min(self.mtu))
    }

    /// Most memory for packets of two legs that wait, in bytes.
    #[must_use]
    pub fn merge_bytes(&self) -> u64 {
        self.merge().map_or(0, |it| it.memory_bytes())
    }

    fn payload_types(&self) -> PayloadTypes {
        let second = self.second.as_ref().map(|it| &it.target);
        payload_types(self.payload_type, second)
    }

    /// How its legs are merged, if it has two.
    fn merge(&self) -> Option<MergeConfig> {
        let second = self.second.as_ref()?;
        Some(MergeConfig {
            payload_types: self.payload_types(),
            clock_hz: self.format.clock_hz(),
            bytes_per_second: self.format.bytes_per_second(),
            period_ns: self.format.period_ns(1),
            packets_a_second: self.format.packets_a_second(),
            packet_bytes: usize::from(self.mtu.max(second.mtu)).saturating_sub(IPV4_AND_UDP),
            class: second.class,
            silence_ns: self.timeout_ns,
        })
    }
}

/// Pause between two looks whether a client that came back has room for a kept unit.
const LOOK_AGAIN_NS: u64 = 100_000;
/// The headers of the largest payload: IPv6's leave less.
const IPV4_AND_UDP: usize = 28;

/// The unit with which a flow begins.
#[derive(Debug, Clone, Copy)]
struct FirstUnit {
    /// Its media time: ns of TAI.
    tai_ns: u64,
    /// Until then packets of earlier units may arrive: CLOCK_MONOTONIC, ns.
    until_ns: u64,
}

/// Assembles packets into frames.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) config: ReceiveConfig,
    depacketiser: Depacketiser<u32>,
    legs: Option<Box<Legs>>,
    pub(crate) pool: FramePool,
    pub(crate) taps: Taps,
    timing: Option<Timing>,
    surveyor: Surveyor,
    senders: Senders,
    first: Option<FirstUnit>,
    /// The session stops: packets of this turn are too late.
    is_stopped: bool,
    /// At this time a client that came back may have room for a kept unit.
    catches_up_ns: Option<u64>,
}

impl Receiver {
    pub(crate) fn new(
        config: ReceiveConfig,
        frames: FrameMemory,
        timing: Option<Timing>,
        stats: Arc<SessionStats>,
    ) -> Self {
        let mut depacketiser = config
            .format
            .depacketiser(config.payload_type, config.timeout_ns);
        depacketiser.set_payload_types(config.payload_types());
        let (clock, most) = (config.clock_and_period_ns(), config.max_attachments);
        let pool = FramePool::new(frames, clock, most, &stats);
        Self {
            legs: config.merge().map(|merge| Legs::new(&merge, &stats)),
            senders: Senders::of(&config.format),
            config,
            depacketiser,
            pool,
            taps: Taps::default(),
            timing,
            surveyor: Surveyor::new(Arc::clone(&stats.survey)),
            first: None,
            is_stopped: false,
            catches_up_ns: None,
        }
    }

    /// Judges the packets' timing by what their sender says of it.
    fn declare(&mut self, format: Format) {
        self.senders = Senders::of(&format);
        self.config.format = format;
        self.pool.set_clock(self.config.clock_and_period_ns());
        if let Some(timing) = &mut self.timing {
            timing.declare(&self.config.format, self.pool.rtp_clock);
        }
    }

    /// Gives frames the times of their timestamps by `clock`.
    pub(crate) fn follow(&mut self, clock: Arc<MediaClock>) {
        if let Some(timing) = &mut self.timing {
            timing.follow(Arc::clone(&clock));
        }
        self.pool.follow(clock);
    }

    /// Prefetches the depacketiser's and the timing's memory that the next `packets` packets touch (first level).
    #[inline]
    pub(crate) fn fetch_places(&self, packets: usize) {
        self.depacketiser.fetch(packets, &self.pool);
        self.timing.iter().for_each(Timing::fetch);
    }

    /// Prefetches the timing counters for packets at `now_ns` (second level: needs what [`Self::fetch_places`] fetched).
    #[inline]
    pub(crate) fn fetch_counts(&self, now_ns: u64) {
        if let Some(timing) = &self.timing {
            timing.fetch_counts(now_ns);
        }
    }

    /// The flow begins with the unit of this media time (ns of TAI): what arrives of one before it is left out.
    pub(crate) fn begin_with(&mut self, tai_ns: u64, now_ns: u64) {
        self.first = Some(FirstUnit {
            tai_ns,
            until_ns: now_ns.saturating_add(self.config.format.period_ns(3)),
        });
    }

    /// Handles packets of a leg's flow, all of one source.
    pub(crate) fn packets(&mut self, leg: Leg, packets: &[Packet<'_>], arrival: Arrival) {
        self.first.take_if(|it| it.until_ns < arrival.now_ns);
        let Some(first) = self.first else {
            return self.take(leg, packets, arrival);
        };
        // A timestamp is a tick early or late.
        let tick_ns = 1_000_000_000 / u64::from(self.pool.rtp_clock.hz).max(1) + 1;
        let is_before = |packet: &Packet<'_>| {
            let rtp = RtpHeader::parse_start(packet.datagram.payload);
            let time = rtp.map_or(0, |(rtp, _)| {
                self.pool.media_time(rtp.timestamp, arrival.now_ns)
            });
            time > 0 && time + tick_ns < first.tai_ns
        };
        let kept: ArrayVec<Packet<'_>, RX_BURST> = packets
            .iter()
            .filter(|it| !is_before(it))
            .copied()
            .collect();
        self.take(leg, &kept, arrival);
    }

    fn take(&mut self, leg: Leg, packets: &[Packet<'_>], arrival: Arrival) {
        let now_ns = arrival.now_ns;
        // Packets still arrive between the stop and the hand-back.
        if self.is_stopped {
            return;
        }
        if self.surveyor.is_on() {
            let sources = self.config.sources_of(leg);
            self.surveyor.packets(leg, packets, sources, now_ns);
        }
        let Some(source) = packets.first().map(|it| it.datagram.ends.source()) else {
            return;
        };
        let counters = &self.pool.stats.counters;
        if !admit(self.config.sources_of(leg), source) {
            counters.packets_wrong_source.add(packets.len() as u64);
            let halves = (&counters.other_sender_high, &counters.other_sender_low);
            Sender::note(source, [&counters.other_sender, halves.0, halves.1]);
            return;
        }
        if leg == Leg::First {
            self.senders.note(source, counters);
        }
        self.senders.note_time(arrival, counters);
        let payloads: ArrayVec<&[u8], RX_BURST> =
            packets.iter().map(|it| it.datagram.payload).collect();
        let (depacketiser, legs) = (&mut self.depacketiser, &mut self.legs);
        let pool = &mut self.pool;
        let (fresh, newest) = push(depacketiser, legs, leg, &payloads, now_ns, pool);
        if let Some(timestamp) = newest {
            let clock = FrameClock::to_counter(timestamp, arrival.until_ns);
            self.pool.stats.counters.packet_clock.set(clock);
        }
        for (at, packet) in packets.iter().enumerate() {
            if fresh >> at & 1 == 1 {
                self.taps.offer(packet.frame, now_ns);
            }
        }
        // What waited for the session came earlier than it was taken.
        let is_measured = leg == Leg::First && !self.pool.keeps_units();
        if let Some(timing) = self.timing.as_mut().filter(|_| is_measured) {
            timing.run(&payloads, arrival, self.depacketiser.ssrc());
        }
    }

    /// Closes overdue frames, and the measured second of a source that has paused.
    pub(crate) fn turn(&mut self, now_ns: u64) {
        let (depacketiser, pool) = (&mut self.depacketiser, &mut self.pool);
        // First: packets for which the other leg is no longer awaited may complete an overdue frame.
        if let Some(legs) = &mut self.legs {
            let mut onward = Receiving {
                receiver: &mut *depacketiser,
                sink: &mut *pool,
                now_ns,
            };
            legs.merge.expire(now_ns, &mut onward);
        }
        depacketiser.expire(now_ns, pool);
        self.catches_up_ns = pool.catch_up(now_ns).then_some(now_ns + LOOK_AGAIN_NS);
        if let Some(timing) = &mut self.timing {
            timing.turn(now_ns);
        }
    }

    /// When [`Self::turn`] next has work.
    pub(crate) fn due_ns(&self) -> u64 {
        let deadline_ns = self.depacketiser.deadline().unwrap_or(u64::MAX);
        let measured_ns = self.timing.as_ref().map_or(u64::MAX, Timing::due_ns);
        let merged_ns = self.legs.as_ref().and_then(|it| it.merge.deadline());
        let merged_ns = merged_ns.unwrap_or(u64::MAX);
        let until_ns = self.catches_up_ns.unwrap_or(u64::MAX);
        until_ns.min(deadline_ns).min(measured_ns).min(merged_ns)
    }

    /// Publishes the counters.
    pub(crate) fn show(&mut self) {
        if let Some(legs) = &mut self.legs {
            legs.show();
        }
        let sources = [self.depacketiser.ssrc(), self.depacketiser.other_ssrc()];
        self.pool.stats.show(self.depacketiser.stats(), sources);
    }

    pub(crate) fn is_between_frames(&self) -> bool {
        self.depacketiser.under_way() == 0
    }

    /// Other addresses: the next source may count from anywhere.
    pub(crate) fn set_target(&mut self, target: FlowTarget) {
        self.quiesce();
        let types = target.payload_types();
        self.depacketiser.set_payload_types(types);
        self.config.payload_type = target.payload_type;
        self.config.media_clock_offset = target.media_clock_offset;
        self.config.destination = target.destination;
        self.config.sources = target.sources;
        if let Some(legs) = &mut self.legs {
            legs.merge.set_payload_types(types);
        }
        if let Some((second, target)) = self.config.second.as_mut().zip(target.second) {
            second.target = target;
        }
        self.declare(target.format);
    }

    /// The session starts: [`Self::packets`] takes packets again.
    pub(crate) fn resume(&mut self, now_ns: u64) {
        self.is_stopped = false;
        self.pool.start(now_ns);
    }

    /// The session stops.
    pub(crate) fn stop(&mut self) {
        self.quiesce();
        self.is_stopped = true;
    }

    /// Drops frames under assembly.
    fn quiesce(&mut self) {
        if let Some(legs) = &mut self.legs {
            legs.merge.reset();
        }
        let pool = &mut self.pool;
        self.depacketiser.reset(|frame| {
            pool.drop_frame(frame);
        });
        pool.keep_no_more();
        pool.forget_newest();
        self.senders.forget();
        self.show();
    }
}

/// The RTP timestamp of the last one of the `fresh` packets that is of the source that is followed.
#[inline]
fn newest(packets: &[&[u8]], fresh: u64, followed: Option<u32>) -> Option<u32> {
    let packets = packets.iter().enumerate().rev();
    let headers = packets
        .filter(|(at, _)| fresh >> at & 1 == 1)
        .filter_map(|(_, it)| RtpHeader::parse_start(it).ok());
    let mut followed = headers.filter(|(rtp, _)| followed == Some(rtp.ssrc));
    followed.next().map(|(rtp, _)| rtp.timestamp)
}

/// Gives packets to the depacketiser. Returns which of them a recording is to have, each once, and the timestamp of
/// the last one of the source.
#[inline]
fn push(
    depacketiser: &mut Depacketiser<u32>,
    legs: &mut Option<Box<Legs>>,
    leg: Leg,
    packets: &[&[u8]],
    now_ns: u64,
    sink: &mut impl Sink<Slot = u32>,
) -> (u64, Option<u32>) {
    let Some(legs) = legs else {
        depacketiser.push(&Run { packets, now_ns }, sink);
        return (u64::MAX, newest(packets, u64::MAX, depacketiser.ssrc()));
    };
    let mut onward = Receiving {
        receiver: &mut *depacketiser,
        sink,
        now_ns,
    };
    let fresh = legs.merge.push(leg, packets, now_ns, &mut onward);
    (fresh, newest(packets, fresh, depacketiser.ssrc()))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use onair_essence::send::{PacketPlan as _, StreamHeader};
    use onair_essence::video::st2110_20::{Packetiser, STANDARD_RTP_BYTES};
    use onair_essence::video::{Depth, FrameRate, VideoFormat};
    use onair_ipc::layout::Geometry;
    use onair_net::datagram::Datagram;
    use onair_net::ends::Ends;

    use super::*;

    #[test]
    fn ports_of_two_mtus_then_larger_packets_wait_and_smaller_limit() {
        let format = VideoFormat::new(320, 180, Depth::Ten, FrameRate::new(60, 1).unwrap());
        let address = SocketAddr::from(([10, 9, 0, 2], 5004));
        for (first, second) in [(1_500, 9_000), (9_000, 1_500)] {
            let target = crate::flow::target::LegTarget {
                destination: address,
                sources: Vec::new(),
                source_port: 0,
                payload_type: 96,
            };
            let config = ReceiveConfig {
                mtu: first,
                second: Some(SecondLeg {
                    port: "c".into(),
                    target,
                    mtu: second,
                    class: onair_essence::legs::Class::A,
                }),
                ..ReceiveConfig::of_one_leg("b", address, format.unwrap())
            };
            assert_eq!(config.merge().unwrap().packet_bytes, 9_000 - IPV4_AND_UDP);
            assert_eq!(config.least_mtu(), 1_500);
        }
    }

    #[test]
    fn legs_of_own_payload_types_then_frames_of_either_and_no_other() {
        let format = VideoFormat::new(320, 180, Depth::Ten, FrameRate::new(60, 1).unwrap());
        let format = format.unwrap();
        let address = SocketAddr::from(([10, 9, 0, 2], 5004));
        let target = crate::flow::target::LegTarget {
            destination: address,
            sources: Vec::new(),
            source_port: 0,
            payload_type: 97,
        };
        let config = ReceiveConfig {
            timeout_ns: 1_000_000_000,
            second: Some(SecondLeg {
                port: "c".into(),
                target,
                mtu: 1500,
                class: onair_essence::legs::Class::A,
            }),
            ..ReceiveConfig::of_one_leg("b", address, format)
        };
        let bytes = u32::try_from(format.frame_bytes()).unwrap();
        let frames = FrameMemory::create(Geometry::new(4, bytes).unwrap(), true).unwrap();
        let stats = SessionStats::new(1).with_legs(true);
        let stats = stats.with_reasons(config.format.reasons());
        let mut receiver = Receiver::new(config, frames, None, Arc::new(stats));
        let packetiser = Packetiser::new(format, STANDARD_RTP_BYTES).unwrap();
        let mut sequence = 0;
        let mut frame = |receiver: &mut Receiver, timestamp, types: &[(Leg, u8)]| {
            for number in 0..packetiser.packets() {
                let plan = packetiser.packet(number).unwrap();
                for &(leg, payload_type) in types {
                    let stream = StreamHeader {
                        payload_type,
                        timestamp,
                        ssrc: 1,
                    };
                    let mut payload = vec![0; plan.bytes()];
                    plan.write_headers(&stream, sequence, &mut payload);
                    let datagram = Datagram {
                        ends: Ends::new(address, address),
                        payload: &payload,
                    };
                    let packet = Packet {
                        datagram,
                        frame: &[],
                        at: 0,
                    };
                    receiver.packets(leg, &[packet], Arrival::at(sequence.into()));
                }
                sequence += 1;
            }
        };
        let both = [(Leg::First, 96), (Leg::Second, 97)];
        // Copies show that the second leg brings the same stream.
        frame(&mut receiver, 0, &both);
        frame(&mut receiver, 1_500, &both[1..]);
        let complete = |receiver: &Receiver| receiver.depacketiser.stats().units_complete;
        assert_eq!(complete(&receiver), 2);
        // The types of the other leg, and one of none.
        for (leg, payload_type) in [(Leg::First, 97), (Leg::Second, 96), (Leg::Second, 98)] {
            let before = receiver.depacketiser.stats().accepted;
            frame(&mut receiver, 3_000, &[(leg, payload_type)]);
            assert_eq!(receiver.depacketiser.stats().accepted, before);
        }
        assert_eq!(complete(&receiver), 2);
        let merge = &receiver.legs.as_ref().unwrap().merge;
        let malformed = Leg::BOTH.map(|leg| merge.leg(leg).malformed);
        let a_frame = u64::from(packetiser.packets());
        assert_eq!(malformed, [a_frame, 2 * a_frame]);
    }

    /// A receiver of one leg at 60 frames a second, with the packets of a frame.
    fn receiver() -> (Receiver, Packetiser) {
        let format = VideoFormat::new(320, 180, Depth::Ten, FrameRate::new(60, 1).unwrap());
        let format = format.unwrap();
        let config = ReceiveConfig {
            timeout_ns: 1_000_000,
            ..ReceiveConfig::of_one_leg("b", ADDRESS, format)
        };
        let bytes = u32::try_from(format.frame_bytes()).unwrap();
        let frames = FrameMemory::create(Geometry::new(2, bytes).unwrap(), true).unwrap();
        let stats = SessionStats::new(1).with_reasons(config.format.reasons());
        let receiver = Receiver::new(config, frames, None, Arc::new(stats));
        (
            receiver,
            Packetiser::new(format, STANDARD_RTP_BYTES).unwrap(),
        )
    }

    const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2)), 5004);

    /// A packet of the frame of this timestamp comes.
    fn receive(
        (receiver, packetiser): &mut (Receiver, Packetiser),
        (number, sequence): (u32, u32),
        timestamp: u32,
        at_ns: u64,
    ) {
        let stream = StreamHeader {
            payload_type: 96,
            timestamp,
            ssrc: 1,
        };
        let packet = packetiser.packet(number).unwrap();
        let mut payload = vec![0; packet.bytes()];
        packet.write_headers(&stream, sequence, &mut payload);
        let datagram = Datagram {
            ends: Ends::new(ADDRESS, ADDRESS),
            payload: &payload,
        };
        let (frame, at) = (&[][..], 0);
        let packet = Packet {
            datagram,
            frame,
            at,
        };
        receiver.packets(Leg::First, &[packet], Arrival::at(at_ns));
    }

    #[test]
    fn flow_begins_with_a_unit_then_no_rest_of_the_one_before() {
        let mut all = receiver();
        all.0.follow(Arc::new(MediaClock::ahead_by(0)));
        let (packets, second_ns) = (all.1.packets(), 1_000_000_000);
        all.0.begin_with(10 * second_ns, 10 * second_ns - 1_000_000);
        let mut sequence = 0;
        let mut frame = |all: &mut _, numbers: std::ops::Range<u32>, timestamp, at_ns| {
            for number in numbers {
                receive(all, (number, sequence), timestamp, at_ns);
                sequence += 1;
            }
        };
        frame(
            &mut all,
            packets - 5..packets,
            898_500,
            10 * second_ns - 500_000,
        );
        // A timestamp is up to a tick before the time that it is of.
        frame(&mut all, 0..packets, 899_999, 10 * second_ns);
        frame(&mut all, 0..packets, 901_500, 10 * second_ns + 16_000_000);
        all.0.turn(20 * second_ns);
        let stats = all.0.depacketiser.stats();
        assert_eq!((stats.units_complete, stats.units_incomplete), (2, 0));
        // Nothing is known of a sender that follows another clock.
        let mut other = receiver();
        other.0.begin_with(10 * second_ns, 10 * second_ns);
        frame(&mut other, packets - 5..packets, 5, 10 * second_ns);
        other.0.turn(20 * second_ns);
        assert_eq!(other.0.depacketiser.stats().units_incomplete, 1);
    }

    #[test]
    fn frame_has_begun_and_not_ended_then_not_between_frames() {
        let mut all = receiver();
        for number in 0..all.1.packets() {
            assert_eq!(all.0.is_between_frames(), number == 0);
            receive(&mut all, (number, number), 0, number.into());
        }
        let receiver = all.0;
        assert!(receiver.is_between_frames());
        assert_eq!(receiver.pool.number, 1);
    }
}
