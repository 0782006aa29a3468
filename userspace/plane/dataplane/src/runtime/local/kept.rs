//! The first frames of a restored local session, for readers that come back after its filler.

use onair_ipc::freshness::FrameAge;
use onair_mutant::mutant;
use onair_session::AttachRefusal;

use super::Local;
use crate::runtime::attachment::Parts;
use crate::runtime::kept_units::Following;

impl Local {
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
