//! The words of one attachment, at their offsets in the layout.
//!
//! Offsets are checked once, when the files are mapped; a call then only adds them.

use core::sync::atomic::{AtomicBool, Ordering};
use std::os::fd::{AsFd as _, AsRawFd as _};

use onair_mutant::mutant;

use crate::event::EventRing;
use crate::event_count::EventCount;
use crate::frame_word::FrameWord;
use crate::gate::Gate;
use crate::kick::Kick;
use crate::layout::{self, Geometry, SLOTS};
use crate::mapping::Mapping;
use crate::meta::MetaWords;
use crate::progress::{ProgressWord, WantedWord};
use crate::sending::FillWord;
use crate::slot::{self, Slot};
use crate::sync::{AtomicU32, AtomicU64};
use crate::sys::{self, CheckedFd};
use crate::{label, life};

#[cfg(not(simulated))]
use crate::message::KICK;

/// The `ctl` and `seg` files, mapped, with their words.
#[derive(Debug)]
pub(super) struct Words {
    ctl: Mapping,
    seg: Mapping,
    geometry: Geometry,
    ring_mask: u64,
    slots: usize,
    /// Set by the first call that takes a frame while it is received. Private, and so on no line that the daemon writes.
    pub(super) asked_for_open: AtomicBool,
}

/// The words before the frame words, and before the ready ring, lie in the first page.
const HEAD: usize = 4096;
const _: () = assert!(layout::CTL_RING == HEAD && layout::SEG_FRAMES == HEAD);

macro_rules! heads {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $file:ident $offset:ident;)+) => {
        $(
            $(#[$doc])*
            #[inline(always)]
            pub(super) fn $name(&self) -> &$type {
                const _: () = assert!(
                    layout::$offset.is_multiple_of(align_of::<$type>())
                        && layout::$offset + size_of::<$type>() <= HEAD
                );
                // SAFETY: in the first page, as asserted above, which `new` found in the mapping.
                unsafe { self.$file.at_unchecked(layout::$offset) }
            }
        )+
    };
}

impl Words {
    /// # Panics
    /// If the mappings are shorter than the geometry: the caller must map them in full.
    pub(super) fn new(ctl: Mapping, seg: Mapping, geometry: Geometry) -> Self {
        assert!(geometry.is_valid());
        assert!(ctl.len() >= geometry.ctl_len() && seg.len() >= geometry.seg_len());
        assert!(geometry.ring_capacity().is_power_of_two());
        assert!(geometry.seg_slots().is_multiple_of(align_of::<Slot>()));
        Self {
            ctl,
            seg,
            geometry,
            ring_mask: geometry.ring_capacity() as u64 - 1,
            slots: geometry.seg_slots(),
            asked_for_open: AtomicBool::new(false),
        }
    }

    heads! {
        /// State of the attachment.
        state: AtomicU32 = ctl CTL_STATE;
        /// The session's gate.
        session_gate: Gate = ctl CTL_GATE;
        /// The robust word that the kernel marks when the daemon dies.
        life: AtomicU32 = ctl CTL_LIFE;
        /// Entries ever written to the ready ring.
        ready_tail: AtomicU64 = ctl CTL_TAIL;
        /// This process's own gate.
        local_gate: Gate = seg SEG_GATE;
        /// The daemon's request for a notification.
        kick: Kick = seg SEG_KICK;
        /// One past the highest slot ever claimed.
        slots_high: AtomicU32 = seg SEG_SLOTS_HIGH;
        /// `buffer_get` sleeps on it.
        frame_ready: EventCount = seg SEG_COUNT_FRAME;
        /// Whether the client takes frames while they are received.
        takes_open: AtomicU32 = seg SEG_TAKES_OPEN;
        /// Callers that wait for a frame's progress sleep on it.
        progress_made: EventCount = seg SEG_COUNT_PROGRESS;
        /// `event_poll` sleeps on it.
        event_ready: EventCount = seg SEG_COUNT_EVENT;
        /// The event descriptor's thread sleeps on it.
        watch_ready: EventCount = seg SEG_COUNT_WATCH;
        /// Entries ever taken from the ready ring, a hint.
        ready_head: AtomicU64 = seg SEG_HEAD;
        /// Events ever taken, a hint.
        event_head: AtomicU64 = seg SEG_EVENT_HEAD;
        /// Frames ever submitted.
        submitted: AtomicU64 = seg SEG_SUBMITTED;
    }

    /// Entries of the ready ring.
    #[inline(always)]
    pub(super) fn ring_len(&self) -> u64 {
        self.ring_mask + 1
    }

    /// The ready ring's entry for position `at`.
    #[inline(always)]
    pub(super) fn ring_entry(&self, at: u64) -> &AtomicU64 {
        let slot = usize::try_from(at & self.ring_mask).expect("64-bit");
        // SAFETY: the mask keeps the slot within the ring, and the ring lies within `ctl`, whose
        // length the geometry gives.
        unsafe { self.ctl.at_unchecked(layout::CTL_RING + slot * 8) }
    }

    /// The word of `frame`; `None` if the frame does not exist.
    #[inline(always)]
    pub(super) fn frame(&self, frame: u32) -> Option<&FrameWord> {
        if frame >= self.geometry.frames {
            return None;
        }
        // SAFETY: checked against the number of frames, whose words lie within `seg`.
        Some(unsafe {
            self.seg
                .at_unchecked(layout::SEG_FRAMES + frame as usize * 8)
        })
    }

    /// How far `frame` stands, and how far it has to stand for a sleeper; `None` if the frame does not exist.
    pub(super) fn progress(&self, frame: u32) -> Option<(&ProgressWord, &WantedWord)> {
        if frame >= self.geometry.frames {
            return None;
        }
        let at = frame as usize * 8;
        let stands = self.ctl.at(self.geometry.ctl_progress() + at);
        Some((stands, self.seg.at(self.geometry.seg_progress() + at)))
    }

    /// Slot `index`.
    ///
    /// # Panics
    /// If there is no such slot.
    #[inline(always)]
    pub(super) fn slot(&self, index: u16) -> &Slot {
        assert!(usize::from(index) < SLOTS, "no such slot");
        // SAFETY: checked against the number of slots, which lie within `seg`, aligned.
        unsafe {
            self.seg
                .at_unchecked(self.slots + usize::from(index) * size_of::<Slot>())
        }
    }

    /// All frame words.
    pub(super) fn frames(&self) -> &[FrameWord] {
        self.seg
            .slice(layout::SEG_FRAMES, self.geometry.frames as usize)
    }

    /// The descriptions of all frames.
    pub(super) fn metas(&self) -> &[MetaWords] {
        self.seg
            .slice(self.geometry.seg_meta(), self.geometry.frames as usize)
    }

    /// Send session: how far each frame is filled.
    pub(super) fn fills(&self) -> &[FillWord] {
        self.seg
            .slice(self.geometry.seg_progress(), self.geometry.frames as usize)
    }

    /// All slots.
    pub(super) fn slots(&self) -> &[Slot] {
        self.seg.slice(self.slots, SLOTS)
    }

    /// The event ring.
    pub(super) fn events(&self) -> EventRing<'_> {
        EventRing::new(&self.ctl, &self.geometry)
    }

    pub(super) fn ring_all(&self) {
        let (frame, event) = (self.frame_ready(), self.event_ready());
        let progress = self.progress_made();
        for event_count in [
            frame,
            mutant!("local stop: one event count less", frame, event),
            progress,
        ] {
            if event_count.notify() {
                label!("ring.struck");
                sys::futex_wake(event_count.word(), sys::ALL);
            }
        }
        self.ring_watch();
    }

    pub(super) fn ring_watch(&self) {
        if self.watch_ready().notify() {
            sys::futex_wake(self.watch_ready().word(), sys::ALL);
        }
    }

    #[inline(always)]
    pub(super) fn is_daemon_dead(&self) -> bool {
        life::is_dead(self.life())
    }

    /// The sizes that determine the layout.
    #[inline(always)]
    pub(super) fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The file that this process may only read.
    pub(super) fn ctl(&self) -> &Mapping {
        &self.ctl
    }

    /// The file that this process may write.
    pub(super) fn seg(&self) -> &Mapping {
        &self.seg
    }

    /// Whether a slot counts a user, as the daemon sees it.
    fn is_user_inside(&self) -> bool {
        let high = self.slots_high().load(Ordering::Relaxed);
        let gate = mutant!(
            "kick: waits for one that has acknowledged",
            u32::MAX,
            self.session_gate().load()
        );
        let mut users = slot::users(self.slots(), high, gate);
        // Threads that leave in the order in which they came find another one soon.
        users.next_back().is_some()
    }
}

/// The connection of one attachment with the daemon.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: CheckedFd,
    /// Set when a caller found the daemon's end of the connection closed.
    pub(super) hung_up: AtomicBool,
}

impl Connection {
    /// Checks whether the daemon still has its end of the connection. The kernel may take the
    /// memory of a killed daemon before its robust list (out-of-memory killer,
    /// process_mrelease(2)); then only this check notifies its clients.
    #[cold]
    pub(super) fn look(&self) {
        if !self.socket.is_own() || sys::has_hung_up(self.socket.as_fd()) {
            self.note_hang_up();
        }
    }

    pub(super) fn note_hang_up(&self) {
        self.hung_up.store(true, Ordering::Relaxed);
    }

    /// Sends the kick if the daemon requested one and no caller is inside that will send it. A full
    /// socket means that one is pending.
    #[inline(always)]
    pub(super) fn kick_look(&self, words: &Words) {
        if words.kick().take(|| words.is_user_inside()) {
            label!("kick.taken");
            self.send_kick();
            label!("kick.sent");
        }
    }

    #[cfg(simulated)]
    fn send_kick(&self) {
        crate::scheduled::send_kick(self.socket.as_fd().as_raw_fd());
    }

    #[cfg(not(simulated))]
    #[cold]
    fn send_kick(&self) {
        if !self.socket.is_own() {
            return;
        }
        // SAFETY: a one-byte buffer on a descriptor that we own; errno is restored for callers
        // within signal handlers.
        unsafe {
            let errno = libc::__errno_location();
            let saved = *errno;
            libc::send(
                self.socket.as_fd().as_raw_fd(),
                core::slice::from_ref(&KICK).as_ptr().cast(),
                1,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            );
            *errno = saved;
        }
    }
}
