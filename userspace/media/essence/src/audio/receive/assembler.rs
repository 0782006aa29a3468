//! Assembles packets into blocks, by the times of their samples.

use onair_mutant::mutant;

use super::block::Block;
use super::{Malformed, Other, Restarted};
use crate::audio::AudioFormat;
use crate::essence::Essence as _;
use crate::pace::{Ahead, Pace};
use crate::receive::{Depacketise, ReceiveStats, Run, Sink};
use crate::rtp::{PayloadTypes, RtpHeader};
use crate::sequence::{Arrival, Sequence, nearest};
use crate::source::Strangers;

/// Packets that may be lost in a row before one behind them needs another that agrees with it.
const LOST_IN_A_ROW: u64 = 8;
/// The position of a stream's first sample: what came before it stays above 0.
const FIRST: u64 = 1 << 40;

/// Where a packet is in its stream.
#[derive(Debug, Clone, Copy)]
struct SamplePosition {
    /// Its unwrapped sequence number.
    number: u64,
    /// Its first sample, counted from an arbitrary one.
    position: u64,
    timestamp: u32,
    samples: u32,
}

impl SamplePosition {
    /// The timestamp of another sample.
    fn timestamp_at(&self, position: u64) -> u32 {
        let [.., a, b, c, d] = position.wrapping_sub(self.position).to_be_bytes();
        self.timestamp
            .wrapping_add(u32::from_be_bytes([a, b, c, d]))
    }

    /// The place of a packet that has this number, by its timestamp.
    fn of(&self, number: u64, rtp: &RtpHeader, samples: u32) -> Self {
        let ticks = rtp.timestamp.wrapping_sub(self.timestamp).cast_signed();
        Self {
            number,
            position: self.position.saturating_add_signed(ticks.into()),
            timestamp: rtp.timestamp,
            samples,
        }
    }
}

/// How the stream goes on after its last packet.
enum Goes {
    /// With this packet.
    On(SamplePosition),
    /// Its blocks begin anew.
    Anew,
    /// This packet is not what follows.
    Elsewhere,
}

/// State of the kept packet: its samples, and the count that it is in; late, if in none.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    samples: u32,
    reason: Option<Malformed>,
}

/// Assembles the blocks of one flow. The first packet begins one. Allocates only in its constructor.
#[derive(Debug)]
pub struct BlockAssembler<S> {
    packet_samples: u32,
    packet_bytes: usize,
    packet_ns: u64,
    /// Samples of packets that the stream may have instead, as its first ones show.
    other_samples: Option<u32>,
    sample_bytes: usize,
    /// Samples of a block.
    samples: u64,
    /// Samples of the longest gap that is filled with silence: a second.
    most_silent: u64,
    payload_types: PayloadTypes,
    timeout_ns: u64,
    /// Blocks in assembly, oldest first; the first `active` are in use.
    blocks: [Block<S>; 2],
    active: usize,
    /// Position of the block that follows those; `None` before the first packet.
    next: Option<u64>,
    /// The stream's last packet.
    last: SamplePosition,
    sequence: Sequence,
    restarted: Restarted,
    pace: Pace,
    strangers: Strangers,
    ahead: Ahead,
    kept: Kept,
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
        let block = || Block::idle(format.block_samples(), format.sample_bytes());
        Self {
            packet_samples: format.packet_samples(),
            packet_bytes: format.packet_bytes(),
            packet_ns: format.nanos(format.packet_samples().into()),
            other_samples: format.other_packet_samples(),
            sample_bytes: format.sample_bytes(),
            samples: format.block_samples().into(),
            most_silent: format.sample_rate().into(),
            payload_types: payload_type.into(),
            timeout_ns,
            blocks: [block(), block()],
            active: 0,
            next: None,
            last: SamplePosition {
                number: 0,
                position: FIRST,
                timestamp: 0,
                samples: 0,
            },
            sequence: Sequence::new(),
            restarted: Restarted::default(),
            pace: Pace::new(
                (format.sample_rate(), format.block_samples()),
                format.packets_a_unit(),
            ),
            strangers: Strangers::default(),
            ahead: Ahead::new(),
            kept: Kept::default(),
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
        if !self.payload_types.has(rtp.payload_type) {
            return self.stats.malformed.add(Malformed::BadPayloadType);
        }
        if payload.len() != self.packet_bytes {
            return self.other_length((&rtp, packet), payload, now_ns, sink);
        }
        self.packet_of((&rtp, packet), payload, now_ns, sink);
    }

    /// Handles a packet that has the samples of the session's.
    #[inline]
    fn packet_of(
        &mut self,
        (rtp, packet): (&RtpHeader, &[u8]),
        payload: &[u8],
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        if self.ssrc != Some(rtp.ssrc) && !self.turn_to(rtp, now_ns, sink) {
            return;
        }
        if self.next.is_none() {
            let place = self.begin(rtp);
            return self.take(place, payload, now_ns, sink);
        }
        match self.place(rtp) {
            Some(place) if self.is_near(&place, now_ns) => self.take(place, payload, now_ns, sink),
            found => {
                let samples = self.packet_samples;
                let reason = found.is_none().then_some(Malformed::BadTimestamp);
                let kept = Kept { samples, reason };
                self.doubt((rtp, packet), (payload, kept), now_ns, sink);
            }
        }
    }

    /// Handles a packet of another length: it is of the stream if the next one shows that it has as many samples.
    #[cold]
    #[inline(never)]
    fn other_length(
        &mut self,
        (rtp, packet): (&RtpHeader, &[u8]),
        payload: &[u8],
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        let samples = u32::try_from(payload.len() / self.sample_bytes).unwrap_or(0);
        let is_whole = samples > 0 && payload.len().is_multiple_of(self.sample_bytes);
        if is_whole && self.other_samples == Some(samples) && self.adopts((rtp, packet), now_ns) {
            self.close(sink);
            self.next = None;
            return self.packet_of((rtp, packet), payload, now_ns, sink);
        }
        if !is_whole || self.next.is_none() || self.ssrc != Some(rtp.ssrc) {
            return self.stats.malformed.add(Malformed::BadLength);
        }
        let reason = Some(Malformed::BadLength);
        let kept = Kept { samples, reason };
        self.doubt((rtp, packet), (payload, kept), now_ns, sink);
    }

    /// Whether a stream begins whose packets have the other number of samples: two packets agree. The session has it from now on.
    fn adopts(&mut self, (rtp, packet): (&RtpHeader, &[u8]), now_ns: u64) -> bool {
        let Some(samples) = self.other_samples else {
            return false;
        };
        let fitting = self.stats.accepted + self.stats.no_buffer;
        let begins = self.next.is_none() || self.is_silent(now_ns);
        if !begins || !self.ahead.is_followed_by(rtp, samples, fitting) {
            if begins {
                self.ahead.keep(rtp, packet, fitting);
            }
            return false;
        }
        self.other_samples = Some(std::mem::replace(&mut self.packet_samples, samples));
        self.packet_bytes = samples as usize * self.sample_bytes;
        self.packet_ns = u64::from(samples) * 1_000_000_000 / self.most_silent.max(1);
        true
    }

    /// The packet's place, if its timestamp and its number say the same.
    #[inline]
    fn place(&self, rtp: &RtpHeader) -> Option<SamplePosition> {
        let (last, samples) = (&self.last, i64::from(self.packet_samples));
        let ticks = i64::from(rtp.timestamp.wrapping_sub(last.timestamp).cast_signed());
        // The last one may have had another length.
        let steps = if ticks > 0 {
            ticks - i64::from(last.samples) + samples
        } else {
            ticks
        };
        let number = last.number.checked_add_signed(steps / samples)?;
        let is_its =
            steps % samples == 0 && low(number) == rtp.sequence && (ticks <= 0) == (steps <= 0);
        is_its.then(|| last.of(number, rtp, self.packet_samples))
    }

    /// Whether the stream can be there by now: few packets, or as long as none came, lie before. In a block that takes no
    /// other's place it can always be.
    #[inline]
    fn is_near(&self, place: &SamplePosition, now_ns: u64) -> bool {
        let free = (self.blocks.len() - self.active).min(1) as u64 * self.samples;
        let end = place.position + u64::from(place.samples);
        let is_in_block = self.next.is_some_and(|next| end <= next + free);
        if is_in_block || place.number <= self.last.number + 1 + LOST_IN_A_ROW {
            return true;
        }
        let missing = place.number - self.last.number - 1;
        let elapsed_ns = now_ns.saturating_sub(self.last_fit_ns);
        let is_passed = missing
            .saturating_sub(LOST_IN_A_ROW)
            .saturating_mul(self.packet_ns)
            <= elapsed_ns;
        is_passed || mutant!("audio: one packet moves the clock")
    }

    /// Handles a packet where the stream cannot be yet, or whose samples are not known yet: keeps it, or goes on with it
    /// and the one that was kept.
    #[cold]
    #[inline(never)]
    fn doubt(
        &mut self,
        (rtp, packet): (&RtpHeader, &[u8]),
        (payload, of): (&[u8], Kept),
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        let fitting = self.stats.accepted + self.stats.no_buffer;
        if !self.ahead.is_followed_by(rtp, self.kept.samples, fitting) {
            // One that is refused takes no place of one that is the stream's, if the next one agrees.
            let has_better = self.ahead.is_last(fitting) && self.kept.reason.is_none();
            if of.reason.is_none() || !has_better || mutant!("audio: a refused packet is kept") {
                (self.kept, _) = (of, self.ahead.keep(rtp, packet, fitting));
            }
            return self.stray(rtp, of.reason, payload, now_ns, sink);
        }
        let (bytes, len) = self.ahead.take();
        if let Ok((first, samples)) = RtpHeader::parse(&bytes[..len]) {
            let goes = match self.pace.begin(now_ns) {
                true => self.continues(&first, self.kept.samples, now_ns),
                false => Goes::Elsewhere,
            };
            match goes {
                Goes::On(place) => {
                    self.uncount();
                    self.take(place, samples, now_ns, sink);
                    // The stream may have begun anew, with other numbers.
                    let place = self.last.of(self.last.number + 1, rtp, of.samples);
                    self.note_length(of.samples);
                    self.take(place, payload, now_ns, sink);
                }
                Goes::Anew if of.samples == self.packet_samples => {
                    self.uncount();
                    self.restart(&first, samples, now_ns, sink);
                    let place = self.last.of(self.last.number + 1, rtp, of.samples);
                    self.take(place, payload, now_ns, sink);
                }
                Goes::Anew | Goes::Elsewhere => {
                    self.stray(rtp, of.reason, payload, now_ns, sink);
                }
            }
        }
        self.ahead.put_back(bytes);
    }

    /// How the stream goes on with a packet that another agrees with.
    fn continues(&self, first: &RtpHeader, samples: u32, now_ns: u64) -> Goes {
        let last = &self.last;
        let place = last.of(nearest(last.number, first.sequence), first, samples);
        let numbers = place.number.saturating_sub(last.number);
        let ticks = place
            .position
            .saturating_sub(last.position + u64::from(last.samples));
        let is_after = place.position >= last.position + u64::from(last.samples);
        if is_after && numbers > 0 && numbers <= 1 + LOST_IN_A_ROW && ticks <= self.samples {
            return Goes::On(place);
        }
        let on_grid = self
            .place(first)
            .filter(|_| samples == self.packet_samples && is_after);
        let elapsed_ns = now_ns.saturating_sub(self.last_fit_ns);
        let missing = ticks.saturating_sub(2 * self.samples) / u64::from(self.packet_samples);
        if let Some(place) = on_grid
            && missing.saturating_mul(self.packet_ns) <= elapsed_ns
        {
            return Goes::On(place);
        }
        // The source was late and left out blocks: its numbers go on. When its packets came says nothing: what made it
        // late may have kept back those before, too.
        let has_left_out = numbers == 1 && (self.samples..=self.most_silent).contains(&ticks);
        match samples == self.packet_samples && (has_left_out || on_grid.is_some()) {
            true => Goes::Anew,
            false => Goes::Elsewhere,
        }
    }

    /// The packet that is kept is of the stream: it counts anew.
    const fn uncount(&mut self) {
        match self.kept.reason {
            Some(reason) => self.stats.malformed.remove(reason as usize),
            None => {
                self.stats.late -= 1;
                self.stats.astray -= 1;
            }
        }
        self.note_length(self.kept.samples);
    }

    const fn note_length(&mut self, samples: u32) {
        if samples != self.packet_samples {
            self.stats.other_length += 1;
            self.stats.other_samples = samples;
        }
    }

    /// The stream begins with this packet.
    fn begin(&mut self, rtp: &RtpHeader) -> SamplePosition {
        self.last = SamplePosition {
            number: self.sequence.start(rtp.sequence),
            position: FIRST,
            timestamp: rtp.timestamp,
            samples: self.packet_samples,
        };
        self.next = Some(self.last.position);
        self.restarted = Restarted::default();
        self.last
    }

    #[inline]
    fn take(
        &mut self,
        mut place: SamplePosition,
        payload: &[u8],
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        let end = place.position + u64::from(place.samples);
        if self.next.is_none_or(|next| end > next) {
            place = self.open_up_to(place, end, now_ns, sink);
        }
        let Some(first) = self.blocks[..self.active]
            .first()
            .filter(|it| end > it.first)
        else {
            return self.pass(place, payload, now_ns, sink);
        };
        let at_first = usize::from(place.position >= first.first + self.samples);
        match self.sequence.receive(place.number) {
            Arrival::Newest => self.last = place,
            Arrival::Duplicate => {
                self.stats.duplicate += 1;
                self.blocks[at_first].duplicates += 1;
                return;
            }
            other => self.note_reordered(other),
        }
        (self.last_fit_ns, self.restarted) = (now_ns, Restarted::default());
        let mut has_memory = false;
        for block in &mut self.blocks[..self.active] {
            has_memory |= block.fill(place.position, payload, now_ns, sink);
        }
        match has_memory {
            true => self.stats.accepted += 1,
            false => self.stats.no_buffer += 1,
        }
        let active = self.blocks[..self.active].iter();
        if let Some(done) = active.rev().position(Block::is_complete) {
            let done = self.active - done;
            (0..done).for_each(|_| self.close_oldest(sink));
        }
    }

    /// Opens the blocks of a packet after those in assembly, and gives those between as silence. Returns the
    /// packet's place.
    #[inline(never)]
    fn open_up_to(
        &mut self,
        mut place: SamplePosition,
        end: u64,
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) -> SamplePosition {
        let mut next = self.next.unwrap_or(place.position);
        if place.position.saturating_sub(next) > self.most_silent {
            // The gap is only counted; the stream's blocks begin anew.
            self.close(sink);
            let missing = place.number.saturating_sub(self.last.number + 1);
            let missing = self.sequence.settle(u64::MAX) + missing;
            self.pace.lose(missing, &mut self.stats, now_ns);
            place.number = self.sequence.start(low(place.number));
            (self.last, next) = (place, place.position);
        }
        // Each turn begins a block later: at most a second, or the time in which none came.
        while next < end {
            let before = next;
            self.open(next, now_ns, sink);
            next += self.samples;
            debug_assert!(next > before && next < end + self.samples);
        }
        place
    }

    /// About the number of the packet that begins at a position.
    fn number_at(&self, position: u64) -> u64 {
        let samples = u64::from(self.packet_samples);
        match position.checked_sub(self.last.position) {
            Some(after) => self.last.number + after.div_ceil(samples),
            None => self.last.number - (self.last.position - position) / samples,
        }
    }

    fn open(&mut self, first: u64, now_ns: u64, sink: &mut impl Sink<Slot = S>) {
        if self.active == self.blocks.len() {
            self.close_oldest(sink);
        }
        let timestamp = self.last.timestamp_at(first);
        let slot = sink.open(timestamp);
        self.stats.units_no_buffer += u64::from(slot.is_none());
        self.blocks[self.active].begin(first, timestamp, slot, now_ns);
        self.active += 1;
        self.next = Some(first + self.samples);
    }

    /// Handles a packet whose block is closed.
    #[inline(never)]
    fn pass(
        &mut self,
        place: SamplePosition,
        payload: &[u8],
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        // Else the source stood, and sends the rest of a block that was given up.
        let is_old = place.number <= self.last.number;
        if is_old && self.is_silent(now_ns) {
            // A source that sends again what it sent before.
            let rtp = self.header(&place);
            return self.stray(&rtp, None, payload, now_ns, sink);
        }
        match self.sequence.receive(place.number) {
            Arrival::Duplicate => return self.stats.duplicate += 1,
            Arrival::Newest => (self.last, self.last_fit_ns) = (place, now_ns),
            other => self.note_reordered(other),
        }
        self.stats.late += 1;
    }

    /// The header of a packet of the stream.
    fn header(&self, place: &SamplePosition) -> RtpHeader {
        RtpHeader {
            marker: false,
            payload_type: self.payload_types.first,
            sequence: low(place.number),
            timestamp: place.timestamp,
            ssrc: self.ssrc.unwrap_or(0),
        }
    }

    fn note_reordered(&mut self, arrival: Arrival) {
        self.stats.reordered += 1;
        self.pace
            .arrive(u64::from(arrival == Arrival::Lost), &mut self.stats);
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
        if payload.len() != self.packet_bytes {
            return self.stats.malformed.add(Malformed::BadLength);
        }
        match (self.restarted.note(rtp, self.packet_samples), reason) {
            (Other::Restarted, _) => self.restart(rtp, payload, now_ns, sink),
            (Other::Alone, Some(reason)) => self.stats.malformed.add(reason),
            _ => {
                self.stats.late += 1;
                self.stats.astray += 1;
                self.kept.reason = None;
            }
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
        self.ahead.forget();
        self.close(sink);
        let place = self.begin(rtp);
        self.take(place, payload, now_ns, sink);
    }

    /// Follows another source, unless the current one sends, or this is its only packet.
    #[cold]
    #[inline(never)]
    fn turn_to(&mut self, rtp: &RtpHeader, now_ns: u64, sink: &mut impl Sink<Slot = S>) -> bool {
        let ssrc = rtp.ssrc;
        let is_followed = self.ssrc.is_none()
            || self.is_silent(now_ns)
                && (self.strangers.note(rtp) || mutant!("audio: one packet is a new source"));
        if !is_followed {
            self.other_ssrc = Some(ssrc);
            self.stats.other_ssrc_packets += 1;
            return false;
        }
        self.strangers.forget();
        let changes = u64::from(self.ssrc.replace(ssrc).is_some());
        self.stats.ssrc_changes += changes;
        self.stats.restarts += changes;
        self.ahead.forget();
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
        let end = self.number_at(self.blocks[1].first + self.samples);
        let missing = self.sequence.settle(end);
        self.pace.lose(missing, &mut self.stats, self.last_fit_ns);
        let block = &self.blocks[1];
        let Some(slot) = block.slot else { return };
        let report = block.finish((slot, self.packet_samples), sink);
        if report.complete {
            self.pace.complete();
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

    /// Another length is the stream's, too, when one of it was confirmed.
    #[inline]
    fn refuses(&self, _rtp: &RtpHeader, payload: &[u8]) -> bool {
        let known = self.stats.other_samples as usize * self.sample_bytes;
        payload.len() != self.packet_bytes && (payload.is_empty() || payload.len() != known)
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
        // Each turn closes one.
        while self.active > 0 {
            self.close_oldest(sink);
        }
    }

    fn reset(&mut self, mut discard: impl FnMut(S)) {
        for block in &self.blocks[..self.active] {
            block.slot.into_iter().for_each(&mut discard);
        }
        (self.active, self.next, self.ssrc) = (0, None, None);
        self.ahead.forget();
    }

    fn under_way(&self) -> usize {
        self.active
    }

    fn set_payload_types(&mut self, types: PayloadTypes) {
        self.payload_types = types;
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
