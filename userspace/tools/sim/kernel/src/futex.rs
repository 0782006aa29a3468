//! Futexes: only a wake on the same word of the same file wakes a sleeper.
//!
//! A sleep of a second or more is a caller's backstop. It never fires by itself, so that a lost
//! wake-up shows as a task that sleeps for ever.

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use crate::engine::{current, is_signalled, may_step, now_ns, park, unpark};
use crate::hooks;
use crate::stall::unpark_late;
use crate::word::AtomicU32;
use crate::{TaskId, below, buffer, stall};

/// From this length on a sleep is a backstop: a second, without the steps since the caller read the clock.
const BACKSTOP_NS: u64 = 900_000_000;

/// Identity of a word in every mapping: the file, and the offset.
pub(crate) type Key = (u64, usize);

struct Mapped {
    base: usize,
    len: usize,
    file: u64,
}

struct Sleeper {
    task: TaskId,
    keys: [Key; 4],
    is_backstop: bool,
}

#[derive(Default)]
struct Futexes {
    mappings: Vec<Mapped>,
    asleep: Vec<Sleeper>,
}

thread_local! {
    static FUTEXES: RefCell<Futexes> = RefCell::default();
}

/// Notes a mapping, so that a word is known whatever mapping it is seen through.
pub fn mapped(base: usize, len: usize, file: u64) {
    FUTEXES.with(|futexes| {
        let mappings = &mut futexes.borrow_mut().mappings;
        mappings.push(Mapped { base, len, file });
    });
}

/// Forgets a mapping.
pub fn unmapped(base: usize) {
    buffer::drain_all();
    FUTEXES.with(|futexes| futexes.borrow_mut().mappings.retain(|it| it.base != base));
}

/// Other pages have replaced a mapping.
pub fn tombstoned(base: usize) {
    unmapped(base);
}

/// Number of mappings of a file.
#[must_use]
pub fn mappings(file: u64) -> usize {
    FUTEXES.with(|futexes| {
        let futexes = futexes.borrow();
        futexes.mappings.iter().filter(|it| it.file == file).count()
    })
}

/// Identity of the word at an address.
pub(crate) fn key_of(address: usize) -> Key {
    FUTEXES.with(|futexes| futexes.borrow().key_of(address))
}

impl Futexes {
    fn key(&self, word: &AtomicU32) -> Key {
        self.key_of(word.as_ptr() as usize)
    }

    fn key_of(&self, address: usize) -> Key {
        let mut all = self.mappings.iter();
        let found = all.find(|it| (it.base..it.base + it.len).contains(&address));
        found.map_or((0, address), |it| (it.file, address - it.base))
    }
}

/// Tasks that sleep, with whether only their backstop ends it.
#[must_use]
pub fn sleepers() -> Vec<(TaskId, bool)> {
    FUTEXES.with(|futexes| {
        let futexes = futexes.borrow();
        let all = futexes.asleep.iter();
        all.map(|it| (it.task, it.is_backstop)).collect()
    })
}

/// Wakes every sleeper whose backstop is all that it has. Returns how many.
pub fn fire_backstops() -> usize {
    let woken = FUTEXES.with(|futexes| {
        let mut futexes = futexes.borrow_mut();
        let woken = futexes.asleep.extract_if(.., |it| it.is_backstop);
        woken.collect::<Vec<_>>()
    });
    woken.iter().for_each(|it| unpark(it.task));
    woken.len()
}

/// A task that is killed sleeps no more.
pub(crate) fn forget(task: TaskId) {
    FUTEXES.with(|futexes| futexes.borrow_mut().asleep.retain(|it| it.task != task));
}

/// Forgets all sleepers.
pub(crate) fn clear() {
    FUTEXES.with(|futexes| futexes.borrow_mut().asleep.clear());
}

/// `FUTEX_WAKE`. Chance chooses which sleepers wake.
pub fn futex_wake(word: &AtomicU32, count: i32) -> usize {
    if !may_step() {
        return 0;
    }
    buffer::fence();
    let count = usize::try_from(count).unwrap_or(0);
    let woken = FUTEXES.with(|futexes| {
        let mut futexes = futexes.borrow_mut();
        let key = futexes.key(word);
        let asleep = &mut futexes.asleep;
        let mut woken = Vec::new();
        while woken.len() < count {
            let of = asleep.iter().filter(|it| it.keys.contains(&key)).count();
            if of == 0 {
                break;
            }
            let chosen = below(of);
            let mut at = (0..asleep.len()).filter(|at| asleep[*at].keys.contains(&key));
            if let Some(at) = at.nth(chosen) {
                woken.push(asleep.remove(at).task);
            }
        }
        woken
    });
    hooks::woken(count, &woken);
    woken.iter().for_each(|task| unpark_late(*task));
    stall::returns();
    woken.len()
}

/// The owner of a robust futex dies: the kernel sets `mark` in the word, and wakes one sleeper.
pub fn owner_dies(word: &AtomicU32, mark: u32) {
    word.exchange(Ordering::SeqCst, |now| Some(now | mark));
    futex_wake(word, 1);
}

/// `futex_waitv`. Returns whether the deadline passed. After a signal the kernel begins it again.
pub fn futex_waitv<const N: usize>(words: [(&AtomicU32, u32); N], deadline_ns: u64) -> bool {
    loop {
        if !may_step() {
            return true;
        }
        buffer::fence();
        if words
            .iter()
            .any(|(word, expected)| word.peek() != *expected)
        {
            return false;
        }
        let now = now_ns();
        if deadline_ns <= now {
            return true;
        }
        let is_backstop = deadline_ns - now >= BACKSTOP_NS;
        let woken = doze(words.map(|(word, _)| word), is_backstop, deadline_ns);
        if woken || !is_signalled() {
            may_step();
            return !woken;
        }
    }
}

/// Sleeps on the words. Returns whether it was woken.
fn doze<const N: usize>(words: [&AtomicU32; N], is_backstop: bool, deadline_ns: u64) -> bool {
    let me = current();
    FUTEXES.with(|futexes| {
        let mut futexes = futexes.borrow_mut();
        let mut keys = [(u64::MAX, usize::MAX); 4];
        for (key, word) in keys.iter_mut().zip(words) {
            *key = futexes.key(word);
        }
        futexes.asleep.push(Sleeper {
            task: me,
            keys,
            is_backstop,
        });
    });
    let woken = park(if is_backstop { u64::MAX } else { deadline_ns });
    forget(me);
    buffer::fence();
    woken
}

/// `FUTEX_WAIT`: not simulated, because [`futex_waitv`] is always available here.
pub fn futex_wait_slice(_: &AtomicU32, _: u32, _: u64) {}
