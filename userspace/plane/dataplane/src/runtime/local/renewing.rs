//! Frames of an earlier filler, until their pages are replaced: [`Freshness`](onair_ipc::freshness::Freshness).

use onair_ipc::freshness::FrameAge;
use onair_mutant::mutant;
use onair_session::AttachRefusal;

use super::{Local, REST_NS};
use crate::runtime::attachment::Parts;
use crate::runtime::kept_units::Following;

/// After this time a frame whose pages are not replaced is reported again.
pub(super) const AGAIN_NS: u64 = 100_000_000;

/// The frames that are not fresh.
#[derive(Debug, Default)]
pub(super) struct Renewing {
    tenure: u64,
    old: Vec<u32>,
    looks_at_ns: u64,
    reports_at_ns: u64,
}

impl Renewing {
    pub(super) fn of(frames: u32) -> Self {
        Self {
            old: Vec::with_capacity(frames as usize),
            ..Self::default()
        }
    }

    /// Whether frames of an earlier filler are not fresh yet.
    pub(super) fn has_some(&self) -> bool {
        !self.old.is_empty()
    }
}

impl Local {
    /// Says which of the earlier fillers' frames no reader has, and notes which are fresh.
    pub(super) fn renew(&mut self, now_ns: u64) {
        let Some(freshness) = self.frames.freshness() else {
            return;
        };
        let it = &mut self.renewing;
        if it.tenure != freshness.tenure() {
            it.tenure = freshness.tenure();
            it.old.clear();
            let all = 0..self.frames.count();
            it.old
                .extend(all.filter(|frame| freshness.of(*frame) != FrameAge::Fresh));
            (it.looks_at_ns, it.reports_at_ns) = (now_ns, 0);
            self.attachments.are_to_renew = it.old.is_empty();
        }
        if it.old.is_empty() || now_ns < it.looks_at_ns {
            return;
        }
        it.looks_at_ns = now_ns.saturating_add(REST_NS);
        self.attachments.reap();
        let (attachments, kept) = (&self.attachments, &self.kept);
        let (mut is_new, mut waits) = (false, false);
        it.old.retain(|frame| {
            let age = freshness.of(*frame);
            waits |= age == FrameAge::Idle;
            if age == FrameAge::Stale && !attachments.have(*frame) && !kept.have(*frame) {
                freshness.release(*frame);
                is_new = true;
            }
            age != FrameAge::Fresh
        });
        if is_new || waits && now_ns >= it.reports_at_ns || it.old.is_empty() {
            self.attachments.are_to_renew = true;
            it.reports_at_ns = now_ns.saturating_add(AGAIN_NS);
        }
    }

    /// The next start keeps frames for readers that come back.
    pub(crate) fn keep_units(&mut self) {
        self.kept.ask(self.count());
    }

    /// Adds an attachment. A reader that comes back gets the frame after its last one first, if that is kept.
    pub(crate) fn add(&mut self, parts: Parts) -> Result<(), (AttachRefusal, Parts)> {
        let (attachment, after) = (parts.0.attachment(), parts.0.after());
        self.attachments.add(parts)?;
        let following = after.map_or(Following::Live, |it| self.kept.follow(it));
        self.attachments.follow(attachment, following);
        Ok(())
    }

    /// Loans kept frames to readers that came back and have room for them.
    pub(super) fn catch_up(&mut self, now_ns: u64) {
        if self.kept.are_over(now_ns) {
            self.keep_no_more();
        }
        if self.kept.are_kept() {
            self.attachments.catch_up(&self.kept);
        }
    }

    /// Each reader gets what comes from now on.
    pub(super) fn keep_no_more(&mut self) {
        self.attachments.follow_live(&self.kept);
        self.kept.end();
    }

    /// A fresh frame that no client has. Takes the oldest kept one if there is no other.
    pub(super) fn free_frame(&mut self) -> Option<u32> {
        let (next, count, kept) = (self.next, self.count(), &self.kept);
        let freshness = self.frames.freshness();
        let is_old = |frame| {
            freshness.is_some_and(|it| it.of(frame) != FrameAge::Fresh)
                && !mutant!("fresh: stale frames are offered")
        };
        let free =
            (self.attachments).free_frame(next, count, |frame| kept.have(frame) || is_old(frame));
        if self.renewing.has_some() {
            return free;
        }
        free.or_else(|| {
            loop {
                let frame = self.kept.drop_oldest()?;
                if !self.attachments.have(frame) {
                    return Some(frame);
                }
            }
        })
    }
}
