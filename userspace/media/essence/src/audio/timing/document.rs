//! Results of a monitor: as JSON, for metrics, and for people.

use serde::{Deserialize, Serialize};

use super::levels::CHANNELS;
use super::true_peak::TRUE_PEAKS;
use super::{AudioLevel, AudioMonitor, Range, Second};
use crate::document::words::words;
use crate::measure::Gauge;
use crate::rows::{Grade, Row, Rows};

/// Largest TS-DF and delay in packet times.
const SPREAD_PACKETS: u64 = 17;
const DELAY_PACKETS: u64 = 20;

/// Timing of the audio packets of a receive session, by the times at which the poller took them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AudioTiming {
    /// Time of a packet in nanoseconds.
    pub packet_time_ns: u64,
    /// Largest TS-DF allowed, in nanoseconds: 17 packet times.
    pub ts_df_limit_ns: u64,
    /// Largest delay allowed, in nanoseconds: 20 packet times.
    pub delay_limit_ns: u64,
    /// Largest TS-DF of a second since the measurement began, in nanoseconds.
    pub worst_ts_df_ns: u64,
    /// The last second; absent when it ended long ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_second: Option<AudioSecond>,
    /// How often the measurement began again: at another source, and at a jump of the timestamps.
    pub restarts: u64,
}

/// The figures of a second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AudioSecond {
    /// Packets.
    pub packets: u64,
    /// TS-DF: largest minus smallest delay, in nanoseconds.
    pub ts_df_ns: u64,
    /// From the time of the timestamp to the arrival; absent without TAI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ns: Option<DelayRange>,
    /// Times between packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ns: Option<DelayRange>,
    /// Samples of packets that have others than the format's packets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_packet_samples: Vec<usize>,
    /// Level of each channel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<AudioLevel>,
    /// Whether both are within their limits.
    pub verdict: AudioVerdict,
    /// The quantity beyond its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Some times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DelayRange {
    /// Smallest.
    pub min: i64,
    /// Mean.
    pub mean: i64,
    /// Largest.
    pub max: i64,
}

words! {
    /// A verdict on the timing of audio.
    AudioVerdict {
        /// Within the limits.
        Compliant "compliant",
        /// Beyond one.
        NotCompliant "not_compliant",
    }
}

fn range(of: &Range) -> Option<DelayRange> {
    Some(DelayRange {
        min: of.min,
        mean: of.mean()?,
        max: of.max,
    })
}

/// The other lengths of a second, in samples. One packet alone is none.
pub(super) fn others(of: &Second) -> Vec<usize> {
    let others = of.others.iter().filter(|it| it.1 > 1);
    others.map(|it| it.0).collect()
}

fn ms(ns: i64) -> String {
    let us = ns.unsigned_abs() / 1000;
    format!("{}.{:03} ms", us / 1000, us % 1000)
}

fn signed(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}

fn second(monitor: &AudioMonitor, of: &Second) -> AudioSecond {
    let spread_ns = of.spread.max - of.spread.min;
    let limit_ns = signed(monitor.packet_ns * SPREAD_PACKETS);
    let most_ns = signed(monitor.packet_ns * DELAY_PACKETS);
    let delay = range(&of.delay);
    let same_clock = delay.filter(|_| of.delay.away_ns().is_none());
    let reason = match same_clock {
        _ if spread_ns > limit_ns => {
            let (spread, limit) = (ms(spread_ns), ms(limit_ns));
            Some(format!("TS-DF {spread} is above {limit}, 17 packet times"))
        }
        Some(it) if it.min < 0 => {
            let early = ms(it.min);
            Some(format!(
                "a packet came {early} before the time of its timestamp"
            ))
        }
        Some(it) if it.max > most_ns => {
            let (late, most) = (ms(it.max), ms(most_ns));
            Some(format!(
                "a packet came {late} after the time of its timestamp, above {most}"
            ))
        }
        _ => None,
    };
    AudioSecond {
        packets: of.spread.count.unsigned_abs(),
        ts_df_ns: spread_ns.unsigned_abs(),
        delay_ns: delay,
        interval_ns: range(&of.interval),
        other_packet_samples: others(of),
        levels: monitor.levels[1].of(monitor.channels),
        verdict: match reason {
            None => AudioVerdict::Compliant,
            Some(_) => AudioVerdict::NotCompliant,
        },
        reason,
    }
}

pub(super) fn document(monitor: &AudioMonitor, now_ns: u64) -> Option<AudioTiming> {
    monitor.last?;
    let last = monitor.recent(now_ns);
    Some(AudioTiming {
        packet_time_ns: monitor.packet_ns,
        ts_df_limit_ns: monitor.packet_ns * SPREAD_PACKETS,
        delay_limit_ns: monitor.packet_ns * DELAY_PACKETS,
        worst_ts_df_ns: monitor.worst_spread_ns.unsigned_abs(),
        last_second: last.map(|it| second(monitor, it)),
        restarts: monitor.restarts,
    })
}

pub(super) fn gauges(monitor: &AudioMonitor, now_ns: u64, visit: &mut dyn FnMut(Gauge)) {
    let Some(last) = monitor.recent(now_ns).map(|it| second(monitor, it)) else {
        return;
    };
    let delays = last
        .delay_ns
        .map(|it| [("lowest", it.min), ("highest", it.max)]);
    let figures = [("ts_df", signed(last.ts_df_ns))].into_iter();
    for (figure, ns) in figures.chain(delays.into_iter().flatten()) {
        #[expect(clippy::cast_precision_loss, reason = "a time")]
        visit(Gauge {
            name: "onair_session_audio_delay_seconds",
            help: "Delay of audio packets after their timestamps in the last second: lowest, highest, and TS-DF.",
            label: Some(("figure", figure)),
            value: ns as f64 / 1e9,
        });
    }
    for (number, of) in CHANNELS.iter().zip(&last.levels) {
        let figures = [
            ("onair_session_audio_peak_dbfs", of.peak_hundredths),
            ("onair_session_audio_rms_dbfs", of.rms_hundredths),
        ];
        for (name, hundredths) in figures {
            let help = "Level of a channel in the last second in dBFS; -inf: silence.";
            visit(level_gauge(name, help, number, hundredths));
        }
    }
    for (number, of) in CHANNELS.iter().zip(&last.levels).take(TRUE_PEAKS) {
        let name = "onair_session_audio_true_peak_dbtp";
        let help = "True peak of a channel, 1 to 16, in the last second in dBTP; -inf: silence.";
        visit(level_gauge(name, help, number, of.true_peak_hundredths));
    }
    visit(Gauge {
        name: "onair_session_audio_compliant",
        help: "1 if TS-DF and the delay of the last second's audio packets are within their limits.",
        label: None,
        value: f64::from(u8::from(last.verdict == AudioVerdict::Compliant)),
    });
}

fn level_gauge(
    name: &'static str,
    help: &'static str,
    channel: &'static str,
    hundredths: Option<i32>,
) -> Gauge {
    Gauge {
        name,
        help,
        label: Some(("channel", channel)),
        value: hundredths.map_or(f64::NEG_INFINITY, |it| f64::from(it) / 100.0),
    }
}

/// A level for people.
fn level(hundredths: Option<i32>) -> String {
    hundredths.map_or_else(
        || "silent".to_owned(),
        |it| format!("{:.1} dBFS", f64::from(it) / 100.0),
    )
}

impl Rows for AudioTiming {
    fn rows(&self) -> Vec<Row> {
        let us = |ns: u64| format!("{} µs", ns / 1000);
        let worst = Row::new("TS-DF, worst second", us(self.worst_ts_df_ns));
        let Some(last) = &self.last_second else {
            return vec![worst];
        };
        let is_good = last.verdict == AudioVerdict::Compliant;
        let verdict = last.reason.clone();
        let mut rows = vec![Row {
            name: "timing",
            text: verdict.unwrap_or_else(|| last.verdict.to_string()),
            grade: Some(if is_good { Grade::Good } else { Grade::Bad }),
        }];
        let limit = us(self.ts_df_limit_ns);
        let spread = format!("{}, limit {limit}", us(last.ts_df_ns));
        rows.push(Row::new("TS-DF", spread));
        rows.push(worst);
        for (name, range) in [("delay", last.delay_ns), ("interval", last.interval_ns)] {
            let text = |it: DelayRange| {
                let [min, mean, max] = [it.min, it.mean, it.max].map(|ns| ns / 1000);
                format!("{min} to {max} µs, mean {mean} µs")
            };
            rows.extend(range.map(|it| Row::new(name, text(it))));
        }
        if !last.other_packet_samples.is_empty() {
            let others = last.other_packet_samples.iter().map(ToString::to_string);
            let text = format!(
                "also of {} samples",
                others.collect::<Vec<_>>().join(" and ")
            );
            rows.push(Row {
                grade: Some(Grade::Bad),
                ..Row::new("packets", text)
            });
        }
        for (number, of) in CHANNELS.iter().zip(&last.levels) {
            let (peak, rms) = (level(of.peak_hundredths), level(of.rms_hundredths));
            let between = of.true_peak_hundredths.map_or_else(String::new, |it| {
                format!(", true peak {:.1} dBTP", f64::from(it) / 100.0)
            });
            let text = format!("channel {number}: peak {peak}{between}, RMS {rms}");
            rows.push(Row::new("level", text));
        }
        rows
    }
}
