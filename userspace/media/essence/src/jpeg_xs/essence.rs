//! JPEG XS as an essence.

use std::fmt::{self, Debug};
use std::time::Duration;

use super::{
    CodestreamPacketiser, CodestreamPattern, CodestreamReceiver, JpegXsDocument, JpegXsMonitor,
    JpegXsNotSendable, JpegXsStream, ListedJpegXs, Malformed, SeenJpegXs,
};
use crate::essence::Essence;
use crate::invalid::SpecErrors;
use crate::jpeg_xs::codestream::Structure;
use crate::video::{FrameRate, RTP_CLOCK_HZ, Scan};

/// For people.
impl fmt::Display for JpegXsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&JpegXsDocument::from(self.clone()), f)
    }
}

impl Essence for JpegXsStream {
    type Document = JpegXsDocument;
    type Seen = SeenJpegXs;
    type Listed = ListedJpegXs;
    type Receive<S: Copy + Debug> = CodestreamReceiver<S>;
    type Send = CodestreamPacketiser;
    type Signal = CodestreamPattern;
    type Timing = JpegXsMonitor;
    type NotSendable = JpegXsNotSendable;

    const REASONS: &'static [&'static str] = &Malformed::NAMES;

    const OF_OTHER_FORMATS: &'static [&'static str] = &Malformed::OF_OTHER_FORMATS;

    const NAME: &'static str = "ST 2110-22 JPEG XS";

    fn check(document: &JpegXsDocument) -> Result<Self, SpecErrors> {
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
        self.bytes as usize
    }

    /// A period is a frame, also if its units are fields.
    fn period_ns(&self, periods: u64) -> u64 {
        self.rate.nanos(periods)
    }

    fn bytes_per_second(&self) -> u64 {
        let rate = self.unit_rate();
        u64::from(self.bytes) * u64::from(rate.numerator()) / u64::from(rate.denominator())
    }

    fn units_in_1000_s(&self) -> u64 {
        let rate = self.unit_rate();
        u64::from(rate.numerator()) * 1_000 / u64::from(rate.denominator())
    }

    fn units_time(&self, units: u32) -> Duration {
        Duration::from_nanos(self.unit_rate().nanos(units.into()))
    }

    fn has_units_of(&self, other: &Self) -> bool {
        let unit = |it: &Self| {
            let picture = (it.width, it.height, it.sampling, it.depth);
            (picture, it.interlaced, it.rate, it.bytes)
        };
        unit(self) == unit(other)
    }

    fn differs_from(&self, seen: &SeenJpegXs) -> bool {
        let (scan, heights) = match self.interlaced {
            // Seen as twice one of the fields.
            true => (
                Scan::Interlaced,
                [self.height / 2 * 2, self.height.div_ceil(2) * 2],
            ),
            false => (Scan::Progressive, [self.height; 2]),
        };
        let rate = seen.frame_rate.parse::<FrameRate>();
        let other_rate = rate.is_ok_and(|it| !self.rate.may_be((it.numerator(), it.denominator())));
        (seen.jpeg_xs_width, seen.scan) != (self.width, scan)
            || !heights.contains(&seen.height)
            || other_rate
            || seen.depth != u32::from(self.depth.bits())
            || Structure::of(seen.sampling) != Structure::of(self.sampling)
            || (seen.packet_mode, !seen.out_of_order) != (self.mode, self.in_order)
            || seen.bytes > self.bytes
    }

    fn max_udp(&self) -> u16 {
        self.max_udp
    }

    fn receive<S: Copy + Debug>(&self, payload_type: u8, timeout_ns: u64) -> CodestreamReceiver<S> {
        CodestreamReceiver::new(self, payload_type, timeout_ns)
    }

    fn send(&self, max_bytes: usize) -> Result<CodestreamPacketiser, JpegXsNotSendable> {
        CodestreamPacketiser::new(self, max_bytes)
    }

    fn signal(&self) -> Result<CodestreamPattern, JpegXsNotSendable> {
        CodestreamPattern::new(self)
    }

    fn monitor(&self) -> Option<JpegXsMonitor> {
        JpegXsMonitor::new(self)
    }

    fn declare(&self, timing: &mut JpegXsMonitor) {
        timing.declare(self);
    }
}
