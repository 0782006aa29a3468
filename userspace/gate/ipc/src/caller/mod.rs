//! The client's side of an attachment: enter, take, wait, leave, put, stop.
//!
//! A call neither allocates nor locks; a call that finds a frame makes no system call.
//! `docs/gate.md` has the rules that make it safe to stop and destroy a session during a call.

mod call;
mod claim;
mod files;
mod fork;
mod lease;
mod leaving;
mod loan_guard;
mod open;
mod wait;
mod watch;
mod words;

use core::sync::atomic::{AtomicBool, Ordering};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};

use onair_mutant::mutant;

use crate::event::{Event, EventKind};
use crate::frame_word::FrameState;
use crate::gate::is_open;
use crate::label;
use crate::layout::{self, Geometry};
use crate::mapping::{Access, Mapping};
use crate::memory::AttachmentState;
use crate::message::Attached;
use crate::pins::Pins;
use crate::slot::Operation;
use crate::sync::{AtomicU32, AtomicU64};
use crate::sys::{self, CheckedFd};
use lease::Loan;
use words::{Connection, Words};

pub use call::Parts;
pub use files::MapError;
pub use lease::{Lease, RawLease};
pub use loan_guard::{Guard, LoanGuard, OwnedLoan};
pub use watch::Watch;

/// Time limit of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Immediately: the call never blocks.
    Now,
    /// At this CLOCK_MONOTONIC time, ns.
    At(u64),
    /// Never.
    Never,
}

impl Deadline {
    /// `timeout_ms` from now; 0 is [`Deadline::Now`], `u32::MAX` is [`Deadline::Never`].
    pub fn after_ms(timeout_ms: u32) -> Self {
        match timeout_ms {
            0 => Self::Now,
            u32::MAX => Self::Never,
            ms => Self::At(sys::monotonic_ns() + u64::from(ms) * 1_000_000),
        }
    }

    fn ns(self) -> u64 {
        match self {
            Self::Now => 0,
            Self::At(ns) => ns,
            Self::Never => u64::MAX,
        }
    }
}

/// Why a call returned nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `EAGAIN`: the session is stopped, or was stopped while the call waited.
    #[error("the session is stopped; wait_started() waits for it to run again")]
    Again,
    /// `ETIMEDOUT`: nothing arrived in time.
    #[error("nothing arrived in time")]
    TimedOut,
    /// `ESTALE`: the session, the attachment or the daemon is gone.
    #[error("the session is gone (destroyed, evicted, detached, or the daemon ended)")]
    Stale,
    /// `EALREADY`: the frame was put before.
    #[error("the frame was already put")]
    Already,
    /// `EINVAL`: this attachment does not hold the frame.
    #[error("this attachment does not hold the frame")]
    Invalid,
}

/// One attachment, mapped by a client. Shared by all threads of the process.
#[derive(Debug)]
pub struct Attachment {
    // Unmapped before the words, in the order of `leave`.
    frames: Mapping,
    words: Words,
    pins: Pins,
    session: u64,
    attachment: u64,
    sends: bool,
    plain: bool,
    /// Distinguishes attachments of this process, also those whose memory is released.
    id: u64,
    life_value: u32,
    connection: Connection,
    fork_places: [Option<usize>; 3],
    /// Fork generation of the process that attached.
    generation: u32,
    /// Set when this process left: it detached or destroyed the session.
    left: AtomicBool,
    this: Weak<Self>,
}

impl Attachment {
    /// Maps the three files that the daemon sent, and opens the attachment for callers. `socket` is
    /// the attachment's connection, for kicks. `membarrier`: whether this process is registered
    /// ([`membarrier::register`](crate::membarrier::register)).
    ///
    /// # Errors
    /// If the message and the files are inconsistent, if the daemon could truncate a file under the
    /// mapping, and the kernel's errors.
    pub fn map(
        attached: &Attached,
        session: u64,
        files: [OwnedFd; 3],
        socket: OwnedFd,
        membarrier: bool,
    ) -> Result<Arc<Self>, MapError> {
        let wrong = |what| Err(MapError::Contradiction(what));
        let geometry = attached.geometry;
        if attached.version != layout::VERSION || !geometry.is_valid() {
            return wrong("lays out its memory in a way this library does not know");
        }
        files::check(&files, &geometry)?;
        let [ctl, seg, frames] = files;
        let access = if attached.sends {
            Access::ReadWrite
        } else {
            Access::ReadOnly
        };
        let ctl = Mapping::new(ctl.as_fd(), geometry.ctl_len(), Access::ReadOnly)?;
        label!("attach.ctl_mapped");
        let seg = Mapping::new(seg.as_fd(), geometry.seg_len(), Access::ReadWrite)?;
        label!("attach.seg_mapped");
        let frames = Mapping::new(frames.as_fd(), geometry.frames_len(), access)?;
        label!("attach.frames_mapped");
        let header = ctl.slice::<AtomicU64>(layout::CTL_HEADER, 6);
        if header[5].load(Ordering::Acquire) != u64::from(layout::VERSION)
            || header[0].load(Ordering::Relaxed) != layout::MAGIC
            || header[1].load(Ordering::Relaxed) != session
            || header[2].load(Ordering::Relaxed) != attached.attachment
        {
            return wrong("sent the memory of another attachment");
        }
        static IDS: AtomicU64 = AtomicU64::new(1);
        let life_value = ctl
            .at::<AtomicU32>(layout::CTL_LIFE)
            .load(Ordering::Acquire);
        let fork_places = [
            fork::protect(&ctl),
            fork::protect(&seg),
            fork::protect(&frames),
        ];
        label!("attach.protected");
        Ok(Arc::new_cyclic(|this| Self {
            frames,
            words: Words::new(ctl, seg, geometry),
            pins: Pins::new(geometry.frames),
            session,
            attachment: attached.attachment,
            sends: attached.sends,
            plain: membarrier,
            id: IDS.fetch_add(1, Ordering::Relaxed),
            life_value,
            connection: Connection {
                socket: CheckedFd::new(socket),
                hung_up: AtomicBool::new(false),
            },
            fork_places,
            generation: fork::generation(),
            left: AtomicBool::new(false),
            this: this.clone(),
        }))
    }

    /// The session's id.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// The attachment's number.
    pub fn attachment(&self) -> u64 {
        self.attachment
    }

    /// Sizes.
    #[inline]
    pub fn geometry(&self) -> Geometry {
        self.words.geometry()
    }

    /// Takes the oldest ready frame; waits for one until `deadline`. A lease gives no access to the
    /// bytes: [`Attachment::take`] does.
    ///
    /// # Errors
    /// [`Refusal::Again`], [`Refusal::TimedOut`] or [`Refusal::Stale`].
    #[inline(always)]
    pub fn get(&self, deadline: Deadline) -> Result<Lease, Refusal> {
        Ok(self.take(deadline)?.keep())
    }

    /// Takes the oldest ready frame, pinned.
    #[inline(always)]
    fn win(&self, deadline: Deadline, parts: Option<&mut Parts>) -> Result<Loan, Refusal> {
        let slot = claim::slot_of(self);
        let entry = self.call(
            Operation::Get,
            slot,
            (deadline, parts),
            Words::frame_ready,
            move || self.words.pop(slot, &self.pins),
            || None,
        )?;
        let loan = entry.loan(self.id, slot);
        if mutant!("pin: set after the slot was left") {
            self.pins.unpin(loan.frame, true);
            self.end_look();
            self.pins.pin(loan.frame);
        }
        Ok(loan)
    }

    /// Takes the next event; waits for one until `deadline`. After [`EventKind::Draining`] was
    /// sent, the call returns the events up to it also if the session is stopped or gone, before it
    /// refuses. With `parts`, a part of that.
    ///
    /// # Errors
    /// [`Refusal::Again`], [`Refusal::TimedOut`] or [`Refusal::Stale`].
    pub fn poll_event(
        &self,
        deadline: Deadline,
        parts: Option<&mut Parts>,
    ) -> Result<Event, Refusal> {
        let slot = claim::slot_of(self);
        self.call(
            Operation::EventPoll,
            slot,
            (deadline, parts),
            Words::event_ready,
            || self.words.next_event(),
            || self.words.final_event(),
        )
    }

    /// The bytes of a frame, at least `frame_bytes` of them, valid while it is held and the session
    /// has not ended.
    ///
    /// # Panics
    /// If the frame does not exist.
    #[inline]
    pub fn frame_base(&self, frame: u32) -> *mut u8 {
        assert!(frame < self.geometry().frames, "no frame {frame}");
        // SAFETY: the frame lies within the mapping.
        unsafe {
            self.frames
                .base()
                .as_ptr()
                .add(self.geometry().frame_offset(frame))
        }
    }

    /// Stops the session for this process: every call returns [`Refusal::Again`] until
    /// [`Attachment::start`]. Wait-free, async-signal-safe, preserves errno; any thread may call
    /// it.
    pub fn stop(&self) {
        let _lock = mutant!("stop: takes a lock").then(onair_mutant::lock);
        if mutant!("stop: allocates") {
            drop(core::hint::black_box(Box::new(0_u64)));
        }
        if mutant!("stop: changes errno") {
            let _ = std::fs::metadata("/none");
        }
        self.words.local_gate().stop();
        label!("stop.gate_closed");
        if !mutant!("local stop: no event count") {
            self.words.ring_all();
        }
        if !mutant!("local stop: wakes none that wait for a start") {
            sys::futex_wake(self.words.local_gate().word(), sys::ALL);
        }
        label!("stop.done");
    }

    /// Undoes [`Attachment::stop`], but not the session's own stop.
    pub fn start(&self) {
        self.words.local_gate().start();
        label!("start.gate_open");
        sys::futex_wake(self.words.local_gate().word(), sys::ALL);
        self.words.ring_watch();
    }

    /// Whether this process or the daemon has stopped the session.
    pub fn is_stopped(&self) -> bool {
        !is_open(self.words.local_gate().load()) || !is_open(self.words.session_gate().load())
    }

    /// The session's run, another after each start; `None` while the daemon has stopped it.
    pub fn run(&self) -> Option<u32> {
        Some(self.words.session_gate().load()).filter(|it| is_open(*it))
    }

    /// Whether the daemon has announced its shutdown, or has died. Stays true after the end. The
    /// announcement precedes the stop that comes with it, but is lost when as many events as the
    /// ring has entries have followed.
    pub fn is_service_ending(&self) -> bool {
        self.is_daemon_lost() || self.words.events().has(EventKind::Draining, 0)
    }

    /// Waits until the session runs. The caller is not counted as a user while it waits.
    ///
    /// # Errors
    /// [`Refusal::Again`] if this process has stopped it, [`Refusal::TimedOut`] or [`Refusal::Stale`].
    pub fn wait_started(&self, deadline: Deadline) -> Result<(), Refusal> {
        wait::for_start(self, deadline)
    }

    /// A descriptor that becomes readable when a call might have a result, for `epoll`.
    ///
    /// # Errors
    /// The kernel's: out of descriptors or threads.
    pub fn watch(self: &Arc<Self>) -> io::Result<Watch> {
        Watch::start(self)
    }

    /// Frames that this process holds.
    pub fn held(&self) -> usize {
        self.words
            .frames()
            .iter()
            .filter(|word| word.load().state() == Some(FrameState::Held))
            .count()
    }

    /// Whether frames go from this process to the wire.
    pub fn sends(&self) -> bool {
        self.sends
    }

    /// The writable words, for tests of a hostile client: any word, without the rules.
    ///
    /// # Safety
    /// No guard borrows a frame whose word or slot is changed: the daemon may then write to it.
    #[doc(hidden)]
    pub unsafe fn words(&self) -> &Mapping {
        self.words.seg()
    }

    /// The slot of the calling thread.
    pub fn slot_of_caller(&self) -> u16 {
        claim::slot_of(self)
    }

    /// Whether a caller can take something. When a gate is closed it can take only the events up to
    /// the announcement of the shutdown.
    #[doc(hidden)]
    pub fn has_something(&self) -> bool {
        let words = &self.words;
        if mutant!(
            "final event: the descriptor is readable for what no call takes",
            self.is_gone(),
            self.is_stopped()
        ) {
            let seen = words.event_head().load(Ordering::Acquire);
            return words.events().has(EventKind::Draining, seen)
                && !mutant!("final event: the descriptor does not become readable");
        }
        let has_frame = match words.asked_for_open.load(Ordering::Relaxed) {
            true => words.has_progress(),
            false => {
                words.ready_head().load(Ordering::Acquire)
                    < words.ready_tail().load(Ordering::Acquire)
            }
        };
        has_frame || words.event_head().load(Ordering::Acquire) < words.events().tail()
    }

    /// `is_cut`: there is no connection any more. The daemon takes the attachment back then: no start will come.
    #[cold]
    fn why_closed(&self, is_cut: bool) -> Refusal {
        if is_cut || self.is_gone() || mutant!("stop: says that the session is gone") {
            Refusal::Stale
        } else {
            Refusal::Again
        }
    }

    /// Whether the connection's descriptor is still its own: a program that closes all its descriptors closes this one
    /// too.
    pub fn has_connection(&self) -> bool {
        self.connection.socket.is_own()
    }

    fn is_gone(&self) -> bool {
        self.left.load(Ordering::SeqCst)
            || self.words.state().load(Ordering::Acquire) != AttachmentState::Open as u32
            || self.is_daemon_lost()
    }

    /// Whether the daemon is dead, by its life word or by the hang-up of the connection.
    fn is_daemon_lost(&self) -> bool {
        self.words.is_daemon_dead() || self.connection.hung_up.load(Ordering::Relaxed)
    }
}

impl AsFd for Attachment {
    /// The attachment's connection.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.socket.as_fd()
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        for place in self.fork_places.into_iter().flatten() {
            fork::unprotect(place);
        }
    }
}
