//! All figures of one stream whose format is known.

use super::first_packet::FirstPackets;
use super::histogram::Levels;
use super::limits::Limits;
use super::models::network::NetworkModel;
use super::models::receive_buffer::ReceiveBuffer;
use super::schedule::{Schedule, ScheduleError, Stream};
use super::verdict::{Verdict, verdict};
use crate::measure::Range;
use crate::rtp::{RtpHeader, timestamp_after};

/// Levels of the network model that are told apart.
const CINST_LEVELS: i64 = 1023;
/// Levels of the virtual receive buffer that are told apart.
const VRX_LEVELS: (i64, i64) = (-256, 1023);

/// Which packet comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Nothing was seen yet, or packets of a unit without its start.
    Unknown,
    /// The first packet of a unit.
    Start,
    /// Another packet of the unit with this timestamp.
    Within(u32),
}

/// The measurement of one stream: constant memory, two divisions a packet.
#[derive(Debug, Clone)]
pub struct Measurement {
    network: NetworkModel,
    buffer: ReceiveBuffer,
    cinst: Levels,
    vrx: Levels,
    next: Next,
    /// The last packet's level of the receive buffer.
    last_vrx: Option<i64>,
    /// The lowest level, as the verdict takes it; the highest number before the first.
    lowest: i64,
    units: u64,
    rare: Box<Rare>,
}

/// State that only a unit's first packet needs, elsewhere: with many sessions, each cache line of a measurement
/// costs.
#[derive(Debug, Clone, Copy)]
struct Rare {
    stream: Stream,
    schedule: Schedule,
    limits: Limits,
    first: FirstPackets,
    /// Of the first packets since the clocks were last compared: nanoseconds after the times of their timestamps.
    delays: Range,
    /// The clocks differ.
    is_away: bool,
}

impl Rare {
    fn new(stream: &Stream) -> Result<Self, ScheduleError> {
        Ok(Self {
            stream: *stream,
            schedule: Schedule::new(stream)?,
            limits: Limits::new(stream),
            first: FirstPackets::default(),
            delays: Range::default(),
            is_away: false,
        })
    }
}

impl Measurement {
    /// The measurement of `stream`, before its first packet.
    ///
    /// # Errors
    /// [`ScheduleError`]: a value of the stream is out of range.
    pub fn new(stream: &Stream) -> Result<Self, ScheduleError> {
        Self::with_levels(stream, CINST_LEVELS, VRX_LEVELS)
    }

    /// As [`Self::new`], with so many levels of the network model, and of the virtual receive buffer on
    /// either side of 0.
    ///
    /// # Errors
    /// [`ScheduleError`]: a value of the stream is out of range.
    pub fn with_many_levels(stream: &Stream, levels: u16) -> Result<Self, ScheduleError> {
        let levels = i64::from(levels);
        Self::with_levels(stream, levels, (-levels, levels))
    }

    fn with_levels(stream: &Stream, cinst: i64, vrx: (i64, i64)) -> Result<Self, ScheduleError> {
        let rare = Rare::new(stream)?;
        Ok(Self {
            network: NetworkModel::new(&rare.schedule),
            buffer: ReceiveBuffer::new(&rare.schedule),
            cinst: Levels::new(0..=cinst),
            vrx: Levels::new(vrx.0..=vrx.1),
            next: Next::Unknown,
            last_vrx: None,
            lowest: i64::MAX,
            units: 0,
            rare: Box::new(rare),
        })
    }

    /// Starts again, for another stream. Does not allocate.
    ///
    /// # Errors
    /// [`ScheduleError`]: a value of the stream is out of range. Nothing changed.
    pub fn restart(&mut self, stream: &Stream) -> Result<(), ScheduleError> {
        *self.rare = Rare::new(stream)?;
        self.network = NetworkModel::new(&self.rare.schedule);
        self.buffer = ReceiveBuffer::new(&self.rare.schedule);
        self.cinst.clear();
        self.vrx.clear();
        self.next = Next::Unknown;
        (self.last_vrx, self.lowest) = (None, i64::MAX);
        self.units = 0;
        Ok(())
    }

    /// Becomes equal to `other`, which tells apart as many levels. Does not allocate then.
    pub fn copy_from(&mut self, other: &Self) {
        self.cinst.copy_from(&other.cinst);
        self.vrx.copy_from(&other.vrx);
        *self.rare = *other.rare;
        self.network = other.network;
        self.buffer = other.buffer;
        self.next = other.next;
        (self.last_vrx, self.lowest) = (other.last_vrx, other.lowest);
        self.units = other.units;
    }

    /// Adds a packet that came at `at_ns` of a steady clock and at `tai_ns` since the epoch; without the
    /// latter the virtual receive buffer and the first packets are not measured. Returns the levels of
    /// both models.
    #[inline]
    pub fn packet(
        &mut self,
        at_ns: u64,
        tai_ns: Option<u64>,
        rtp: &RtpHeader,
    ) -> (u64, Option<i64>) {
        let cinst = self.network.packet(at_ns);
        self.cinst.add(i64::try_from(cinst).unwrap_or(i64::MAX));
        let starts = match self.next {
            Next::Unknown => false,
            Next::Start => true,
            // The marker was lost.
            Next::Within(timestamp) => timestamp_after(rtp.timestamp, timestamp),
        };
        if starts {
            self.units += 1;
            self.next = Next::Within(rtp.timestamp);
            if let Some(tai_ns) = tai_ns {
                let margin_ns = self.buffer.start(tai_ns);
                let Rare {
                    schedule,
                    first,
                    delays,
                    ..
                } = &mut *self.rare;
                delays.add(first.add(schedule, tai_ns, rtp.timestamp, margin_ns));
            }
        }
        let vrx = match (self.next, tai_ns) {
            (Next::Within(_), Some(tai_ns)) => self.buffer.packet(tai_ns),
            _ => None,
        };
        if let Some(level) = vrx {
            self.vrx.add(level);
            let judged = level.saturating_add(self.later_reads());
            self.lowest = self.lowest.min(judged);
        }
        self.last_vrx = vrx;
        if rtp.marker {
            self.next = Next::Start;
        }
        (cinst, vrx)
    }

    /// `times` more packets of the last one's unit and time; neither it nor they have the marker. What
    /// [`Self::packet`] gives for the last of them.
    #[inline]
    pub fn repeat(&mut self, times: u32) -> (u64, Option<i64>) {
        let first = |last: i64| last.saturating_sub(i64::from(times) - 1);
        let cinst = self.network.repeat(times);
        let highest = i64::try_from(cinst).unwrap_or(i64::MAX);
        self.cinst.add_rising(first(highest), times);
        if self.last_vrx.is_some() {
            self.last_vrx = self.buffer.repeat(times);
        }
        if let Some(level) = self.last_vrx {
            self.vrx.add_rising(first(level), times);
        }
        (cinst, self.last_vrx)
    }

    /// Counts that the next packet of a stream that is in time will change. A guess.
    #[inline]
    pub(super) fn next_counts(&self) -> [&u64; 2] {
        // Each level is a packet that still waits: none, after a pause.
        let vrx = self.last_vrx.unwrap_or_default();
        [self.cinst.count_at(0), self.vrx.count_at(vrx)]
    }

    /// Reads of the current unit that may come later than those of its levels: half a line of a second field, which
    /// EBU LIST does not have, and so its figures do not.
    #[inline]
    pub(super) const fn later_reads(&self) -> i64 {
        self.buffer.later_reads()
    }

    /// The stream as it was given.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.rare.stream
    }

    /// Its times.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.rare.schedule
    }

    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.rare.limits
    }

    /// Levels of the network model that packets found.
    #[must_use]
    pub const fn cinst(&self) -> &Levels {
        &self.cinst
    }

    /// Levels of the virtual receive buffer after packets.
    #[must_use]
    pub const fn vrx(&self) -> &Levels {
        &self.vrx
    }

    /// Figures of the first packets of frames or fields.
    #[must_use]
    pub fn first_packets(&self) -> &FirstPackets {
        &self.rare.first
    }

    /// Frames or fields that started.
    #[must_use]
    pub const fn units(&self) -> u64 {
        self.units
    }

    /// Whether the first packets came within a second of the times of their timestamps: sender and measured
    /// times follow the same clock. `None` if no such times were given.
    #[must_use]
    pub fn same_clock(&self) -> Option<bool> {
        let Rare {
            first,
            delays,
            is_away,
            ..
        } = &*self.rare;
        first.after_timestamp_ns.mean()?;
        Some(!is_away && delays.away_ns().is_none())
    }

    /// Ends some time in which clocks are compared. Returns how far they differed. When they begin or cease to differ,
    /// what was measured by both says nothing any more.
    pub(super) fn compare_clocks(&mut self) -> Option<f64> {
        let rare = &mut *self.rare;
        let delays = std::mem::take(&mut rare.delays);
        let away_ns = delays.away_ns();
        if delays.count > 0 && away_ns.is_some() != rare.is_away {
            rare.is_away = away_ns.is_some();
            rare.first = FirstPackets::default();
            self.vrx.clear();
        }
        away_ns
    }

    /// The verdict on everything that was measured, without the virtual receive buffer if `with_vrx` is
    /// false or if it has no packet. `None` without a packet.
    #[must_use]
    pub fn verdict(&self, with_vrx: bool) -> Option<Verdict> {
        let cinst = u64::try_from(self.cinst.max()?).unwrap_or(0);
        let vrx = self.vrx.max().map(|highest| (self.lowest, highest));
        let vrx = vrx.filter(|_| with_vrx);
        Some(verdict(
            &self.rare.limits,
            self.rare.stream.reads,
            cinst,
            vrx,
        ))
    }
}
