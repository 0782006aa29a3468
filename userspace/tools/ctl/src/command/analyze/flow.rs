//! One stream of a capture: its timing, and its document.

use onair_essence::media_time::RtpClock;
use onair_essence::rtp::RtpHeader;
use onair_essence::survey::{
    self, CapturedPacket, Content, Guess, Measurement, Reads, StreamFormat, Summary, Verdict,
};

use super::series::{Series, Shown};
use super::{FoundStream, Key};
use crate::document::analysis as document;
use crate::document::analysis::{
    Bucket, Count, Extremes, Flow, Histogram, Intervals, Level, Limits, Timing,
};
use crate::document::over_time::Axis;

/// Levels of either model that are told apart: packets of the largest frame.
const LEVELS: u16 = 20_000;
/// A capture within this time of the RTP timestamps follows the sender's clock.
const SAME_CLOCK_NS: f64 = 500e6;
/// TAI minus UTC since 2017.
const TAI_MINUS_UTC_NS: f64 = 37e9;
const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// Largest TS-DF of audio in packet times (EBU Tech 3337).
const TS_DF_PACKETS: u64 = 17;

/// A stream in the second pass.
#[derive(Debug)]
pub(super) struct Measured {
    found: FoundStream,
    format: StreamFormat,
    /// The clock of its timestamps, if that is known.
    clock: Option<RtpClock>,
    timing: Option<Measurement>,
    delay: Delay,
    content: Content,
    /// For the page.
    series: Option<Series>,
}

/// How long after the time of its RTP timestamp each packet came.
#[derive(Debug, Default, Clone, Copy)]
struct Delay {
    all: Summary,
    second: Option<(u64, Summary)>,
    /// Largest difference within a second: TS-DF.
    variation_ns: i64,
}

impl Delay {
    fn add(&mut self, at_ns: u64, delay_ns: i64) {
        self.all.add(delay_ns);
        let start = match self.second {
            Some((start, _)) if at_ns.saturating_sub(start) < NANOS_PER_SECOND => start,
            _ => {
                self.second = None;
                at_ns
            }
        };
        let second = &mut self.second.get_or_insert((start, Summary::default())).1;
        second.add(delay_ns);
        if let (Some(min), Some(max)) = (second.min(), second.max()) {
            self.variation_ns = self.variation_ns.max(max.saturating_sub(min));
        }
    }
}

/// Which clock the times of a capture follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    Tai,
    Utc,
    Other,
}

impl Clock {
    fn of(mean_delay_ns: Option<f64>) -> Self {
        let near = |ns: f64| ns.abs() < SAME_CLOCK_NS;
        match mean_delay_ns {
            Some(delay) if near(delay) => Self::Tai,
            Some(delay) if near(delay + TAI_MINUS_UTC_NS) => Self::Utc,
            _ => Self::Other,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Tai => "tai",
            Self::Utc => "utc",
            Self::Other => "other",
        }
    }
}

impl Measured {
    /// `offset`: of the sender's timestamps, in ticks.
    pub(super) fn new(found: FoundStream, format: StreamFormat, offset: u32) -> Self {
        Self {
            found,
            timing: format.measurement(LEVELS),
            content: Content::of(&format),
            clock: format.clock_hz.map(|hz| RtpClock { hz, offset }),
            format,
            delay: Delay::default(),
            series: None,
        }
    }

    /// Gathers how it goes over its time, too.
    pub(super) fn follow(&mut self, axis: Axis) {
        self.series = Some(Series::new(axis));
    }

    /// The times of its first and its last packet.
    pub(super) const fn span_ns(&self) -> (u64, u64) {
        (self.found.survey.first_ns(), self.found.survey.last_ns())
    }

    /// The common identity of the legs of a stream: SSRC and payload type.
    pub(super) fn identity(&self) -> (u32, Option<u8>) {
        (self.found.key.ssrc, self.found.survey.payload_type())
    }

    pub(super) const fn packets(&self) -> u64 {
        self.found.survey.packets()
    }

    pub(super) const fn key(&self) -> &Key {
        &self.found.key
    }

    pub(super) const fn measures(&self) -> bool {
        self.format.clock_hz.is_some()
    }

    pub(super) fn packet(&mut self, at_ns: u64, packet: &CapturedPacket<'_>) {
        let rtp = &packet.rtp;
        self.content.packet(rtp, packet.payload);
        let mut shown = Shown {
            bytes: packet.payload_bytes as u64,
            ..Shown::default()
        };
        if let Some(timing) = &mut self.timing {
            let timestamp = self
                .clock
                .map_or(rtp.timestamp, |it| it.ticks(rtp.timestamp));
            let rtp = RtpHeader { timestamp, ..*rtp };
            let (cinst, vrx) = timing.packet(at_ns, Some(at_ns), &rtp);
            shown.cinst = Some(cinst);
            shown.vrx = vrx.filter(|_| self.format.is_raw());
        }
        if let Some(clock) = self.clock {
            let sent_ns = clock.nearest_ns(rtp.timestamp, at_ns);
            let delay = i128::from(at_ns) - i128::from(sent_ns);
            let delay = i64::try_from(delay).unwrap_or(i64::MAX);
            self.delay.add(at_ns, delay);
            shown.delay_ns = Some(delay);
        }
        if let Some(series) = &mut self.series {
            series.packet(at_ns, rtp, shown);
        }
    }

    /// A packet came `after_ns` after the same one of the first leg.
    pub(super) fn after_first_leg(&mut self, at_ns: u64, after_ns: i64) {
        if let Some(series) = &mut self.series {
            series.after_first_leg(at_ns, after_ns);
        }
    }

    pub(super) fn document(&self) -> Flow {
        let FoundStream { key, dscp, survey } = &self.found;
        let sequences = survey.sequences();
        let spacing = survey.spacing();
        let duration_ns = survey.last_ns().saturating_sub(survey.first_ns());
        let bits = u128::from(survey.bytes()) * 8 * u128::from(NANOS_PER_SECOND);
        let rate = bits.checked_div(duration_ns.into());
        Flow {
            source: key.source.to_string(),
            destination: key.destination.to_string(),
            vlan: key.vlan,
            ssrc: key.ssrc,
            payload_type: survey.payload_type(),
            other_payload_types: survey.other_types(),
            dscp: *dscp,
            essence: self.format.essence.name(),
            essence_is_guess: !self.format.is_described,
            content: self.is_unread().then_some("not_analyzed"),
            packets: survey.packets(),
            bytes: survey.bytes(),
            bits_per_second: rate.and_then(|it| u64::try_from(it).ok()),
            first_ns: survey.first_ns(),
            last_ns: survey.last_ns(),
            times_back: survey.back(),
            lost: sequences.lost(),
            gaps: sequences.gaps(),
            duplicates: sequences.duplicates(),
            late: sequences.late(),
            markers: survey.markers(),
            second_field_packets: self
                .format
                .is_raw()
                .then_some(survey.second_field_packets()),
            packets_per_unit: counts(survey.units().occurred().map(|(of, n)| (of.into(), n))),
            timestamp_steps: counts(survey.steps().occurred().map(|(of, n)| (of.into(), n))),
            other_timestamp_steps: survey.steps().others(),
            payload_bytes: extremes(survey.sizes()),
            intervals: intervals(spacing.intervals.min(), &spacing.intervals),
            within_unit_ns: extremes(&spacing.within),
            after_marker_ns: extremes(&spacing.after_marker),
            format: self.format.shown.clone(),
            audio: self.audio(),
            ancillary: self.content.ancillary(),
            after_timestamp_ns: extremes(&self.delay.all),
            clock: self.clock().map(Clock::name),
            timing: self.timing.as_ref().and_then(|it| self.timing(it)),
            over_time: self.series.as_ref().map(Series::document),
        }
    }

    fn clock(&self) -> Option<Clock> {
        let first = self.timing.as_ref().map(Measurement::first_packets);
        let mean = first.and_then(|it| it.after_timestamp_ns.mean());
        let mean = mean.or(self.delay.all.mean())?;
        Some(Clock::of(Some(mean)))
    }

    /// Whether only RTP headers and times are analyzed.
    fn is_unread(&self) -> bool {
        !self.format.is_raw() && matches!(self.content, Content::Unread)
    }

    fn audio(&self) -> Option<document::Audio> {
        if self.format.essence != Guess::Audio {
            return None;
        }
        let (samples, sample_rate) = (self.format.samples?, self.format.clock_hz?);
        let packet_time_ns = u64::from(samples) * NANOS_PER_SECOND / u64::from(sample_rate.max(1));
        let limit_ns = packet_time_ns * TS_DF_PACKETS;
        let is_within = self.delay.variation_ns.unsigned_abs() <= limit_ns;
        Some(document::Audio {
            sample_rate,
            samples,
            packet_time_ns,
            coding: self.format.form.map(|it| it.coding.as_str()),
            channels: self.format.form.map(|it| it.channels),
            coding_is_guess: self.format.form.is_some_and(|it| it.is_guess),
            delay_variation_ns: self.delay.variation_ns,
            delay_variation_limit_ns: limit_ns,
            verdict: if is_within {
                "compliant"
            } else {
                "not_compliant"
            },
            levels: self.content.levels(),
        })
    }

    fn timing(&self, measured: &Measurement) -> Option<Timing> {
        let raw = self.format.is_raw();
        let clock = self.clock().unwrap_or(Clock::Other);
        let judged = raw && clock == Clock::Tai;
        let schedule = measured.schedule();
        let limits = measured.limits();
        let stream = measured.stream();
        let first = measured.first_packets();
        Some(Timing {
            schedule: match stream.reads {
                Reads::Gapped => "gapped",
                Reads::Linear => "linear",
            },
            packets: stream.packets,
            units: measured.units(),
            trs_ns: schedule.spacing_ns(),
            tr_offset_ns: schedule.offset_ns(),
            tdrain_ns: schedule.drain_ns(),
            limits: Limits {
                cmax_narrow: limits.cmax_narrow,
                cmax_wide: limits.cmax_wide,
                vrx_full_narrow: limits.vrx_full_narrow,
                vrx_full_wide: limits.vrx_full_wide,
            },
            cinst: histogram(measured.cinst())?,
            vrx: histogram(measured.vrx()).filter(|_| raw),
            vrx_is_judged: judged,
            first_packet_ns: extremes(&first.after_start_ns),
            first_packet_after_timestamp_ns: extremes(&first.after_timestamp_ns),
            rtp_offset_ticks: extremes(&first.rtp_offset_ticks),
            margin_ns: extremes(&first.margin_ns),
            verdict: verdict(measured.verdict(judged)?),
        })
    }
}

fn verdict(found: Verdict) -> document::Verdict {
    document::Verdict {
        compliance: found.complies.map_or("not_compliant", |it| it.as_str()),
        reason: found.reason.map(|reason| document::Reason {
            quantity: reason.quantity.name(),
            figure: reason.figure,
            limit: reason.limit,
            text: reason.to_string(),
        }),
    }
}

fn counts(of: impl Iterator<Item = (i64, u64)>) -> Vec<Count> {
    let mut all: Vec<_> = of.map(|(value, count)| Count { value, count }).collect();
    all.sort_by_key(|it| it.value);
    all
}

fn extremes(of: &Summary) -> Option<Extremes> {
    Some(Extremes {
        min: of.min()?,
        mean: of.mean()?,
        max: of.max()?,
    })
}

fn intervals(min_ns: Option<u64>, of: &survey::Intervals) -> Option<Intervals> {
    Some(Intervals {
        min_ns: min_ns?,
        mean_ns: of.mean()?,
        max_ns: of.max()?,
        histogram: of
            .occurred()
            .map(|(from_ns, packets)| Bucket { from_ns, packets })
            .collect(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "percentages")]
fn histogram(of: &survey::Levels) -> Option<Histogram> {
    let total = of.total() as f64;
    Some(Histogram {
        min: of.min()?,
        mean: of.mean()?,
        max: of.max()?,
        outside: of.outside(),
        histogram: of
            .occurred()
            .map(|(level, packets)| Level {
                level,
                packets,
                percent: packets as f64 * 100.0 / total,
            })
            .collect(),
    })
}
