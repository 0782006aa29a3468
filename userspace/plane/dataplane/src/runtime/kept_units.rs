//! The first units of a restored session, for clients that come back: each gets the units after its last one.

use std::collections::VecDeque;

use onair_ipc::meta::FrameMeta;
use onair_mutant::mutant;

/// How long after its start a session keeps them: clients attach in milliseconds, and then take what was kept.
const KEEP_NS: u64 = 2_000_000_000;

/// Whole units that some client may still get, the oldest first. They are in frames that nothing else needs.
#[derive(Debug, Default)]
pub(super) struct KeptUnits {
    units: VecDeque<(u32, FrameMeta)>,
    /// The number after the newest that there was.
    end_number: u64,
    /// The next start keeps them.
    is_asked: bool,
    /// 0: none are kept.
    until_ns: u64,
}

/// The unit that an attachment gets next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Following {
    /// Each unit, as it ends.
    Live,
    /// The newest unit, once another one arrives; then each as it ends. Its client is new.
    Newest,
    /// Nothing until a unit ends that is after this RTP timestamp: its client has had the others.
    After(u32),
    /// The kept unit of this number, or the oldest after it.
    Kept(u64),
}

impl KeptUnits {
    /// The next start keeps units, up to `most` at a time.
    pub(super) fn ask(&mut self, most: u32) {
        self.is_asked = true;
        self.units.reserve_exact(most as usize);
    }

    /// The session starts.
    pub(super) fn start(&mut self, now_ns: u64) {
        if std::mem::take(&mut self.is_asked) {
            self.until_ns = now_ns.saturating_add(KEEP_NS);
        }
    }

    /// Whether units are kept.
    pub(super) const fn are_kept(&self) -> bool {
        self.until_ns > 0
    }

    /// Whether it is time for [`Self::end`].
    pub(super) const fn are_over(&self, now_ns: u64) -> bool {
        self.are_kept() && self.until_ns <= now_ns
    }

    /// Keeps none any more.
    pub(super) fn end(&mut self) {
        self.until_ns = 0;
        self.units.clear();
    }

    /// The next unit for a client whose last unit had this timestamp.
    pub(super) fn follow(&self, after: u32) -> Following {
        if !self.are_kept() {
            return Following::Live;
        }
        let mut units = self.units.iter();
        let is_new = |meta: &FrameMeta| {
            mutant!("kept: a client that comes back gets what it had")
                || is_after(meta.rtp_timestamp, after)
        };
        let next = units.find(|(_, meta)| is_new(meta));
        next.map_or(Following::After(after), |(_, meta)| {
            Following::Kept(meta.number)
        })
    }

    pub(super) fn push(&mut self, frame: u32, meta: &FrameMeta) {
        self.end_number = meta.number + 1;
        if self.units.len() < self.units.capacity() {
            self.units.push_back((frame, *meta));
        }
    }

    /// The one of number `next`, or the oldest after it.
    pub(super) fn at(&self, next: u64) -> Option<(u32, &FrameMeta)> {
        let mut units = self.units.iter();
        let at = units.find(|(_, meta)| meta.number >= next);
        at.map(|(frame, meta)| (*frame, meta))
    }

    /// How many there were from this number on: of a client that follows it, those that it misses if it follows no more.
    pub(super) const fn from(&self, next: u64) -> u64 {
        self.end_number.saturating_sub(next)
    }

    /// Whether one is in `frame`.
    pub(super) fn have(&self, frame: u32) -> bool {
        self.units.iter().any(|(kept, _)| *kept == frame)
    }

    /// Gives up the oldest. Returns its frame.
    pub(super) fn drop_oldest(&mut self) -> Option<u32> {
        self.units.pop_front().map(|(frame, _)| frame)
    }
}

/// Whether a timestamp follows another one: they wrap.
pub(super) const fn is_after(timestamp: u32, other: u32) -> bool {
    timestamp.wrapping_sub(other).wrapping_sub(1) < (1 << 31) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(number: u64, rtp_timestamp: u32) -> FrameMeta {
        FrameMeta {
            number,
            rtp_timestamp,
            ..FrameMeta::default()
        }
    }

    #[test]
    fn timestamps_that_wrap_then_their_order() {
        for (timestamp, other, after) in [
            (5, 5, false),
            (6, 5, true),
            (5, 6, false),
            (3, u32::MAX - 3, true),
            (u32::MAX - 3, 3, false),
        ] {
            assert_eq!(is_after(timestamp, other), after, "{timestamp} {other}");
        }
    }

    #[test]
    fn client_comes_back_then_it_follows_the_unit_after_its_last() {
        let mut kept = KeptUnits::default();
        assert_eq!(kept.follow(0), Following::Live);
        kept.ask(3);
        assert!(!kept.are_kept());
        kept.start(10);
        assert_eq!(kept.follow(0), Following::After(0));
        for number in 0..3 {
            kept.push(number, &unit(number.into(), 3000 + 1000 * number));
        }
        assert_eq!(kept.follow(2000), Following::Kept(0));
        assert_eq!(kept.follow(3000), Following::Kept(1));
        assert_eq!(kept.follow(4001), Following::Kept(2));
        assert_eq!(kept.follow(5000), Following::After(5000));
        assert_eq!(kept.drop_oldest(), Some(0));
        assert_eq!(kept.at(0).map(|(frame, _)| frame), Some(1));
        assert!(kept.have(2) && !kept.have(0));
        // All are given up while a client is behind: what it misses is still known.
        kept.push(0, &unit(3, 6000));
        while kept.drop_oldest().is_some() {}
        assert_eq!((kept.at(1), kept.from(1)), (None, 3));
        assert!(!kept.are_over(9 + KEEP_NS) && kept.are_over(10 + KEEP_NS));
        kept.end();
        assert_eq!((kept.follow(0), kept.at(0)), (Following::Live, None));
        // Another start keeps none.
        kept.start(20);
        assert!(!kept.are_kept());
    }
}
