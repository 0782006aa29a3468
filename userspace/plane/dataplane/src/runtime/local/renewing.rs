//! Frames of an earlier filler, until their pages are replaced: [`Freshness`](onair_ipc::freshness::Freshness).

use onair_ipc::freshness::FrameAge;

use super::{Local, REST_NS};

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
}
