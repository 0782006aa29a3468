//! The frames of a receive session: which are free, being filled, or on loan.

use std::sync::Arc;

use arrayvec::ArrayVec;
use onair_dpdk::prefetch;
use onair_essence::media_time::RtpClock;
use onair_essence::receive::{Sink, UnitReport};
use onair_ipc::frames::FrameMemory;
use onair_ipc::meta::{FrameMeta, MissingRange};

use crate::clock::MediaClock;
use crate::feed::feeds::ConverterFeeds;
use crate::runtime::attachment::Attachments;
use crate::stats::{FrameClock, SessionStats};

/// A frame's media time is known if it is within this time of the reception. More than any network and
/// processing delays; less than the 37 s by which a sender of UTC is behind.
const SAME_CLOCK_NS: u64 = 10_000_000_000;
/// Most frames that wait for their copies.
pub(super) const MOST_COPIED: usize = 4;

/// The session's frames, and which attachments hold them.
#[derive(Debug)]
pub(crate) struct FramePool {
    frames: FrameMemory,
    /// Frames that the assembler fills: two at most, because packets of a frame may come after the first of the next.
    filling: [Option<u32>; 2],
    /// Copies into its frames may be under way.
    pub(super) has_copies: bool,
    /// Finished frames that wait until the copies have ended.
    pub(super) copied: ArrayVec<(u32, UnitReport), MOST_COPIED>,
    /// Where the search for a free frame starts: the frame that was free the longest.
    next: u32,
    pub(super) number: u64,
    pub(super) rtp_clock: RtpClock,
    pub(crate) attachments: Attachments,
    pub(crate) feeds: ConverterFeeds,
    pub(super) stats: Arc<SessionStats>,
    clock: Option<Arc<MediaClock>>,
}

impl FramePool {
    /// Free frames for at most `most` attachments.
    pub(super) fn new(
        frames: FrameMemory,
        rtp_clock: RtpClock,
        most: usize,
        stats: &Arc<SessionStats>,
    ) -> Self {
        let count = frames.count() as usize;
        Self {
            frames,
            filling: [None; 2],
            has_copies: false,
            copied: ArrayVec::new_const(),
            next: 0,
            number: 0,
            rtp_clock,
            attachments: Attachments::new(Arc::clone(stats), most, count),
            feeds: ConverterFeeds::new(most),
            stats: Arc::clone(stats),
            clock: None,
        }
    }

    /// Gives frames the times of their timestamps by `clock`.
    pub(super) fn follow(&mut self, clock: Arc<MediaClock>) {
        self.clock = Some(clock);
    }

    pub(crate) fn count(&self) -> u32 {
        self.frames.count()
    }

    fn free_frame(&self) -> Option<u32> {
        let count = self.frames.count();
        (self.next..count).chain(0..self.next).find(|frame| {
            !self.filling.contains(&Some(*frame))
                && !self.copied.iter().any(|(copied, _)| copied == frame)
                && !self.attachments.have(*frame)
                && !self.feeds.have(*frame)
        })
    }

    /// Takes back a frame that its session stops to fill.
    pub(super) fn drop_frame(&mut self, frame: u32) {
        self.put_down(frame);
        self.stats.counters.frames_dropped_stop.add(1);
    }

    /// The frames' memory.
    pub(super) const fn frames(&self) -> &FrameMemory {
        &self.frames
    }

    /// Nothing more is written into this frame but by copies that are under way.
    pub(super) fn finish_copied(&mut self, frame: u32, report: &UnitReport) {
        self.put_down(frame);
        self.copied.push((frame, *report));
    }

    /// All copies have ended: passes on the frames that waited for that.
    pub(crate) fn publish_copied(&mut self) {
        self.has_copies = false;
        for (frame, report) in std::mem::take(&mut self.copied) {
            self.finish(frame, &report);
        }
    }

    fn put_down(&mut self, frame: u32) {
        for place in &mut self.filling {
            if *place == Some(frame) {
                *place = None;
            }
        }
    }
}

impl Sink for FramePool {
    type Slot = u32;

    fn open(&mut self, _rtp_timestamp: u32) -> Option<u32> {
        let place = self.filling.iter().position(Option::is_none)?;
        let frame = self.free_frame().or_else(|| {
            self.attachments.reap();
            self.feeds.reap();
            self.free_frame()
        })?;
        self.filling[place] = Some(frame);
        self.next = (frame + 1) % self.frames.count();
        Some(frame)
    }

    #[inline]
    fn write(&mut self, frame: u32, offset: usize, bytes: &[u8]) {
        self.frames.write(frame, offset, bytes);
    }

    #[inline]
    fn fetch(&self, frame: u32, offset: usize, len: usize) {
        self.frames.fetch(frame, offset, len);
    }

    #[inline]
    fn fetch_word(&self, word: &u64) {
        prefetch(word);
    }

    fn finish(&mut self, frame: u32, report: &UnitReport) {
        self.put_down(frame);
        if report.wrong_format && report.bytes_missing == 0 {
            // A part of a larger picture. Clients would take it for a complete frame.
            return;
        }
        let mut meta = describe(self.number, report);
        if let Some(clock) = &self.clock {
            let tai_ns = report.first_packet_ns.saturating_add(clock.ahead_ns());
            meta.media_time_ns = media_time(self.rtp_clock, report.rtp_timestamp, tai_ns);
        }
        self.number += 1;
        let counters = &self.stats.counters;
        counters.last_frame_ns.set(report.last_packet_ns);
        let clock = FrameClock::to_counter(report.rtp_timestamp, report.first_packet_ns);
        counters.frame_clock.set(clock);
        self.attachments.loan(frame, &meta);
        self.feeds.give(frame, &meta, &self.frames);
    }
}

/// The time of a timestamp that came at `tai_ns`; 0 if its sender follows another clock.
fn media_time(clock: RtpClock, rtp_timestamp: u32, tai_ns: u64) -> u64 {
    let ns = clock.nearest_ns(rtp_timestamp, tai_ns);
    if ns.abs_diff(tai_ns) <= SAME_CLOCK_NS {
        ns
    } else {
        0
    }
}

fn describe(number: u64, report: &UnitReport) -> FrameMeta {
    let narrow = |value: usize| u32::try_from(value).expect("units are smaller than 2^32 bytes");
    let mut meta = FrameMeta {
        number,
        rtp_timestamp: report.rtp_timestamp,
        first_packet_ns: report.first_packet_ns,
        last_packet_ns: report.last_packet_ns,
        packets: report.packets_received,
        packets_lost: report.packets_lost,
        bytes_missing: narrow(report.bytes_missing),
        tag: report.tag,
        ..FrameMeta::default()
    };
    for (told, found) in meta.missing.iter_mut().zip(report.missing()) {
        *told = MissingRange {
            offset: narrow(found.offset),
            len: narrow(found.len),
        };
    }
    meta
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_is_unwrapped_unless_its_sender_uses_another_clock() {
        let second = 1_000_000_000;
        let sent_ns = 1_790_000_000 * second;
        for offset in [0, 2_911_906_980] {
            let clock = RtpClock { hz: 90_000, offset };
            let ticks = u32::try_from(1_790_000_000 * 90_000 % (1u64 << 32)).unwrap();
            let media_time = |tai_ns| media_time(clock, ticks.wrapping_add(offset), tai_ns);
            assert_eq!(media_time(sent_ns), sent_ns);
            assert_eq!(media_time(sent_ns + 9 * second), sent_ns);
            assert_eq!(media_time(sent_ns - 9 * second), sent_ns);
            assert_eq!(media_time(sent_ns + 37 * second), 0);
            assert_eq!(media_time(5 * second), 0);
        }
    }
}
