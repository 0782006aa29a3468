//! Measurement of the timing of a flow's packets.

use crate::rtp::RtpHeader;

/// Measures packet by packet, and ends its figures each second. Allocates only in its constructor.
pub trait Measure: Clone {
    /// Adds a packet, received at `at_ns`, which is `tai_ns` if both ends follow the same clock. Returns
    /// whether a second begins with it: the figures of the last one may be new.
    fn packet(&mut self, at_ns: u64, tai_ns: Option<u64>, rtp: &RtpHeader) -> bool;

    /// `times` more packets of the last one's unit and time; neither it nor they have the marker.
    fn repeat(&mut self, times: u32);

    /// Ends the second if it is over at `now_ns`. Returns whether the figures of the last one are new.
    fn pause(&mut self, now_ns: u64) -> bool;

    /// When [`Self::pause`] has work, unless a packet comes before.
    fn due_ns(&self) -> Option<u64>;

    /// Tells `fetch` of the counts that a packet at `at_ns` will probably change.
    fn fetch(&self, at_ns: u64, fetch: impl FnMut(&u64));

    /// Becomes a copy of `other`, which measures the same stream. Does not allocate.
    fn copy_from(&mut self, other: &Self);
}
