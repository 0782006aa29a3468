//! Store buffers: what a task has stored and others do not see yet.
//!
//! x86-64 keeps the order of a task's stores. In some lives relaxed ones overtake earlier ones, as the
//! compiler may let them. A store that no compiler fence follows may come after a barrier that another
//! processor asks for: the compiler may have moved it down.

use std::cell::{Cell, RefCell};
use std::sync::atomic::Ordering;

use crate::TaskId;
use crate::chance::{below, chance};
use crate::engine::current;
use crate::{stall, views};

/// Most stores that wait; x86-64 has about fifty.
const DEPTH: usize = 24;

#[derive(Clone, Copy)]
pub(crate) struct Store {
    pub(crate) address: usize,
    pub(crate) is_wide: bool,
    pub(crate) value: u64,
    /// Whether it waits for all stores before it.
    pub(crate) is_release: bool,
    /// Whether the compiler has put it before what follows.
    is_issued: bool,
}

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<Store>>> = const { RefCell::new(Vec::new()) };
    /// Stores that wait, of all tasks.
    static WAITING: Cell<usize> = const { Cell::new(0) };
    /// Of so many stores one becomes visible at once.
    static LAZINESS: Cell<u64> = const { Cell::new(2) };
    /// Whether relaxed stores overtake others.
    static OVERTAKES: Cell<bool> = const { Cell::new(false) };
}

impl Store {
    pub(crate) fn new(address: usize, is_wide: bool, value: u64, order: Ordering) -> Self {
        Self {
            address,
            is_wide,
            value,
            is_release: order != Ordering::Relaxed,
            is_issued: false,
        }
    }

    fn execute(self) {
        // SAFETY: `push` was given a word, and buffers are drained before a mapping goes.
        unsafe {
            if self.is_wide {
                let word = std::sync::atomic::AtomicU64::from_ptr(self.address as *mut u64);
                word.store(self.value, Ordering::SeqCst);
            } else {
                let word = std::sync::atomic::AtomicU32::from_ptr(self.address as *mut u32);
                #[expect(clippy::cast_possible_truncation, reason = "it was a u32")]
                word.store(self.value as u32, Ordering::SeqCst);
            }
        }
    }
}

/// Makes one of these stores visible.
fn execute_one(stores: &mut Vec<Store>) {
    let mut at = 0;
    if OVERTAKES.get() {
        let chosen = below(stores.len());
        let store = stores[chosen];
        let is_of_its_word = |it: &Store| it.address == store.address;
        if !store.is_release && !stores[..chosen].iter().any(is_of_its_word) {
            at = chosen;
        }
    }
    stores.remove(at).execute();
    WAITING.set(WAITING.get() - 1);
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
        if store.is_release {
            mine.iter_mut().for_each(|it| it.is_issued = true);
        }
        mine.push(store);
        WAITING.set(WAITING.get() + 1);
        while mine.len() > DEPTH || !mine.is_empty() && chance(1, LAZINESS.get()) {
            execute_one(mine);
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

/// Whether the running task's last store waits, and the compiler may move it down.
pub(crate) fn is_withheld() -> bool {
    WAITING.get() > 0
        && BUFFERS.with(|buffers| {
            let buffers = buffers.borrow();
            let mine = buffers.get(current()).and_then(|it| it.last());
            mine.is_some_and(|it| it.is_release && !it.is_issued)
        })
}

fn with_all(change: impl FnOnce(&mut Vec<Vec<Store>>)) {
    if WAITING.get() > 0 {
        BUFFERS.with(|buffers| change(&mut buffers.borrow_mut()));
    }
}

fn execute_first(stores: &mut Vec<Store>, count: usize) {
    WAITING.set(WAITING.get() - count);
    stores.drain(..count).for_each(Store::execute);
}

/// Makes the stores of a task visible.
pub(crate) fn drain(task: TaskId) {
    with_all(|buffers| {
        if let Some(its) = buffers.get_mut(task) {
            execute_first(its, its.len());
        }
    });
}

/// A task ends: each processor that learns of it sees its stores.
pub(crate) fn publish(task: TaskId) {
    drain(task);
    views::publish(task);
}

/// Makes the running task's stores visible.
pub(crate) fn drain_mine() {
    drain(current());
}

/// A full fence of the running task.
pub fn fence() {
    drain_mine();
    views::fence();
}

/// A fence for the compiler only, in the running task.
pub fn light() {
    let me = current();
    with_all(|buffers| {
        if let Some(mine) = buffers.get_mut(me) {
            mine.iter_mut().for_each(|it| it.is_issued = true);
        }
    });
}

/// A full barrier on every processor: membarrier(2).
pub fn barrier() {
    views::barrier();
    with_all(|buffers| {
        for its in buffers {
            let issued = its
                .iter()
                .rposition(|it| it.is_issued)
                .map_or(0, |at| at + 1);
            execute_first(its, issued);
        }
    });
    stall::returns();
}

/// Sometimes makes a store of some task visible.
pub(crate) fn trickle() {
    if WAITING.get() == 0 || !chance(1, 2 * LAZINESS.get()) {
        return;
    }
    with_all(|buffers| {
        let task = below(buffers.len());
        if !buffers[task].is_empty() {
            execute_one(&mut buffers[task]);
        }
    });
}

/// Begins a life: chance says how long stores wait in it.
pub(crate) fn begin() {
    LAZINESS.set([2, 8, 64, 4096][below(4)]);
    OVERTAKES.set(below(3) == 0);
}

/// Memory model of a life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Memory {
    /// As chance has chosen.
    #[default]
    Any,
    /// Stores wait long.
    Lazy,
    /// Loads may return older values.
    Weak,
}

/// Chooses the memory of the life that has begun.
pub fn choose_memory(memory: Memory) {
    match memory {
        Memory::Any => {}
        Memory::Lazy => {
            LAZINESS.set(4096);
            views::choose(false);
        }
        Memory::Weak => views::choose(true),
    }
}

/// Makes all visible: a mapping goes.
pub(crate) fn drain_all() {
    with_all(|buffers| {
        for its in buffers {
            execute_first(its, its.len());
        }
    });
}

/// Forgets all.
pub(crate) fn clear() {
    drain_all();
    BUFFERS.with(|buffers| buffers.borrow_mut().clear());
}
