//! Results of the measurement of a video's timing: as JSON, for metrics, and for people.

mod document;
mod report;
mod rows;

pub use document::{
    Compliance, ComplianceVerdict, TimingInterval, TimingLevel, TimingLevels, TimingRange,
    TimingSchedule, TimingSource, VideoTiming,
};

use super::st2110_21::Monitor;
use crate::measure::{Gauge, Measure};
use crate::rows::{Row, Rows};
use crate::rtp::RtpHeader;

impl Measure for Monitor {
    type Document = VideoTiming;

    #[inline]
    fn packet(
        &mut self,
        at_ns: u64,
        tai_ns: Option<u64>,
        rtp: &RtpHeader,
        _payload: &[u8],
    ) -> bool {
        Self::packet(self, at_ns, tai_ns, rtp)
    }

    #[inline]
    fn repeat(&mut self, times: u32) {
        Self::repeat(self, times);
    }

    fn pause(&mut self, now_ns: u64) -> bool {
        Self::pause(self, now_ns)
    }

    #[inline]
    fn due_ns(&self) -> Option<u64> {
        Self::due_ns(self)
    }

    #[inline]
    fn fetch(&self, at_ns: u64, fetch: impl FnMut(&u64)) {
        self.next_counts(at_ns).for_each(fetch);
    }

    fn copy_from(&mut self, other: &Self) {
        Self::copy_from(self, other);
    }

    fn document(&self, now_ns: u64) -> Option<VideoTiming> {
        report::document(self, now_ns)
    }

    fn gauges(&self, now_ns: u64, visit: &mut dyn FnMut(Gauge)) {
        report::gauges(self, now_ns, visit);
    }

    fn away_ns(&self, now_ns: u64) -> Option<f64> {
        report::away_ns(self, now_ns)
    }
}

impl Rows for VideoTiming {
    fn rows(&self) -> Vec<Row> {
        rows::rows(self)
    }
}
