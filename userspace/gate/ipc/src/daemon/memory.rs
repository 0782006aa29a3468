//! One attachment's shared words, on the daemon's side.
//!
//! Everything in `seg` is hostile: the daemon reads a word once, bounds it, and never follows it as
//! an address.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use onair_mutant::mutant;

use super::words::{AttachmentWords, ONE};
use crate::event::{EventKind, EventRing};
use crate::event_count::EventCount;
use crate::fence::Fence;
use crate::frame_word::FrameState;
use crate::layout::{self, Geometry};
use crate::memfd::Memfd;
use crate::slot::{self, SlotReading};
use crate::sync::{AtomicU64, Ordering};
use crate::sys;

/// State of an attachment, in `ctl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum AttachmentState {
    /// The session or the daemon is gone. Zero, so that punched and tombstoned pages show it.
    Gone = 0,
    /// In use.
    Open = 1,
    /// Evicted; the session continues without it.
    Revoked = 2,
}

/// The file with the event counts of one attachment, as in `/proc/PID/maps`, and their offsets:
/// `buffer_get` sleeps on one, `event_poll` on another, and on the third what waits for a frame's progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCountFile {
    /// Device number, as in stat.
    pub device: u64,
    /// Inode number, as in stat.
    pub inode: u64,
    /// Offsets of the event counts in the file, in bytes.
    pub offsets: [u64; 3],
}

/// The memory of one attachment, on the daemon's side. Shared by the control thread
/// (gates, slots, events) and, through the [`Lender`](crate::lender::Lender), by a poller (frame
/// words, ready ring).
#[derive(Debug)]
pub struct AttachmentMemory {
    session: u64,
    attachment: u64,
    pub(super) words: AttachmentWords,
}

impl Fence {
    /// Arms the kicks of `memories`, then executes the fence: a caller that the count still sees
    /// will kick when it leaves. SYNC: kick, light-heavy.
    #[must_use]
    pub fn with_kicks<'a>(memories: impl Iterator<Item = &'a AttachmentMemory>) -> Self {
        if !mutant!("kick: not armed for a drain") {
            memories.for_each(AttachmentMemory::arm_kick);
        }
        Self::new()
    }
}

impl AttachmentMemory {
    /// Creates the files. Both gates are closed and the state is [`AttachmentState::Gone`].
    ///
    /// # Errors
    /// The kernel's: out of memory or descriptors.
    pub fn create(session: u64, attachment: u64, geometry: Geometry) -> io::Result<Self> {
        let ctl = Memfd::create("onair-ctl", geometry.ctl_len(), true)?;
        let seg = Memfd::create("onair-seg", geometry.seg_len(), false)?;
        let header = ctl.mapping().slice::<AtomicU64>(layout::CTL_HEADER, 6);
        let relaxed = Ordering::Relaxed;
        header[1].store(session, relaxed);
        header[2].store(attachment, relaxed);
        header[3].store(u64::from(geometry.frames), relaxed);
        header[4].store(u64::from(geometry.frame_stride), relaxed);
        header[0].store(layout::MAGIC, relaxed);
        // The version is written last: a reader that finds it also finds the rest.
        header[5].store(u64::from(layout::VERSION), Ordering::Release);
        Ok(Self {
            session,
            attachment,
            words: AttachmentWords { geometry, ctl, seg },
        })
    }

    /// The session's id.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// The attachment's number, unique since the daemon's start.
    pub fn attachment(&self) -> u64 {
        self.attachment
    }

    /// The layout.
    pub fn geometry(&self) -> Geometry {
        self.words.geometry
    }

    /// Opens descriptions for the client: `ctl` (read-only) and `seg` (read-write).
    ///
    /// # Errors
    /// Out of descriptors; `/proc` not mounted.
    pub fn for_client(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        Ok((self.words.ctl.for_client()?, self.words.seg.for_client()?))
    }

    /// The memory files.
    pub fn files(&self) -> [&Memfd; 2] {
        [&self.words.ctl, &self.words.seg]
    }

    /// Whether no other process has the words; see [`Memfd::is_sole_user`].
    ///
    /// # Errors
    /// The kernel's errors other than "another user exists".
    pub fn is_sole_user(&self) -> io::Result<bool> {
        Ok(self.words.ctl.is_sole_user()? && self.words.seg.is_sole_user()?)
    }

    /// Position of the event counts that callers sleep on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn event_counts(&self) -> io::Result<EventCountFile> {
        let file = rustix::fs::fstat(&self.words.seg)?;
        Ok(EventCountFile {
            device: file.st_dev,
            inode: file.st_ino,
            offsets: [
                layout::SEG_COUNT_FRAME,
                layout::SEG_COUNT_EVENT,
                layout::SEG_COUNT_PROGRESS,
            ]
            .map(|at| at as u64),
        })
    }

    /// The file that the client can write.
    pub fn writable(&self) -> BorrowedFd<'_> {
        self.words.seg.as_fd()
    }

    /// Opens the attachment for its client: the state, and the client's own gate.
    /// [`AttachmentMemory::start`] opens the session's gate if the session runs.
    pub fn open(&self) {
        let word = self.words.state_word();
        word.store(AttachmentState::Open as u32, Ordering::SeqCst);
        self.words.local_gate().start();
    }

    /// Sets the state, and wakes one caller that waits for a start, because the start may never
    /// come; that caller wakes the others. The caller of this method handles gates and event
    /// counts.
    pub fn set_state(&self, state: AttachmentState) {
        let word = self.words.state_word();
        word.store(state as u32, Ordering::SeqCst);
        sys::futex_wake(word, ONE);
    }

    /// The session's gate value as this attachment sees it.
    pub fn session_gate(&self) -> u32 {
        self.words.gate().load()
    }

    /// Whether the client stopped the session for itself (the client writes this word).
    pub fn is_locally_stopped(&self) -> bool {
        !crate::gate::is_open(self.words.local_gate().load())
    }

    /// Opens the session's gate and wakes one caller that waits for a start; that caller wakes the
    /// others.
    pub fn start(&self) {
        self.words.gate().start();
        sys::futex_wake(self.words.gate().word(), ONE);
        self.words.notify_watch();
    }

    /// Closes the session's gate, changes the event counts, and wakes one sleeper of each. Order:
    /// gate, event count, wake (SYNC: gate-count). The woken thread slept at the stop: it returns
    /// because of it, and wakes the others.
    pub fn stop(&self) {
        let early = mutant!("stop: the event counts before the gate");
        if early {
            self.notify_all();
        }
        self.words.gate().stop();
        if !early {
            self.notify_all();
        }
    }

    /// Changes every event count, whatever the reason, and wakes one sleeper of each.
    pub fn notify_all(&self) {
        let [frame, event, progress] = self.words.slept_on();
        let event_counts = [
            frame,
            mutant!("stop: one event count less", frame, event),
            mutant!(
                "stop: not to a caller that waits for progress",
                frame,
                progress
            ),
        ];
        let struck = event_counts.map(EventCount::notify);
        for (event_count, awaited) in event_counts.into_iter().zip(struck) {
            if awaited && !mutant!("stop: wakes no caller") {
                let count = mutant!("wake-ups: all at once, by the daemon", sys::ALL, ONE);
                sys::futex_wake(event_count.word(), count);
            }
        }
        self.words.notify_watch();
    }

    /// A thread of the client has ended, perhaps before it passed on what woke it: changes every event
    /// count, and wakes one sleeper of each, and one caller that waits for a start.
    pub fn thread_ended(&self) {
        self.notify_all();
        if !mutant!("exit: wakes none that waits for a start") {
            sys::futex_wake(self.words.gate().word(), ONE);
        }
    }

    /// Sleepers on the word with the most, read after a notification (the client writes the words).
    pub fn sleepers(&self) -> u32 {
        let waiters = self.words.slept_on().map(EventCount::waiters);
        waiters.into_iter().max().unwrap_or(0)
    }

    /// Wakes up to `limit` more sleepers of each kind, after a notification, so that they need not
    /// wait for the first one. Returns whether there may be more. Bounded, so that the control
    /// thread can serve others in between; one thread may count as many (futex_waitv(2)).
    pub fn wake_some(&self, limit: u16) -> bool {
        let limit = i32::from(limit);
        let wake = |event_count: &EventCount| match event_count.is_awaited() {
            true => sys::futex_wake(event_count.word(), limit),
            false => 0,
        };
        let woken = self.words.slept_on().map(wake);
        let most = woken.into_iter().max().unwrap_or(0);
        most >= usize::try_from(limit).expect("not negative")
    }

    /// Appends an event for the client and notifies it. Control thread only.
    pub fn notify(&self, kind: EventKind, argument: u64) {
        EventRing::new(self.words.ctl.mapping(), &self.words.geometry).push(
            kind,
            argument,
            sys::monotonic_ns(),
        );
        if self.words.event_ready().notify() {
            sys::futex_wake(self.words.event_ready().word(), ONE);
        }
        self.words.notify_watch();
    }

    /// Requests a kick from the next caller that leaves; the heavy fence and a scan must follow.
    pub fn arm_kick(&self) {
        self.words.kick().arm();
    }

    /// Withdraws the request.
    pub fn disarm_kick(&self) {
        self.words.kick().disarm();
    }

    /// Whether no caller has taken the request. The client can write the word.
    pub fn is_kick_armed(&self) -> bool {
        self.words.kick().is_armed()
    }

    /// Reads the slots that are owned or counted (the client writes them).
    pub fn slots(&self) -> Vec<SlotReading> {
        slot::readings(self.words.slot_words(), self.words.slots_high())
            .filter(|reading| reading.owner != 0 || reading.count != 0)
            .collect()
    }

    /// The slots that counted a user when `fence` was executed, or count one since: the half of W1
    /// that the client can write.
    pub fn users_at(&self, _: &Fence) -> Vec<SlotReading> {
        self.users()
    }

    /// The slots that seem to count a user, for display. A decision needs [`Self::users_at`].
    pub fn users(&self) -> Vec<SlotReading> {
        let words = &self.words;
        slot::users(words.slot_words(), words.slots_high(), self.session_gate()).collect()
    }

    /// Empties the slot of a dead thread, if it still belongs to that thread, and changes the event
    /// counts, because the thread may have swallowed a wake-up: call
    /// [`AttachmentMemory::wake_some`] next. Returns whether it emptied the slot: after an earlier
    /// call the slot may belong to another thread.
    pub fn reclaim_slot(&self, dead: &SlotReading) -> bool {
        let slot = &self.words.slot_words()[dead.index as usize];
        // No thread of a conforming client claims or frees a slot that has an owner: nothing
        // changes the slot between the check and the stores.
        let is_its = slot.read(dead.index).is_of_the_claim(dead);
        if is_its {
            slot.reclaim();
            self.notify_all();
        }
        is_its
    }

    /// Frames that the words show as held, with serial and slot (the client writes the words).
    pub fn held(&self) -> Vec<(u32, u32, u16)> {
        self.words
            .frame_words()
            .iter()
            .zip(0_u32..)
            .filter_map(|(word, frame)| {
                let tag = word.load();
                (tag.state() == Some(FrameState::Held)).then_some((frame, tag.serial, tag.slot))
            })
            .collect()
    }

    /// Time of the frame's last loan: CLOCK_MONOTONIC, ns. The client can change the words.
    ///
    /// # Panics
    /// If the frame does not exist.
    pub fn loaned_since(&self, frame: u32) -> u64 {
        self.words.metas()[frame as usize].read().last_packet_ns
    }
}
