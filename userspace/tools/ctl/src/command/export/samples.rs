//! A WAV file of captured packets. What did not come is silence of its length.

use std::time::{Duration, SystemTime};

use onair_essence::audio::wav::{self, WavTime};
use onair_essence::audio::{AudioFormat, Between, BlockAssembler, Timeline};
use onair_essence::media_time::RtpClock;
use onair_essence::receive::{Depacketise as _, MissingRange, Sink, UnitReport};
use onair_essence::survey::Link;
use onair_pixels::FrameStream;
use onair_pixels::export::{Destinations, PacketCounts, Packets};

use super::output::Output;
use crate::document::export::{Exported, Silence};
use crate::failure::export::ExportError;

/// Longest gap between two blocks that is filled with silence, in seconds.
const LONGEST_GAP_S: u64 = 3600;
/// Silences that are listed one by one; further ones are only counted.
const LISTED: usize = 1000;
/// Seconds by which TAI is ahead of UTC, since 2017.
const TAI_AHEAD_NS: u64 = 37_000_000_000;
/// A timestamp further away from the capture is of another clock.
const SAME_CLOCK_NS: u64 = 10_000_000_000;

/// Makes a file of the samples of one stream.
pub(super) struct Samples {
    format: AudioFormat,
    clock: RtpClock,
    facts: Vec<(&'static str, String)>,
    assembler: BlockAssembler<usize>,
    blocks: Blocks,
    /// The time of the first sample.
    start: Option<WavTime>,
    timeline: Timeline,
    samples: u64,
    count: u64,
    silences: Vec<Silence>,
    silent: u64,
    jumps: u64,
    packets: Packets,
}

/// Blocks in assembly: two, and those that are finished.
#[derive(Default)]
struct Blocks {
    bytes: usize,
    slots: Vec<Vec<u8>>,
    free: Vec<usize>,
    finished: Vec<(usize, UnitReport)>,
}

impl Sink for Blocks {
    type Slot = usize;

    fn open(&mut self, _: u32) -> Option<usize> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        self.slots.push(vec![0; self.bytes]);
        Some(self.slots.len() - 1)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        self.slots[slot][offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        self.finished.push((slot, *report));
    }
}

impl Samples {
    pub(super) fn new(stream: &FrameStream<'_>, to: Destinations) -> Result<Self, ExportError> {
        let format = stream.format.audio();
        let format =
            format.ok_or_else(|| ExportError::NoSamples(stream.format.kind().standard()))?;
        let types = stream.payload_types;
        let mut assembler = BlockAssembler::new(format, types.first, stream.timeout_ns);
        assembler.set_payload_types(types);
        Ok(Self {
            facts: vec![
                ("coding", format.coding().to_string()),
                ("sample_rate", format.sample_rate().to_string()),
                ("channels", format.channels().to_string()),
                ("bits", wav::bits(format.coding()).to_string()),
            ],
            assembler,
            blocks: Blocks {
                bytes: format.block_bytes(),
                ..Blocks::default()
            },
            start: None,
            timeline: Timeline::default(),
            samples: 0,
            count: 0,
            silences: Vec::new(),
            silent: 0,
            jumps: 0,
            packets: Packets::new(stream, to),
            format: format.clone(),
            clock: stream.clock,
        })
    }

    /// With the time of the first sample, once that is known: its place is there before.
    pub(super) fn header(&self, samples: Option<u64>) -> Vec<u8> {
        let unknown = WavTime {
            date: String::new(),
            time: String::new(),
            samples: 0,
        };
        let start = self.start.as_ref().unwrap_or(&unknown);
        wav::header(&self.format, Some(start), samples)
    }

    pub(super) const fn samples(&self) -> u64 {
        self.samples
    }

    pub(super) fn facts(&self) -> &[(&'static str, String)] {
        &self.facts
    }

    pub(super) fn packets(&self) -> PacketCounts {
        self.packets.counts().with(self.assembler.stats())
    }

    pub(super) fn packet(
        &mut self,
        at_ns: u64,
        link: Link,
        bytes: &[u8],
        out: &mut Output,
    ) -> Result<(), ExportError> {
        self.packets
            .take(at_ns, (link, bytes), &mut self.assembler, &mut self.blocks);
        self.take(false, out)
    }

    pub(super) fn end(&mut self, out: &mut Output) -> Result<(), ExportError> {
        self.packets.end(&mut self.assembler, &mut self.blocks);
        self.assembler.close(&mut self.blocks);
        self.take(true, out)?;
        // A chunk has an even number of bytes.
        if self.samples * wav::sample_bytes(&self.format) % 2 == 1 {
            out.pending().push(0);
        }
        Ok(())
    }

    /// Writes the finished blocks; the last one up to its last packet.
    fn take(&mut self, is_end: bool, out: &mut Output) -> Result<(), ExportError> {
        let mut finished = std::mem::take(&mut self.blocks.finished)
            .into_iter()
            .peekable();
        while let Some((slot, report)) = finished.next() {
            if self.start.is_none() {
                self.start = Some(start_of(self.clock, &report));
            }
            self.fill_gap(report.rtp_timestamp, out)?;
            let bytes = self.format.sample_bytes();
            let whole = self.format.block_bytes();
            let is_last = is_end && finished.peek().is_none();
            let ends = |it: &MissingRange| is_last && it.offset + it.len == whole;
            let after = report.missing().last().filter(|it| ends(it));
            let end = whole - after.map_or(0, |it| it.len);
            for missing in report.missing().iter().filter(|it| !ends(it)) {
                let first = self.samples + (missing.offset / bytes) as u64;
                self.note_silence(first, (missing.len / bytes) as u64);
            }
            // Those that the report does not list.
            let listed: usize = report.missing().iter().map(|it| it.len).sum();
            self.silent += (report.bytes_missing.saturating_sub(listed) / bytes) as u64;
            wav::append(&self.format, &self.blocks.slots[slot][..end], out.pending());
            self.samples += (end / bytes) as u64;
            self.count += 1;
            self.blocks.free.push(slot);
        }
        Ok(())
    }

    /// Writes silence up to a block that does not follow the one before.
    fn fill_gap(&mut self, timestamp: u32, out: &mut Output) -> Result<(), ExportError> {
        let longest = LONGEST_GAP_S * u64::from(self.format.sample_rate());
        let samples = self.format.block_samples();
        match self.timeline.add(timestamp, samples, longest) {
            Between::Nothing => {}
            Between::Jump => self.jumps += 1,
            Between::Samples(gap) => {
                self.note_silence(self.samples, gap.into());
                self.samples += u64::from(gap);
                out.zeros(u64::from(gap) * wav::sample_bytes(&self.format))?;
            }
        }
        Ok(())
    }

    fn note_silence(&mut self, first: u64, samples: u64) {
        self.silent += samples;
        let last = self.silences.last_mut();
        if let Some(last) = last.filter(|it| it.first_sample + it.samples == first) {
            last.samples += samples;
        } else if self.silences.len() < LISTED {
            self.silences.push(Silence {
                first_sample: first,
                samples,
            });
        }
    }

    pub(super) fn count(&self, exported: &mut Exported) {
        exported.frames = self.count;
        let (silent, jumps) = (self.silent, self.jumps);
        exported.samples = Some(self.samples);
        exported.silent_samples = (silent > 0).then_some(silent);
        exported.timestamp_jumps = (jumps > 0).then_some(jumps);
        exported.silences.clone_from(&self.silences);
    }
}

/// The time of a block's first sample: of its timestamp if the sender follows TAI, or UTC, else of its capture.
fn start_of(clock: RtpClock, report: &UnitReport) -> WavTime {
    let captured_ns = report.first_packet_ns;
    let by_clock = |ahead_ns: u64| {
        let near_ns = captured_ns.saturating_add(ahead_ns);
        let sampled_ns = clock.nearest_ns(report.rtp_timestamp, near_ns);
        let is_its = sampled_ns.abs_diff(near_ns) <= SAME_CLOCK_NS;
        is_its.then(|| sampled_ns.saturating_sub(ahead_ns))
    };
    let ns = by_clock(TAI_AHEAD_NS).or_else(|| by_clock(0));
    let ns = ns.unwrap_or(captured_ns);
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(ns);
    let text = humantime::format_rfc3339_seconds(time).to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    let of_day = u128::from(ns % 86_400_000_000_000) * u128::from(clock.hz);
    WavTime {
        date: date.to_owned(),
        time: time.trim_end_matches('Z').to_owned(),
        samples: u64::try_from(of_day.div_ceil(1_000_000_000)).unwrap_or(0),
    }
}
