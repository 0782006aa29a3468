//! The true state: the processes, their threads, and their holdings. The daemon sees none of it but what the kernel
//! tells.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use onair_api::SessionId;
use onair_ipc::caller::{Attachment, RawLease};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::{CTL_GATE, OWN_SLOTS};
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::sync::AtomicU32;
use onair_sim_kernel::{Mortal, TaskId, now_ns};

use crate::mail::Mail;
use crate::plan::{ClientPlan, Manners, Plan};

/// One thread of a client.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) task: TaskId,
    pub(crate) mortal: Mortal,
    /// Whether the kernel's report of its end has arrived, or was lost.
    pub(crate) is_reported: bool,
    pub(crate) call: Call,
    /// Its end was noted, or an examination has seen what it left.
    pub(crate) is_sought: bool,
    /// It asks for an event, perhaps beneath a handler that makes another call.
    pub(crate) polls: bool,
    /// It slept when its session was stopped, and its call has not returned since: the number of that stop.
    pub(crate) slept_at_stop: Option<u64>,
    /// It slept when its process was told that the daemon exits.
    pub(crate) slept_at_exit: bool,
    /// It has passed the gates.
    pub(crate) has_passed: bool,
}

/// Call of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    None,
    Get,
    /// For a frame of which so many bytes stand.
    GetOpen(u32),
    /// For the end of this frame, which the thread has.
    AwaitEnd(u32),
    PollEvent,
    WaitStarted,
    Put,
}

impl Call {
    /// Whether a stop ends it.
    pub(crate) const fn is_stoppable(self) -> bool {
        match self {
            Self::Get | Self::GetOpen(_) | Self::AwaitEnd(_) | Self::PollEvent => true,
            Self::None | Self::WaitStarted | Self::Put => false,
        }
    }

    /// Whether both sleep on one event count.
    pub(crate) fn sleeps_beside(self, other: Self) -> bool {
        let is_for_progress = |it| matches!(it, Self::GetOpen(_) | Self::AwaitEnd(_));
        self == other || is_for_progress(self) && is_for_progress(other)
    }
}

/// One client: a process with one attachment.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: u64,
    pub(crate) session: usize,
    pub(crate) plan: ClientPlan,
    pub(crate) memory: Arc<AttachmentMemory>,
    pub(crate) attachment: Arc<Attachment>,
    /// The client's end of the connection, as a number, and the daemon's.
    pub(crate) socket: i32,
    pub(crate) _daemons_end: OwnedFd,
    pub(crate) file: u64,
    pub(crate) mortal: Mortal,
    pub(crate) threads: Vec<Thread>,
    /// Frames that threads have, with the thread.
    pub(crate) holding: BTreeMap<u32, TaskId>,
    /// Frames that threads keep without a guard, for any of them to give back.
    pub(crate) kept: Vec<KeptFrame>,
    /// Frames of which threads use the handles now.
    pub(crate) returning: Vec<u32>,
    /// Handles of frames that were given back.
    pub(crate) spent: Vec<RawLease>,
    /// Frames of which a put said that it gave them back.
    pub(crate) put: u64,
    /// Puts that began.
    pub(crate) puts: u64,
    /// Its own frames, in a send session.
    pub(crate) frames: Option<FrameMemory>,
    /// Threads that wait between the probe's sites.
    pub(crate) inside: BTreeSet<TaskId>,
    /// Whether it was not let in.
    pub(crate) is_refused: bool,
    /// Whether it was admitted.
    pub(crate) is_attached: bool,
    /// Whether it has the memory.
    pub(crate) is_let_in: bool,
    pub(crate) is_evicted: bool,
    /// It detached, or began to.
    pub(crate) detaches: bool,
    /// One of its threads found out that the session is gone, and left.
    pub(crate) has_left: bool,
    /// And that is done.
    pub(crate) is_out: bool,
    /// Its gate was open before the last event of its session.
    pub(crate) was_open: bool,
    /// It was evicted while its gate was open.
    pub(crate) is_closed_for_good: bool,
    /// It has stopped for itself.
    pub(crate) has_paused: bool,
    /// A frame of its own was given back under another serial.
    pub(crate) has_forged: bool,
    /// Threads that leave for their process now.
    pub(crate) leavers: Vec<TaskId>,
    /// A thread that waits for another one where the plan wants two to meet.
    pub(crate) meets: Option<TaskId>,
    /// When the two go on, ns.
    pub(crate) parts_at: u64,
    /// Its connection closed.
    pub(crate) hung_up: bool,
    /// It has released the memory.
    pub(crate) is_released: bool,
    /// The poller was told to remove it.
    pub(crate) is_withdrawn: bool,
    /// Its death was reported.
    pub(crate) is_reaped: bool,
    /// It was told that the daemon exits, and must see it before a closed gate.
    pub(crate) is_told: bool,
    /// One of its threads has read that.
    pub(crate) knows_exit: bool,
    /// Kicks since the stop.
    pub(crate) kicks: u32,
    /// Kicks since the control thread handled an event of its session.
    pub(crate) new_kicks: u32,
    /// Stops so far, of the session or by itself.
    pub(crate) stops: u64,
    /// Threads that stop the session for its process now.
    pub(crate) stoppers: Vec<TaskId>,
    /// Of them, those whose stop is not undone.
    pub(crate) pauses: u32,
    /// There is one, and no thread undoes it.
    pub(crate) is_stopped_once: bool,
    /// Events about its threads were lost.
    pub(crate) lost_events: bool,
}

/// A frame that a thread keeps without a guard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptFrame {
    pub(crate) handle: RawLease,
    /// Its stamp.
    pub(crate) stamp: u64,
    /// Bytes of it that stood.
    pub(crate) bytes: usize,
}

impl Client {
    pub(crate) fn is_dead(&self) -> bool {
        self.mortal.is_dead()
    }

    pub(crate) fn is_honest(&self) -> bool {
        self.plan.manners == Manners::Honest
    }

    /// The session's gate, as it is in memory. Makes no step.
    pub(crate) fn gate(&self) -> u32 {
        let gate: &AtomicU32 = self.memory.files()[0].mapping().at(CTL_GATE);
        gate.peek()
    }

    /// Whether a slot counts this thread as a user. Makes no step.
    pub(crate) fn is_counted(&self, task: TaskId) -> bool {
        const SLOT: usize = 64;
        let (words, slots) = (self.memory.files()[1].mapping(), self.memory.geometry());
        let gate = self.gate();
        (0..usize::from(OWN_SLOTS)).any(|at| {
            let value = |part: usize| {
                let word: &AtomicU32 = words.at(slots.seg_slots() + SLOT * at + 4 * part);
                word.peek()
            };
            let [count, acknowledged, owner] = [0, 1, 2].map(value);
            owner as usize == task + 1 && count > 0 && acknowledged != gate
        })
    }

    /// Its process in the first pid namespace.
    pub(crate) fn tgid(&self) -> u32 {
        100_000 + u32::try_from(self.number).unwrap_or(0)
    }

    pub(crate) fn is_thread_dead(&self, tid: u32) -> bool {
        let mut threads = self.threads.iter();
        let thread = threads.find(|it| it.task + 1 == tid as usize);
        self.is_dead() || thread.is_none_or(|it| it.mortal.is_dead())
    }

    /// Whether the end of one of its threads is not known to the daemon.
    pub(crate) fn has_unreported(&self) -> bool {
        let dead = |it: &Thread| it.mortal.is_dead() && !it.is_reported;
        self.threads.iter().any(dead) || self.lost_events
    }

    /// Whether a thread has died with a frame, or after it was given one, or before it gave a kept one back: the
    /// frame belongs to the process now, and comes back when that ends.
    pub(crate) fn has_orphan(&self, held: &[(u32, u32, u16)]) -> bool {
        let has_owner = |frame: &u32| {
            let owner = self.holding.get(frame);
            let is_kept = self.kept.iter().any(|it| it.handle.frame() == *frame);
            !is_kept && owner.is_some_and(|owner| self.is_live(*owner))
        };
        self.has_dead_thread() && held.iter().any(|(frame, ..)| !has_owner(frame))
    }

    /// Whether it follows the protocol, and is neither gone nor about to go.
    pub(crate) fn is_settled_in(&self) -> bool {
        let goes = self.is_evicted || self.detaches || self.has_left || self.hung_up;
        self.is_honest() && self.is_attached && !self.is_dead() && !goes
    }

    /// Whether a thread has died in a call, perhaps with the only wake-up.
    pub(crate) fn has_died_in_a_call(&self) -> bool {
        let mut dead = self.threads.iter().filter(|it| it.mortal.is_dead());
        dead.any(|it| it.call != Call::None)
    }

    pub(crate) fn has_dead_thread(&self) -> bool {
        self.is_attached && self.threads.iter().any(|it| it.mortal.is_dead())
    }

    /// Whether it uses the session, as far as that is certain: a thread that died with a frame reads it no more.
    pub(crate) fn uses(&self) -> bool {
        // One that left by itself uses what guards borrow.
        let has_given_up = self.has_left && self.detaches;
        let is_given_up = |frame: &u32| {
            let mut kept = self.kept.iter().map(|it| it.handle.frame());
            has_given_up && (self.returning.contains(frame) || kept.any(|it| it == *frame))
        };
        let mut held = self.holding.iter();
        let reads = held.any(|(frame, owner)| self.is_live(*owner) && !is_given_up(frame));
        !self.is_dead() && (reads || !self.inside.is_empty())
    }

    pub(crate) fn is_live(&self, thread: TaskId) -> bool {
        let mut live = self.threads.iter().filter(|it| !it.mortal.is_dead());
        live.any(|it| it.task == thread)
    }
}

impl World {
    /// Whether a client's calls may say that the session is gone.
    pub(crate) fn is_gone_for(&self, of: usize) -> bool {
        let client = &self.clients[of];
        let session = &self.sessions[client.session];
        session.is_over
            || session.is_quarantined
            || client.is_evicted
            || client.detaches
            || client.has_left
            || self.is_daemon_dead
    }
}

/// One session, as the oracle knows it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) frames: FrameMemory,
    /// It has ended.
    pub(crate) is_over: bool,
    pub(crate) is_quarantined: bool,
    pub(crate) is_draining: bool,
    /// Frames loaned.
    pub(crate) lent: u64,
    /// The poller's last stamp of each frame.
    pub(crate) stamps: BTreeMap<u32, u64>,
    /// Frames that clients had submitted.
    pub(crate) sent_and_dropped: (u64, u64),
    /// Whether the control thread does not have the runtime.
    pub(crate) is_runtime_out: bool,
    /// It has been started.
    pub(crate) has_run: bool,
    /// The last of the requests was to stop it.
    pub(crate) is_unwanted: bool,
    /// It is being stopped.
    pub(crate) is_closing: bool,
    /// The poller dies.
    pub(crate) poller_dies: bool,
    /// Until then it does nothing, ns.
    pub(crate) poller_hangs_until: u64,
    /// It is dead, and the control thread knows.
    pub(crate) is_poller_dead: bool,
    /// Numbers of attachments whose memory was given back.
    pub(crate) given_back: Vec<u64>,
    pub(crate) poller: TaskId,
    /// It has been stopped.
    pub(crate) has_stopped: bool,
    /// Calls that its clients' threads have begun.
    pub(crate) calls: u64,
    /// The last examination has seen no user, for certain.
    pub(crate) is_empty: bool,
    /// It drains, and nothing but its users' leaving, or a timer, lets it go on.
    pub(crate) waits_for_users: bool,
    /// It runs, and nothing is to be settled of threads that have ended.
    pub(crate) is_settled: bool,
}

impl Session {
    /// Whether its poller has always done what it was told.
    pub(crate) fn has_sound_poller(&self) -> bool {
        !self.is_poller_dead && self.poller_hangs_until == 0
    }
}

/// Frames that clients of send sessions have filled and submitted. Each frame has a stamp.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// The client of each.
    pub(crate) of: BTreeMap<u64, usize>,
    /// Submitted, and neither sent nor dropped.
    pub(crate) submitted: BTreeSet<u64>,
    /// Sent or dropped before the call that submitted it has returned.
    pub(crate) early: BTreeSet<u64>,
    pub(crate) dropped: BTreeSet<u64>,
    /// Sent or dropped.
    pub(crate) settled: BTreeSet<u64>,
    /// Frames that each flush must have sent.
    pub(crate) flushes: BTreeMap<u64, Vec<u64>>,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Rc<Plan>,
    pub(crate) clients: Vec<Client>,
    pub(crate) sessions: Vec<Session>,
    /// The client of each task.
    pub(crate) of_task: BTreeMap<TaskId, usize>,
    pub(crate) mail: Mail,
    pub(crate) control: TaskId,
    /// Frames that clients of send sessions have submitted.
    pub(crate) frames: Frames,
    /// Passes until a caller dies at the label of the plan.
    pub(crate) passes: u32,
    /// Callers that may still die there.
    pub(crate) deaths: u32,
    /// A caller died there.
    pub(crate) died_at: Option<&'static str>,
    /// The daemon was told to exit.
    pub(crate) is_ending: bool,
    /// Whether the control thread is in the middle of an event.
    pub(crate) is_in_event: bool,
    /// Clients that were told `ESTALE` in the middle of an event, which must be true after it.
    pub(crate) told_stale: Vec<usize>,
    /// Clients that the event evicts while a poller has the session.
    pub(crate) evicted: Vec<u64>,
    pub(crate) is_daemon_dead: bool,
    /// The daemon's process.
    pub(crate) daemon: Mortal,
    /// Until then the probe loses events.
    pub(crate) loses_until: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) is_traced: bool,
}

/// The id of session `index`.
pub(crate) fn id(index: usize) -> SessionId {
    SessionId(77 + index as u64)
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Begins a world.
pub(crate) fn begin(world: World) {
    WORLD.with(|it| *it.borrow_mut() = Some(world));
}

/// Ends it.
pub(crate) fn end() -> World {
    let world = WORLD.with(|it| it.borrow_mut().take());
    world.expect("a life has a world")
}

/// Looks at the world, or changes it. Makes no step.
pub(crate) fn world<R>(using: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with(|it| using(it.borrow_mut().as_mut().expect("a life has a world")))
}

/// Notes what happened.
pub(crate) fn trace(what: impl FnOnce() -> String) {
    world(|world| {
        if world.is_traced {
            let line = format!("{:>12} {}", now_ns() - 1_000_000_000, what());
            world.trace.push(line);
        }
    });
}

/// Notes something that must not be.
pub(crate) fn violation(what: String) {
    trace(|| format!("VIOLATION {what}"));
    world(|world| world.violations.push(what));
}
