//! The tasks of a life: what state they are in.

use std::cell::Cell;
use std::ptr::null;
use std::rc::Rc;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, Yielder};

use crate::chance::{below, chance};
use crate::{TaskId, engine};

pub(crate) type Fiber = Coroutine<(), (), (), DefaultStack>;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Ready,
    /// Until this time, or until it is woken.
    Parked(u64),
    /// Its processor does something else until this time. Nothing wakes it earlier.
    Stalled(u64),
    Done,
}

pub(crate) struct Task {
    pub(crate) fiber: Option<Fiber>,
    pub(crate) yielder: *const Yielder<(), ()>,
    pub(crate) state: State,
    pub(crate) mortals: Vec<Mortal>,
    pub(crate) doomed: bool,
    /// Of 256 picks it declines so many.
    pub(crate) slowness: u8,
    /// Of 256 of its system calls, so many are followed by a stall.
    pub(crate) slow_calls: u8,
    /// How long it has stalled in all, ns.
    pub(crate) stalled_ns: u64,
    /// Whether its last park ended because it was woken.
    pub(crate) woken: bool,
    /// A signal that waits.
    pub(crate) handler: Option<Box<dyn FnOnce()>>,
    pub(crate) is_handling: bool,
}

impl Task {
    pub(crate) fn new(fiber: Fiber, mortals: Vec<Mortal>) -> Self {
        Self {
            fiber: Some(fiber),
            yielder: null(),
            state: State::Ready,
            mortals,
            doomed: false,
            slowness: 0,
            slow_calls: 0,
            stalled_ns: 0,
            woken: false,
            handler: None,
            is_handling: false,
        }
    }
}

#[derive(Default)]
pub(crate) struct Tasks {
    pub(crate) all: Vec<Task>,
    pub(crate) ready: Vec<TaskId>,
    /// How many are stalled.
    pub(crate) stalled: usize,
    pub(crate) stacks: Vec<DefaultStack>,
}

impl Tasks {
    pub(crate) fn add(&mut self, task: Task) {
        self.ready.push(self.all.len());
        self.all.push(task);
    }

    /// Ends the task's pause, if it makes one.
    pub(crate) fn wake(&mut self, id: TaskId) {
        let task = &mut self.all[id];
        match task.state {
            State::Stalled(_) => self.stalled -= 1,
            State::Parked(_) => {}
            State::Ready | State::Done => return,
        }
        task.state = State::Ready;
        self.ready.push(id);
    }

    /// Whether none is held up in the middle of what it does, by a stall or a signal's handler: it may be about to do
    /// what another waits for.
    pub(crate) fn is_calm(&self) -> bool {
        let handles = |it: &Task| it.is_handling && it.state != State::Done;
        self.stalled == 0 && !self.all.iter().any(handles)
    }

    /// Takes a task out of the queue. Returns whether it was there.
    pub(crate) fn put_off(&mut self, id: TaskId) -> bool {
        let at = self.ready.iter().position(|it| *it == id);
        at.map(|at| self.ready.swap_remove(at)).is_some()
    }

    pub(crate) fn stall(&mut self, id: TaskId, until: u64) {
        self.all[id].state = State::Stalled(until);
        self.stalled += 1;
    }

    /// Wakes those whose time has come.
    pub(crate) fn expire(&mut self, now: u64) {
        for id in 0..self.all.len() {
            if let State::Parked(until) | State::Stalled(until) = self.all[id].state
                && until <= now
            {
                self.wake(id);
            }
        }
    }

    /// When the next one's time comes, and whether any is left.
    pub(crate) fn next(&self) -> (Option<u64>, bool) {
        let paused = self.all.iter().filter_map(|task| match task.state {
            State::Parked(until) | State::Stalled(until) if until != u64::MAX => Some(until),
            _ => None,
        });
        let is_left = self.all.iter().any(|task| task.state != State::Done);
        (paused.min(), is_left)
    }

    /// Takes out one that is ready.
    pub(crate) fn pick(&mut self) -> Option<TaskId> {
        for _ in 0..8 {
            let len = self.ready.len();
            if len == 0 {
                return None;
            }
            let at = below(len);
            let id = self.ready[at];
            let slowness = u64::from(self.all[id].slowness);
            if len == 1 || slowness == 0 || !chance(slowness, 256) {
                self.ready.swap_remove(at);
                return Some(id);
            }
        }
        self.ready.pop()
    }
}

/// A process, or a single thread, that can be killed.
#[derive(Clone, Debug, Default)]
pub struct Mortal(Rc<Cell<bool>>);

impl Mortal {
    /// Whether it was killed.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.0.get()
    }

    /// SIGKILL: none of its tasks makes another step.
    pub fn kill(&self) {
        if !self.0.replace(true) {
            engine::doom(self);
        }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}
