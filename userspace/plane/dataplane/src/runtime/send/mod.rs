//! Runtime of a send session: packetises frames of the pattern or of clients, and paces packets.

mod content;
mod flush;
mod legs;
mod open;
mod retarget;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use onair_essence::send::{PacketPlan as _, Packetise as _, StreamHeader, TestSignal as _};
use onair_essence::{Format, Packetiser, Signal};
use onair_net::datagram::FlowHeader;
use onair_net::ethernet::Mac;
use onair_session::FlushReport;

use self::content::{Content, Submitted, Units};
use self::flush::Flushes;
use self::legs::SecondFlow;
pub use self::legs::SecondSend;
use self::open::OpenUnit;
use crate::addresses::PortAddresses;
use crate::clock::MediaClock;
use crate::config::PortInfo;
use crate::runtime::attachment::Attachments;
use crate::runtime::refusal::RuntimeError;
use crate::runtime::tap::Taps;
use crate::stats::{FrameClock, SessionStats, Ssrc};
use crate::transmit::neighbour::NextHop;
use crate::transmit::{RETRY_NS, TxSink};

/// Most packets of one session in a turn: other sessions must get their turn.
pub(crate) const PACKETS_A_TURN: u32 = 32;
/// Least delay of a session's first frame after its start, in nanoseconds.
const LEAD_NS: u64 = 1_000_000;

/// Source of a send session's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameSource {
    /// Attached clients.
    Client,
    /// The built-in test signal of the essence.
    Pattern,
}

/// Configuration of a send session.
#[derive(Debug, Clone)]
pub struct SendConfig {
    /// Name of the port that it sends from. The source address is the port's.
    pub port: String,
    /// Source UDP port.
    pub source_port: u16,
    /// Destination: a host or a multicast group, and the UDP port.
    pub destination: SocketAddr,
    /// Time to live of its packets.
    pub ttl: u8,
    /// DSCP of its packets: 0 to 63.
    pub dscp: u8,
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// Ticks to add to its RTP timestamps.
    pub media_clock_offset: u32,
    /// Format of the units, and how their packets are spread.
    pub format: Format,
    /// Source of the frames.
    pub source: FrameSource,
    /// Largest IP packet of the port in bytes; of two legs, of both.
    pub mtu: u16,
    /// Most attachments at once.
    pub max_attachments: usize,
    /// The clock of its frames and timestamps.
    pub clock: Arc<MediaClock>,
    /// The second leg, if it has two.
    pub second: Option<SecondSend>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Frame time `slot` is tried next.
    Waiting { slot: u64 },
    /// Packet `next` of the frame in `slot` goes next.
    Sending {
        slot: u64,
        next: u32,
        content: Content,
    },
}

/// Packetises frames.
pub(crate) struct Sender {
    pub(crate) config: SendConfig,
    packetiser: Packetiser,
    signal: Option<Signal>,
    units: Units,
    /// How far TAI is ahead of the monotonic clock, as of the last frame.
    ahead_ns: u64,
    phase: Phase,
    /// When the unit that is sent began.
    began_ns: u64,
    open: OpenUnit,
    queue: VecDeque<Submitted>,
    /// Client frames collected so far: the number of the next one.
    collected: u64,
    flushes: Flushes,
    /// Frames of one client, while they are sorted into its submission order: of one that is open, its serial.
    fresh: Vec<(u64, u32, Option<u32>)>,
    pub(crate) attachments: Attachments,
    flow: FlowHeader,
    /// Own addresses of its port: the source of its packets.
    addresses: PortAddresses,
    second: Option<Box<SecondFlow>>,
    ssrc: u32,
    sequence: u32,
    identification: u16,
    /// The session stops: no new frame starts; at this time everything is dropped.
    quiet_at: Option<u64>,
    /// The next start waits for this time of TAI, in nanoseconds.
    pub(crate) starts_at: Option<u64>,
    /// No further frame starts until it has other addresses.
    held: bool,
    /// When to check again, if that is not a frame's or a packet's time.
    retry_ns: Option<u64>,
    stats: Arc<SessionStats>,
    pub(crate) taps: Taps,
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
    pub(crate) fn new(config: SendConfig, stats: Arc<SessionStats>) -> Result<Self, RuntimeError> {
        let packetiser = config.packetiser()?;
        let signal = match config.source {
            FrameSource::Pattern => Some(config.format.signal()?),
            FrameSource::Client => None,
        };
        // RFC 3550 §5.1: each starts at a random value. Timestamps do not (ST 2110-10).
        let [ssrc, sequence] = random()?;
        let mut sender = Self {
            packetiser,
            signal,
            units: Units::default(),
            ahead_ns: config.clock.ahead_ns(),
            phase: Phase::Waiting { slot: u64::MAX },
            began_ns: 0,
            open: OpenUnit::default(),
            queue: VecDeque::with_capacity(64),
            collected: 0,
            flushes: Flushes::default(),
            fresh: Vec::with_capacity(64),
            attachments: Attachments::new(Arc::clone(&stats), config.max_attachments, 0),
            flow: FlowHeader {
                source_mac: Mac([0; 6]),
                destination_mac: Mac([0; 6]),
                source: unset_source(config.source_port),
                destination: config.destination,
                ttl: config.ttl,
                dscp: config.dscp,
            },
            addresses: PortAddresses::default(),
            second: SecondFlow::of(&config),
            ssrc,
            sequence,
            identification: 0,
            quiet_at: None,
            starts_at: None,
            held: false,
            retry_ns: None,
            stats,
            taps: Taps::default(),
            config,
        };
        sender.go_on_from(ssrc, sequence);
        Ok(sender)
    }

    /// Its next packet has these numbers.
    pub(crate) fn go_on_from(&mut self, ssrc: u32, sequence: u32) {
        (self.ssrc, self.sequence) = (ssrc, sequence);
        let counters = &self.stats.counters;
        counters.ssrc.set(Ssrc::to_counter(Some(ssrc)));
        counters.next_sequence.set(sequence.into());
    }

    /// Starts the session on `port`, at the next whole frame time, or the first from `starts_at` on.
    pub(crate) fn resume(&mut self, port: &PortInfo, now_ns: u64) {
        self.ahead_ns = self.config.clock.ahead_ns();
        let soon = self.tai_ns(now_ns) + LEAD_NS;
        let starts_at = self.starts_at.take().unwrap_or_default();
        let slot = self
            .packetiser
            .slot_at(soon.max(starts_at.saturating_sub(1)))
            + 1;
        self.phase = Phase::Waiting { slot };
        self.renew(port);
        self.quiet_at = None;
        self.retry_ns = None;
        self.units = Units::default();
        self.collect(now_ns);
    }

    /// The port may have another device now.
    pub(crate) fn renew(&mut self, port: &PortInfo) {
        self.flow.source_mac = Mac(port.mac);
        self.addresses = port.addresses;
        set_source(&mut self.flow, &self.addresses);
    }

    /// Stops the session. The current frame and the submitted ones are still sent; the limit is the
    /// time that they need plus two frames.
    pub(crate) fn quiesce(&mut self, now_ns: u64) {
        if self.quiet_at.is_none() {
            self.collect(now_ns);
            self.quiet_at = Some(self.gives_up_at(now_ns));
            self.retry_ns = Some(now_ns);
        }
    }

    /// Whether the session has stopped.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet_at.is_some() && self.queue.is_empty() && self.is_between_frames()
    }

    /// Starts a flush of the frames submitted so far. [`Self::flushed`] returns its result.
    pub(crate) fn flush(&mut self, ticket: u64, now_ns: u64) {
        self.collect(now_ns);
        self.flushes.ask(ticket, self.collected, self.unsent());
    }

    /// Whether [`Self::flushed`] has a result.
    pub(crate) fn has_flushed(&self) -> bool {
        self.flushes.is_over(self.oldest())
    }

    /// The next completed flush.
    pub(crate) fn flushed(&mut self) -> Option<FlushReport> {
        self.flushes.take(self.oldest())
    }

    /// Collected client frames that are neither sent nor dropped.
    pub(crate) fn unsent(&self) -> u64 {
        self.queue.len() as u64 + u64::from(self.under_way().is_some())
    }

    /// Lowest number of an unsent frame.
    fn oldest(&self) -> u64 {
        let first = self.under_way().or_else(|| self.queue.front().copied());
        first.map_or(self.collected, |it| it.number)
    }

    /// Sends what is due at `now_ns` to `next_hop`.
    pub(crate) fn turn(&mut self, now_ns: u64, next_hop: NextHop, sink: &mut impl TxSink) {
        self.retry_ns = None;
        let counters = &self.stats.counters;
        let answers = matches!(next_hop, NextHop::Known(_));
        counters.waiting_for_arp.set(u64::from(!answers));
        let is_silent = matches!(next_hop, NextHop::Silent(_));
        counters.silent_neighbour.set(u64::from(is_silent));
        let next_hop = next_hop.mac();
        self.give_up(now_ns, next_hop);
        let mut budget = PACKETS_A_TURN;
        loop {
            match self.phase {
                Phase::Waiting { slot } => {
                    let slot = self.follow_clock(slot, now_ns);
                    let tai_ns = self.tai_ns(now_ns);
                    if self.held || self.is_quiet() || tai_ns < self.packetiser.slot_start(slot) {
                        return;
                    }
                    let current = self.packetiser.slot_at(tai_ns);
                    if current > slot {
                        self.stats.counters.slots_missed.add(current - slot);
                    }
                    // A poller that was late leaves frame times out, and does not catch up by a burst.
                    self.begin(slot.max(current), now_ns, next_hop, sink.is_down());
                }
                Phase::Sending {
                    slot,
                    next,
                    content,
                } => {
                    let ready = self.packetiser.ready(slot, next, now_ns, self.ahead_ns);
                    let due = ready.min(next.saturating_add(budget));
                    let due = match content.open() {
                        None => due,
                        Some(unit) => match self.filled(slot, next..due, unit, now_ns) {
                            Some(filled) => filled,
                            None => {
                                self.end_open(slot, next, now_ns);
                                continue;
                            }
                        },
                    };
                    let sent = self.send(slot, next..due, content, now_ns, sink);
                    // Without a link nothing waits: the kernel would send it late.
                    if sent < due && sink.is_down() {
                        self.abandon();
                        self.stats.counters.frames_no_link.add(1);
                        continue;
                    }
                    self.packetiser.sent(sent - next, now_ns);
                    budget -= sent - next;
                    if sent == self.packetiser.packets(self.packetiser.tag_of_slot(slot)) {
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
                    } else if sent < ready && self.open.waits {
                        self.retry_ns = Some(now_ns + open::LOOK_NS);
                    }
                    return;
                }
            }
        }
    }

    fn begin(&mut self, slot: u64, now_ns: u64, next_hop: Option<Mac>, is_down: bool) {
        self.phase = Phase::Waiting { slot: slot + 1 };
        self.collect(now_ns);
        if is_down || self.stats.is_link_down() {
            self.stats.counters.frames_no_link.add(1);
            return;
        }
        let Some(destination_mac) = next_hop else {
            return;
        };
        // A unit is sent in a slot of its own kind only.
        let tag = self.packetiser.tag_of_slot(slot);
        let content = match &mut self.signal {
            Some(signal) if self.packetiser.tag_of_unit(signal.number()) != tag => None,
            Some(signal) => {
                signal.start();
                Some(Content::Pattern)
            }
            None => match self.queue.front().copied() {
                Some(next) if next.tag != tag => None,
                Some(next) => {
                    self.queue.pop_front();
                    Some(Content::Client(next))
                }
                None => {
                    let underrun = self.attachments.len() > 0;
                    self.stats.counters.underruns.add(u64::from(underrun));
                    None
                }
            },
        };
        let fills = self.packetiser.fills_slots();
        let Some(content) = content.or(fills.then_some(Content::Nothing)) else {
            return;
        };
        if self.begin_open(content) {
            self.read(tag, content);
        }
        self.began_ns = now_ns;
        self.flow.destination_mac = destination_mac;
        self.phase = Phase::Sending {
            slot,
            next: 0,
            content,
        };
    }

    /// The packets that follow are of this unit.
    fn read(&mut self, tag: u32, content: Content) {
        let frames = content.frames(&self.attachments);
        let signal = self.signal.as_ref();
        let signal = signal.filter(|_| content == Content::Pattern);
        let read = |at: usize, out: &mut [u8]| match (frames, signal) {
            (Some((frames, frame)), _) => frames.read(frame, at, out),
            (None, Some(signal)) => signal.read(at, out),
            (None, None) => out.fill(0),
        };
        self.packetiser.begin(tag, read);
    }

    /// Sends packets from the first of `packets` on. Returns the first that was not sent.
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
            signal,
            attachments,
            flow,
            taps,
            ..
        } = self;
        let tag = packetiser.tag_of_slot(slot);
        let (sequence, identification) = (&mut self.sequence, &mut self.identification);
        let frames = content.frames(attachments);
        let mut bytes = 0;
        let mut next = packets.start;
        while next < packets.end {
            let Some(packet) = packetiser.packet(tag, next) else {
                break;
            };
            let size = packet.bytes();
            let fill = |bytes: &mut [u8]| {
                let rtp = &mut bytes[flow.bytes()..];
                let headers = packet.write_headers(&stream, *sequence, rtp);
                let data = &mut rtp[headers..];
                match (frames, signal.as_mut()) {
                    (Some((frames, frame)), _) => content::read(frames, frame, &packet, data),
                    (None, Some(signal)) => signal.fill(&packet, data),
                    (None, None) => data.fill(0),
                }
                flow.write(*identification, bytes);
                taps.offer(bytes, now_ns);
            };
            if !sink.packet(flow.bytes() + size, fill) {
                break;
            }
            *sequence = sequence.wrapping_add(1);
            *identification = identification.wrapping_add(1);
            bytes += size as u64;
            next += 1;
        }
        self.stats
            .counters
            .packets
            .add(u64::from(next - packets.start));
        self.stats.counters.bytes.add(bytes);
        self.stats.counters.next_sequence.set(self.sequence.into());
        next
    }

    /// The RTP timestamp of the frame in `slot`.
    fn timestamp(&self, slot: u64) -> u32 {
        let ticks = self.packetiser.timestamp(slot);
        ticks.wrapping_add(self.config.media_clock_offset)
    }

    fn finish(&mut self, slot: u64, content: Content, now_ns: u64) {
        self.phase = Phase::Waiting { slot: slot + 1 };
        match content {
            Content::Pattern => self.signal.iter_mut().for_each(Signal::finish),
            Content::Client(submitted) => self.flushes.sent(submitted.number),
            Content::Nothing => {}
        }
        let units = u64::from(content != Content::Nothing);
        self.stats.counters.frames_sent.add(units);
        self.stats.counters.last_frame_ns.set(now_ns);
        let timestamp = self.timestamp(slot);
        let clock = FrameClock::to_counter(timestamp, self.began_ns);
        self.stats.counters.frame_clock.set(clock);
        self.collect(now_ns);
    }

    /// Collects submitted frames and, unless the session stops, loans free frames to the clients.
    fn collect(&mut self, now_ns: u64) {
        for at in 0..self.attachments.len() {
            let (attachments, fresh) = (&mut self.attachments, &mut self.fresh);
            attachments.reap_submitted(at, |it| fresh.push((it.order, it.frame, it.open)));
            fresh.sort_unstable();
            let Some(attachment) = attachments.iter().nth(at) else {
                continue;
            };
            let number = attachment.lender.attachment();
            for (_, frame, open) in fresh.drain(..) {
                self.queue.push_back(Submitted {
                    attachment: number,
                    frame,
                    open,
                    number: self.collected,
                    tag: self.packetiser.tag_of_unit(self.units.next(number)),
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

    /// Deadline that allows time to send what is queued.
    fn gives_up_at(&self, now_ns: u64) -> u64 {
        now_ns.saturating_add(self.config.format.period_ns(self.queue.len() as u64 + 3))
    }
}

/// The source of a flow that has not started on a port yet.
fn unset_source(port: u16) -> SocketAddr {
    SocketAddr::from(([0; 4], port))
}

/// A flow comes from its port's address of the destination's family.
fn set_source(flow: &mut FlowHeader, addresses: &PortAddresses) {
    if let Some(own) = addresses.beside(flow.destination.ip()) {
        flow.source.set_ip(own);
    }
}

fn random() -> Result<[u32; 2], RuntimeError> {
    let mut bytes = [0u8; 8];
    let got = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty());
    got.map_err(|error| RuntimeError::Random(error.into()))?;
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    Ok([word(0), word(4)])
}

#[cfg(test)]
mod field_tests;
#[cfg(test)]
mod open_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod type_tests;
