//! Measurement of the timing of a flow's packets.

use std::fmt::Debug;

use onair_mutant::mutant;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::rows::Rows;
use crate::rtp::RtpHeader;

/// Values that are told apart.
const MOST: usize = 8;

/// A figure for metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gauge {
    /// The metric's name: `onair_session_…`.
    pub name: &'static str,
    /// Its meaning, as a sentence.
    pub help: &'static str,
    /// A label and its value, beside the session's.
    pub label: Option<(&'static str, &'static str)>,
    /// The value.
    pub value: f64,
}

/// From the times of timestamps to arrivals, in nanoseconds: beyond this, both ends do not follow the same clock.
const SAME_CLOCK_NS: i64 = 1_000_000_000;

/// Smallest, largest and the sum of some times, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) min: i64,
    pub(crate) max: i64,
    sum: i128,
    pub(crate) count: i64,
}

impl Range {
    pub(crate) fn add(&mut self, ns: i64) {
        (self.min, self.max) = match self.count {
            0 => (ns, ns),
            _ => (self.min.min(ns), self.max.max(ns)),
        };
        self.sum += i128::from(ns);
        self.count += 1;
    }

    pub(crate) fn mean(&self) -> Option<i64> {
        let mean = self.sum.checked_div(self.count.into())?;
        i64::try_from(mean).ok()
    }

    /// The mean, if all of these times after timestamps are of another clock.
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds for people")]
    pub(crate) fn away_ns(&self) -> Option<f64> {
        let is_away = self.min > SAME_CLOCK_NS || self.max < -SAME_CLOCK_NS;
        self.mean().filter(|_| is_away).map(|mean| mean as f64)
    }
}

/// Parts of payloads that arrived, and are damaged all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Their fault, as `ANC packets have a wrong checksum or wrong parity`.
    pub what: &'static str,
    /// How many are damaged.
    pub damaged: u64,
    /// How many arrived.
    pub of: u64,
}

/// Measures packet by packet, and ends its figures each second. Only its constructor allocates, and
/// [`Self::document`].
pub trait Measure: Clone {
    /// The figures as JSON.
    type Document: Clone + Eq + Debug + Serialize + DeserializeOwned + Rows;

    /// Whether it reads payloads: then each packet is told, and none is only a repeat.
    fn reads_payloads(&self) -> bool {
        false
    }

    /// Adds a packet, received at `at_ns`, which is `tai_ns` if both ends follow the same clock. Returns
    /// whether a second begins with it: the figures of the last one may be new.
    fn packet(&mut self, at_ns: u64, tai_ns: Option<u64>, rtp: &RtpHeader, payload: &[u8]) -> bool;

    /// `times` more packets of the last one's unit and time; neither it nor they have the marker.
    fn repeat(&mut self, times: u32);

    /// Ends the second if it is over at `now_ns`. Returns whether the figures of the last one are new.
    fn pause(&mut self, now_ns: u64) -> bool;

    /// When [`Self::pause`] has work, unless a packet comes before.
    fn due_ns(&self) -> Option<u64>;

    /// Tells `fetch` of the counts that a packet at `at_ns` will probably change.
    fn fetch(&self, at_ns: u64, fetch: impl FnMut(&u64));

    /// The figures at `now_ns`; `None` before a unit was measured.
    fn document(&self, now_ns: u64) -> Option<Self::Document>;

    /// The figures of the last second for metrics, if it ended shortly before `now_ns`.
    fn gauges(&self, now_ns: u64, visit: &mut dyn FnMut(Gauge));

    /// How far after the times of their RTP timestamps packets arrived in the last second, in nanoseconds: if
    /// that is too far for both ends to follow the same clock, and it ended shortly before `now_ns`.
    fn away_ns(&self, now_ns: u64) -> Option<f64>;

    /// A remark for people about the packets of the last second, if it ended shortly before `now_ns`, with the
    /// remedy.
    fn remark(&self, _now_ns: u64) -> Option<String> {
        None
    }

    /// Damage of the last second, if it ended shortly before `now_ns`.
    fn damage(&self, _now_ns: u64) -> Option<Damage> {
        None
    }

    /// Becomes a copy of `other`, which measures the same stream. Does not allocate.
    fn copy_from(&mut self, other: &Self);
}

/// The first eight values that occurred, and how often each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds<T> {
    found: [Option<(T, u64)>; MOST],
    total: u64,
}

impl<T: PartialEq> Kinds<T> {
    pub(crate) fn add(&mut self, value: T) {
        self.total += 1;
        let is_its = |it: &&mut Option<(T, u64)>| it.as_ref().is_none_or(|it| it.0 == value);
        if let Some(place) = self.found.iter_mut().find(is_its) {
            place.get_or_insert((value, 0)).1 += 1;
        }
    }

    pub(crate) fn occurred(&self) -> impl Iterator<Item = (&T, u64)> {
        self.found.iter().flatten().map(|it| (&it.0, it.1))
    }

    /// The most frequent one, the first found of equals, and how often it occurred.
    pub(crate) fn usual(&self) -> Option<(&T, u64)> {
        self.occurred().reduce(|best, it| {
            let is_more = it.1 > best.1 && !mutant!("survey: the first packet says what it is");
            if is_more { it } else { best }
        })
    }

    /// What nearly all are, if they are alike.
    pub(crate) fn nearly_all(&self) -> Option<&T> {
        let (usual, times) = self.usual()?;
        (8 * times >= 7 * self.total).then_some(usual)
    }

    /// How often any occurred.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }
}

impl<T> Default for Kinds<T> {
    fn default() -> Self {
        let (found, total) = ([const { None }; MOST], 0);
        Self { found, total }
    }
}
