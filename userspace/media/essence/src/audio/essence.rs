//! Audio as an essence.

use std::fmt::{self, Debug};
use std::time::Duration;

use super::{
    AudioDocument, AudioFormat, AudioMonitor, AudioNotSendable, BlockAssembler, BlockPacketiser,
    ListedAudio, Malformed, SeenAudio, Tone,
};
use crate::STANDARD_MAX_UDP;
use crate::essence::Essence;
use crate::invalid::SpecErrors;

/// For people.
impl fmt::Display for AudioFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&AudioDocument::from(self.clone()), f)
    }
}

impl Essence for AudioFormat {
    type Document = AudioDocument;
    type Seen = SeenAudio;
    type Listed = ListedAudio;
    type Receive<S: Copy + Debug> = BlockAssembler<S>;
    type Send = BlockPacketiser;
    type Signal = Tone;
    type Timing = AudioMonitor;
    type NotSendable = AudioNotSendable;

    const REASONS: &'static [&'static str] = &Malformed::NAMES;

    const OF_OTHER_FORMATS: &'static [&'static str] = &Malformed::OF_OTHER_FORMATS;

    const NAME: &'static str = "ST 2110-30 audio";

    fn check(document: &AudioDocument) -> Result<Self, SpecErrors> {
        document.try_into()
    }

    fn of_sender(self) -> Self {
        self
    }

    fn clock_hz(&self) -> u32 {
        self.sample_rate
    }

    fn unit_bytes(&self) -> usize {
        self.block_bytes()
    }

    fn period_ns(&self, periods: u64) -> u64 {
        self.nanos(periods.saturating_mul(self.block_samples.into()))
    }

    fn bytes_per_second(&self) -> u64 {
        u64::from(self.sample_rate) * self.sample_bytes() as u64
    }

    fn units_in_1000_s(&self) -> u64 {
        u64::from(self.sample_rate) * 1_000 / u64::from(self.block_samples)
    }

    fn packets_a_unit(&self) -> u64 {
        (self.block_samples / self.packet_samples().max(1)).into()
    }

    fn trains_in_1000_s(&self) -> u64 {
        u64::from(self.sample_rate) * 1_000 / u64::from(self.packet_samples().max(1))
    }

    fn units_time(&self, units: u32) -> Duration {
        Duration::from_nanos(self.period_ns(units.into()))
    }

    fn has_units_of(&self, other: &Self) -> bool {
        let unit = |it: &Self| (it.coding, it.sample_rate, it.channels, it.block_samples);
        unit(self) == unit(other)
    }

    fn differs_from(&self, seen: &SeenAudio) -> bool {
        seen.differs_from(self)
    }

    fn max_udp(&self) -> u16 {
        STANDARD_MAX_UDP
    }

    fn receive<S: Copy + Debug>(&self, payload_type: u8, timeout_ns: u64) -> BlockAssembler<S> {
        BlockAssembler::new(self, payload_type, timeout_ns)
    }

    fn send(&self, max_bytes: usize) -> Result<BlockPacketiser, AudioNotSendable> {
        BlockPacketiser::new(self, max_bytes)
    }

    fn signal(&self) -> Result<Tone, AudioNotSendable> {
        Ok(Tone::new(self))
    }

    fn monitor(&self) -> Option<AudioMonitor> {
        Some(AudioMonitor::new(self))
    }

    fn declare(&self, timing: &mut AudioMonitor) {
        timing.declare(self);
    }
}
