//! A weaker memory than x86-64's, for some lives: a load may return an older value of its word, unless an
//! acquire, a fence or a system call has shown its task a later one. It replaces the store buffers there.
//!
//! Each word keeps its last few values, each with the view of the task that stored it: which value of
//! each word that task had seen. Real memory has the newest ones: the kernel and the oracle read these.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use crate::chance::{below, chance};
use crate::engine::current;
use crate::futex::key_of;

/// Values that a word keeps.
const KEPT: usize = 4;

/// By word, the number of the oldest value that may still be read.
type View = Vec<u32>;

struct Value {
    value: u64,
    /// The view that an acquire of it gives.
    view: Option<Rc<View>>,
}

struct Word {
    values: VecDeque<Value>,
    /// Number of the last of them.
    newest: u32,
}

#[derive(Default)]
struct Memory {
    places: HashMap<(u64, usize), usize>,
    words: Vec<Word>,
    /// Of each task.
    views: Vec<View>,
    /// The view of the last fence.
    ordered: View,
}

thread_local! {
    static IS_WEAK: Cell<bool> = const { Cell::new(false) };
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// Whether the running task has such a memory.
#[inline]
pub(crate) fn is_weak() -> bool {
    IS_WEAK.get() && current() != usize::MAX
}

/// Whether the present life has such a memory.
#[must_use]
pub fn has_weak_memory() -> bool {
    IS_WEAK.get()
}

/// Begins a life.
pub(crate) fn begin() {
    IS_WEAK.set(below(3) == 0);
    MEMORY.with(|memory| *memory.borrow_mut() = Memory::default());
}

/// Chooses whether the life that has begun has such a memory.
pub(crate) fn choose(is_weak: bool) {
    IS_WEAK.set(is_weak);
}

/// A task begins: it has seen what its maker has, or nothing.
pub(crate) fn spawned(maker: usize) {
    MEMORY.with(|memory| {
        let views = &mut memory.borrow_mut().views;
        let view = views.get(maker).cloned().unwrap_or_default();
        views.push(view);
    });
}

fn acquires(order: Ordering) -> bool {
    matches!(
        order,
        Ordering::Acquire | Ordering::AcqRel | Ordering::SeqCst
    )
}

fn releases(order: Ordering) -> bool {
    matches!(
        order,
        Ordering::Release | Ordering::AcqRel | Ordering::SeqCst
    )
}

fn see(view: &mut View, word: usize, number: u32) {
    if view.len() <= word {
        view.resize(word + 1, 0);
    }
    view[word] = view[word].max(number);
}

fn join(view: &mut View, other: &View) {
    for (word, number) in other.iter().enumerate() {
        see(view, word, *number);
    }
}

impl Memory {
    /// The word at `address`, which holds `newest` now.
    fn word(&mut self, address: usize, newest: u64) -> usize {
        let Self { places, words, .. } = self;
        let place = *places.entry(key_of(address)).or_insert_with(|| {
            words.push(Word {
                values: VecDeque::new(),
                newest: 0,
            });
            words.len() - 1
        });
        let word = &mut words[place];
        // The first time, or it was written in halves.
        if word.values.back().is_none_or(|it| it.value != newest) {
            word.values.clear();
            word.push(newest, None);
        }
        place
    }

    fn order(&mut self, me: usize) {
        join(&mut self.views[me], &self.ordered);
        join(&mut self.ordered, &self.views[me]);
    }
}

impl Word {
    fn push(&mut self, value: u64, view: Option<Rc<View>>) {
        if self.values.len() == KEPT {
            self.values.pop_front();
        }
        self.newest += 1;
        self.values.push_back(Value { value, view });
    }
}

/// A load by the running task of a word that holds `newest`.
pub(crate) fn load(address: usize, newest: u64, order: Ordering) -> u64 {
    let me = current();
    MEMORY.with(|memory| {
        let memory = &mut *memory.borrow_mut();
        let place = memory.word(address, newest);
        if order == Ordering::SeqCst {
            join(&mut memory.views[me], &memory.ordered);
        }
        let word = &memory.words[place];
        let view = &mut memory.views[me];
        let seen = view.get(place).copied().unwrap_or(0);
        let newer = usize::try_from(word.newest - seen.min(word.newest)).unwrap_or(0);
        let behind = newer.min(word.values.len() - 1);
        let back = if behind > 0 && chance(1, 3) {
            below(behind + 1)
        } else {
            0
        };
        let read = &word.values[word.values.len() - 1 - back];
        see(view, place, word.newest - u32::try_from(back).unwrap_or(0));
        if acquires(order)
            && let Some(shown) = &read.view
        {
            join(view, shown);
        }
        read.value
    })
}

/// A store by the running task into a word that held `before`.
pub(crate) fn store(address: usize, before: u64, value: u64, order: Ordering) {
    let me = current();
    MEMORY.with(|memory| {
        let memory = &mut *memory.borrow_mut();
        let place = memory.word(address, before);
        if order == Ordering::SeqCst {
            memory.order(me);
        }
        let word = &mut memory.words[place];
        let view = &mut memory.views[me];
        see(view, place, word.newest + 1);
        let shown = releases(order).then(|| Rc::new(view.clone()));
        word.push(value, shown);
        if order == Ordering::SeqCst {
            memory.order(me);
        }
    });
}

/// A read and a write in one, by the running task: of a word that held `before`, and holds `after`.
pub(crate) fn exchange(address: usize, before: u64, after: Option<u64>, order: Ordering) {
    let me = current();
    MEMORY.with(|memory| {
        let memory = &mut *memory.borrow_mut();
        let place = memory.word(address, before);
        if order == Ordering::SeqCst {
            memory.order(me);
        }
        let word = &mut memory.words[place];
        let view = &mut memory.views[me];
        let shown = word.values.back().and_then(|it| it.view.clone());
        see(view, place, word.newest);
        if let Some(shown) = shown.as_ref().filter(|_| acquires(order)) {
            join(view, shown);
        }
        if let Some(after) = after {
            see(view, place, word.newest + 1);
            let shown = match (releases(order), shown) {
                (true, shown) => {
                    let mut own = view.clone();
                    shown.iter().for_each(|it| join(&mut own, it));
                    Some(Rc::new(own))
                }
                (false, shown) => shown,
            };
            word.push(after, shown);
        }
        if order == Ordering::SeqCst {
            memory.order(me);
        }
    });
}

/// A task ends: later fences of others see what it has seen.
pub(crate) fn publish(task: usize) {
    if !IS_WEAK.get() {
        return;
    }
    MEMORY.with(|memory| {
        let Memory { views, ordered, .. } = &mut *memory.borrow_mut();
        if let Some(view) = views.get(task) {
            join(ordered, view);
        }
    });
}

/// A full fence of the running task, or a system call.
pub(crate) fn fence() {
    if is_weak() {
        MEMORY.with(|memory| memory.borrow_mut().order(current()));
    }
}

/// A full barrier on every processor.
pub(crate) fn barrier() {
    if !IS_WEAK.get() {
        return;
    }
    MEMORY.with(|memory| {
        let Memory { views, ordered, .. } = &mut *memory.borrow_mut();
        views.iter().for_each(|view| join(ordered, view));
        views.iter_mut().for_each(|view| join(view, ordered));
    });
}
