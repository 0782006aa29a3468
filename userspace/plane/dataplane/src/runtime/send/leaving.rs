//! Clients that leave a send session, and frames that are dropped instead of sent.

use onair_net::ethernet::Mac;

use onair_session::Evicted;

use super::content::Content;
use super::{Phase, Sender};
use crate::runtime::attachment::Parts;

impl Sender {
    /// Detaches `attachment`: once its submitted frames are sent, [`Self::detached`] returns it.
    /// False if there is no such attachment.
    pub(crate) fn dismiss(&mut self, attachment: u64, now_ns: u64) -> bool {
        self.collect(now_ns);
        let leaves_at = self.gives_up_at(now_ns);
        match self.attachments.get_mut(attachment) {
            Some(leaving) => {
                leaving.leaves_at.get_or_insert(leaves_at);
                self.retry_ns = Some(now_ns);
                true
            }
            None => false,
        }
    }

    /// The next detached attachment without unsent frames.
    pub(crate) fn detached(&mut self) -> Option<Parts> {
        let left = self
            .attachments
            .iter()
            .position(|it| it.leaves_at.is_some() && !self.has_work_of(it.lender.attachment()))?;
        Some(self.attachments.take(left))
    }

    /// Removes an attachment while the control thread owns the runtime.
    pub(crate) fn remove(&mut self, attachment: u64) -> Option<Parts> {
        self.drop_work_of(attachment);
        self.attachments.remove(attachment)
    }

    /// Evicts an attachment: drops what it submitted, also in the middle of a frame.
    pub(crate) fn evict(&mut self, attachment: u64) -> Option<Evicted> {
        self.drop_work_of(attachment);
        self.attachments.evict(attachment)
    }

    fn has_work_of(&self, attachment: u64) -> bool {
        self.under_way()
            .is_some_and(|it| it.attachment == attachment)
            || self.queue.iter().any(|it| it.attachment == attachment)
    }

    /// Drops frames that were not sent before the session's or the client's deadline.
    pub(super) fn give_up(&mut self, now_ns: u64, next_hop: Option<Mac>) {
        if self
            .quiet_at
            .is_some_and(|at| now_ns >= at || next_hop.is_none())
        {
            self.drop_unsent();
        }
        // Each turn leaves one attachment without work.
        while let Some(overdue) = self.overdue(now_ns) {
            self.drop_work_of(overdue);
            debug_assert!(!self.has_work_of(overdue), "{overdue} has work left");
        }
    }

    /// Drops all that is not sent: the session stops.
    pub(crate) fn drop_unsent(&mut self) {
        let under_way = match self.phase {
            Phase::Sending { content, .. } => content != Content::Nothing,
            Phase::Waiting { .. } => false,
        };
        let dropped = self.queue.len() as u64 + u64::from(under_way);
        self.stats.counters.frames_dropped_stop.add(dropped);
        self.queue.clear();
        self.abandon();
    }

    /// A detached attachment with unsent frames whose deadline has passed.
    fn overdue(&self, now_ns: u64) -> Option<u64> {
        self.attachments.iter().find_map(|it| {
            let attachment = it.lender.attachment();
            let late = it.leaves_at.is_some_and(|at| now_ns >= at);
            (late && self.has_work_of(attachment)).then_some(attachment)
        })
    }

    fn drop_work_of(&mut self, attachment: u64) {
        let before = self.queue.len();
        self.queue.retain(|it| it.attachment != attachment);
        let mut dropped = before - self.queue.len();
        if self
            .under_way()
            .is_some_and(|it| it.attachment == attachment)
        {
            self.abandon();
            dropped += 1;
        }
        self.stats
            .counters
            .frames_dropped_detached
            .add(dropped as u64);
    }

    pub(super) fn abandon(&mut self) {
        if let Phase::Sending { slot, .. } = self.phase {
            self.phase = Phase::Waiting { slot: slot + 1 };
        }
    }
}
