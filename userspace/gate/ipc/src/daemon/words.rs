//! The words of one attachment, on the daemon's side, at their offsets in the layout.

use crate::event_count::EventCount;
use crate::frame_word::FrameWord;
use crate::gate::Gate;
use crate::kick::Kick;
use crate::layout::{self, Geometry, SLOTS};
use crate::memfd::Memfd;
use crate::meta::MetaWords;
use crate::progress::{ProgressWord, WantedWord};
use crate::sending::FillWord;
use crate::slot::Slot;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::sys;

/// Sleepers woken for one reason. The client decides how many threads sleep on a word, and how
/// often each: with 8,000 threads and 128 entries of each, waking all takes 100 ms.
pub(super) const ONE: i32 = 1;

/// The `ctl` and `seg` files, mapped, with their words.
#[derive(Debug)]
pub(super) struct AttachmentWords {
    pub(super) geometry: Geometry,
    pub(super) ctl: Memfd,
    pub(super) seg: Memfd,
}

impl AttachmentWords {
    pub(super) fn life(&self) -> &AtomicU32 {
        self.ctl.mapping().at(layout::CTL_LIFE)
    }

    pub(super) fn frame_words(&self) -> &[FrameWord] {
        self.seg
            .mapping()
            .slice(layout::SEG_FRAMES, self.geometry.frames as usize)
    }

    pub(super) fn metas(&self) -> &[MetaWords] {
        self.seg
            .mapping()
            .slice(self.geometry.seg_meta(), self.geometry.frames as usize)
    }

    /// Of a send session.
    pub(super) fn fill_words(&self) -> &[FillWord] {
        self.seg
            .mapping()
            .slice(self.geometry.seg_progress(), self.geometry.frames as usize)
    }

    pub(super) fn ready_tail(&self) -> &AtomicU64 {
        self.ctl.mapping().at(layout::CTL_TAIL)
    }

    pub(super) fn ready_ring(&self) -> &[AtomicU64] {
        self.ctl
            .mapping()
            .slice(layout::CTL_RING, self.geometry.ring_capacity())
    }

    pub(super) fn frame_ready(&self) -> &EventCount {
        self.seg.mapping().at(layout::SEG_COUNT_FRAME)
    }

    /// Wakes one caller that waits for progress; it wakes the others.
    pub(super) fn notify_progress(&self) {
        if self.progress_made().notify() {
            sys::futex_wake(self.progress_made().word(), ONE);
        }
        self.notify_watch();
    }

    /// Notifies the event descriptor's event count. Costs nothing while there is no descriptor.
    pub(super) fn notify_watch(&self) {
        let event_count: &EventCount = self.seg.mapping().at(layout::SEG_COUNT_WATCH);
        if event_count.notify() {
            sys::futex_wake(event_count.word(), ONE);
        }
    }

    pub(super) fn progress_made(&self) -> &EventCount {
        self.seg.mapping().at(layout::SEG_COUNT_PROGRESS)
    }

    /// Whether the client takes frames while they are received, as it says. SYNC: takes-open.
    pub(super) fn takes_open(&self) -> bool {
        let word: &AtomicU32 = self.seg.mapping().at(layout::SEG_TAKES_OPEN);
        word.load(Ordering::SeqCst) != 0
    }

    /// How far `frame` stands, and how far it has to stand for a sleeper.
    ///
    /// # Panics
    /// If the frame does not exist.
    pub(super) fn progress(&self, frame: u32) -> (&ProgressWord, &WantedWord) {
        assert!(frame < self.geometry.frames, "no frame {frame}");
        let at = frame as usize * 8;
        let stands = self.ctl.mapping().at(self.geometry.ctl_progress() + at);
        (
            stands,
            self.seg.mapping().at(self.geometry.seg_progress() + at),
        )
    }

    /// The event counts on which callers sleep between the probe's sites.
    pub(super) fn slept_on(&self) -> [&EventCount; 3] {
        [self.frame_ready(), self.event_ready(), self.progress_made()]
    }

    pub(super) fn event_ready(&self) -> &EventCount {
        self.seg.mapping().at(layout::SEG_COUNT_EVENT)
    }

    pub(super) fn gate(&self) -> &Gate {
        self.ctl.mapping().at(layout::CTL_GATE)
    }

    pub(super) fn local_gate(&self) -> &Gate {
        self.seg.mapping().at(layout::SEG_GATE)
    }

    pub(super) fn kick(&self) -> &Kick {
        self.seg.mapping().at(layout::SEG_KICK)
    }

    pub(super) fn state_word(&self) -> &AtomicU32 {
        self.ctl.mapping().at(layout::CTL_STATE)
    }

    pub(super) fn slots_high(&self) -> u32 {
        let high: &AtomicU32 = self.seg.mapping().at(layout::SEG_SLOTS_HIGH);
        high.load(Ordering::Relaxed)
    }

    pub(super) fn slot_words(&self) -> &[Slot] {
        self.seg.mapping().slice(self.geometry.seg_slots(), SLOTS)
    }
}
