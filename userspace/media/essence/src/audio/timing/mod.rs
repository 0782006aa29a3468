//! The timing of audio packets: how far after the times of their samples they arrive, and how evenly.
//!
//! TS-DF is the spread of that delay in a second, at most 17 packet times (EBU Tech 3337; EBU LIST). It needs no
//! common clock. The delay itself does: at least 0, and at most 20 packet times, which is the buffer that
//! ST 2110-30 §6.2.3 recommends.

mod document;
mod levels;
mod true_peak;

use crate::measure::{Gauge, Measure, Range};
use crate::media_time;
use crate::rtp::RtpHeader;

use super::{AudioFormat, Coding};

use levels::Levels;
use true_peak::Interpolator;

pub use document::{AudioSecond, AudioTiming, AudioVerdict, DelayRange};
pub use levels::AudioLevel;
pub use levels::AudioMeter;

/// Fewest packets without whole samples that are told of: one is damaged.
const FEWEST_BROKEN: u64 = 2;
/// Other lengths of packets that are told apart.
const OTHERS: usize = 2;
/// How long figures are collected, in nanoseconds.
const WINDOW_NS: u64 = 1_000_000_000;

/// The figures of a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Second {
    started_ns: Option<u64>,
    last_ns: u64,
    /// Arrival by the time of the timestamp, from an arbitrary start.
    spread: Range,
    /// Arrival after the time of the timestamp, if the clock is TAI.
    delay: Range,
    /// Times between packets.
    interval: Range,
    /// Samples of the first packets that had others than the format's, and how many packets had as many.
    others: [(usize, u64); OTHERS],
    /// Bytes of the last packet without whole samples, and how many there were.
    broken: (usize, u64),
}

/// Measures a stream of audio.
#[derive(Debug, Clone)]
pub struct AudioMonitor {
    coding: Coding,
    sample_rate: u32,
    channels: u32,
    sample_bytes: usize,
    packet_bytes: usize,
    packet_ns: u64,
    source: Option<u32>,
    /// Arrival and timestamp of the first packet since the last jump; ticks from there on.
    start_ns: u64,
    last_timestamp: u32,
    ticks: i64,
    now: Second,
    last: Option<Second>,
    /// Of this second, and of the last one.
    levels: Box<[Levels; 2]>,
    between: Box<Interpolator>,
    worst_spread_ns: i64,
    restarts: u64,
}

impl AudioMonitor {
    pub(super) fn new(format: &AudioFormat) -> Self {
        Self {
            coding: format.coding(),
            sample_rate: format.sample_rate(),
            channels: format.channels(),
            sample_bytes: format.sample_bytes(),
            packet_bytes: format.packet_bytes(),
            packet_ns: format.nanos(format.packet_samples().into()),
            source: None,
            start_ns: 0,
            last_timestamp: 0,
            ticks: 0,
            now: Second::default(),
            last: None,
            levels: Box::default(),
            between: Box::new(Interpolator::new(format.sample_rate())),
            worst_spread_ns: 0,
            restarts: 0,
        }
    }

    /// The packets have another packet time now.
    pub(super) fn declare(&mut self, format: &AudioFormat) {
        self.packet_ns = format.nanos(format.packet_samples().into());
        self.packet_bytes = format.packet_bytes();
    }

    fn tick_ns(&self, ticks: i64) -> i64 {
        let ns = i128::from(ticks) * 1_000_000_000 / i128::from(self.sample_rate.max(1));
        i64::try_from(ns).unwrap_or(i64::MAX)
    }

    /// Begins again at a packet: of the first source, or one that is not where it should be.
    fn start(&mut self, at_ns: u64, rtp: &RtpHeader) {
        self.restarts += u64::from(self.source.is_some());
        self.source = Some(rtp.ssrc);
        (self.start_ns, self.last_timestamp, self.ticks) = (at_ns, rtp.timestamp, 0);
        self.now = Second::default();
        self.levels[0] = Levels::default();
        self.between.restart();
    }

    fn end_second(&mut self) {
        let second = std::mem::take(&mut self.now);
        let levels = std::mem::take(&mut self.levels[0]);
        if second.spread.count > 1 {
            self.worst_spread_ns = self
                .worst_spread_ns
                .max(second.spread.max - second.spread.min);
            self.last = Some(second);
            self.levels[1] = levels;
        }
    }

    /// The last second, if it ended shortly before `now_ns`.
    fn recent(&self, now_ns: u64) -> Option<&Second> {
        let is_recent = |it: &&Second| now_ns.saturating_sub(it.last_ns) < 2 * WINDOW_NS;
        self.last.as_ref().filter(is_recent)
    }
}

impl Measure for AudioMonitor {
    type Document = AudioTiming;

    #[inline]
    fn packet(&mut self, at_ns: u64, tai_ns: Option<u64>, rtp: &RtpHeader, payload: &[u8]) -> bool {
        let step = i64::from(
            rtp.timestamp
                .wrapping_sub(self.last_timestamp)
                .cast_signed(),
        );
        let since = |ns: u64| i64::try_from(at_ns.saturating_sub(ns)).unwrap_or(i64::MAX);
        let spread_ns = since(self.start_ns).saturating_sub(self.tick_ns(self.ticks + step));
        let jumps = spread_ns.unsigned_abs() > 2 * WINDOW_NS;
        if self.source != Some(rtp.ssrc) || jumps {
            self.start(at_ns, rtp);
        } else {
            (self.ticks, self.last_timestamp) = (self.ticks + step, rtp.timestamp);
        }
        let begins = self.due_ns().is_none_or(|due_ns| due_ns <= at_ns);
        let before_ns = (self.now.spread.count > 0).then_some(self.now.last_ns);
        if begins {
            self.end_second();
            self.now.started_ns = Some(at_ns);
        }
        let spread_ns = since(self.start_ns).saturating_sub(self.tick_ns(self.ticks));
        let second = &mut self.now;
        second.last_ns = at_ns;
        second.spread.add(spread_ns);
        if let Some(before_ns) = before_ns {
            second.interval.add(since(before_ns));
        }
        if payload.len() == self.packet_bytes {
            let (form, levels) = ((self.coding, self.sample_bytes), &mut self.levels[0]);
            levels.add(form.0, form.1, payload);
            levels.add_between(&mut self.between, form, (rtp.timestamp, payload));
        } else if payload.len().is_multiple_of(self.sample_bytes.max(1)) {
            let samples = payload.len() / self.sample_bytes.max(1);
            let mut others = second.others.iter_mut();
            if let Some(it) = others.find(|it| it.1 == 0 || it.0 == samples) {
                *it = (samples, it.1 + 1);
            }
        } else {
            // Of another coding, or with bytes behind the samples.
            second.broken = (payload.len(), second.broken.1 + 1);
        }
        if let Some(tai_ns) = tai_ns {
            let sampled_ns = media_time::nearest_ns(rtp.timestamp, self.sample_rate, tai_ns);
            let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
            second.delay.add(signed(tai_ns) - signed(sampled_ns));
        }
        begins
    }

    /// A copy of a packet says nothing of the sender's timing.
    fn repeat(&mut self, _times: u32) {}

    fn pause(&mut self, now_ns: u64) -> bool {
        let is_over = self.due_ns().is_some_and(|due_ns| due_ns <= now_ns);
        if is_over {
            self.end_second();
        }
        is_over
    }

    #[inline]
    fn due_ns(&self) -> Option<u64> {
        let started_ns = self.now.started_ns?;
        Some(started_ns.saturating_add(WINDOW_NS))
    }

    fn fetch(&self, _at_ns: u64, _fetch: impl FnMut(&u64)) {}

    fn document(&self, now_ns: u64) -> Option<AudioTiming> {
        document::document(self, now_ns)
    }

    fn gauges(&self, now_ns: u64, visit: &mut dyn FnMut(Gauge)) {
        document::gauges(self, now_ns, visit);
    }

    fn away_ns(&self, now_ns: u64) -> Option<f64> {
        self.recent(now_ns)?.delay.away_ns()
    }

    fn remark(&self, now_ns: u64) -> Option<String> {
        let recent = self.recent(now_ns)?;
        let others = document::others(recent);
        if let (bytes, FEWEST_BROKEN..) = recent.broken {
            let own = self.sample_bytes;
            return Some(format!(
                "packets of {bytes} bytes arrive, which are no whole samples of {own} bytes: check coding and channels"
            ));
        }
        let own = self.packet_bytes / self.sample_bytes.max(1);
        let lengths: Vec<_> = [own]
            .iter()
            .chain(&others)
            .map(ToString::to_string)
            .collect();
        (!others.is_empty()).then(|| {
            let lengths = lengths.join(" and ");
            format!(
                "packets of {lengths} samples arrive: send only those of {own} (FFmpeg: `-af asetnsamples={own}`)"
            )
        })
    }

    fn copy_from(&mut self, other: &Self) {
        let (own, its) = (&mut *self.levels, &*other.levels);
        own.copy_from_slice(its);
        self.between.clone_from(&other.between);
        (self.coding, self.channels) = (other.coding, other.channels);
        (self.sample_rate, self.sample_bytes) = (other.sample_rate, other.sample_bytes);
        (self.packet_bytes, self.packet_ns) = (other.packet_bytes, other.packet_ns);
        (self.source, self.start_ns) = (other.source, other.start_ns);
        (self.last_timestamp, self.ticks) = (other.last_timestamp, other.ticks);
        (self.now, self.last) = (other.now, other.last);
        (self.worst_spread_ns, self.restarts) = (other.worst_spread_ns, other.restarts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{AudioDocument, Coding};

    const START_NS: u64 = 1_790_000_000_000_000_000;

    fn monitor() -> AudioMonitor {
        let document = AudioDocument {
            coding: Coding::L24,
            sample_rate: 48_000,
            channels: 2,
            packet_time_us: None,
            block_samples: None,
            channel_order: None,
        };
        AudioMonitor::new(&AudioFormat::try_from(&document).unwrap())
    }

    /// 2.1 seconds of packets of 1 ms, each so long after the time of its first sample.
    fn measured(delay_ns: impl Fn(u64) -> u64, tai_ahead_ns: Option<i64>) -> (AudioMonitor, u64) {
        let mut monitor = monitor();
        let mut now_ns = 0;
        for packet in 0..2_100u64 {
            let ticks = START_NS / 1_000_000_000 * 48_000 + packet * 48;
            now_ns = START_NS + packet * 1_000_000 + delay_ns(packet);
            let rtp = RtpHeader {
                marker: false,
                payload_type: 97,
                sequence: u16::try_from(packet).unwrap(),
                timestamp: u32::try_from(ticks % (1 << 32)).unwrap(),
                ssrc: 1,
            };
            let tai_ns = tai_ahead_ns.map(|ahead| now_ns.strict_add_signed(ahead));
            monitor.packet(now_ns, tai_ns, &rtp, &[0x10; 288]);
        }
        (monitor, now_ns)
    }

    #[test]
    fn packets_in_time_then_delay_spread_and_verdict() {
        let (monitor, now_ns) = measured(|packet| 300_000 + packet % 2 * 400_000, Some(0));
        let timing = monitor.document(now_ns).unwrap();
        let second = timing.last_second.unwrap();
        assert_eq!((second.ts_df_ns, second.packets), (400_000, 1_000));
        let delay = second.delay_ns.unwrap();
        assert_eq!(
            (delay.min, delay.mean, delay.max),
            (300_000, 500_000, 700_000)
        );
        let levels: Vec<_> = second.levels.iter().map(|it| it.peak_hundredths).collect();
        assert_eq!(levels, [Some(-1803); 2]);
        let levels = second.levels.iter().map(|it| it.true_peak_hundredths);
        assert_eq!(levels.collect::<Vec<_>>(), [Some(-1801); 2]);
        assert_eq!(second.verdict, AudioVerdict::Compliant);
        assert_eq!(timing.ts_df_limit_ns, 17_000_000);
        assert_eq!(monitor.away_ns(now_ns), None);
        assert_eq!(
            monitor
                .document(now_ns + 3_000_000_000)
                .unwrap()
                .last_second,
            None
        );
    }

    #[test]
    fn packets_too_uneven_early_or_late_then_the_reason() {
        for (first_ns, ahead_ns, verdict, reason) in [
            (18_000_000, 0, AudioVerdict::NotCompliant, "TS-DF"),
            (0, -1_000_000, AudioVerdict::NotCompliant, "before"),
            (0, 21_000_000, AudioVerdict::NotCompliant, "after"),
            // Another clock is no fault of the spacing.
            (0, 37_000_000_000, AudioVerdict::Compliant, ""),
        ] {
            let late = |packet: u64| 100_000 + u64::from(packet.is_multiple_of(500)) * first_ns;
            let (monitor, now_ns) = measured(late, Some(ahead_ns));
            let second = monitor.document(now_ns).unwrap().last_second.unwrap();
            assert_eq!(second.verdict, verdict, "{second:?}");
            let told = second.reason.unwrap_or_default();
            assert!(told.contains(reason), "{told}");
            assert_eq!(monitor.away_ns(now_ns).is_some(), ahead_ns > 1_000_000_000);
        }
    }

    #[test]
    fn packets_of_other_lengths_are_named() {
        let mut monitor = monitor();
        let mut now_ns = START_NS;
        for packet in 0..2_200u32 {
            let samples = if packet % 22 == 21 { 16 } else { 48 };
            now_ns += 1_000_000;
            let rtp = RtpHeader {
                marker: false,
                payload_type: 97,
                sequence: u16::try_from(packet).unwrap(),
                timestamp: packet * 48,
                ssrc: 1,
            };
            monitor.packet(now_ns, None, &rtp, &vec![0; samples * 6]);
        }
        let remark = monitor.remark(now_ns).unwrap();
        assert!(remark.contains("packets of 48 and 16 samples"), "{remark}");
        assert!(remark.contains("asetnsamples=48"), "{remark}");
        let second = monitor.document(now_ns).unwrap().last_second.unwrap();
        assert_eq!(second.other_packet_samples, [16]);
    }

    #[test]
    fn packets_without_whole_samples_are_named_by_their_bytes() {
        let mut monitor = monitor();
        for packet in 0..2_200u32 {
            let rtp = RtpHeader {
                marker: false,
                payload_type: 97,
                sequence: u16::try_from(packet).unwrap(),
                timestamp: packet * 48,
                ssrc: 1,
            };
            let now_ns = START_NS + u64::from(packet) * 1_000_000;
            monitor.packet(now_ns, None, &rtp, &[0; 292]);
        }
        let remark = monitor.remark(START_NS + 2_200_000_000).unwrap();
        assert!(remark.contains("packets of 292 bytes"), "{remark}");
        let second = monitor
            .document(START_NS + 2_200_000_000)
            .unwrap()
            .last_second;
        assert_eq!(second.unwrap().other_packet_samples, [0; 0]);
    }

    #[test]
    fn packets_without_tai_then_the_spread_only() {
        let (monitor, now_ns) = measured(|_| 5, None);
        let second = monitor.document(now_ns).unwrap().last_second.unwrap();
        assert_eq!((second.delay_ns, second.ts_df_ns), (None, 0));
        assert_eq!(second.verdict, AudioVerdict::Compliant);
    }
}
