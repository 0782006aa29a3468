//! The measurement of a stream that shows only while it runs how many packets its frames have.

use super::declared::Declared;
use super::measurement::Measurement;
use super::schedule::{Reads, Stream};
use super::spacing::{Spacing, UnitPackets};
use super::summary::Extremes;
use super::verdict::{Verdict, verdict};
use crate::rtp::RtpHeader;
use crate::video::Scan;

/// Units of the same number of packets that decide it.
const MIN_UNITS: u64 = 3;
/// Units of another number of packets, one after the other, that start the measurement again.
const MAX_OTHERS: u32 = 4;
/// How long the figures of a window are collected, in nanoseconds.
const WINDOW_NS: u64 = 1_000_000_000;

/// Extremes of the figures in a window of time.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    /// The time of its first packet; `None` before that.
    started_ns: Option<u64>,
    /// The time of its last packet.
    last_ns: u64,
    packets: u64,
    cinst: u64,
    vrx: Extremes<i64>,
    /// As the verdict takes them.
    judged: Extremes<i64>,
}

/// The figures of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Second {
    /// Packets that the figures are of: those of one unit (frame or field) at least.
    pub packets: u64,
    /// Highest level of the network model.
    pub cinst: u64,
    /// Lowest and highest level of the virtual receive buffer, if both ends follow the same clock.
    pub vrx: Option<(i64, i64)>,
    /// The verdict on these.
    pub verdict: Verdict,
}

impl Window {
    #[inline]
    fn add(&mut self, packets: u32, cinst: u64, vrx: Option<i64>, later_reads: i64) {
        self.packets += u64::from(packets);
        self.cinst = self.cinst.max(cinst);
        if let Some(level) = vrx {
            self.vrx.add(level);
            self.judged.add(level.saturating_add(later_reads));
        }
    }
}

/// Learns the packets of a unit and the schedule, then measures. Starts again when the source or the number
/// of packets changes.
#[derive(Debug, Clone)]
pub struct Monitor {
    stream: Stream,
    /// The sender's declaration.
    declared: Declared,
    spacing: Spacing,
    /// Elsewhere: only markers need it.
    units: Box<UnitPackets>,
    measurement: Measurement,
    learnt: bool,
    source: Option<u32>,
    others: u32,
    window: Window,
    last: Option<Second>,
    /// How far from the times of their timestamps its units came, if the clocks differ.
    away_ns: Option<f64>,
    ended_ns: u64,
    restarts: u64,
}

impl Monitor {
    /// For a stream of this height and rate of frames; `None` if the rate is out of range.
    #[must_use]
    pub fn new(height: u32, scan: Scan, rate: (u32, u32)) -> Option<Self> {
        let stream = Stream {
            height,
            scan,
            rate,
            packets: 1,
            reads: Reads::Linear,
            offset_ns: None,
            max_udp: None,
        };
        Some(Self {
            stream,
            declared: Declared::default(),
            spacing: Spacing::default(),
            units: Box::default(),
            measurement: Measurement::new(&stream).ok()?,
            learnt: false,
            source: None,
            others: 0,
            window: Window::default(),
            last: None,
            away_ns: None,
            ended_ns: 0,
            restarts: 0,
        })
    }

    /// The same stream, of a sender that says this of itself: its type decides the schedule, not the pauses
    /// between its packets. What was measured before counts no more.
    #[must_use]
    pub fn declared_as(mut self, declared: Declared) -> Self {
        self.declare(declared);
        self
    }

    /// As [`Self::declared_as`]. Does not allocate.
    pub fn declare(&mut self, declared: Declared) {
        if declared == self.declared {
            return;
        }
        self.declared = declared;
        (self.stream.offset_ns, self.stream.max_udp) = (declared.offset_ns, declared.max_udp);
        if self.source.is_some() {
            self.start_again();
        }
    }

    /// The sender's declaration.
    #[must_use]
    pub const fn declared(&self) -> Declared {
        self.declared
    }

    /// Adds a packet; times as for [`Measurement::packet`]. Returns whether a second begins with it: then
    /// [`Self::last_second`] may be new.
    #[inline]
    pub fn packet(&mut self, at_ns: u64, tai_ns: Option<u64>, rtp: &RtpHeader) -> bool {
        if self.source != Some(rtp.ssrc) {
            if self.source.is_some() {
                self.start_again();
            }
            self.source = Some(rtp.ssrc);
        }
        self.spacing.packet(at_ns, rtp.marker);
        if let Some(packets) = self.units.packet(rtp.sequence, rtp.marker) {
            self.unit(packets);
        }
        if !self.learnt {
            return false;
        }
        let (cinst, vrx) = self.measurement.packet(at_ns, tai_ns, rtp);
        let begins = self.due_ns().is_none_or(|due_ns| due_ns <= at_ns);
        if begins {
            self.end_window();
            self.window.started_ns = Some(at_ns);
        }
        self.window.last_ns = at_ns;
        let later_reads = self.measurement.later_reads();
        self.window.add(1, cinst, vrx, later_reads);
        begins
    }

    /// When [`Self::pause`] has work, unless a packet comes before; `None` without packets since the last
    /// second ended.
    #[inline]
    #[must_use]
    pub const fn due_ns(&self) -> Option<u64> {
        match self.window.started_ns {
            Some(started_ns) => Some(started_ns.saturating_add(WINDOW_NS)),
            None => None,
        }
    }

    /// Ends the second if it is over at `now_ns`: a source that has paused sends no packet that would end it.
    /// Returns whether [`Self::last_second`] is new.
    pub fn pause(&mut self, now_ns: u64) -> bool {
        let is_over = self.due_ns().is_some_and(|due_ns| due_ns <= now_ns);
        if is_over {
            self.end_window();
        }
        is_over
    }

    /// `times` more packets of the last one's unit and time; neither it nor they have the marker. The same
    /// as so many calls of [`Self::packet`], for the price of one.
    #[inline]
    pub fn repeat(&mut self, times: u32) {
        if times == 0 {
            return;
        }
        self.spacing.repeat(times.into());
        if self.learnt {
            let (cinst, vrx) = self.measurement.repeat(times);
            let later_reads = self.measurement.later_reads();
            self.window.add(times, cinst, vrx, later_reads);
        }
    }

    /// Counts that a packet at `at_ns` will probably change. For prefetching.
    #[inline]
    pub fn next_counts(&self, at_ns: u64) -> impl Iterator<Item = &u64> {
        let spacing = self.spacing.next_counts(at_ns).into_iter();
        spacing.chain(self.measurement.next_counts())
    }

    #[inline(never)]
    fn unit(&mut self, packets: u32) {
        if self.learnt {
            self.others = if packets == self.stream.packets {
                0
            } else {
                self.others + 1
            };
            if self.others >= MAX_OTHERS {
                self.start_again();
            }
            return;
        }
        let usual = self.units.usual().filter(|(_, units)| *units >= MIN_UNITS);
        let declared = self.declared.sender.map(Reads::of);
        let reads = declared.or_else(|| self.spacing.reads());
        let (Some((packets, _)), Some(reads)) = (usual, reads) else {
            return;
        };
        self.stream.packets = packets;
        self.stream.reads = reads;
        self.learnt = self.measurement.restart(&self.stream).is_ok();
    }

    fn end_window(&mut self) {
        let Window {
            started_ns,
            last_ns,
            packets,
            cinst,
            vrx,
            judged,
        } = std::mem::take(&mut self.window);
        if started_ns.is_none() {
            return;
        }
        self.ended_ns = last_ns;
        self.away_ns = self.measurement.compare_clocks();
        self.last = (packets >= self.stream.packets.into()).then(|| {
            let is_judged = self.measurement.same_clock() == Some(true);
            let vrx = vrx.get().filter(|_| is_judged);
            let judged = judged.get().zip(vrx);
            let judged = judged.map(|((lowest, _), (_, highest))| (lowest, highest));
            Second {
                packets,
                cinst,
                vrx,
                verdict: verdict(self.measurement.limits(), self.stream.reads, cinst, judged),
            }
        });
    }

    fn start_again(&mut self) {
        self.spacing.clear();
        *self.units = UnitPackets::default();
        self.learnt = false;
        self.others = 0;
        self.window = Window::default();
        (self.last, self.away_ns) = (None, None);
        self.restarts += 1;
    }

    /// The measurement since the packets of a frame were learnt; `None` before.
    #[must_use]
    pub fn measurement(&self) -> Option<&Measurement> {
        self.learnt.then_some(&self.measurement)
    }

    /// The times between packets.
    #[must_use]
    pub const fn spacing(&self) -> &Spacing {
        &self.spacing
    }

    /// The last second, or what came of it before the source paused; `None` if less than a unit came.
    #[must_use]
    pub const fn last_second(&self) -> Option<Second> {
        self.last
    }

    /// How far from the times of their timestamps the units of the last second came, in nanoseconds, if sender and
    /// measured times follow different clocks.
    #[must_use]
    pub const fn clocks_differ_ns(&self) -> Option<f64> {
        self.away_ns
    }

    /// The time of the last packet of the last second; 0 before.
    #[must_use]
    pub const fn ended_ns(&self) -> u64 {
        self.ended_ns
    }

    /// Becomes equal to `other`. Does not allocate.
    pub fn copy_from(&mut self, other: &Self) {
        self.spacing.copy_from(&other.spacing);
        self.measurement.copy_from(&other.measurement);
        (self.stream, self.declared, *self.units) = (other.stream, other.declared, *other.units);
        (self.learnt, self.source, self.others) = (other.learnt, other.source, other.others);
        (self.window, self.last, self.away_ns) = (other.window, other.last, other.away_ns);
        (self.ended_ns, self.restarts) = (other.ended_ns, other.restarts);
    }

    /// How often the measurement started again.
    #[must_use]
    pub const fn restarts(&self) -> u64 {
        self.restarts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet, relative to the others of its burst.
    #[derive(Debug, Clone, Copy)]
    struct Step {
        after_ns: u64,
        repeats: u32,
        marker: bool,
        has_tai: bool,
    }

    fn step() -> impl Strategy<Value = Step> {
        let marker = prop::bool::weighted(0.2);
        let after_ns = prop_oneof![1_000u64..20_000, Just(600_000_000)];
        let step = (after_ns, 0u32..40, marker, prop::bool::weighted(0.9));
        step.prop_map(|(after_ns, repeats, marker, has_tai)| Step {
            after_ns,
            repeats: if marker { 0 } else { repeats },
            marker,
            has_tai,
        })
    }

    proptest! {
        #[test]
        fn packets_of_a_burst_together_are_the_same_as_one_by_one(
            steps in prop::collection::vec(step(), 1..400),
        ) {
            let new = || Monitor::new(1080, Scan::Progressive, (50, 1)).unwrap();
            let (mut together, mut single) = (new(), new());
            let (mut now_ns, mut sequence, mut timestamp) = (1_790_000_000_000_000_000, 0u16, 0u32);
            for Step { after_ns, repeats, marker, has_tai } in steps {
                now_ns += after_ns;
                let tai_ns = has_tai.then_some(now_ns + 37_000_000_000);
                let mut rtp = RtpHeader { marker, payload_type: 96, sequence, timestamp, ssrc: 1 };
                together.packet(now_ns, tai_ns, &rtp);
                together.repeat(repeats);
                for _ in 0..=repeats {
                    single.packet(now_ns, tai_ns, &rtp);
                    rtp.sequence = rtp.sequence.wrapping_add(1);
                }
                sequence = rtp.sequence;
                timestamp = timestamp.wrapping_add(if marker { 1800 } else { 0 });
            }
            prop_assert_eq!(format!("{together:?}"), format!("{single:?}"));
        }
    }

    /// The nth packet of a source of 50 frames a second, of 20 packets each.
    fn header(packet: u64) -> RtpHeader {
        RtpHeader {
            marker: packet % 20 == 19,
            payload_type: 96,
            sequence: u16::try_from(packet).unwrap(),
            timestamp: u32::try_from(packet / 20 * 1800).unwrap(),
            ssrc: 1,
        }
    }

    /// When it comes, in ns.
    fn at(packet: u64) -> u64 {
        1_790_000_000_000_000_000 + packet * 1_000_000
    }

    #[test]
    fn verdict_needs_a_whole_unit_and_ends_with_a_window_of_none() {
        let mut monitor = Monitor::new(1080, Scan::Progressive, (50, 1)).unwrap();
        let mut feed = |packet: u64, now_ns: u64| {
            monitor.packet(now_ns, None, &header(packet));
            monitor.last_second()
        };
        let published: Vec<_> = (0..1_500).filter_map(|it| feed(it, at(it))).collect();
        let first = published.first().unwrap();
        assert_eq!(first.packets, 1_000);
        // Without a look the rest of that second is published when the source returns.
        let back = feed(1_500, at(1_500) + 2_000_000_000).unwrap();
        assert!((20..1_000).contains(&back.packets), "{back:?}");
        // One packet, then a pause: no verdict.
        assert_eq!(feed(1_501, at(1_501) + 4_000_000_000), None);
    }

    #[test]
    fn timestamps_that_heal_are_right_a_second_later() {
        let mut monitor = Monitor::new(1080, Scan::Progressive, (50, 1)).unwrap();
        let mut feed = |packets: std::ops::Range<u64>, away_ns: u64, wrong: u64| {
            for packet in packets {
                let mut rtp = header(packet);
                if packet / 20 == wrong {
                    rtp.timestamp = rtp.timestamp.wrapping_add(90_000_000);
                }
                let tai_ns = packet * 1_000_000 + away_ns;
                monitor.packet(at(packet), Some(tai_ns), &rtp);
            }
            let same_clock = monitor.measurement().and_then(Measurement::same_clock);
            (monitor.clocks_differ_ns(), same_clock)
        };
        let (away_ns, same_clock) = feed(0..5_000, 5_000_000_000, u64::MAX);
        assert!((away_ns.unwrap() - 5e9).abs() < 1e6, "{away_ns:?}");
        assert_eq!(same_clock, Some(false));
        assert_eq!(feed(5_000..7_100, 0, u64::MAX), (None, Some(true)));
        assert_eq!(feed(7_100..9_300, 0, 380), (None, Some(true)));
    }

    #[test]
    fn source_that_pauses_then_its_second_ends_at_its_last_packet() {
        let mut monitor = Monitor::new(1080, Scan::Progressive, (50, 1)).unwrap();
        let feed = |monitor: &mut Monitor, packets: std::ops::Range<u64>, pause_ns: u64| {
            for packet in packets {
                monitor.packet(at(packet) + pause_ns, None, &header(packet));
            }
        };
        assert_eq!(monitor.due_ns(), None);
        feed(&mut monitor, 0..1_500, 0);
        let first = monitor.last_second().unwrap();
        let due_ns = monitor.due_ns().unwrap();
        assert!(!monitor.pause(due_ns - 1));
        assert_eq!(monitor.last_second(), Some(first));
        assert!(monitor.pause(due_ns) && !monitor.pause(due_ns));
        let rest = monitor.last_second().unwrap();
        assert!((20..1_000).contains(&rest.packets), "{rest:?}");
        assert_eq!((monitor.ended_ns(), monitor.due_ns()), (at(1_499), None));
        // Its return changes nothing of that.
        let pause_ns = 5_000_000_000;
        feed(&mut monitor, 1_500..1_501, pause_ns);
        assert_eq!(
            (monitor.last_second(), monitor.ended_ns()),
            (Some(rest), at(1_499))
        );
        assert_eq!(monitor.due_ns(), Some(at(1_500) + pause_ns + WINDOW_NS));
        // Less than a unit: no verdict.
        assert!(monitor.pause(u64::MAX));
        assert_eq!(monitor.last_second(), None);
    }
}
