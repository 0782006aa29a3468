//! Attachments of one session, held in the session's runtime.

use std::sync::Arc;

use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::{Lender, Submission, Violation};
use onair_ipc::meta::FrameMeta;
use onair_session::{AttachRefusal, Evicted};

use crate::runtime::kept_units::{Following, KeptUnits, is_after};
use crate::stats::{AttachmentCounters, SessionStats};

/// Objects that the control thread passes in and gets back: the lender and, for send, the client's frames.
pub(crate) type Parts = (Box<Lender>, Option<FrameMemory>);

/// One attachment.
#[derive(Debug)]
pub(crate) struct PollerAttachment {
    pub(crate) lender: Box<Lender>,
    /// Send: frames that this client fills.
    pub(crate) frames: Option<FrameMemory>,
    place: usize,
    /// Receive.
    following: Following,
    /// Receive, before the first unit: the RTP timestamp of the last one that its client had before.
    resumes: Option<u32>,
    /// Send: nothing more is loaned. At this time the sender drops what is still queued.
    pub(crate) leaves_at: Option<u64>,
}

/// All attachments of one session.
#[derive(Debug)]
pub(crate) struct Attachments {
    list: Vec<PollerAttachment>,
    stats: Arc<SessionStats>,
    violations: Vec<(u64, Violation)>,
    /// A client may take frames while they are received.
    may_take_open: bool,
    /// Shared frames that evicted attachments held: attachment and frame.
    aside: Vec<(u64, u32)>,
    /// The control thread has to look at the age of the frames that they share.
    pub(crate) are_to_renew: bool,
}

impl Attachments {
    /// Starts empty. At most `most` attachments; at most `loans` shared frames loaned to each.
    pub(crate) fn new(stats: Arc<SessionStats>, most: usize, loans: usize) -> Self {
        Self {
            list: Vec::with_capacity(most),
            aside: Vec::with_capacity(loans),
            stats,
            violations: Vec::with_capacity(most),
            may_take_open: false,
            are_to_renew: false,
        }
    }

    pub(crate) fn add(&mut self, (lender, frames): Parts) -> Result<(), (AttachRefusal, Parts)> {
        let number = lender.attachment();
        if self.get(number).is_some() {
            return Err((AttachRefusal::Twice(number), (lender, frames)));
        }
        let Some(place) = self.stats.enter(number) else {
            return Err((AttachRefusal::Full, (lender, frames)));
        };
        self.may_take_open = true;
        self.list.push(PollerAttachment {
            resumes: lender.after(),
            lender,
            frames,
            place,
            following: Following::Live,
            leaves_at: None,
        });
        Ok(())
    }

    /// Sets the unit that the attachment gets next.
    pub(super) fn follow(&mut self, attachment: u64, following: Following) {
        if let Some(attachment) = self.get_mut(attachment) {
            attachment.following = following;
        }
    }

    pub(crate) fn remove(&mut self, attachment: u64) -> Option<Parts> {
        let at = self
            .list
            .iter()
            .position(|it| it.lender.attachment() == attachment)?;
        Some(self.take(at))
    }

    pub(crate) fn take(&mut self, at: usize) -> Parts {
        let gone = self.list.remove(at);
        self.stats.leave(gone.place);
        (gone.lender, gone.frames)
    }

    /// Removes an attachment and revokes its loans. Shared frames that it held are set aside.
    pub(crate) fn evict(&mut self, attachment: u64) -> Option<Evicted> {
        let (lender, frames) = self.remove(attachment)?;
        Some(Evicted::revoke(lender, frames, &mut self.aside))
    }

    /// Puts frames back into use if `is_over` is true for the attachment that they are set aside
    /// for.
    pub(crate) fn release(&mut self, is_over: impl Fn(u64) -> bool) {
        self.aside.retain(|(attachment, _)| !is_over(*attachment));
    }

    pub(crate) fn get(&self, attachment: u64) -> Option<&PollerAttachment> {
        self.list
            .iter()
            .find(|it| it.lender.attachment() == attachment)
    }

    pub(crate) fn get_mut(&mut self, attachment: u64) -> Option<&mut PollerAttachment> {
        self.list
            .iter_mut()
            .find(|it| it.lender.attachment() == attachment)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &PollerAttachment> + Clone {
        self.list.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut PollerAttachment> {
        self.list.iter_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether a client holds `frame` of the shared memory, or may still read it.
    pub(crate) fn have(&self, frame: u32) -> bool {
        self.list.iter().any(|it| it.lender.has(frame))
            || self.aside.iter().any(|(_, aside)| *aside == frame)
    }

    /// A frame of `count` that no client has and that is not kept, the first from `next` on. Asks the clients only if there
    /// is none.
    pub(crate) fn free_frame(
        &mut self,
        next: u32,
        count: u32,
        is_kept: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let find = |it: &Self| {
            let mut frames = (next..count).chain(0..next);
            frames.find(|frame| !is_kept(*frame) && !it.have(*frame))
        };
        find(self).or_else(|| {
            self.reap();
            find(self)
        })
    }

    /// Credits returned frames of all attachments; [`Self::reap_submitted`] does it for one that fills frames.
    pub(crate) fn reap(&mut self) {
        for attachment in self.list.iter_mut().filter(|it| !it.lender.fills()) {
            attachment.lender.reap(|_| {});
            let counters = self.stats.at(attachment.place);
            counters.frames_out.set(attachment.lender.loaned() as u64);
            note_violation(&self.stats, &mut self.violations, &mut attachment.lender);
        }
    }

    /// Credits frames returned by the attachment at `at`. Calls `submitted`, in no order, for each
    /// frame that the client submitted.
    pub(crate) fn reap_submitted(&mut self, at: usize, mut submitted: impl FnMut(Submission)) {
        let attachment = &mut self.list[at];
        let counters = self.stats.at(attachment.place);
        attachment.lender.collect(|it| {
            counters.frames_submitted.add(1);
            self.stats.counters.frames_submitted.add(1);
            submitted(it);
        });
        counters.frames_out.set(attachment.lender.loaned() as u64);
        note_violation(&self.stats, &mut self.violations, &mut attachment.lender);
    }

    /// Revokes untaken frames and credits returned ones, for all attachments. Returns how many
    /// frames the clients claim to have submitted.
    pub(crate) fn settle(&mut self) -> u64 {
        let mut submitted = 0;
        for attachment in &mut self.list {
            let lender = &mut attachment.lender;
            match attachment.frames.is_some() || lender.fills() {
                true => lender.settle_submitted(|_| submitted += 1),
                false => lender.settle(|_| {}),
            }
        }
        submitted
    }

    /// Loans a finished frame to every attachment but one that fills frames. An attachment at its quota loses its oldest
    /// untaken frame; without one it does not get this frame. Other attachments are not affected. An attachment that was
    /// loaned the frame while it was received learns of its end.
    pub(crate) fn loan(&mut self, frame: u32, meta: &FrameMeta) {
        self.may_take_open = false;
        for attachment in self.list.iter_mut().filter(|it| !it.lender.fills()) {
            match attachment.following {
                Following::Kept(_) => continue,
                Following::After(timestamp) if !is_after(meta.rtp_timestamp, timestamp) => continue,
                Following::After(_) | Following::Newest | Following::Live => {
                    attachment.following = Following::Live;
                }
            }
            let counters = self.stats.at(attachment.place);
            note_first(counters, &mut attachment.resumes, meta);
            let lender = &mut attachment.lender;
            // Before the quota counts: frames that the client has returned make room.
            lender.reap(|_| {});
            note_violation(&self.stats, &mut self.violations, lender);
            if lender.has_open() && lender.end_open(frame, meta) {
                self.may_take_open |= lender.ask_for_open();
                counters.frames_out.set(lender.loaned() as u64);
                continue;
            }
            let mut loaned = lender.publish(frame, meta);
            if loaned.is_err() {
                note_lost(&self.stats, counters, lender, 1);
                if lender.drop_oldest().is_some() {
                    loaned = lender.publish(frame, meta);
                }
            }
            if loaned.is_ok() {
                counters.frames_lent.add(1);
            }
            counters.frames_out.set(lender.loaned() as u64);
            self.may_take_open |= lender.takes_open();
        }
    }

    /// Loans the newest unit, if there is one, to each attachment that awaits it.
    pub(super) fn loan_newest(&mut self, newest: Option<&(u32, FrameMeta)>) {
        for attachment in &mut self.list {
            if attachment.following != Following::Newest {
                continue;
            }
            attachment.following = Following::Live;
            let loaned = newest.map(|(frame, meta)| attachment.lender.publish(*frame, meta));
            if loaned.is_some_and(|it| it.is_ok()) {
                let counters = self.stats.at(attachment.place);
                counters.frames_lent.add(1);
                counters.frames_out.set(attachment.lender.loaned() as u64);
            }
            self.may_take_open |= attachment.lender.takes_open();
        }
    }

    /// Loans the kept units that attachments follow, as far as their quotas have room. None loses an earlier one for
    /// them. Returns whether some follow more.
    pub(super) fn catch_up(&mut self, kept: &KeptUnits) -> bool {
        let mut are_behind = false;
        for attachment in &mut self.list {
            let Following::Kept(mut next) = attachment.following else {
                continue;
            };
            let counters = self.stats.at(attachment.place);
            let lender = &mut attachment.lender;
            lender.reap(|_| {});
            note_violation(&self.stats, &mut self.violations, lender);
            attachment.following = loop {
                let Some((frame, meta)) = kept.at(next) else {
                    note_lost(&self.stats, counters, lender, kept.from(next));
                    break Following::Live;
                };
                note_lost(&self.stats, counters, lender, meta.number - next);
                next = meta.number;
                note_first(counters, &mut attachment.resumes, meta);
                if lender.publish(frame, meta).is_err() {
                    are_behind = true;
                    break Following::Kept(next);
                }
                counters.frames_lent.add(1);
                next += 1;
            };
            counters.frames_out.set(lender.loaned() as u64);
            self.may_take_open |= lender.takes_open();
        }
        are_behind
    }

    /// Each attachment gets what ends from now on. What it followed of `kept` until now is lost for it.
    pub(super) fn follow_live(&mut self, kept: &KeptUnits) {
        for attachment in &mut self.list {
            if let Following::Kept(next) = attachment.following {
                let counters = self.stats.at(attachment.place);
                note_lost(&self.stats, counters, &attachment.lender, kept.from(next));
            }
            attachment.following = Following::Live;
        }
    }

    /// Whether [`Self::loan_open`] may have something to do.
    #[inline]
    pub(crate) const fn may_take_open(&self) -> bool {
        self.may_take_open
    }

    /// Loans a frame that begins to arrive to each attachment whose client takes such frames, if its quota has
    /// room: none loses an earlier frame for it. Returns whether one has it.
    pub(crate) fn loan_open(&mut self, frame: u32, meta: &FrameMeta) -> bool {
        let mut is_open = false;
        for attachment in &mut self.list {
            let lender = &mut attachment.lender;
            // The first loan reads whether there will be others.
            let is_first = lender.published() == 0;
            if attachment.following != Following::Live {
                continue;
            }
            if !(lender.takes_open() || is_first && lender.ask_for_open()) {
                continue;
            }
            let counters = self.stats.at(attachment.place);
            note_first(counters, &mut attachment.resumes, meta);
            lender.reap(|_| {});
            note_violation(&self.stats, &mut self.violations, lender);
            if lender.publish_open(frame, meta).is_ok() {
                is_open = true;
                counters.frames_lent.add(1);
            }
            counters.frames_out.set(lender.loaned() as u64);
        }
        is_open
    }

    /// So many bytes of a frame stand that was loaned while it is received.
    pub(crate) fn advance(&mut self, frame: u32, bytes: u32) {
        for attachment in &mut self.list {
            if attachment.lender.has_open() {
                attachment.lender.advance(frame, bytes);
            }
        }
    }

    /// A frame that was loaned while it was received has ended, and is none.
    pub(crate) fn end_open(&mut self, frame: u32, meta: &FrameMeta) {
        for attachment in &mut self.list {
            attachment.lender.end_open(frame, meta);
        }
    }

    /// Loans an empty frame to the client that fills it. False if the quota does not allow it.
    pub(crate) fn offer(&mut self, at: usize, frame: u32, now_ns: u64) -> bool {
        let meta = FrameMeta {
            last_packet_ns: now_ns,
            ..FrameMeta::default()
        };
        let attachment = &mut self.list[at];
        let loaned = attachment.lender.publish(frame, &meta).is_ok();
        if loaned {
            let counters = self.stats.at(attachment.place);
            counters.frames_lent.add(1);
            counters.frames_out.set(attachment.lender.loaned() as u64);
        }
        loaned
    }

    /// Violations since the last call.
    pub(crate) fn violations(&mut self) -> impl Iterator<Item = (u64, Violation)> {
        self.violations.drain(..)
    }
}

fn note_violation(stats: &SessionStats, list: &mut Vec<(u64, Violation)>, lender: &mut Lender) {
    if let Some(violation) = lender.take_violation() {
        stats.counters.violations.add(1);
        // A hostile client repeats itself: one report at a time is enough.
        if list.len() < list.capacity() {
            list.push((lender.attachment(), violation));
        }
    }
}

/// The client of an attachment that comes back gets its first unit.
fn note_first(counters: &AttachmentCounters, resumes: &mut Option<u32>, meta: &FrameMeta) {
    let Some(after) = resumes.take() else {
        return;
    };
    if is_after(meta.rtp_timestamp, after) {
        let ticks = meta.rtp_timestamp.wrapping_sub(after);
        counters.resumed_ns.set(meta.first_packet_ns);
        counters.resumed_ticks.set(ticks.into());
    }
}

/// Units that an attachment does not get. They are no loss to one that samples.
fn note_lost(stats: &SessionStats, counters: &AttachmentCounters, of: &Lender, units: u64) {
    if of.samples() {
        counters.frames_sampled_out.add(units);
        return;
    }
    stats.counters.frames_dropped_slow.add(units);
    counters.frames_dropped_slow.add(units);
}
