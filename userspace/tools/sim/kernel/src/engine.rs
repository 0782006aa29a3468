//! The scheduler: which task makes the next step, and what time it is.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null;

use corosensei::stack::DefaultStack;
use corosensei::{CoroutineResult, Yielder};

use crate::chance::{self, below, chance};
use crate::task::{Fiber, Mortal, State, Task, Tasks};
use crate::{TaskId, buffer, futex, local, stall, views};

/// No task runs: the life is being set up.
pub(crate) const NONE: TaskId = usize::MAX;
/// Virtual time of a step.
const STEP_NS: u64 = 30;
const STACK: usize = 256 << 10;

struct Hot {
    current: Cell<TaskId>,
    yielder: Cell<*const Yielder<(), ()>>,
    unwinding: Cell<bool>,
    steps: Cell<u64>,
    now: Cell<u64>,
    /// Of 256 steps, so many leave the processor to the task that made them.
    stay: Cell<u64>,
    /// Signals that no task has handled yet.
    signals: Cell<usize>,
}

thread_local! {
    static HOT: Hot = const { Hot {
        current: Cell::new(NONE),
        yielder: Cell::new(null()),
        unwinding: Cell::new(false),
        steps: Cell::new(0),
        now: Cell::new(1),
        stay: Cell::new(128),
        signals: Cell::new(0),
    } };
    pub(crate) static TASKS: RefCell<Tasks> = RefCell::default();
}

/// Why [`run`] returned.
#[derive(Debug)]
pub enum Outcome {
    /// All tasks have ended.
    Done,
    /// Tasks are left, and nothing will wake them.
    Stuck,
    /// So many steps were made, or the life was ended.
    Exhausted,
    /// A task panicked.
    Panicked(TaskId, Box<dyn Any + Send>),
}

/// Begins a life. All chance comes from `seed`; of 256 steps `stay` leave the processor where it is,
/// of 65,536 `stalls` are followed by a time in which their task makes none.
pub fn boot(seed: u64, stay: u8, stalls: u16) {
    shut_down();
    chance::seed(seed);
    buffer::begin();
    views::begin();
    HOT.with(|hot| {
        hot.steps.set(0);
        hot.now.set(1_000_000_000);
        hot.stay.set(u64::from(stay));
        hot.signals.set(0);
    });
    stall::begin_life(stalls);
}

/// Ends each task where it is. Its destructors run without effect on words.
pub fn shut_down() {
    HOT.with(|hot| hot.unwinding.set(true));
    let tasks = TASKS.with(|tasks| tasks.borrow().all.len());
    for task in 0..tasks {
        unwind(task);
    }
    TASKS.with(|tasks| {
        let mut tasks = tasks.borrow_mut();
        tasks.all.clear();
        tasks.ready.clear();
        tasks.stalled = 0;
    });
    buffer::clear();
    local::clear();
    futex::clear();
    HOT.with(|hot| hot.unwinding.set(false));
}

/// Adds a task. It ends when one of `mortals` is killed.
pub fn spawn(mortals: Vec<Mortal>, run: impl FnOnce() + 'static) -> TaskId {
    spawn_by(current(), mortals, run)
}

/// Adds a task that has seen nothing of what its maker has.
pub fn spawn_apart(mortals: Vec<Mortal>, run: impl FnOnce() + 'static) -> TaskId {
    spawn_by(NONE, mortals, run)
}

fn spawn_by(maker: TaskId, mortals: Vec<Mortal>, run: impl FnOnce() + 'static) -> TaskId {
    TASKS.with(|tasks| {
        let mut tasks = tasks.borrow_mut();
        let id = tasks.all.len();
        let stack = tasks.stacks.pop();
        let stack = stack.unwrap_or_else(|| DefaultStack::new(STACK).expect("memory for a stack"));
        let fiber = Fiber::with_stack(stack, move |yielder, ()| {
            HOT.with(|hot| hot.yielder.set(yielder));
            run();
            local::end(id);
            buffer::drain(id);
        });
        tasks.add(Task::new(fiber, mortals));
        views::spawned(maker);
        id
    })
}

/// Makes a task decline so many of 256 picks while others are ready.
pub fn set_slowness(task: TaskId, slowness: u8) {
    TASKS.with(|tasks| tasks.borrow_mut().all[task].slowness = slowness);
}

/// Runs the tasks, until `limit` steps were made. `on_idle` is called whenever all of them are parked,
/// before the clock moves on; it returns whether the life goes on.
pub fn run(limit: u64, mut on_idle: impl FnMut() -> bool) -> Outcome {
    loop {
        if steps() >= limit {
            return Outcome::Exhausted;
        }
        let Some(task) = pick() else {
            let is_idle = TASKS.with(|tasks| tasks.borrow().is_calm());
            if is_idle && !on_idle() {
                return Outcome::Exhausted;
            }
            match TASKS.with(|tasks| tasks.borrow().next()) {
                (Some(until), _) => HOT.with(|hot| hot.now.set(hot.now.get().max(until))),
                (None, true) => return Outcome::Stuck,
                (None, false) => return Outcome::Done,
            }
            expire();
            continue;
        };
        if let Err(panic) = resume(task) {
            return Outcome::Panicked(task, panic);
        }
        if below(16) == 0 {
            expire();
        }
    }
}

/// Makes tasks ready whose time has come.
fn expire() {
    let now = now_ns();
    TASKS.with(|tasks| tasks.borrow_mut().expire(now));
}

fn pick() -> Option<TaskId> {
    TASKS.with(|tasks| tasks.borrow_mut().pick())
}

fn resume(id: TaskId) -> Result<(), Box<dyn Any + Send>> {
    let (fiber, yielder, doomed) = TASKS.with(|tasks| {
        let task = &mut tasks.borrow_mut().all[id];
        (task.fiber.take(), task.yielder, task.doomed)
    });
    let Some(mut fiber) = fiber else {
        return Ok(());
    };
    if doomed {
        TASKS.with(|tasks| tasks.borrow_mut().all[id].fiber = Some(fiber));
        buffer::drain(id);
        unwind(id);
        return Ok(());
    }
    HOT.with(|hot| {
        hot.steps.set(hot.steps.get() + 1);
        hot.current.set(id);
        hot.yielder.set(yielder);
    });
    let done = catch_unwind(AssertUnwindSafe(|| fiber.resume(())));
    let yielder = HOT.with(|hot| {
        hot.current.set(NONE);
        hot.yielder.get()
    });
    TASKS.with(|tasks| {
        let tasks = &mut *tasks.borrow_mut();
        let task = &mut tasks.all[id];
        match done {
            Ok(CoroutineResult::Yield(())) => {
                task.fiber = Some(fiber);
                task.yielder = yielder;
                if task.state == State::Ready {
                    tasks.ready.push(id);
                }
                Ok(())
            }
            Ok(CoroutineResult::Return(())) => {
                task.state = State::Done;
                tasks.stacks.push(fiber.into_stack());
                Ok(())
            }
            Err(panic) => {
                task.state = State::Done;
                Err(panic)
            }
        }
    })
}

/// Ends a task where it is.
fn unwind(id: TaskId) {
    let fiber = TASKS.with(|tasks| {
        let task = &mut tasks.borrow_mut().all[id];
        task.state = State::Done;
        task.fiber.take()
    });
    let Some(mut fiber) = fiber else {
        return;
    };
    let before = HOT.with(|hot| (hot.unwinding.replace(true), hot.current.replace(id)));
    fiber.force_unwind();
    local::abandon(id);
    HOT.with(|hot| {
        hot.unwinding.set(before.0);
        hot.current.set(before.1);
    });
    TASKS.with(|tasks| tasks.borrow_mut().stacks.push(fiber.into_stack()));
}

/// Ends these tasks at their present step.
pub(crate) fn doom(mortal: &Mortal) {
    let me = current();
    let dies = TASKS.with(|tasks| {
        let tasks = &mut *tasks.borrow_mut();
        let mut dies = false;
        for id in 0..tasks.all.len() {
            let task = &mut tasks.all[id];
            if task.state == State::Done || !task.mortals.iter().any(|it| it.is(mortal)) {
                continue;
            }
            task.doomed = true;
            futex::forget(id);
            buffer::publish(id);
            if id == me {
                dies = true;
            } else {
                tasks.wake(id);
            }
        }
        dies
    });
    if dies {
        suspend();
    }
}

pub(crate) fn suspend() {
    let yielder = HOT.with(|hot| hot.yielder.get());
    // SAFETY: the running task's own yielder, which lives as long as its stack.
    unsafe { (*yielder).suspend(()) }
}

/// Before a step of a task. False: the task is being ended, and its step has no effect.
#[inline]
pub(crate) fn may_step() -> bool {
    let leaves = HOT.with(|hot| {
        if hot.unwinding.get() {
            return None;
        }
        if hot.current.get() == NONE {
            return Some(false);
        }
        hot.steps.set(hot.steps.get() + 1);
        hot.now.set(hot.now.get() + STEP_NS);
        Some(!chance(hot.stay.get(), 256))
    });
    match leaves {
        None => false,
        Some(leaves) => {
            if leaves {
                leave();
            }
            if HOT.with(|hot| hot.signals.get() > 0 && hot.current.get() != NONE) {
                handle_signal();
            }
            true
        }
    }
}

/// Leaves the processor, sometimes for long: what the task has stored waits meanwhile.
fn leave() {
    if stall::is_due() {
        stall::begin(current());
    }
    suspend();
}

/// A signal for a task: it runs `handler` before its next step, also amid a sleep, unless it is in a
/// handler already.
pub fn signal(task: TaskId, handler: impl FnOnce() + 'static) {
    TASKS.with(|tasks| {
        let tasks = &mut *tasks.borrow_mut();
        if tasks.all[task].state == State::Done || tasks.all[task].handler.is_some() {
            return;
        }
        tasks.all[task].handler = Some(Box::new(handler));
        HOT.with(|hot| hot.signals.set(hot.signals.get() + 1));
        if matches!(tasks.all[task].state, State::Parked(_)) {
            tasks.wake(task);
        }
    });
}

/// Whether a signal waits for the running task, or it is in its handler.
pub(crate) fn is_signalled() -> bool {
    let me = current();
    me != NONE && TASKS.with(|tasks| tasks.borrow().all[me].handler.is_some())
}

fn handle_signal() {
    let me = current();
    let handler = TASKS.with(|tasks| {
        let task = &mut tasks.borrow_mut().all[me];
        let handler = task.handler.take_if(|_| !task.is_handling);
        task.is_handling |= handler.is_some();
        handler
    });
    if let Some(handler) = handler {
        HOT.with(|hot| hot.signals.set(hot.signals.get() - 1));
        handler();
        TASKS.with(|tasks| tasks.borrow_mut().all[me].is_handling = false);
    }
}

/// Sleeps until `until`, or until [`unpark`]. Returns whether it was woken.
pub fn park(until: u64) -> bool {
    let me = current();
    if is_unwinding() || me == NONE {
        return false;
    }
    buffer::drain(me);
    TASKS.with(|tasks| {
        let task = &mut tasks.borrow_mut().all[me];
        task.woken = false;
        task.state = State::Parked(until);
    });
    suspend();
    TASKS.with(|tasks| tasks.borrow().all[me].woken)
}

/// Wakes a task that is parked.
pub fn unpark(id: TaskId) {
    TASKS.with(|tasks| {
        let tasks = &mut *tasks.borrow_mut();
        if matches!(tasks.all[id].state, State::Parked(_)) {
            tasks.wake(id);
            tasks.all[id].woken = true;
        }
    });
}

/// The running task.
#[must_use]
pub fn current() -> TaskId {
    HOT.with(|hot| hot.current.get())
}

/// Whether the running task is being ended.
#[must_use]
pub fn is_unwinding() -> bool {
    HOT.with(|hot| hot.unwinding.get())
}

/// Steps of this life.
#[must_use]
pub fn steps() -> u64 {
    HOT.with(|hot| hot.steps.get())
}

/// The virtual time, ns.
#[must_use]
pub fn now_ns() -> u64 {
    HOT.with(|hot| hot.now.get())
}
