//! Video as an essence.

use std::fmt::{self, Debug};
use std::time::Duration;

use super::assembly::{Assembler, AssemblerConfig, Malformed};
use super::sending::{FramePacketiser, TestPattern, VideoNotSendable};
use super::st2110_21::{Declared, Monitor};
use super::{ListedVideo, Picture, RTP_CLOCK_HZ, VideoDocument, VideoStream};
use crate::essence::Essence;
use crate::invalid::SpecErrors;

/// For people: the frames.
impl fmt::Display for VideoStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.format, f)
    }
}

impl Essence for VideoStream {
    type Document = VideoDocument;
    type Seen = Picture;
    type Listed = ListedVideo;
    type Receive<S: Copy + Debug> = Assembler<S>;
    type Send = FramePacketiser;
    type Signal = TestPattern;
    type Timing = Monitor;
    type NotSendable = VideoNotSendable;

    const REASONS: &'static [&'static str] = &Malformed::NAMES;

    const OF_OTHER_FORMATS: &'static [&'static str] = &Malformed::OF_OTHER_FORMATS;

    const NAME: &'static str = "ST 2110-20 video";

    fn check(document: &VideoDocument) -> Result<Self, SpecErrors> {
        document.try_into()
    }

    fn of_sender(mut self) -> Self {
        self.sender_type.get_or_insert_default();
        self
    }

    fn clock_hz(&self) -> u32 {
        RTP_CLOCK_HZ
    }

    fn unit_bytes(&self) -> usize {
        self.format.frame_bytes()
    }

    /// A period is a frame, also if its units are fields.
    fn period_ns(&self, periods: u64) -> u64 {
        self.format.rate().nanos(periods)
    }

    fn bytes_per_second(&self) -> u64 {
        let rate = self.format.buffer_rate();
        let bytes = self.format.frame_bytes() as u64 * u64::from(rate.numerator());
        bytes / u64::from(rate.denominator())
    }

    fn units_in_1000_s(&self) -> u64 {
        let rate = self.format.buffer_rate();
        u64::from(rate.numerator()) * 1_000 / u64::from(rate.denominator())
    }

    fn units_time(&self, units: u32) -> Duration {
        let rate = self.format.buffer_rate();
        Duration::from_secs(u64::from(units * rate.denominator())) / rate.numerator()
    }

    fn has_units_of(&self, other: &Self) -> bool {
        self.format == other.format
    }

    fn differs_from(&self, seen: &Picture) -> bool {
        seen.differs_from(&self.format)
    }

    fn max_udp(&self) -> u16 {
        self.max_udp
    }

    fn receive<S: Copy + Debug>(&self, payload_type: u8, timeout_ns: u64) -> Assembler<S> {
        Assembler::new(AssemblerConfig {
            format: self.format,
            payload_type,
            timeout_ns,
        })
    }

    fn send(&self, max_bytes: usize) -> Result<FramePacketiser, VideoNotSendable> {
        FramePacketiser::new(self, max_bytes)
    }

    fn signal(&self) -> Result<TestPattern, VideoNotSendable> {
        Ok(TestPattern::new(&self.format)?)
    }

    fn monitor(&self) -> Option<Monitor> {
        let rate = self.format.rate();
        let rate = (rate.numerator(), rate.denominator());
        let monitor = Monitor::new(self.format.height(), self.format.scan(), rate)?;
        Some(monitor.declared_as(Declared::from(self)))
    }

    fn declare(&self, timing: &mut Monitor) {
        timing.declare(self.into());
    }
}
