//! Results of a monitor, as a document and for metrics.

use super::document::{
    Compliance, ComplianceVerdict, TimingInterval, TimingLevel, TimingLevels, TimingRange,
    TimingSchedule, TimingSource, VideoTiming,
};
use crate::measure::Gauge;
use crate::media_time;
use crate::video::SenderType;
use crate::video::st2110_21::{
    Declared, Intervals, Judgement, Levels, Monitor, Reads, Second, Summary, Verdict,
};

/// Levels of a histogram in a document; the others are counted with the highest.
const LEVELS: usize = 64;
/// A measurement older than this is of packets that no longer arrive: no verdict.
const OLD_NS: u64 = 3_000_000_000;

/// The figures of the last second, unless it is long ago.
fn last_second(monitor: &Monitor, now_ns: u64) -> Option<Second> {
    let age_ns = now_ns.saturating_sub(monitor.ended_ns());
    monitor.last_second().filter(|_| age_ns < OLD_NS)
}

/// The figures for metrics.
pub(super) fn gauges(monitor: &Monitor, now_ns: u64, visit: &mut dyn FnMut(Gauge)) {
    let Some(timing) = document(monitor, now_ns) else {
        return;
    };
    if let Some(second) = last_second(monitor, now_ns) {
        visit(Gauge {
            name: "onair_session_cinst_max",
            help: "Highest Cinst (ST 2110-21) in the last second, by the times of the poller.",
            label: None,
            value: float(second.cinst),
        });
        let (lowest, highest) = second.vrx.unzip();
        for (bound, level) in [("lowest", lowest), ("highest", highest)] {
            let Some(level) = level else { continue };
            visit(Gauge {
                name: "onair_session_vrx",
                help: "Lowest and highest level of the virtual receive buffer (ST 2110-21) in the last second.",
                label: Some(("bound", bound)),
                value: signed(level),
            });
        }
    }
    let verdict = timing.compliance;
    if let Some(is_as) = verdict.as_ref().and_then(|it| it.as_declared) {
        visit(Gauge {
            name: "onair_session_sender_as_declared",
            help: "1 if the last second complies with the sender type that the session's specification has.",
            label: None,
            value: f64::from(u8::from(is_as)),
        });
    }
    for one in ComplianceVerdict::ALL {
        let is_it = verdict.as_ref().is_some_and(|it| it.verdict == *one);
        visit(Gauge {
            name: "onair_session_compliance",
            help: "1 for the sender type of ST 2110-21 that the last second complies with.",
            label: Some(("verdict", one.as_str())),
            value: f64::from(u8::from(is_it)),
        });
    }
}

/// How far from the times of their timestamps packets arrive, in nanoseconds, if the clocks differ.
pub(super) fn away_ns(monitor: &Monitor, now_ns: u64) -> Option<f64> {
    let age_ns = now_ns.saturating_sub(monitor.ended_ns());
    monitor.clocks_differ_ns().filter(|_| age_ns < OLD_NS)
}

#[expect(clippy::cast_precision_loss, reason = "a level")]
const fn float(level: u64) -> f64 {
    level as f64
}

#[expect(clippy::cast_precision_loss, reason = "a level")]
const fn signed(level: i64) -> f64 {
    level as f64
}

/// The figures; `None` before a unit was measured.
pub(super) fn document(monitor: &Monitor, now_ns: u64) -> Option<VideoTiming> {
    let measured = monitor.measurement()?;
    let packets = measured.cinst().total();
    // Of less than a unit there is nothing to say.
    if packets < measured.stream().packets.into() {
        return None;
    }
    let age_ns = now_ns.saturating_sub(monitor.ended_ns());
    let limits = measured.limits();
    let first = measured.first_packets();
    let same_clock = measured.same_clock();
    let compared = same_clock == Some(true);
    let range = |of: &Summary| range(of).filter(|_| same_clock.is_some());
    let second = last_second(monitor, now_ns);
    let intervals = &monitor.spacing().intervals;
    let declared = &monitor.declared();
    let highest = u64::try_from(measured.cinst().max()?).unwrap_or(0);
    Some(VideoTiming {
        source: TimingSource::Poll,
        age_ms: age_ns / 1_000_000,
        packets_per_frame: measured.stream().packets,
        schedule: match measured.stream().reads {
            Reads::Gapped => TimingSchedule::Gapped,
            Reads::Linear => TimingSchedule::Linear,
        },
        tr_offset_ns: whole_ns(measured.schedule().offset_ns()),
        cinst: levels(measured.cinst())?,
        cmax_narrow: limits.cmax_narrow,
        cmax_wide: limits.cmax_wide,
        vrx: levels(measured.vrx()).filter(|_| compared),
        vrx_not_measured: not_measured(same_clock, first.after_timestamp_ns.mean()),
        vrx_full_narrow: limits.vrx_full_narrow,
        vrx_full_wide: limits.vrx_full_wide,
        first_packet_ns: range(&first.after_start_ns).filter(|_| compared),
        first_packet_after_timestamp_ns: range(&first.after_timestamp_ns),
        rtp_offset_ticks: range(&first.rtp_offset_ticks).filter(|_| compared),
        margin_ns: range(&first.margin_ns).filter(|_| compared),
        interval_ns: interval_range(intervals),
        intervals: intervals
            .occurred()
            .map(|(from_ns, packets)| TimingInterval { from_ns, packets })
            .collect(),
        compliance: second.map(|it| compliance(it.verdict, it.packets, it.cinst, declared)),
        compliance_since_start: compliance(measured.verdict(compared)?, packets, highest, declared),
        restarts: monitor.restarts(),
    })
}

fn not_measured(same_clock: Option<bool>, away_ns: Option<f64>) -> Option<String> {
    match (same_clock, away_ns) {
        (Some(true), _) => None,
        (None, _) | (_, None) => Some(
            "the clock is not locked: the kernel does not know TAI; `onairctl doctor` says what to do"
                .to_owned(),
        ),
        (Some(false), Some(away_ns)) => Some(format!(
            "the clocks differ: packets arrive {}",
            media_time::beside_timestamps(away_ns)
        )),
    }
}

fn compliance(found: Verdict, packets: u64, cinst: u64, declared: &Declared) -> Compliance {
    let judgement = declared.judge(&found, cinst);
    Compliance {
        verdict: match found.complies {
            Some(SenderType::Narrow) => ComplianceVerdict::Narrow,
            Some(SenderType::NarrowLinear) => ComplianceVerdict::NarrowLinear,
            Some(SenderType::Wide) => ComplianceVerdict::Wide,
            None => ComplianceVerdict::NotCompliant,
        },
        packets,
        reason: found.reason.map(|reason| reason.to_string()),
        declared: declared.sender,
        declared_cmax: declared.cmax,
        as_declared: judgement.map(|it| it == Judgement::AsDeclared),
        not_as_declared: match judgement {
            Some(Judgement::Not(Some(reason))) => Some(reason.to_string()),
            _ => None,
        },
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a mean between two such numbers"
)]
fn whole(mean: f64) -> i64 {
    mean.round() as i64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a second at most, and not below 0"
)]
fn whole_ns(offset_ns: f64) -> u64 {
    offset_ns.round() as u64
}

fn range(of: &Summary) -> Option<TimingRange> {
    Some(TimingRange {
        min: of.min()?,
        mean: whole(of.mean()?),
        max: of.max()?,
    })
}

fn interval_range(of: &Intervals) -> Option<TimingRange> {
    let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    Some(TimingRange {
        min: signed(of.min()?),
        mean: signed(of.mean()?),
        max: signed(of.max()?),
    })
}

fn levels(of: &Levels) -> Option<TimingLevels> {
    let (min, max) = (of.min()?, of.max()?);
    let all = of.occurred();
    let mut histogram: Vec<_> = all
        .map(|(level, packets)| TimingLevel { level, packets })
        .collect();
    if histogram.len() > LEVELS {
        let rest: u64 = histogram[LEVELS - 1..].iter().map(|it| it.packets).sum();
        histogram.truncate(LEVELS);
        histogram[LEVELS - 1] = TimingLevel {
            level: max,
            packets: rest,
        };
    }
    Some(TimingLevels {
        min,
        mean_thousandths: whole(of.mean()? * 1000.0),
        max,
        histogram,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::RtpHeader;
    use crate::video::Scan;

    /// A monitor that has seen two seconds of bursts of four, 20 packets a frame, 50 frames a second.
    fn monitor(tai_ahead_ns: Option<i64>) -> (Monitor, u64) {
        monitor_of(None, 4, tai_ahead_ns)
    }

    /// The same in bursts of `burst`, of a sender that says what it is.
    fn monitor_of(
        declared: Option<SenderType>,
        burst: u64,
        tai_ahead_ns: Option<i64>,
    ) -> (Monitor, u64) {
        let declared = Declared {
            sender: declared,
            ..Declared::default()
        };
        monitor_that(declared, burst, 800_000, tai_ahead_ns)
    }

    /// The same, with the first packet of a frame `first_ns` after its time.
    fn monitor_that(
        declared: Declared,
        burst: u64,
        first_ns: u64,
        tai_ahead_ns: Option<i64>,
    ) -> (Monitor, u64) {
        let monitor = Monitor::new(1080, Scan::Progressive, (50, 1)).unwrap();
        let mut monitor = monitor.declared_as(declared);
        let start = 1_790_000_000_000_000_000_u64;
        let mut now_ns = 0;
        for packet in 0..2_100u64 {
            let (frame, index) = (packet / 20, packet % 20);
            now_ns = start + frame * 20_000_000 + first_ns + index / burst * burst * 1_000_000;
            let header = RtpHeader {
                marker: index == 19,
                payload_type: 96,
                sequence: u16::try_from(packet).unwrap(),
                timestamp: u32::try_from((1_790_000_000 * 90_000 + frame * 1800) % (1 << 32))
                    .unwrap(),
                ssrc: 1,
            };
            let tai_ns = tai_ahead_ns.map(|ahead| now_ns.strict_add_signed(ahead));
            monitor.packet(now_ns, tai_ns, &header);
        }
        (monitor, now_ns)
    }

    #[test]
    fn timing_of_bursts_has_figures_limits_and_verdict() {
        let (monitor, now_ns) = monitor(Some(0));
        let timing = document(&monitor, now_ns).unwrap();
        assert_eq!(
            (timing.packets_per_frame, timing.schedule),
            (20, TimingSchedule::Linear)
        );
        assert_eq!((timing.cinst.min, timing.cinst.max), (0, 3));
        assert_eq!((timing.cmax_narrow, timing.cmax_wide), (4, 16));
        assert_eq!(timing.first_packet_ns.unwrap().max, 800_000);
        let vrx = timing.vrx.unwrap();
        // One packet of each burst is read when it comes.
        assert_eq!((vrx.min, vrx.max), (0, 3));
        assert_eq!(timing.vrx_not_measured, None);
        let narrow = ComplianceVerdict::NarrowLinear;
        assert_eq!(timing.compliance.unwrap().verdict, narrow);
        assert_eq!(timing.compliance_since_start.verdict, narrow);

        let old = document(&monitor, now_ns + 5_000_000_000).unwrap();
        assert_eq!(old.compliance, None);
        assert!(old.age_ms >= 5_000);
    }

    #[test]
    fn verdict_is_by_the_type_that_the_sender_says_it_is() {
        use SenderType::{Narrow, NarrowLinear, Wide};
        for (declared, burst, gapped, verdict, as_declared) in [
            (None, 4, false, ComplianceVerdict::NarrowLinear, None),
            (Some(Narrow), 4, true, ComplianceVerdict::Narrow, Some(true)),
            (Some(Narrow), 10, true, ComplianceVerdict::Wide, Some(false)),
            (
                Some(NarrowLinear),
                4,
                false,
                ComplianceVerdict::NarrowLinear,
                Some(true),
            ),
            (
                Some(NarrowLinear),
                10,
                false,
                ComplianceVerdict::Wide,
                Some(false),
            ),
            (Some(Wide), 10, false, ComplianceVerdict::Wide, Some(true)),
            // Better than it says.
            (
                Some(Wide),
                4,
                false,
                ComplianceVerdict::NarrowLinear,
                Some(true),
            ),
            (
                Some(Wide),
                20,
                false,
                ComplianceVerdict::NotCompliant,
                Some(false),
            ),
        ] {
            let (monitor, now_ns) = monitor_of(declared, burst, Some(0));
            let timing = document(&monitor, now_ns).unwrap();
            assert_eq!(timing.schedule == TimingSchedule::Gapped, gapped);
            let found = timing.compliance.unwrap();
            assert_eq!(found.verdict, verdict, "{declared:?} {burst}");
            assert_eq!((found.declared, found.as_declared), (declared, as_declared));
        }
    }

    #[test]
    fn verdict_is_by_the_offset_and_the_cmax_that_the_sender_says() {
        let narrow_linear = Some(SenderType::NarrowLinear);
        for (offset_us, cmax, first_us, as_declared, told) in [
            // The default is 764 µs.
            (None, None, 700, true, None),
            (None, None, 6_000, false, Some("VRX -5 is below 0")),
            (Some(6_100), None, 6_000, true, None),
            (Some(0), None, 6_000, false, Some("VRX -6 is below 0")),
            (Some(19_990), None, 19_900, true, None),
            (Some(6_100), Some(3), 6_000, true, None),
            (
                Some(6_100),
                Some(2),
                6_000,
                false,
                Some("Cinst 3 is above CMAX 2"),
            ),
            // Above that of the type.
            (Some(6_100), Some(100), 6_000, true, None),
        ] {
            let declared = Declared {
                sender: narrow_linear,
                offset_ns: offset_us.map(|us| us * 1000),
                cmax,
                max_udp: None,
            };
            let (monitor, now_ns) = monitor_that(declared, 4, first_us * 1000, Some(0));
            let timing = document(&monitor, now_ns).unwrap();
            let shown = format!("{declared:?}: {timing:?}");
            assert_eq!(
                timing.tr_offset_ns,
                offset_us.map_or(764_444, |us| us * 1000)
            );
            for found in [timing.compliance.unwrap(), timing.compliance_since_start] {
                assert_eq!(found.as_declared, Some(as_declared), "{shown}");
                assert_eq!((found.declared, found.declared_cmax), (narrow_linear, cmax));
                let why = found.not_as_declared.as_deref();
                assert_eq!(why.is_some(), told.is_some(), "{shown}");
                assert!(
                    why.unwrap_or_default().contains(told.unwrap_or_default()),
                    "{shown}"
                );
            }
        }
    }

    #[test]
    fn buffer_is_not_measured_by_clocks_that_cannot_be_compared() {
        for (ahead, reason) in [(None, "not locked"), (Some(37_000_000_000), "37.001 s")] {
            let (monitor, now_ns) = monitor(ahead);
            let timing = document(&monitor, now_ns).unwrap();
            assert_eq!((timing.vrx, timing.margin_ns), (None, None));
            let told = timing.vrx_not_measured.unwrap();
            assert!(told.contains(reason), "{told}");
            let verdict = timing.compliance.unwrap().verdict;
            assert_eq!(verdict, ComplianceVerdict::NarrowLinear);
        }
    }

    #[test]
    fn long_histogram_ends_with_a_sum() {
        let mut many = Levels::new(0..=200);
        (0..=100).for_each(|level| many.add(level));
        let levels = levels(&many).unwrap();
        assert_eq!(levels.histogram.len(), LEVELS);
        let last = levels.histogram.last().unwrap();
        assert_eq!((last.level, last.packets), (100, 38));
        assert_eq!(levels.mean_thousandths, 50_000);
    }
}
