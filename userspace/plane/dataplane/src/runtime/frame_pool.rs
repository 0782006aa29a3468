//! The frames of a receive session: which are free, being filled, or on loan.

use std::sync::Arc;

use onair_dpdk::prefetch;
use onair_essence::media_time::RtpClock;
use onair_essence::receive::{Sink, UnitProgress, UnitReport};
use onair_ipc::frames::FrameMemory;
use onair_ipc::meta::{FrameMeta, MissingRange};
use onair_session::AttachRefusal;

use crate::clock::MediaClock;
use crate::runtime::attachment::{Attachments, Parts};
use crate::runtime::kept_units::{Following, KeptUnits};
use crate::runtime::open_units::{self, Announcement, OpenUnits};
use crate::stats::{FrameClock, SessionStats};

/// A frame's media time is known if it is within this time of the reception. More than any network and
/// processing delays; less than the 37 s by which a sender of UTC is behind.
const SAME_CLOCK_NS: u64 = 10_000_000_000;

/// The session's frames, and which attachments hold them.
#[derive(Debug)]
pub(crate) struct FramePool {
    frames: FrameMemory,
    /// Frames that the assembler fills: two at most, because packets of a frame may come after the first of the next.
    filling: [Option<u32>; 2],
    /// Open units that clients may have on loan.
    open: OpenUnits,
    /// Frames that were filled, from 0 on. The others have no memory yet: one of them is taken only if no
    /// other is free.
    touched: u32,
    /// Where the search for a free one starts: the one that was free the longest.
    next: u32,
    pub(super) number: u64,
    pub(super) rtp_clock: RtpClock,
    /// See [`pause`].
    pause: u32,
    pub(crate) attachments: Attachments,
    kept: KeptUnits,
    /// The last whole unit, until its frame is filled again or the flow pauses: the first one of a new client.
    newest: Option<(u32, FrameMeta)>,
    pub(super) stats: Arc<SessionStats>,
    clock: Option<Arc<MediaClock>>,
}

impl FramePool {
    /// Free frames for at most `most` attachments.
    pub(super) fn new(
        frames: FrameMemory,
        (rtp_clock, period_ns): (RtpClock, u64),
        most: usize,
        stats: &Arc<SessionStats>,
    ) -> Self {
        let count = frames.count() as usize;
        Self {
            frames,
            filling: [None; 2],
            open: OpenUnits::default(),
            touched: 0,
            next: 0,
            number: 0,
            rtp_clock,
            pause: pause(rtp_clock, period_ns),
            attachments: Attachments::new(Arc::clone(stats), most, count),
            kept: KeptUnits::default(),
            newest: None,
            stats: Arc::clone(stats),
            clock: None,
        }
    }

    /// Timestamps are of `rtp_clock`, and a unit lasts `period_ns`.
    pub(super) fn set_clock(&mut self, (rtp_clock, period_ns): (RtpClock, u64)) {
        self.rtp_clock = rtp_clock;
        self.pause = pause(rtp_clock, period_ns);
    }

    /// Gives frames the times of their timestamps by `clock`.
    pub(super) fn follow(&mut self, clock: Arc<MediaClock>) {
        self.clock = Some(clock);
    }

    pub(crate) fn count(&self) -> u32 {
        self.frames.count()
    }

    /// The next start keeps units for clients that come back.
    pub(super) fn keep_units(&mut self) {
        self.kept.ask(self.count());
    }

    pub(super) fn start(&mut self, now_ns: u64) {
        self.kept.start(now_ns);
    }

    /// Whether the session has begun lately, and keeps units.
    pub(super) const fn keeps_units(&self) -> bool {
        self.kept.are_kept()
    }

    /// Each client gets what comes from now on.
    pub(super) fn keep_no_more(&mut self) {
        self.attachments.follow_live(&self.kept);
        self.kept.end();
    }

    /// Gives clients that came back the kept units that they have room for. Returns whether some wait for more.
    pub(super) fn catch_up(&mut self, now_ns: u64) -> bool {
        if self.kept.are_over(now_ns) {
            self.keep_no_more();
        }
        self.kept.are_kept() && self.attachments.catch_up(&self.kept)
    }

    /// The flow pauses: what comes next may be much later, or of another source.
    pub(super) const fn forget_newest(&mut self) {
        self.newest = None;
    }

    /// Adds an attachment. One that comes back gets the unit after its last one first, if that is kept. A new one gets
    /// the newest, at once if another one arrives already: it would wait for up to the time of a unit otherwise.
    pub(super) fn add(&mut self, parts: Parts) -> Result<(), (AttachRefusal, Parts)> {
        let (attachment, after) = (parts.0.attachment(), parts.0.after());
        self.attachments.add(parts)?;
        let following = after.map_or(Following::Newest, |it| self.kept.follow(it));
        self.attachments.follow(attachment, following);
        if self.filling.iter().any(Option::is_some) {
            self.attachments.loan_newest(self.newest.as_ref());
        }
        Ok(())
    }

    fn is_free(&self, frame: u32) -> bool {
        !self.filling.contains(&Some(frame)) && !self.attachments.have(frame)
    }

    fn free_frame(&self) -> Option<u32> {
        (self.next..self.touched)
            .chain(0..self.next)
            .find(|frame| self.is_free(*frame) && !self.kept.have(*frame))
    }

    /// One of the kept units gives its frame up.
    fn kept_frame(&mut self) -> Option<u32> {
        loop {
            let frame = self.kept.drop_oldest()?;
            if self.is_free(frame) {
                return Some(frame);
            }
        }
    }

    /// A frame that was never filled.
    fn untouched_frame(&mut self) -> Option<u32> {
        let frame = self.touched;
        self.touched = (frame + 1).min(self.count());
        (frame < self.count()).then_some(frame)
    }

    /// Takes back a frame that its session stops to fill.
    pub(super) fn drop_frame(&mut self, frame: u32) {
        self.put_down(frame);
        self.end_open(frame, |it| it.bytes);
        self.stats.counters.frames_dropped_stop.add(1);
    }

    /// Loans a frame of which nothing stands yet to clients that take such.
    #[cold]
    fn loan_open(&mut self, frame: u32, progress: &UnitProgress) {
        // Frames that end before it have the numbers before its own.
        let before = self.filling.iter().flatten().filter(|it| **it != frame);
        let number = self.number + before.count() as u64;
        let mut meta = open_units::describe(number, progress, (0, self.frames.frame_bytes()));
        meta.media_time_ns = self.media_time(progress.rtp_timestamp, progress.first_packet_ns);
        if self.attachments.loan_open(frame, &meta) {
            self.open.loaned(frame);
        }
    }

    /// Clients that have a frame learn that no more of it comes, and how many of its bytes are right. Returns whether
    /// there are any.
    fn end_open(&mut self, frame: u32, right: impl FnOnce(&UnitProgress) -> usize) -> bool {
        let Some(unit) = self.open.end(frame) else {
            return false;
        };
        let all = self.frames.frame_bytes();
        let stand = u32::try_from(right(&unit)).map_or(all, |it| it.min(all));
        let mut meta = open_units::describe(self.number, &unit, (stand, all));
        meta.media_time_ns = self.media_time(unit.rtp_timestamp, unit.first_packet_ns);
        self.attachments.end_open(frame, &meta);
        true
    }

    /// As [`media_time`]; 0 if it is not known.
    pub(super) fn media_time(&self, rtp_timestamp: u32, first_packet_ns: u64) -> u64 {
        self.clock.as_ref().map_or(0, |clock| {
            let tai_ns = first_packet_ns.saturating_add(clock.ahead_ns());
            media_time(self.rtp_clock, rtp_timestamp, tai_ns)
        })
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

    fn open(&mut self, rtp_timestamp: u32) -> Option<u32> {
        let is_of_before =
            |meta: &FrameMeta| rtp_timestamp.wrapping_sub(meta.rtp_timestamp) > self.pause;
        self.newest.take_if(|(_, meta)| is_of_before(meta));
        self.attachments.loan_newest(self.newest.as_ref());
        let place = self.filling.iter().position(Option::is_none)?;
        let free = self.free_frame().or_else(|| {
            // Only if no frame is known to be free: a reap reads the words of every client.
            self.attachments.reap();
            self.free_frame()
        });
        let frame = free.or_else(|| self.untouched_frame());
        let frame = frame.or_else(|| self.kept_frame())?;
        self.newest.take_if(|(newest, _)| *newest == frame);
        self.filling[place] = Some(frame);
        self.next = (frame + 1) % self.touched;
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

    #[inline]
    fn follows(&self) -> bool {
        self.attachments.may_take_open() || !self.open.are_none()
    }

    fn progress(&mut self, frame: u32, progress: &UnitProgress) {
        match self.open.announce(frame, progress) {
            Announcement::Nothing => return,
            Announcement::New => self.loan_open(frame, progress),
            Announcement::More => {}
        }
        self.attachments
            .advance(frame, u32::try_from(progress.bytes).unwrap_or(u32::MAX));
    }

    fn finish(&mut self, frame: u32, report: &UnitReport) {
        self.put_down(frame);
        if report.wrong_format && report.bytes_missing == 0 {
            // A part of a larger picture. Clients would take it for a complete frame.
            self.number += u64::from(self.end_open(frame, |_| 0));
            return;
        }
        if !self.open.are_none() {
            self.open.end(frame);
        }
        let mut meta = describe(self.number, report);
        meta.media_time_ns = self.media_time(report.rtp_timestamp, report.first_packet_ns);
        self.number += 1;
        let counters = &self.stats.counters;
        counters.last_frame_ns.set(report.last_packet_ns);
        let clock = FrameClock::to_counter(report.rtp_timestamp, report.first_packet_ns);
        counters.frame_clock.set(clock);
        self.attachments.loan(frame, &meta);
        self.newest = (meta.bytes_missing == 0).then_some((frame, meta));
        if self.kept.are_kept() {
            self.kept.push(frame, &meta);
            self.catch_up(report.last_packet_ns);
        }
    }
}

/// More ticks than this are between two units if the flow pauses between them: one and a half periods.
fn pause(rtp_clock: RtpClock, period_ns: u64) -> u32 {
    let ticks = u64::from(rtp_clock.hz) * (period_ns + period_ns / 2) / 1_000_000_000;
    u32::try_from(ticks).unwrap_or(u32::MAX)
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
    use onair_ipc::layout::Geometry;

    use super::*;

    #[test]
    fn frames_without_a_client_then_two_of_them_get_memory() {
        let geometry = Geometry::new(18, 4096).unwrap();
        let frames = FrameMemory::create(geometry, true).unwrap();
        let clock = RtpClock {
            hz: 90_000,
            offset: 0,
        };
        let stats = Arc::new(SessionStats::new(1));
        let mut pool = FramePool::new(frames, (clock, 16_683_333), 1, &stats);
        let mut filled = pool.open(0).unwrap();
        for at in 1..100 {
            let next = pool.open(at).unwrap();
            assert_ne!(next, filled);
            assert!(next < 2, "{next}");
            pool.put_down(filled);
            filled = next;
        }
    }

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
