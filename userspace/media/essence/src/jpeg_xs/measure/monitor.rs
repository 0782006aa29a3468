//! Measures the packets of a source.

use super::document::JpegXsTiming;
use crate::jpeg_xs::codestream::{Structure, UnitHeader};
use crate::jpeg_xs::rfc9134::{self, PayloadHeader};
use crate::jpeg_xs::{JpegXsStream, PacketMode};
use crate::measure::{Gauge, Measure, Range};
use crate::media_time;
use crate::rtp::{self, RtpHeader};
use crate::video::st2110_21::{Declared, Judgement, Monitor, Second, Verdict};
use crate::video::timing::{ComplianceVerdict, TimingRange};
use crate::video::{RTP_CLOCK_HZ, Scan, SenderType};

/// Lines of a picture: they decide only what is not measured here.
const ANY_HEIGHT: u32 = 1080;
/// Figures older than this are of packets that no longer arrive, in nanoseconds.
const OLD_NS: u64 = 3_000_000_000;
/// Bytes of a packet before its RTP payload's codestream.
const OVERHEAD: u64 = 20 + 8 + rtp::HEADER_BYTES as u64 + 4;

/// Measures the packets of one source. Allocates only in its constructor, and in [`Measure::document`].
#[derive(Debug, Clone)]
pub struct JpegXsMonitor {
    stream: JpegXsStream,
    /// Knows no TAI: there is no schedule by which the packets are read.
    packets: Monitor,
    constant: Constant,
    /// Times of the units of this second after their timestamps, and of the last one.
    after: [Range; 2],
    last_ns: u64,
}

impl JpegXsMonitor {
    /// Before the first packet; `None` if the rate cannot be measured.
    #[must_use]
    pub fn new(stream: &JpegXsStream) -> Option<Self> {
        let rate = stream.unit_rate();
        let rate = (rate.numerator(), rate.denominator());
        // Each unit has a marker and a timestamp of its own, as a frame.
        let packets = Monitor::new(ANY_HEIGHT, Scan::Progressive, rate)?;
        Some(Self {
            packets: packets.declared_as(declared(stream)),
            stream: stream.clone(),
            constant: Constant::default(),
            after: Default::default(),
            last_ns: 0,
        })
    }

    /// Measures by what this format, of the same units, says of its sender. Does not allocate.
    pub(crate) fn declare(&mut self, stream: &JpegXsStream) {
        (self.stream.sender_type, self.stream.cmax) = (stream.sender_type, stream.cmax);
        self.packets.declare(declared(stream));
    }

    fn begins(&mut self, tai_ns: u64, timestamp: u32) {
        let time_ns = media_time::nearest_ns(timestamp, RTP_CLOCK_HZ, tai_ns);
        let after_ns = i128::from(tai_ns) - i128::from(time_ns);
        let after_ns = i64::try_from(after_ns).unwrap_or(i64::MAX);
        self.after[0].add(after_ns);
    }

    /// How long after a unit's time its first packet came, in the last second; `None`: no unit began.
    fn range(&self) -> Option<TimingRange> {
        let after = &self.after[1];
        Some(TimingRange {
            min: after.min,
            mean: after.mean()?,
            max: after.max,
        })
    }

    /// Ends a second, if one is over.
    fn end_second(&mut self, is_over: bool) -> bool {
        if is_over {
            self.after = [Range::default(), self.after[0]];
        }
        is_over
    }

    fn last_second(&self, now_ns: u64) -> Option<Second> {
        let age_ns = now_ns.saturating_sub(self.packets.ended_ns());
        self.packets.last_second().filter(|_| age_ns < OLD_NS)
    }
}

fn declared(stream: &JpegXsStream) -> Declared {
    Declared {
        // A receiver reads by no schedule: narrow is linear.
        sender: stream.sender_type.map(|it| match it {
            SenderType::Narrow => SenderType::NarrowLinear,
            other => other,
        }),
        offset_ns: None,
        max_udp: None,
        cmax: stream.cmax,
    }
}

fn verdict(found: &Verdict) -> ComplianceVerdict {
    match found.complies {
        Some(SenderType::Narrow) => ComplianceVerdict::Narrow,
        Some(SenderType::NarrowLinear) => ComplianceVerdict::NarrowLinear,
        Some(SenderType::Wide) => ComplianceVerdict::Wide,
        None => ComplianceVerdict::NotCompliant,
    }
}

impl Measure for JpegXsMonitor {
    type Document = JpegXsTiming;

    fn reads_payloads(&self) -> bool {
        true
    }

    fn packet(&mut self, at_ns: u64, tai_ns: Option<u64>, rtp: &RtpHeader, payload: &[u8]) -> bool {
        self.last_ns = at_ns;
        let begins = self.constant.packet(&self.stream, rtp, payload);
        if let Some(tai_ns) = tai_ns.filter(|_| begins) {
            self.begins(tai_ns, rtp.timestamp);
        }
        // A pause may have ended the last second.
        let is_under_way = self.packets.due_ns().is_some();
        let header = PayloadHeader::parse(payload);
        let marker = header.is_ok_and(|(it, _)| it.ends(rtp.marker));
        let rtp = RtpHeader { marker, ..*rtp };
        let is_new = self.packets.packet(at_ns, None, &rtp);
        self.end_second(is_new && is_under_way);
        is_new
    }

    fn repeat(&mut self, times: u32) {
        self.packets.repeat(times);
    }

    fn pause(&mut self, now_ns: u64) -> bool {
        let is_over = self.packets.pause(now_ns);
        self.end_second(is_over)
    }

    fn due_ns(&self) -> Option<u64> {
        self.packets.due_ns()
    }

    fn fetch(&self, at_ns: u64, fetch: impl FnMut(&u64)) {
        self.packets.next_counts(at_ns).for_each(fetch);
    }

    fn document(&self, now_ns: u64) -> Option<JpegXsTiming> {
        let measured = self.packets.measurement()?;
        let usual = self.constant.usual?;
        let cinst_max = u64::try_from(measured.cinst().max()?).unwrap_or(0);
        let second = self.last_second(now_ns);
        let judged = |it: Second| self.packets.declared().judge(&it.verdict, it.cinst);
        let bytes = usual.bytes + u64::from(usual.packets) * OVERHEAD;
        let rate = self.stream.unit_rate();
        let bits = u128::from(bytes) * 8 * u128::from(rate.numerator());
        let kbps = bits / (1_000 * u128::from(rate.denominator()));
        Some(JpegXsTiming {
            units: self.constant.units,
            unit_bytes: usual.bytes,
            unit_packets: usual.packets,
            units_of_other_bytes: self.constant.other_bytes,
            units_of_other_packets: self.constant.other_packets,
            units_of_other_boxes: self.constant.other_boxes,
            bandwidth_kbps: u64::try_from(kbps).unwrap_or(u64::MAX),
            cinst_max,
            cmax_narrow: measured.limits().cmax_narrow,
            cmax_wide: measured.limits().cmax_wide,
            last_second: second.map(|it| verdict(&it.verdict)),
            since_start: measured.verdict(false).as_ref().map(verdict),
            declared: self.stream.sender_type,
            as_declared: second
                .and_then(judged)
                .map(|it| it == Judgement::AsDeclared),
            after_timestamp_ns: self.range(),
            restarts: self.packets.restarts(),
        })
    }

    fn gauges(&self, now_ns: u64, visit: &mut dyn FnMut(Gauge)) {
        let Some(second) = self.last_second(now_ns) else {
            return;
        };
        let mut gauge = |name, help, label, count: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a count")]
            let value = count as f64;
            visit(Gauge {
                name,
                help,
                label,
                value,
            });
        };
        gauge(
            "onair_session_cinst_max",
            "Highest Cinst (ST 2110-21) in the last second, by the times of the poller.",
            None,
            second.cinst,
        );
        for (what, count) in [
            ("bytes", self.constant.other_bytes),
            ("packets", self.constant.other_packets),
        ] {
            gauge(
                "onair_session_jpeg_xs_not_constant",
                "Frames or fields with another number of bytes or packets than the first (ST 2110-22).",
                Some(("what", what)),
                count,
            );
        }
        for one in ComplianceVerdict::ALL {
            gauge(
                "onair_session_compliance",
                "1 for the sender type of ST 2110-21 that the last second complies with.",
                Some(("verdict", one.as_str())),
                u64::from(verdict(&second.verdict) == *one),
            );
        }
    }

    fn away_ns(&self, now_ns: u64) -> Option<f64> {
        let is_now = now_ns.saturating_sub(self.last_ns) < OLD_NS;
        self.after[1].away_ns().filter(|_| is_now)
    }

    fn copy_from(&mut self, other: &Self) {
        self.packets.copy_from(&other.packets);
        (self.constant, self.after, self.last_ns) = (other.constant, other.after, other.last_ns);
        (self.stream.sender_type, self.stream.cmax) = (other.stream.sender_type, other.stream.cmax);
    }
}

/// Bytes and packets of a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) bytes: u64,
    pub(super) packets: u32,
}

/// The unit that arrives.
#[derive(Debug, Clone, Copy)]
struct Current {
    timestamp: u32,
    /// Sequence number of its last packet.
    sequence: u16,
    size: Size,
}

/// Counts the units of a source.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Constant {
    ssrc: Option<u32>,
    /// `None` if its start or a packet is missing.
    current: Option<Current>,
    /// The first whole unit.
    pub(super) usual: Option<Size>,
    /// Whole units.
    pub(super) units: u64,
    /// Of these, units of another size.
    pub(super) other_bytes: u64,
    pub(super) other_packets: u64,
    /// Units whose video information box contradicts the samples of the format.
    pub(super) other_boxes: u64,
}

impl Constant {
    /// Adds a packet. Returns whether a unit begins with it.
    pub(super) fn packet(
        &mut self,
        stream: &JpegXsStream,
        rtp: &RtpHeader,
        payload: &[u8],
    ) -> bool {
        if self.ssrc.replace(rtp.ssrc) != Some(rtp.ssrc) {
            (self.current, self.usual) = (None, None);
        }
        let Ok((header, data)) = PayloadHeader::parse(payload) else {
            self.current = None;
            return false;
        };
        let begins = header.place() == 0;
        if begins {
            self.boxes(stream, data);
            self.current = Some(Current {
                timestamp: rtp.timestamp,
                sequence: rtp.sequence.wrapping_sub(1),
                size: Size::default(),
            });
        }
        let follows = |it: &&mut Current| {
            it.timestamp == rtp.timestamp && it.sequence.wrapping_add(1) == rtp.sequence
        };
        // Out of order, slices say nothing of the start of a unit.
        let is_counted = header.in_order || header.mode == PacketMode::Codestream;
        match self.current.as_mut().filter(follows).filter(|_| is_counted) {
            None => self.current = None,
            Some(current) => {
                current.sequence = rtp.sequence;
                current.size.bytes += (payload.len() - rfc9134::HEADER_BYTES) as u64;
                current.size.packets += 1;
                if header.ends(rtp.marker) {
                    let size = current.size;
                    self.current = None;
                    self.unit(size);
                }
            }
        }
        begins
    }

    fn unit(&mut self, size: Size) {
        let usual = *self.usual.get_or_insert(size);
        self.units += 1;
        self.other_bytes += u64::from(size.bytes != usual.bytes);
        self.other_packets += u64::from(size.packets != usual.packets);
    }

    fn boxes(&mut self, stream: &JpegXsStream, data: &[u8]) {
        let Ok(header) = UnitHeader::parse(data) else {
            return;
        };
        let (depth, structure) = (stream.depth.bits(), Structure::of(stream.sampling));
        let is_other = |it: crate::jpeg_xs::codestream::BoxSamples| !it.is(depth, structure);
        self.other_boxes += u64::from(header.boxes.samples.is_some_and(is_other));
    }
}
