//! Measurement of the timing of a flow's packets.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::rows::Rows;
use crate::rtp::RtpHeader;

/// A figure for metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gauge {
    /// The metric's name: `onair_session_…`.
    pub name: &'static str,
    /// What it is, as a sentence.
    pub help: &'static str,
    /// A label and its value, beside the session's.
    pub label: Option<(&'static str, &'static str)>,
    /// The value.
    pub value: f64,
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

    /// How far after the times of their RTP timestamps packets arrive, in nanoseconds: if that is too far for
    /// both ends to follow the same clock, and packets arrived shortly before `now_ns`.
    fn away_ns(&self, now_ns: u64) -> Option<f64>;

    /// Becomes a copy of `other`, which measures the same stream. Does not allocate.
    fn copy_from(&mut self, other: &Self);
}
