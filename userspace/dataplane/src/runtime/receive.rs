//! Runtime of a receive session: assembles packets into frames, loans frames to every attachment.

use std::net::SocketAddrV4;
use std::sync::Arc;

use arrayvec::ArrayVec;
use onair_dpdk::prefetch;
use onair_essence::legs::{Leg, MergeConfig};
use onair_essence::receive::{Depacketise as _, Run, Sink, UnitReport};
use onair_essence::{Depacketiser, Format, media_time};
use onair_ipc::frames::FrameMemory;
use onair_ipc::meta::{FrameMeta, MissingRange};

use crate::clock::MediaClock;
use crate::feed::feeds::ConverterFeeds;
use crate::flow::packet::{Packet, RX_BURST};
use crate::flow::target::FlowTarget;
use crate::flow::{SourceFilter, admit};
use crate::runtime::attachment::Attachments;
use crate::runtime::legs::{Legs, SecondLeg};
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
    pub destination: SocketAddrV4,
    /// Accepted sources; if there are none, every one.
    pub sources: Vec<SourceFilter>,
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// What arrives, and how its sender says that it is sent.
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
    /// Accepted sources of a leg.
    fn sources_of(&self, leg: Leg) -> &[SourceFilter] {
        match (leg, &self.second) {
            (Leg::Second, Some(second)) => &second.target.sources,
            _ => &self.sources,
        }
    }

    /// How its legs are merged, if it has two.
    fn merge(&self) -> Option<MergeConfig> {
        let second = self.second.as_ref()?;
        Some(MergeConfig {
            payload_type: self.payload_type,
            clock_hz: self.format.clock_hz(),
            bytes_per_second: self.format.bytes_per_second(),
            packet_bytes: usize::from(self.mtu).saturating_sub(HEADER_BYTES),
            class: second.class,
            silence_ns: self.timeout_ns,
        })
    }
}

/// A frame's media time is known if it is within this time of the reception. More than any network and
/// processing delays; less than the 37 s by which a sender of UTC is behind.
const SAME_CLOCK_NS: u64 = 10_000_000_000;
/// Pause between two looks of a stopping session at its feeds: a conversion takes some milliseconds.
const LOOK_AGAIN_NS: u64 = 100_000;
/// IPv4 and UDP headers.
const HEADER_BYTES: usize = 28;

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
    /// The session stops, and looks again at this time whether its feeds have all frames back.
    waits_until_ns: Option<u64>,
}

impl Receiver {
    pub(crate) fn new(
        config: ReceiveConfig,
        frames: FrameMemory,
        timing: Option<Timing>,
        stats: Arc<SessionStats>,
    ) -> Self {
        let depacketiser = config
            .format
            .depacketiser(config.payload_type, config.timeout_ns);
        let attachments = Attachments::new(
            Arc::clone(&stats),
            config.max_attachments,
            frames.count() as usize,
        );
        let pool = FramePool {
            frames,
            filling: [None; 2],
            next: 0,
            number: 0,
            clock_hz: config.format.clock_hz(),
            attachments,
            feeds: ConverterFeeds::new(config.max_attachments),
            stats: Arc::clone(&stats),
            clock: None,
        };
        Self {
            legs: config.merge().map(|merge| Legs::new(&merge, &stats)),
            config,
            depacketiser,
            pool,
            taps: Taps::default(),
            timing,
            surveyor: Surveyor::new(Arc::clone(&stats.survey)),
            waits_until_ns: None,
        }
    }

    /// Judges the packets' timing by what their sender says of it.
    fn declare(&mut self, format: Format) {
        if let Some(timing) = &mut self.timing {
            timing.declare(&format);
        }
        self.config.format = format;
    }

    /// Gives frames the times of their timestamps by `clock`.
    pub(crate) fn follow(&mut self, clock: Arc<MediaClock>) {
        if let Some(timing) = &mut self.timing {
            timing.follow(Arc::clone(&clock));
        }
        self.pool.clock = Some(clock);
    }

    /// Prefetches what `self` points to and the next `packets` packets touch.
    #[inline]
    pub(crate) fn fetch_places(&self, packets: usize) {
        self.depacketiser.fetch(packets, &self.pool);
        self.timing.iter().for_each(Timing::fetch);
    }

    /// Prefetches what that points to, for packets at `now_ns`.
    #[inline]
    pub(crate) fn fetch_counts(&self, now_ns: u64) {
        if let Some(timing) = &self.timing {
            timing.fetch_counts(now_ns);
        }
    }

    /// Handles packets of a leg's flow, all of one source.
    pub(crate) fn packets(&mut self, leg: Leg, packets: &[Packet<'_>], now_ns: u64) {
        if self.waits_until_ns.is_some() {
            return;
        }
        if self.surveyor.is_on() && leg == Leg::First {
            self.surveyor.packets(packets, &self.config.sources, now_ns);
        }
        let Some(source) = packets.first().map(|it| it.datagram.source) else {
            return;
        };
        let counters = &self.pool.stats.counters;
        if !admit(self.config.sources_of(leg), source) {
            counters.packets_wrong_source.add(packets.len() as u64);
            counters.other_sender.set(Sender::to_counter(source));
            return;
        }
        if leg == Leg::First {
            counters.sender.set(Sender::to_counter(source));
        }
        let payloads: ArrayVec<&[u8], RX_BURST> =
            packets.iter().map(|it| it.datagram.payload).collect();
        let run = Run {
            packets: &payloads,
            now_ns,
        };
        // A recording has each packet once.
        let mut fresh = u64::MAX;
        let (depacketiser, pool) = (&mut self.depacketiser, &mut self.pool);
        match &mut self.legs {
            None => depacketiser.push(&run, pool),
            Some(legs) => {
                fresh = legs.merge.push(leg, &payloads, now_ns, |packets| {
                    depacketiser.push(&Run { packets, now_ns }, pool);
                });
            }
        }
        for (at, packet) in packets.iter().enumerate() {
            if fresh >> at & 1 == 1 {
                self.taps.offer(packet.frame, now_ns);
            }
        }
        if let Some(timing) = self.timing.as_mut().filter(|_| leg == Leg::First) {
            timing.run(&run, self.depacketiser.ssrc());
        }
    }

    /// Closes overdue frames, and the measured second of a source that has paused.
    pub(crate) fn turn(&mut self, now_ns: u64) {
        let (depacketiser, pool) = (&mut self.depacketiser, &mut self.pool);
        if let Some(legs) = &mut self.legs {
            legs.merge.expire(now_ns, |packets| {
                depacketiser.push(&Run { packets, now_ns }, pool);
            });
        }
        depacketiser.expire(now_ns, pool);
        if let Some(timing) = &mut self.timing {
            timing.turn(now_ns);
        }
        if let Some(until_ns) = &mut self.waits_until_ns {
            *until_ns = now_ns + LOOK_AGAIN_NS;
        }
    }

    /// When [`Self::turn`] next has work.
    pub(crate) fn due_ns(&self) -> u64 {
        let deadline_ns = self.depacketiser.deadline().unwrap_or(u64::MAX);
        let measured_ns = self.timing.as_ref().map_or(u64::MAX, Timing::due_ns);
        let until_ns = self.waits_until_ns.unwrap_or(u64::MAX);
        let merged_ns = self.legs.as_ref().and_then(|it| it.merge.deadline());
        let merged_ns = merged_ns.unwrap_or(u64::MAX);
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
        self.depacketiser.set_payload_type(target.payload_type);
        self.config.payload_type = target.payload_type;
        self.config.destination = target.destination;
        self.config.sources = target.sources;
        if let Some(legs) = &mut self.legs {
            legs.merge.set_payload_type(target.payload_type);
        }
        if let Some((second, target)) = self.config.second.as_mut().zip(target.second) {
            second.target = target;
        }
        self.declare(target.format);
    }

    /// The session starts.
    pub(crate) const fn resume(&mut self) {
        self.waits_until_ns = None;
    }

    /// The session stops: no converter gets a frame any more. [`Self::is_quiet`] waits for the frames that
    /// are being converted.
    pub(crate) fn stop(&mut self, now_ns: u64) {
        self.quiesce();
        self.pool.feeds.withdraw();
        self.waits_until_ns = Some(now_ns);
    }

    /// Whether no converter reads a frame.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.pool.feeds.are_empty()
    }

    /// Drops frames under assembly.
    pub(crate) fn quiesce(&mut self) {
        if let Some(legs) = &mut self.legs {
            legs.merge.reset();
        }
        let pool = &mut self.pool;
        self.depacketiser.reset(|frame| {
            pool.put_down(frame);
            pool.stats.counters.frames_dropped_stop.add(1);
        });
        self.show();
    }
}

/// The session's frames, and which attachments hold them.
#[derive(Debug)]
pub(crate) struct FramePool {
    frames: FrameMemory,
    /// Frames that the assembler fills.
    filling: [Option<u32>; 2],
    /// Where the search for a free frame starts: the frame that was free the longest.
    next: u32,
    number: u64,
    clock_hz: u32,
    pub(crate) attachments: Attachments,
    pub(crate) feeds: ConverterFeeds,
    stats: Arc<SessionStats>,
    clock: Option<Arc<MediaClock>>,
}

impl FramePool {
    pub(crate) fn count(&self) -> u32 {
        self.frames.count()
    }

    fn free_frame(&self) -> Option<u32> {
        let count = self.frames.count();
        (self.next..count).chain(0..self.next).find(|frame| {
            !self.filling.contains(&Some(*frame))
                && !self.attachments.have(*frame)
                && !self.feeds.have(*frame)
        })
    }

    fn put_down(&mut self, frame: u32) {
        for place in &mut self.filling {
            if *place == Some(frame) {
                *place = None;
            }
        }
    }
}

impl Sink for FramePool {
    type Slot = u32;

    fn open(&mut self, _rtp_timestamp: u32) -> Option<u32> {
        let place = self.filling.iter().position(Option::is_none)?;
        let frame = self.free_frame().or_else(|| {
            self.attachments.reap();
            self.feeds.reap();
            self.free_frame()
        })?;
        self.filling[place] = Some(frame);
        self.next = (frame + 1) % self.frames.count();
        Some(frame)
    }

    #[inline]
    fn write(&mut self, frame: u32, offset: usize, bytes: &[u8]) {
        self.frames.write(frame, offset, bytes);
    }

    #[inline]
    fn fetch(&self, frame: u32, offset: usize, len: usize) {
        self.frames.fetch(frame, offset, len);
    }

    #[inline]
    fn fetch_word(&self, word: &u64) {
        prefetch(word);
    }

    fn finish(&mut self, frame: u32, report: &UnitReport) {
        self.put_down(frame);
        if report.wrong_format && report.bytes_missing == 0 {
            // A part of a larger picture. Clients would take it for a complete frame.
            return;
        }
        let mut meta = describe(self.number, report);
        if let Some(clock) = &self.clock {
            let tai_ns = report.first_packet_ns.saturating_add(clock.ahead_ns());
            meta.media_time_ns = media_time((report.rtp_timestamp, self.clock_hz), tai_ns);
        }
        self.number += 1;
        let counters = &self.stats.counters;
        counters.last_frame_ns.set(report.last_packet_ns);
        let clock = FrameClock::to_counter(report.rtp_timestamp, report.first_packet_ns);
        counters.frame_clock.set(clock);
        self.attachments.loan(frame, &meta);
        self.feeds.give(frame, &meta, &self.frames);
    }
}

/// The time of a timestamp that came at `tai_ns`; 0 if its sender follows another clock.
fn media_time((rtp_timestamp, clock_hz): (u32, u32), tai_ns: u64) -> u64 {
    let ns = media_time::nearest_ns(rtp_timestamp, clock_hz, tai_ns);
    if ns.abs_diff(tai_ns) <= SAME_CLOCK_NS {
        ns
    } else {
        0
    }
}

fn describe(number: u64, report: &UnitReport) -> FrameMeta {
    let narrow = |value: usize| u32::try_from(value).expect("units are smaller than 2^32 bytes");
    let mut meta = FrameMeta {
        number,
        rtp_timestamp: report.rtp_timestamp,
        first_packet_ns: report.first_packet_ns,
        last_packet_ns: report.last_packet_ns,
        packets: report.packets_received,
        packets_lost: report.packets_lost,
        bytes_missing: narrow(report.bytes_missing),
        tag: report.tag,
        ..FrameMeta::default()
    };
    for (told, found) in meta.missing.iter_mut().zip(report.missing()) {
        *told = MissingRange {
            offset: narrow(found.offset),
            len: narrow(found.len),
        };
    }
    meta
}

#[cfg(test)]
mod tests {
    use onair_essence::send::{PacketPlan as _, StreamHeader};
    use onair_essence::video::st2110_20::{Packetiser, STANDARD_RTP_BYTES};
    use onair_essence::video::{Depth, FrameRate, VideoFormat};
    use onair_ipc::layout::Geometry;
    use onair_net::datagram::Datagram;

    use super::*;

    #[test]
    fn timestamp_is_unwrapped_unless_its_sender_uses_another_clock() {
        let second = 1_000_000_000;
        let sent_ns = 1_790_000_000 * second;
        let timestamp = |seconds: u64| ((seconds * 90_000 % (1 << 32)).try_into().unwrap(), 90_000);
        let sent = timestamp(1_790_000_000);
        assert_eq!(media_time(sent, sent_ns), sent_ns);
        assert_eq!(media_time(sent, sent_ns + 9 * second), sent_ns);
        assert_eq!(media_time(sent, sent_ns - 9 * second), sent_ns);
        assert_eq!(media_time(sent, sent_ns + 37 * second), 0);
        assert_eq!(media_time(sent, 5 * second), 0);
    }

    #[test]
    fn frame_has_begun_and_not_ended_then_not_between_frames() {
        let format = VideoFormat::new(320, 180, Depth::Ten, FrameRate::new(60, 1).unwrap());
        let format = format.unwrap();
        let address = SocketAddrV4::new([10, 9, 0, 2].into(), 5004);
        let config = ReceiveConfig {
            port: "b".into(),
            destination: address,
            sources: Vec::new(),
            payload_type: 96,
            format: format.into(),
            mtu: 1500,
            timeout_ns: 1_000_000,
            max_attachments: 1,
            second: None,
        };
        let bytes = u32::try_from(format.frame_bytes()).unwrap();
        let frames = FrameMemory::create(Geometry::new(2, bytes).unwrap(), true).unwrap();
        let stats = SessionStats::new(1).with_reasons(config.format.reasons());
        let mut receiver = Receiver::new(config, frames, None, Arc::new(stats));
        let packetiser = Packetiser::new(format, STANDARD_RTP_BYTES).unwrap();
        let stream = StreamHeader {
            payload_type: 96,
            timestamp: 0,
            ssrc: 1,
        };
        for number in 0..packetiser.packets() {
            assert_eq!(receiver.is_between_frames(), number == 0);
            let packet = packetiser.packet(number).unwrap();
            let mut payload = vec![0; packet.bytes()];
            packet.write_headers(&stream, number, &mut payload);
            let datagram = Datagram {
                source: address,
                destination: address,
                payload: &payload,
            };
            let (frame, at) = (&[][..], 0);
            receiver.packets(
                Leg::First,
                &[Packet {
                    datagram,
                    frame,
                    at,
                }],
                number.into(),
            );
        }
        assert!(receiver.is_between_frames());
        assert_eq!(receiver.pool.number, 1);
    }
}
