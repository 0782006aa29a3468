//! Store buffers: what a task has stored and others do not see yet.

use std::cell::{Cell, RefCell};

use crate::TaskId;
use crate::chance::chance;
use crate::engine::current;

/// Most stores that wait; x86-64 has about fifty.
const DEPTH: usize = 8;

#[derive(Clone, Copy)]
pub(crate) struct Store {
    pub(crate) address: usize,
    pub(crate) is_wide: bool,
    pub(crate) value: u64,
}

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<Store>>> = const { RefCell::new(Vec::new()) };
    /// Stores that wait, of all tasks.
    static WAITING: Cell<usize> = const { Cell::new(0) };
    /// Of so many stores one becomes visible at once.
    static LAZINESS: Cell<u64> = const { Cell::new(2) };
}

impl Store {
    fn execute(self) {
        // SAFETY: `push` was given a word, and buffers are drained before a mapping goes.
        unsafe {
            if self.is_wide {
                let word = std::sync::atomic::AtomicU64::from_ptr(self.address as *mut u64);
                word.store(self.value, std::sync::atomic::Ordering::SeqCst);
            } else {
                let word = std::sync::atomic::AtomicU32::from_ptr(self.address as *mut u32);
                #[expect(clippy::cast_possible_truncation, reason = "it was a u32")]
                word.store(self.value as u32, std::sync::atomic::Ordering::SeqCst);
            }
        }
    }
}

/// A plain store of the running task.
pub(crate) fn push(store: Store) {
    let me = current();
    if me == usize::MAX {
        return store.execute();
    }
    BUFFERS.with(|buffers| {
        let mut buffers = buffers.borrow_mut();
        if buffers.len() <= me {
            buffers.resize_with(me + 1, Vec::new);
        }
        let mine = &mut buffers[me];
        mine.push(store);
        WAITING.set(WAITING.get() + 1);
        while mine.len() > DEPTH || !mine.is_empty() && chance(1, LAZINESS.get()) {
            mine.remove(0).execute();
            WAITING.set(WAITING.get() - 1);
        }
    });
}

/// The value that the running task sees there, if it has stored one that waits.
pub(crate) fn forwarded(address: usize) -> Option<u64> {
    if WAITING.get() == 0 {
        return None;
    }
    let me = current();
    BUFFERS.with(|buffers| {
        let buffers = buffers.borrow();
        let mut mine = buffers.get(me)?.iter().rev();
        mine.find(|store| store.address == address)
            .map(|store| store.value)
    })
}

/// Makes the stores of a task visible.
pub(crate) fn drain(task: TaskId) {
    if WAITING.get() == 0 {
        return;
    }
    BUFFERS.with(|buffers| {
        if let Some(its) = buffers.borrow_mut().get_mut(task) {
            WAITING.set(WAITING.get() - its.len());
            its.drain(..).for_each(Store::execute);
        }
    });
}

/// A full fence of the running task.
pub fn fence() {
    drain(current());
}

/// A full barrier on every processor: membarrier(2).
pub fn barrier() {
    if WAITING.get() == 0 {
        return;
    }
    BUFFERS.with(|buffers| {
        for its in buffers.borrow_mut().iter_mut() {
            its.drain(..).for_each(Store::execute);
        }
    });
    WAITING.set(0);
}

/// Sometimes makes a store of some task visible.
pub(crate) fn trickle() {
    if WAITING.get() == 0 || !chance(1, 2 * LAZINESS.get()) {
        return;
    }
    BUFFERS.with(|buffers| {
        let mut buffers = buffers.borrow_mut();
        let task = crate::below(buffers.len());
        if !buffers[task].is_empty() {
            buffers[task].remove(0).execute();
            WAITING.set(WAITING.get() - 1);
        }
    });
}

/// Begins a life: chance says how long stores wait in it.
pub(crate) fn begin() {
    LAZINESS.set([2, 8, 64][crate::below(3)]);
}

/// Forgets all.
pub(crate) fn clear() {
    barrier();
    BUFFERS.with(|buffers| buffers.borrow_mut().clear());
}
