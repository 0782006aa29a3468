//! The runtime of a send session: frames from the pattern or from clients into packets, spread over
//! each frame's time.

mod flush;

use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::sync::Arc;

use onair_media::datagram::{self, FlowHeader};
use onair_media::ethernet::Mac;
use onair_media::pacing::Schedule;
use onair_media::pattern::PatternWriter;
use onair_media::st2110_20::packetiser::StreamHeader;
use onair_media::st2110_20::{Packetiser, STANDARD_RTP_OCTETS};
use onair_media::video::VideoFormat;
use onair_media::{ipv4, udp};

pub use self::flush::Flushed;
use self::flush::Flushes;
use super::attachment::{Attachments, Evicted, Parts};
use super::config::PortInfo;
use super::runtime::RuntimeError;
use super::stats::SessionStats;
use super::tap::Taps;
use super::transmit::TxSink;

/// Most packets of one session in one turn: the others' turn comes too.
pub(super) const PACKETS_A_TURN: u32 = 32;
/// A port that took nothing is tried again after so long.
const RETRY_NS: u64 = 200_000;
/// A session that starts sends its first frame after so long.
const LEAD_NS: u64 = 1_000_000;

/// Where the frames of a send session come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameSource {
    /// From attached clients.
    Client,
    /// The built-in pattern of [`onair_media::pattern`].
    Pattern,
}

/// What a send session sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendConfig {
    /// Name of the port that it sends from, with the port's address as source.
    pub port: String,
    /// UDP port that it sends from.
    pub source_port: u16,
    /// Whom it sends to: a neighbour or a multicast group, and the UDP port.
    pub destination: SocketAddrV4,
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// Raster, depth and rate.
    pub format: VideoFormat,
    /// Where frames come from.
    pub source: FrameSource,
    /// Largest IP packet in bytes; packets are no larger than ST 2110-10's standard size anyway.
    pub mtu: u16,
    /// Most attachments at a time.
    pub max_attachments: usize,
}

/// A frame that a client wants to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Submitted {
    attachment: u64,
    frame: u32,
    /// How many were collected before it.
    number: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Pattern,
    Client(Submitted),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The frame time `slot` is the next to be tried.
    Waiting { slot: u64 },
    /// Packet `next` of the frame in `slot` is the next to go.
    Sending {
        slot: u64,
        next: u32,
        content: Content,
    },
}

/// Frames into packets.
pub(super) struct Sender {
    pub(super) config: SendConfig,
    packetiser: Packetiser,
    pattern: Option<PatternWriter>,
    pattern_frames: u64,
    /// Set at the first start and kept, so that timestamps go on across a pause.
    schedule: Option<Schedule>,
    phase: Phase,
    queue: VecDeque<Submitted>,
    /// Frames that clients have submitted so far.
    collected: u64,
    flushes: Flushes,
    /// Of one client, while they are sorted by his order.
    fresh: Vec<(u64, u32)>,
    pub(super) attachments: Attachments,
    flow: FlowHeader,
    ssrc: u32,
    timestamp_base: u32,
    sequence: u32,
    identification: u16,
    /// The session stops: nothing new is begun, and at this time all is dropped.
    quiet_at: Option<u64>,
    /// When to look again, where that is not a frame's or a packet's time.
    retry_ns: Option<u64>,
    stats: Arc<SessionStats>,
    pub(super) taps: Taps,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender")
            .field("config", &self.config)
            .field("phase", &self.phase)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

impl Sender {
    pub(super) fn new(config: SendConfig, stats: Arc<SessionStats>) -> Result<Self, RuntimeError> {
        let room = usize::from(config.mtu).saturating_sub(ipv4::HEADER_OCTETS + udp::HEADER_OCTETS);
        let packetiser = Packetiser::new(config.format, room.min(STANDARD_RTP_OCTETS))?;
        let pattern = match config.source {
            FrameSource::Pattern => Some(PatternWriter::new(&config.format)?),
            FrameSource::Client => None,
        };
        // RFC 3550 §5.1: the start of each of them is random.
        let [ssrc, timestamp_base, sequence] = random()?;
        let nobody = SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, config.source_port);
        Ok(Self {
            packetiser,
            pattern,
            pattern_frames: 0,
            schedule: None,
            phase: Phase::Waiting { slot: 0 },
            queue: VecDeque::with_capacity(64),
            collected: 0,
            flushes: Flushes::default(),
            fresh: Vec::with_capacity(64),
            attachments: Attachments::new(Arc::clone(&stats), config.max_attachments, 0),
            flow: FlowHeader {
                source_mac: Mac([0; 6]),
                destination_mac: Mac([0; 6]),
                source: nobody,
                destination: config.destination,
            },
            ssrc,
            timestamp_base,
            sequence,
            identification: 0,
            quiet_at: None,
            retry_ns: None,
            stats,
            taps: Taps::default(),
            config,
        })
    }

    /// The session starts, on `port`: with the next whole frame time.
    pub(super) fn resume(&mut self, port: &PortInfo, now_ns: u64) {
        let (rate, packets) = (self.config.format.rate(), self.packetiser.packets());
        let slot = match &self.schedule {
            Some(schedule) => schedule.frame_at(now_ns) + 1,
            None => 0,
        };
        self.schedule
            .get_or_insert(Schedule::new(now_ns + LEAD_NS, rate, packets));
        self.phase = Phase::Waiting { slot };
        self.flow.source_mac = Mac(port.mac);
        self.flow.source.set_ip(port.address.0);
        self.quiet_at = None;
        self.retry_ns = None;
        self.collect(now_ns);
    }

    /// The session stops: the frame under way and those submitted are sent, for as long as that
    /// should take and two frames more.
    pub(super) fn quiesce(&mut self, now_ns: u64) {
        if self.quiet_at.is_none() {
            self.collect(now_ns);
            self.quiet_at = Some(self.patience(now_ns));
            self.retry_ns = Some(now_ns);
        }
    }

    /// Whether the session has stopped.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet_at.is_some()
            && self.queue.is_empty()
            && matches!(self.phase, Phase::Waiting { .. })
    }

    /// Somebody wants to hear, by [`Self::flushed`], when what is submitted by now is sent.
    pub(super) fn flush(&mut self, ticket: u64, now_ns: u64) {
        self.collect(now_ns);
        self.flushes.ask(ticket, self.collected, self.unsent());
    }

    /// Whether [`Self::flushed`] has something to say.
    pub(super) fn has_flushed(&self) -> bool {
        self.flushes.is_over(self.oldest())
    }

    /// A flush that is over.
    pub(super) fn flushed(&mut self) -> Option<Flushed> {
        self.flushes.take(self.oldest())
    }

    /// Frames of clients that are collected and neither sent nor dropped.
    pub(super) fn unsent(&self) -> u64 {
        self.queue.len() as u64 + u64::from(self.under_way().is_some())
    }

    /// The lowest number of what is not sent.
    fn oldest(&self) -> u64 {
        let first = self.under_way().or_else(|| self.queue.front().copied());
        first.map_or(self.collected, |it| it.number)
    }

    /// Attachment `attachment` leaves: what it submitted is sent, then it is among the
    /// [`Self::departed`]. Whether it is there.
    pub(super) fn dismiss(&mut self, attachment: u64, now_ns: u64) -> bool {
        self.collect(now_ns);
        let leaves_at = self.patience(now_ns);
        match self.attachments.get_mut(attachment) {
            Some(leaving) => {
                leaving.leaves_at.get_or_insert(leaves_at);
                self.retry_ns = Some(now_ns);
                true
            }
            None => false,
        }
    }

    /// An attachment that left and of which nothing is to be sent any more.
    pub(super) fn departed(&mut self) -> Option<Parts> {
        let left = self
            .attachments
            .iter()
            .position(|it| it.leaves_at.is_some() && !self.has_work_of(it.lender.attachment()))?;
        Some(self.attachments.take(left))
    }

    /// The control thread, which owns the runtime, takes an attachment out.
    pub(super) fn remove(&mut self, attachment: u64) -> Option<Parts> {
        self.drop_work_of(attachment);
        self.attachments.remove(attachment)
    }

    /// Cuts an attachment off: what it submitted is dropped, also amid a frame.
    pub(super) fn evict(&mut self, attachment: u64) -> Option<Evicted> {
        self.drop_work_of(attachment);
        self.attachments.evict(attachment)
    }

    /// When [`Self::turn`] has something to do.
    pub(super) fn due_ns(&self) -> u64 {
        let Some(schedule) = &self.schedule else {
            return u64::MAX;
        };
        let next = match self.phase {
            _ if self.is_quiet() => u64::MAX,
            Phase::Waiting { slot } => schedule.frame_start(slot),
            Phase::Sending { slot, next, .. } => schedule.due(slot, next),
        };
        self.retry_ns.map_or(next, |retry| {
            if self.is_stalled() {
                retry
            } else {
                retry.min(next)
            }
        })
    }

    /// Sends what is due at `now_ns` to `next_hop`; `None` while that is not known.
    pub(super) fn turn(&mut self, now_ns: u64, next_hop: Option<Mac>, sink: &mut impl TxSink) {
        let Some(schedule) = self.schedule else {
            return;
        };
        self.retry_ns = None;
        self.stats
            .counters
            .waiting_for_arp
            .set(u64::from(next_hop.is_none()));
        self.give_up(now_ns, next_hop);
        let mut budget = PACKETS_A_TURN;
        loop {
            match self.phase {
                Phase::Waiting { slot } => {
                    if self.is_quiet() || now_ns < schedule.frame_start(slot) {
                        return;
                    }
                    let current = schedule.frame_at(now_ns);
                    if current > slot {
                        self.stats.counters.slots_missed.add(current - slot);
                    }
                    self.begin(slot.max(current), now_ns, next_hop);
                }
                Phase::Sending {
                    slot,
                    next,
                    content,
                } => {
                    let due = schedule
                        .due_packets(slot, now_ns)
                        .min(next.saturating_add(budget));
                    let sent = self.send(slot, next..due, content, now_ns, sink);
                    budget -= sent - next;
                    if sent == self.packetiser.packets() {
                        self.finish(slot, content, now_ns);
                        continue;
                    }
                    self.phase = Phase::Sending {
                        slot,
                        next: sent,
                        content,
                    };
                    if sent < due {
                        self.retry_ns = Some(now_ns + RETRY_NS);
                    }
                    return;
                }
            }
        }
    }

    fn begin(&mut self, slot: u64, now_ns: u64, next_hop: Option<Mac>) {
        self.phase = Phase::Waiting { slot: slot + 1 };
        self.collect(now_ns);
        let Some(destination_mac) = next_hop else {
            return;
        };
        let content = match &mut self.pattern {
            Some(pattern) => {
                pattern.start(self.pattern_frames);
                Content::Pattern
            }
            None => match self.queue.pop_front() {
                Some(submitted) => Content::Client(submitted),
                None => {
                    let underrun = self.attachments.len() > 0;
                    self.stats.counters.underruns.add(u64::from(underrun));
                    return;
                }
            },
        };
        self.flow.destination_mac = destination_mac;
        self.phase = Phase::Sending {
            slot,
            next: 0,
            content,
        };
    }

    /// Sends packets from the first of `packets` on; answers the first that did not go.
    fn send(
        &mut self,
        slot: u64,
        packets: std::ops::Range<u32>,
        content: Content,
        now_ns: u64,
        sink: &mut impl TxSink,
    ) -> u32 {
        let stream = StreamHeader {
            payload_type: self.config.payload_type,
            timestamp: self.timestamp(slot),
            ssrc: self.ssrc,
        };
        let Self {
            packetiser,
            pattern,
            attachments,
            flow,
            taps,
            ..
        } = self;
        let (sequence, identification) = (&mut self.sequence, &mut self.identification);
        let frames = match content {
            Content::Pattern => None,
            Content::Client(submitted) => {
                let frames = attachments
                    .get(submitted.attachment)
                    .and_then(|it| it.frames.as_ref());
                frames.map(|frames| (frames, submitted.frame))
            }
        };
        let mut octets = 0;
        let mut next = packets.start;
        while next < packets.end {
            let Some(packet) = packetiser.packet(next) else {
                break;
            };
            let size = packet.octets();
            let fill = |bytes: &mut [u8]| {
                let (header, rtp) = bytes.split_at_mut(datagram::HEADER_OCTETS);
                header.copy_from_slice(&flow.to_octets(*identification, size));
                let headers = packet.write_headers(&stream, *sequence, rtp);
                let data = &mut rtp[headers..];
                match (frames, pattern.as_mut()) {
                    (Some((frames, frame)), _) => frames.read(frame, packet.range.start, data),
                    (None, Some(pattern)) => {
                        pattern.fill(data);
                    }
                    (None, None) => data.fill(0),
                }
                taps.offer(bytes, now_ns);
            };
            if !sink.packet(datagram::HEADER_OCTETS + size, fill) {
                break;
            }
            *sequence = sequence.wrapping_add(1);
            *identification = identification.wrapping_add(1);
            octets += size as u64;
            next += 1;
        }
        self.stats
            .counters
            .packets
            .add(u64::from(next - packets.start));
        self.stats.counters.octets.add(octets);
        next
    }

    fn finish(&mut self, slot: u64, content: Content, now_ns: u64) {
        self.phase = Phase::Waiting { slot: slot + 1 };
        match content {
            Content::Pattern => self.pattern_frames += 1,
            Content::Client(submitted) => self.flushes.sent(submitted.number),
        }
        self.stats.counters.frames_sent.add(1);
        self.stats.counters.last_frame_ns.set(now_ns);
        self.collect(now_ns);
    }

    /// The slot's RTP timestamp: the low 32 bits of the exact tick.
    fn timestamp(&self, slot: u64) -> u32 {
        let [.., a, b, c, d] = self.config.format.rate().ticks(slot).to_be_bytes();
        self.timestamp_base
            .wrapping_add(u32::from_be_bytes([a, b, c, d]))
    }

    /// Takes what clients submitted and, unless it is over, lends them what is free.
    fn collect(&mut self, now_ns: u64) {
        for at in 0..self.attachments.len() {
            let (attachments, fresh) = (&mut self.attachments, &mut self.fresh);
            attachments.reap_submitted(at, |order, frame| fresh.push((order, frame)));
            fresh.sort_unstable();
            let Some(attachment) = attachments.iter().nth(at) else {
                continue;
            };
            let number = attachment.lender.attachment();
            for (_, frame) in fresh.drain(..) {
                self.queue.push_back(Submitted {
                    attachment: number,
                    frame,
                    number: self.collected,
                });
                self.collected += 1;
            }
            let frames = attachment
                .frames
                .as_ref()
                .map_or(0, |frames| frames.count());
            if self.quiet_at.is_some() || attachment.leaves_at.is_some() {
                continue;
            }
            for frame in 0..frames {
                let is_it = |it: &Submitted| it.attachment == number && it.frame == frame;
                let busy = self.queue.iter().any(is_it)
                    || self.under_way().as_ref().is_some_and(is_it)
                    || self
                        .attachments
                        .get(number)
                        .is_some_and(|it| it.lender.has(frame));
                if !busy && !self.attachments.offer(at, frame, now_ns) {
                    break;
                }
            }
        }
    }

    fn under_way(&self) -> Option<Submitted> {
        match self.phase {
            Phase::Sending {
                content: Content::Client(submitted),
                ..
            } => Some(submitted),
            _ => None,
        }
    }

    fn is_stalled(&self) -> bool {
        matches!(self.phase, Phase::Sending { .. }) && self.retry_ns.is_some()
    }

    fn has_work_of(&self, attachment: u64) -> bool {
        self.under_way()
            .is_some_and(|it| it.attachment == attachment)
            || self.queue.iter().any(|it| it.attachment == attachment)
    }

    /// Time enough to send what is queued.
    fn patience(&self, now_ns: u64) -> u64 {
        now_ns.saturating_add(self.config.format.rate().nanos(self.queue.len() as u64 + 3))
    }

    /// Drops what could not be sent before its session stopped or its client left.
    fn give_up(&mut self, now_ns: u64, next_hop: Option<Mac>) {
        if self
            .quiet_at
            .is_some_and(|at| now_ns >= at || next_hop.is_none())
        {
            let under_way = u64::from(matches!(self.phase, Phase::Sending { .. }));
            let dropped = self.queue.len() as u64 + under_way;
            self.stats.counters.frames_dropped_stop.add(dropped);
            self.queue.clear();
            self.abandon();
        }
        while let Some(overdue) = self.overdue(now_ns) {
            self.drop_work_of(overdue);
        }
    }

    /// An attachment whose time to leave has passed while something of it was to be sent.
    fn overdue(&self, now_ns: u64) -> Option<u64> {
        self.attachments.iter().find_map(|it| {
            let attachment = it.lender.attachment();
            let late = it.leaves_at.is_some_and(|at| now_ns >= at);
            (late && self.has_work_of(attachment)).then_some(attachment)
        })
    }

    fn drop_work_of(&mut self, attachment: u64) {
        let before = self.queue.len();
        self.queue.retain(|it| it.attachment != attachment);
        let mut dropped = before - self.queue.len();
        if self
            .under_way()
            .is_some_and(|it| it.attachment == attachment)
        {
            self.abandon();
            dropped += 1;
        }
        self.stats
            .counters
            .frames_dropped_detached
            .add(dropped as u64);
    }

    fn abandon(&mut self) {
        if let Phase::Sending { slot, .. } = self.phase {
            self.phase = Phase::Waiting { slot: slot + 1 };
        }
    }
}

fn random() -> Result<[u32; 3], RuntimeError> {
    let mut bytes = [0u8; 12];
    let got = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty());
    got.map_err(|error| RuntimeError::Random(error.into()))?;
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    Ok([word(0), word(4), word(8)])
}

#[cfg(test)]
mod tests;
