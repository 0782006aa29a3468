//! When a receiver reads the packets of a stream: the packet read schedule (ST 2110-21 §6).

use crate::video::{Scan, SenderType};

/// Highest numerator and denominator of a rate.
const MAX_RATE_TERM: u32 = 1_000_000;
/// Most packets in a frame or field.
const MAX_PACKETS: u32 = 131_072;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Which packet read schedule a stream follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reads {
    /// Packets in the active part of the picture only (§6.3).
    Gapped,
    /// Packets spread evenly over the whole period (§6.4).
    Linear,
}

impl Reads {
    /// The schedule of a sender type (§7): a receiver reads wide senders linearly.
    #[must_use]
    pub const fn of(sender: SenderType) -> Self {
        match sender {
            SenderType::Narrow => Self::Gapped,
            SenderType::NarrowLinear | SenderType::Wide => Self::Linear,
        }
    }
}

/// A video stream, as far as its timing needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Lines of the whole frame.
    pub height: u32,
    /// Fields or segments: two a frame, each ended by a marker. Segments of a frame have its timestamp
    /// (ST 2110-20 §6.1.5).
    pub scan: Scan,
    /// Frames a second: numerator and denominator. Not the fields of interlaced video.
    pub rate: (u32, u32),
    /// Packets of a frame, or of a field if the video is interlaced.
    pub packets: u32,
    /// The packet read schedule.
    pub reads: Reads,
    /// TROFFSET in nanoseconds; `None` for the default of ST 2110-21.
    pub offset_ns: Option<u64>,
    /// Largest UDP datagram in bytes (`MAXUDP`), if that is known.
    pub max_udp: Option<u16>,
}

impl Stream {
    /// Units of a frame: itself, or its two fields or segments.
    #[must_use]
    pub const fn units_a_frame(&self) -> u32 {
        match self.scan {
            Scan::Progressive => 1,
            Scan::Interlaced | Scan::Psf => 2,
        }
    }
}

/// Why no schedule can be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Rate with a term of zero or too large.
    #[error("rate {0}/{1} cannot be measured: give terms from 1 to {MAX_RATE_TERM}")]
    Rate(u32, u32),
    /// No packet, or too many.
    #[error("{0} packets a frame cannot be measured: give 1 to {MAX_PACKETS}")]
    Packets(u32),
    /// More than a second after the frame's time.
    #[error("an offset of {0} ns cannot be measured: give at most a second")]
    Offset(u64),
}

/// A fraction of nanoseconds in lowest terms.
#[derive(Debug, Clone, Copy)]
struct Ratio {
    num: u128,
    den: u128,
}

impl Ratio {
    fn new(num: u128, den: u128) -> Self {
        let common = gcd(num, den).max(1);
        Self {
            num: num / common,
            den: den / common,
        }
    }

    fn times(self, num: u64, den: u64) -> Self {
        Self::new(self.num * u128::from(num), self.den * u128::from(den))
    }
}

const fn gcd(a: u128, b: u128) -> u128 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The exact times of a stream, in its own unit: 1/[`Self::scale`] nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    scale: i128,
    period: i128,
    spacing: i128,
    offset: i128,
    /// The offset is not the default.
    has_own_offset: bool,
    /// Frames or fields a second.
    rate: (u64, u64),
    /// Two units have the timestamp of the first.
    is_segmented: bool,
    /// Reads in half a line, by which those of a second field may come later.
    half_line: i64,
    /// Drain period of the network model: `drain.0 / drain.1` nanoseconds.
    drain: (u64, u64),
}

impl Schedule {
    /// The schedule of `stream`.
    ///
    /// # Errors
    /// [`ScheduleError`]: the first value that is out of range.
    pub fn new(stream: &Stream) -> Result<Self, ScheduleError> {
        let (rate, packets) = (stream.rate, stream.packets);
        let valid = 1..=MAX_RATE_TERM;
        if !valid.contains(&rate.0) || !valid.contains(&rate.1) {
            return Err(ScheduleError::Rate(rate.0, rate.1));
        }
        if !(1..=MAX_PACKETS).contains(&packets) {
            return Err(ScheduleError::Packets(packets));
        }
        if let Some(offset_ns) = stream.offset_ns
            && offset_ns > NANOS_PER_SECOND
        {
            return Err(ScheduleError::Offset(offset_ns));
        }
        let frame = Ratio::new(
            u128::from(rate.1) * u128::from(NANOS_PER_SECOND),
            rate.0.into(),
        );
        let units = u64::from(stream.units_a_frame());
        let period = frame.times(1, units);
        let (active, lines) = active(stream);
        let spacing = period.times(active, lines * u64::from(packets));
        let (before, of) = default_offset(stream);
        let offset = match stream.offset_ns {
            Some(offset_ns) => Ratio::new(offset_ns.into(), 1),
            None => frame.times(before, of),
        };
        let drain = period.times(10, 11 * u64::from(packets));
        let scale = [period, spacing, offset]
            .iter()
            .fold(1, |scale, it| scale / gcd(scale, it.den) * it.den);
        let scaled = |it: Ratio| signed(it.num * (scale / it.den));
        Ok(Self {
            rate: (u64::from(rate.0) * units, rate.1.into()),
            scale: signed(scale),
            period: scaled(period),
            spacing: scaled(spacing),
            offset: scaled(offset),
            is_segmented: stream.scan == Scan::Psf,
            half_line: match stream.reads {
                Reads::Gapped => i64::try_from(half_line(stream)).unwrap_or(i64::MAX),
                Reads::Linear => 0,
            },
            has_own_offset: stream.offset_ns.is_some(),
            drain: (narrow(drain.num), narrow(drain.den)),
        })
    }

    /// Parts of a nanosecond that are the unit of this schedule.
    #[must_use]
    pub const fn scale(&self) -> i128 {
        self.scale
    }

    pub(super) const fn period(&self) -> i128 {
        self.period
    }

    pub(super) const fn spacing(&self) -> i128 {
        self.spacing
    }

    pub(super) const fn offset(&self) -> i128 {
        self.offset
    }

    /// Reads of `unit` that may come half a line later than those of EBU LIST, which has no half lines.
    pub(super) const fn later_reads(&self, unit: u64) -> i64 {
        if unit % 2 == 1 { self.half_line } else { 0 }
    }

    pub(super) const fn drain(&self) -> (u64, u64) {
        self.drain
    }

    /// Period of a frame or field, in nanoseconds, rounded down.
    #[must_use]
    pub fn period_ns(&self) -> u64 {
        u64::try_from(self.period / self.scale).unwrap_or(u64::MAX)
    }

    /// TRS, the time between two reads, in nanoseconds.
    #[must_use]
    pub fn spacing_ns(&self) -> f64 {
        float(self.spacing) / float(self.scale)
    }

    /// TROFFSET in nanoseconds.
    #[must_use]
    pub fn offset_ns(&self) -> f64 {
        float(self.offset) / float(self.scale)
    }

    /// TDRAIN, the time in which the network model loses a packet, in nanoseconds.
    #[must_use]
    pub fn drain_ns(&self) -> f64 {
        float(self.drain.0.into()) / float(self.drain.1.into())
    }

    /// The frame or field in whose time `tai_ns` is, counted from the epoch.
    #[must_use]
    pub fn unit_at(&self, tai_ns: u64) -> u64 {
        let at = i128::from(tai_ns) * self.scale;
        u64::try_from(at / self.period).unwrap_or(u64::MAX)
    }

    /// The frame or field whose first packet comes at `tai_ns`: by the default offset, the one in whose time
    /// it comes, as EBU LIST has it; by an offset of the sender's own, the one with the nearest first read.
    #[must_use]
    pub(super) fn unit_of_first(&self, tai_ns: u64) -> u64 {
        if !self.has_own_offset {
            return self.unit_at(tai_ns);
        }
        let at = i128::from(tai_ns) * self.scale - self.offset + self.period / 2;
        u64::try_from(at / self.period).unwrap_or(0)
    }

    /// The unit at whose start the RTP timestamp of `unit` is.
    #[must_use]
    pub(super) const fn stamped(&self, unit: u64) -> u64 {
        if self.is_segmented {
            unit - unit % 2
        } else {
            unit
        }
    }

    /// When frame or field `unit` starts, in nanoseconds since the epoch, rounded down.
    #[must_use]
    pub fn start_ns(&self, unit: u64) -> u64 {
        u64::try_from(i128::from(unit) * self.period / self.scale).unwrap_or(u64::MAX)
    }

    /// The tick of a clock of `hz` that is nearest to the start of `unit`; of two the later.
    pub(super) fn nearest_tick(&self, unit: u64, hz: u32) -> u128 {
        let (num, den) = (u128::from(self.rate.0), u128::from(self.rate.1));
        (2 * u128::from(unit) * u128::from(hz) * den + num) / (2 * num)
    }

    /// The first time in whole nanoseconds at which a receiver may read packet `packet` of `unit`:
    /// TPR, rounded up.
    #[must_use]
    pub fn read_ns(&self, unit: u64, packet: u32) -> u64 {
        let at = i128::from(unit) * self.period + self.offset + i128::from(packet) * self.spacing;
        u64::try_from((at + self.scale - 1) / self.scale).unwrap_or(u64::MAX)
    }
}

/// Active and total lines, by which the gapped schedule compresses (§6.3.2, §6.3.3).
pub(crate) const fn active(stream: &Stream) -> (u64, u64) {
    match (stream.reads, stream.units_a_frame(), stream.height) {
        (Reads::Linear, ..) => (1, 1),
        (Reads::Gapped, 2, 0..576) => (487, 525),
        (Reads::Gapped, 2, 576..1080) => (576, 625),
        (Reads::Gapped, ..) => (1080, 1125),
    }
}

/// Default TROFFSET as a part of the frame's period (§6.3.2, §6.3.3).
pub(crate) const fn default_offset(stream: &Stream) -> (u64, u64) {
    match (stream.units_a_frame(), stream.height) {
        (2, 0..576) => (20, 525),
        (2, 576..1080) => (26, 625),
        (2, _) => (22, 1125),
        (_, 0..1080) => (28, 750),
        (_, _) => (43, 1125),
    }
}

/// Reads in half a line, rounded up: by so much a receiver reads the second field later than half a
/// frame after the first (ST 2110-21 §6.3.3).
pub(crate) fn half_line(stream: &Stream) -> u64 {
    let (_, lines) = default_offset(stream);
    let (active, of) = active(stream);
    let reads = u64::from(stream.packets) * of;
    if stream.units_a_frame() == 2 {
        reads.div_ceil(lines * active)
    } else {
        0
    }
}

fn signed(value: u128) -> i128 {
    i128::try_from(value).expect("the terms of a rate and the packets are limited")
}

fn narrow(value: u128) -> u64 {
    u64::try_from(value).expect("the terms of a rate and the packets are limited")
}

/// Both terms of each quotient are below 2^53 for real streams, so that it is rounded once.
#[expect(clippy::cast_precision_loss, reason = "for people and for ties")]
pub(super) const fn float(value: i128) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn progressive(height: u32, rate: (u32, u32), packets: u32) -> Stream {
        Stream {
            height,
            scan: Scan::Progressive,
            rate,
            packets,
            reads: Reads::Gapped,
            offset_ns: None,
            max_udp: None,
        }
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 0.005, "{a} is not {b}");
    }

    #[test]
    fn schedule_of_common_formats_is_that_of_the_standard() {
        let ntsc = (60_000, 1001);
        for (height, rate, packets, gapped, linear, offset) in [
            (1080, ntsc, 4320, 3_707.41, 3_861.88, 637_674.07),
            (1080, (50, 1), 4320, 4_444.44, 4_629.63, 764_444.44),
            (720, (50, 1), 1920, 10_000.0, 10_416.67, 746_666.67),
            (2160, ntsc, 17_280, 926.85, 965.47, 637_674.07),
        ] {
            let stream = progressive(height, rate, packets);
            let schedule = Schedule::new(&stream).unwrap();
            close(schedule.spacing_ns(), gapped);
            close(schedule.offset_ns(), offset);
            close(schedule.drain_ns(), linear / 1.1);
            let reads = Reads::Linear;
            let schedule = Schedule::new(&Stream { reads, ..stream }).unwrap();
            close(schedule.spacing_ns(), linear);
            close(schedule.offset_ns(), offset);
        }
    }

    #[test]
    fn schedule_of_interlaced_video_counts_fields() {
        for (height, rate, packets, spacing, offset) in [
            (1080, (30_000, 1001), 2160, 7_414.81, 652_503.70),
            (576, (25, 1), 756, 24_380.95, 1_664_000.0),
            (486, (30_000, 1001), 640, 24_180.90, 1_271_111.11),
        ] {
            let stream = Stream {
                scan: Scan::Interlaced,
                ..progressive(height, rate, packets)
            };
            let schedule = Schedule::new(&stream).unwrap();
            close(schedule.spacing_ns(), spacing);
            close(schedule.offset_ns(), offset);
        }
    }

    #[test]
    fn schedule_far_from_the_epoch_is_exact() {
        let schedule = Schedule::new(&progressive(1080, (60_000, 1001), 4320)).unwrap();
        // 60,000 frames take 1001 s.
        let unit = 60_000 * 2_000_000;
        let start = 1001 * 2_000_000 * NANOS_PER_SECOND;
        assert_eq!(schedule.start_ns(unit), start);
        assert_eq!(schedule.unit_at(start), unit);
        assert_eq!(schedule.unit_at(start - 1), unit - 1);
        assert_eq!(schedule.read_ns(unit, 0), start + 637_675);
    }

    #[test]
    fn first_packet_near_an_own_offset_is_of_that_offsets_unit() {
        let of = |offset_ns| {
            let stream = Stream {
                offset_ns,
                ..progressive(1080, (50, 1), 4320)
            };
            Schedule::new(&stream).unwrap()
        };
        let start: i64 = 50_000 * 20_000_000;
        // One that comes a little early or late is still of its unit.
        for (offset_ns, after_ns) in [
            (0, -300),
            (0, 400),
            (19_999_000, -900_000),
            (19_999_000, 9_000),
        ] {
            let offset_ns: i64 = offset_ns;
            let tai_ns = start + offset_ns + after_ns;
            let schedule = of(Some(offset_ns.unsigned_abs()));
            assert_eq!(schedule.unit_of_first(tai_ns.unsigned_abs()), 50_000);
        }
        let default = of(None);
        assert_eq!(
            default.unit_of_first(start.unsigned_abs() + 19_999_999),
            50_000
        );
        assert_eq!(default.unit_of_first(start.unsigned_abs() - 1), 49_999);
    }

    #[test]
    fn schedule_of_values_out_of_range_is_refused() {
        let good = progressive(1080, (50, 1), 4320);
        assert_eq!(
            Schedule::new(&Stream {
                rate: (0, 1),
                ..good
            }),
            Err(ScheduleError::Rate(0, 1))
        );
        assert_eq!(
            Schedule::new(&Stream {
                rate: (50, u32::MAX),
                ..good
            }),
            Err(ScheduleError::Rate(50, u32::MAX))
        );
        assert_eq!(
            Schedule::new(&Stream { packets: 0, ..good }),
            Err(ScheduleError::Packets(0))
        );
        let offset_ns = Some(u64::MAX);
        assert_eq!(
            Schedule::new(&Stream { offset_ns, ..good }),
            Err(ScheduleError::Offset(u64::MAX))
        );
    }
}
