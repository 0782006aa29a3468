//! Assembles packets into blocks.

use super::block::Block;
use super::malformed::Malformed;
use super::restarted::{Other, Restarted};
use crate::audio::AudioFormat;
use crate::receive::{Depacketise, ReceiveStats, Run, Sink};
use crate::rtp::RtpHeader;
use crate::sequence::{Arrival, Sequence};

/// Assembles the blocks of one flow. The first packet begins one. Allocates only in its constructor.
#[derive(Debug)]
pub struct BlockAssembler<S> {
    packet_samples: u32,
    packet_bytes: usize,
    packet_ns: u64,
    /// Packets of a block.
    packets: u64,
    /// Packets of the longest gap that is filled with silence: a second.
    most_silent: u64,
    payload_type: u8,
    timeout_ns: u64,
    /// Blocks in assembly, oldest first; the first `active` are in use.
    blocks: [Block<S>; 2],
    active: usize,
    /// Number of the first packet of the block that follows those; `None` before the first packet.
    next: Option<u64>,
    /// Number and timestamp of the stream's last packet.
    last: (u64, u32),
    sequence: Sequence,
    restarted: Restarted,
    ssrc: Option<u32>,
    other_ssrc: Option<u32>,
    last_fit_ns: u64,
    stats: ReceiveStats,
}

impl<S: Copy> BlockAssembler<S> {
    /// For packets of this RTP payload type, 0 to 127. It closes a block after `timeout_ns` nanoseconds
    /// without a packet of it, and follows another source after as many without a fitting packet.
    #[must_use]
    pub fn new(format: &AudioFormat, payload_type: u8, timeout_ns: u64) -> Self {
        let packets = u64::from(format.block_packets());
        let block = || Block::idle(format.block_packets() as usize, format.packet_bytes());
        let a_second = u64::from(format.sample_rate() / format.packet_samples());
        Self {
            packet_samples: format.packet_samples(),
            packet_bytes: format.packet_bytes(),
            packet_ns: format.nanos(format.packet_samples().into()),
            packets,
            most_silent: a_second,
            payload_type,
            timeout_ns,
            blocks: [block(), block()],
            active: 0,
            next: None,
            last: (0, 0),
            sequence: Sequence::new(),
            restarted: Restarted::default(),
            ssrc: None,
            other_ssrc: None,
            last_fit_ns: 0,
            stats: ReceiveStats::default(),
        }
    }

    /// Handles the RTP packet `packet`, received at `now_ns` of a monotonic clock.
    #[inline]
    fn packet(&mut self, packet: &[u8], now_ns: u64, sink: &mut impl Sink<Slot = S>) {
        self.stats.packets += 1;
        self.stats.bytes += packet.len() as u64;
        let (rtp, payload) = match RtpHeader::parse(packet) {
            Ok(parsed) => parsed,
            Err(reason) => return self.stats.malformed.add(Malformed::from(reason)),
        };
        if rtp.payload_type != self.payload_type {
            return self.stats.malformed.add(Malformed::BadPayloadType);
        }
        if payload.len() != self.packet_bytes {
            return self.stats.malformed.add(Malformed::BadLength);
        }
        if self.ssrc != Some(rtp.ssrc) && !self.turn_to(rtp.ssrc, now_ns, sink) {
            return;
        }
        let Some(number) = self.number(&rtp) else {
            if self.left_out_blocks(&rtp) {
                return self.restart(&rtp, payload, now_ns, sink);
            }
            return self.stray(&rtp, Malformed::BadTimestamp.into(), payload, now_ns, sink);
        };
        self.take(number, &rtp, payload, now_ns, sink);
    }

    /// The packet's number, if its timestamp says the same. The first packet's is chosen.
    #[inline]
    fn number(&mut self, rtp: &RtpHeader) -> Option<u64> {
        if self.next.is_none() {
            return Some(self.begin(rtp));
        }
        let (last, timestamp) = self.last;
        let ticks = i64::from(rtp.timestamp.wrapping_sub(timestamp).cast_signed());
        let samples = i64::from(self.packet_samples);
        let number = last.checked_add_signed(ticks / samples)?;
        let is_its = ticks % samples == 0 && low(number) == rtp.sequence;
        is_its.then_some(number)
    }

    /// Whether the source was late and left out blocks, up to a second: its numbers go on. When its packets came says
    /// nothing: what made it late may have kept back those before, too.
    #[cold]
    fn left_out_blocks(&self, rtp: &RtpHeader) -> bool {
        let (last, timestamp) = self.last;
        let ticks = rtp.timestamp.wrapping_sub(timestamp);
        let packets = u64::from(ticks / self.packet_samples);
        let is_whole = ticks.is_multiple_of(self.packet_samples);
        let is_next = rtp.sequence == low(last + 1);
        is_whole && is_next && (self.packets + 1..=self.most_silent).contains(&packets)
    }

    fn begin(&mut self, rtp: &RtpHeader) -> u64 {
        let number = self.sequence.start(rtp.sequence);
        self.last = (number, rtp.timestamp);
        self.next = Some(number);
        self.restarted = Restarted::default();
        number
    }

    #[inline]
    fn take(
        &mut self,
        mut number: u64,
        rtp: &RtpHeader,
        payload: &[u8],
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        let next = self.next.unwrap_or(number);
        if number >= next {
            if !self.is_plausible(number - next, now_ns) {
                return self.stray(rtp, None, payload, now_ns, sink);
            }
            number = self.open_up_to(number, now_ns, sink);
        }
        let Some(place) = self.find(number) else {
            return self.pass(number, rtp, payload, now_ns, sink);
        };
        match self.sequence.receive(number) {
            Arrival::Newest => self.last = (number, rtp.timestamp),
            Arrival::Duplicate => {
                self.stats.duplicate += 1;
                self.blocks[place].duplicates += 1;
                return;
            }
            other => self.note_reordered(other),
        }
        (self.last_fit_ns, self.restarted) = (now_ns, Restarted::default());
        let block = &mut self.blocks[place];
        let at = usize::try_from(number - block.first).unwrap_or(usize::MAX);
        block.fill(at, payload, now_ns, sink);
        match block.slot {
            Some(_) => self.stats.accepted += 1,
            None => self.stats.no_buffer += 1,
        }
        if block.is_complete() {
            (0..=place).for_each(|_| self.close_oldest(sink));
        }
    }

    /// Whether so many packets may be missing before one: as long as none came, and two blocks more.
    const fn is_plausible(&self, missing: u64, now_ns: u64) -> bool {
        let elapsed_ns = now_ns.saturating_sub(self.last_fit_ns);
        let missing = missing.saturating_sub(2 * self.packets);
        missing.saturating_mul(self.packet_ns) <= elapsed_ns
    }

    /// Opens the block of a packet after those in assembly, and gives those between as silence. Returns the
    /// packet's number.
    #[inline(never)]
    fn open_up_to(&mut self, number: u64, now_ns: u64, sink: &mut impl Sink<Slot = S>) -> u64 {
        let mut next = self.next.unwrap_or(number);
        if number - next > self.most_silent {
            // The gap is only counted; the stream's blocks begin anew.
            self.close(sink);
            self.stats.lost += self.sequence.settle(u64::MAX) + (number - self.last.0 - 1);
            let timestamp = self.timestamp(number);
            self.last = (self.sequence.start(low(number)), timestamp);
            self.open(self.last.0, now_ns, sink);
            return self.last.0;
        }
        while next <= number {
            self.open(next, now_ns, sink);
            next += self.packets;
        }
        number
    }

    /// The timestamp of a packet of the stream.
    fn timestamp(&self, number: u64) -> u32 {
        let (last, timestamp) = self.last;
        let ticks = number
            .wrapping_sub(last)
            .wrapping_mul(self.packet_samples.into());
        let [.., a, b, c, d] = ticks.to_be_bytes();
        timestamp.wrapping_add(u32::from_be_bytes([a, b, c, d]))
    }

    fn open(&mut self, first: u64, now_ns: u64, sink: &mut impl Sink<Slot = S>) {
        if self.active == self.blocks.len() {
            self.close_oldest(sink);
        }
        let timestamp = self.timestamp(first);
        let slot = sink.open(timestamp);
        self.stats.units_no_buffer += u64::from(slot.is_none());
        self.blocks[self.active].begin(first, timestamp, slot, now_ns);
        self.active += 1;
        self.next = Some(first + self.packets);
    }

    #[inline]
    fn find(&self, number: u64) -> Option<usize> {
        let blocks = self.blocks[..self.active].iter();
        let mut places = blocks.map(|it| it.first..it.first + self.packets);
        places.position(|range| range.contains(&number))
    }

    /// Handles a packet whose block is closed.
    #[inline(never)]
    fn pass(
        &mut self,
        number: u64,
        rtp: &RtpHeader,
        payload: &[u8],
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        // Else the source stood, and sends the rest of a block that was given up.
        let is_old = number <= self.last.0;
        if is_old && self.is_silent(now_ns) {
            // A source that sends again what it sent before.
            return self.stray(rtp, None, payload, now_ns, sink);
        }
        match self.sequence.receive(number) {
            Arrival::Duplicate => return self.stats.duplicate += 1,
            Arrival::Newest => (self.last, self.last_fit_ns) = ((number, rtp.timestamp), now_ns),
            other => self.note_reordered(other),
        }
        self.stats.late += 1;
    }

    fn note_reordered(&mut self, arrival: Arrival) {
        self.stats.reordered += 1;
        self.stats.lost_arrived += u64::from(arrival == Arrival::Lost);
    }

    /// Handles a packet that is not of the stream: follows it if enough others do. Else it counts as malformed for
    /// `reason`, or as late.
    #[cold]
    #[inline(never)]
    fn stray(
        &mut self,
        rtp: &RtpHeader,
        reason: Option<Malformed>,
        payload: &[u8],
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        match (self.restarted.note(rtp, self.packet_samples), reason) {
            (Other::Restarted, _) => self.restart(rtp, payload, now_ns, sink),
            (Other::Alone, Some(reason)) => self.stats.malformed.add(reason),
            _ => self.stats.late += 1,
        }
    }

    /// The stream's blocks begin anew with this packet.
    fn restart(
        &mut self,
        rtp: &RtpHeader,
        payload: &[u8],
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        self.stats.restarts += 1;
        self.close(sink);
        let number = self.begin(rtp);
        self.take(number, rtp, payload, now_ns, sink);
    }

    /// Follows another source, unless the current one sends.
    #[cold]
    #[inline(never)]
    fn turn_to(&mut self, ssrc: u32, now_ns: u64, sink: &mut impl Sink<Slot = S>) -> bool {
        if self.ssrc.is_some() && !self.is_silent(now_ns) {
            self.other_ssrc = Some(ssrc);
            self.stats.other_ssrc_packets += 1;
            return false;
        }
        self.stats.ssrc_changes += u64::from(self.ssrc.replace(ssrc).is_some());
        self.close(sink);
        self.next = None;
        true
    }

    /// Whether no fitting packet came for some time.
    const fn is_silent(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.last_fit_ns) >= self.timeout_ns
    }

    #[inline(never)]
    fn close_oldest(&mut self, sink: &mut impl Sink<Slot = S>) {
        if self.active == 0 {
            return;
        }
        self.active -= 1;
        self.blocks.swap(0, 1);
        let block = &self.blocks[1];
        self.stats.lost += self.sequence.settle(block.first + self.packets);
        let Some(slot) = block.slot else { return };
        let report = block.finish(slot, sink);
        if report.complete {
            self.stats.units_complete += 1;
        } else {
            self.stats.units_incomplete += 1;
        }
    }
}

/// The 16 bits of a number that a packet has.
const fn low(number: u64) -> u16 {
    let [.., a, b] = number.to_be_bytes();
    u16::from_be_bytes([a, b])
}

impl<S: Copy> Depacketise<S> for BlockAssembler<S> {
    #[inline]
    fn push(&mut self, run: &Run<'_>, sink: &mut impl Sink<Slot = S>) {
        for packet in run.packets {
            self.packet(packet, run.now_ns, sink);
        }
    }

    #[inline]
    fn fetch(&self, packets: usize, sink: &impl Sink<Slot = S>) {
        sink.fetch_word(self.sequence.next_word());
        if let Some(block) = self.blocks[..self.active].first()
            && let Some(slot) = block.slot
        {
            let offset = block.received as usize * self.packet_bytes;
            sink.fetch(slot, offset, packets * self.packet_bytes);
        }
    }

    fn expire(&mut self, now_ns: u64, sink: &mut impl Sink<Slot = S>) {
        let timeout_ns = self.timeout_ns;
        let overdue = |it: &Block<S>| now_ns >= it.last_packet_ns.saturating_add(timeout_ns);
        if let Some(last) = self.blocks[..self.active].iter().rposition(overdue) {
            (0..=last).for_each(|_| self.close_oldest(sink));
        }
    }

    fn deadline(&self) -> Option<u64> {
        let blocks = self.blocks[..self.active].iter();
        let last = blocks.map(|block| block.last_packet_ns).min()?;
        Some(last.saturating_add(self.timeout_ns))
    }

    fn close(&mut self, sink: &mut impl Sink<Slot = S>) {
        while self.active > 0 {
            self.close_oldest(sink);
        }
    }

    fn reset(&mut self, mut discard: impl FnMut(S)) {
        for block in &self.blocks[..self.active] {
            block.slot.into_iter().for_each(&mut discard);
        }
        (self.active, self.next, self.ssrc) = (0, None, None);
    }

    fn under_way(&self) -> usize {
        self.active
    }

    fn set_payload_type(&mut self, payload_type: u8) {
        self.payload_type = payload_type;
    }

    #[inline]
    fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    fn other_ssrc(&self) -> Option<u32> {
        self.other_ssrc
    }

    fn stats(&self) -> &ReceiveStats {
        &self.stats
    }
}
