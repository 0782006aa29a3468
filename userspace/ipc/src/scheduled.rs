//! The words and the kernel's part under the scheduler of `shuttle` (a feature): it runs the
//! product's own code one step at a time, in random order, with deaths between any two steps.
//!
//! Every access to a shared word is a choice of the scheduler. This module simulates futexes: only
//! a `FUTEX_WAKE` on the same word of the same file wakes a sleeper, never a backstop, so a lost
//! wake-up is a deadlock, which shuttle reports. Memory is sequentially consistent. No code of this
//! module is compiled into the product.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shuttle::rand::Rng;
use shuttle::sync::{Condvar, Mutex};

/// Unwind payload of a killed thread.
#[derive(Debug)]
pub struct Killed;

/// A process, or a single thread, that can be killed.
#[derive(Clone, Debug, Default)]
pub struct Mortal(Arc<AtomicBool>);

struct Sleeper {
    task: usize,
    until: u64,
    expired: AtomicBool,
    woken: Mutex<bool>,
    moved: Condvar,
}

/// Identity of a word in every mapping: the file, and the offset.
type Key = (u64, usize);

#[derive(Default)]
struct Machine {
    mappings: Vec<(usize, usize, u64)>,
    asleep: Vec<(Vec<Key>, Arc<Sleeper>)>,
    mortals: BTreeMap<usize, Vec<Mortal>>,
    /// Killed tasks, unwinding or unwound.
    gone: BTreeSet<usize>,
}

thread_local! {
    /// All tasks of one execution share an OS thread.
    static MACHINE: RefCell<Machine> = RefCell::default();
    static CLOCK: Cell<u64> = const { Cell::new(1) };
}

/// Resets the state. Call it first in each execution.
pub fn boot() {
    MACHINE.with(|machine| *machine.borrow_mut() = Machine::default());
    CLOCK.set(1);
}

fn me() -> usize {
    shuttle::current::me().into()
}

impl Mortal {
    /// Adds the calling task to it: the task ends when it is killed.
    pub fn join(&self) {
        MACHINE.with(|machine| {
            let mut machine = machine.borrow_mut();
            machine.mortals.entry(me()).or_default().push(self.clone());
        });
    }

    /// The calling task has made its last step and can no longer be killed.
    pub fn outlive() {
        MACHINE.with(|machine| machine.borrow_mut().mortals.remove(&me()));
    }

    /// Whether it was killed.
    pub fn is_dead(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// SIGKILL: none of its tasks makes another step.
    pub fn kill(&self) {
        self.0.store(true, Ordering::Relaxed);
        let dead: Vec<usize> = MACHINE.with(|machine| {
            let machine = machine.borrow();
            let dead = machine.mortals.iter();
            let dead = dead.filter(|(_, mortals)| mortals.iter().any(Self::is_dead));
            dead.map(|(task, _)| *task).collect()
        });
        wake(|_, sleeper| dead.contains(&sleeper.task), usize::MAX);
    }
}

fn is_dead(task: usize) -> bool {
    MACHINE.with(|machine| {
        let machine = machine.borrow();
        let mortals = machine.mortals.get(&task);
        mortals.is_some_and(|all| all.iter().any(Mortal::is_dead))
    })
}

/// A step without effect: another task may run, and the caller may die.
pub fn give_way() {
    may_step();
}

/// Before a step: another task may run, and the caller may die. Returns whether it may make the
/// step; a destructor of a killed task may not.
fn may_step() -> bool {
    let dies = || is_dead(me());
    if !dies() {
        shuttle::thread::yield_now();
    }
    if !dies() {
        return true;
    }
    if MACHINE.with(|machine| machine.borrow_mut().gone.insert(me())) {
        resume_unwind(Box::new(Killed));
    }
    false
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $value:ident;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            #[repr(transparent)]
            pub struct $name(core::sync::atomic::$name);

            impl $name {
                /// A word.
                pub const fn new(value: $value) -> Self {
                    Self(core::sync::atomic::$name::new(value))
                }

                /// Its address.
                pub const fn as_ptr(&self) -> *mut $value {
                    self.0.as_ptr()
                }

                /// Reads it without giving way.
                pub fn peek(&self) -> $value {
                    self.0.load(Ordering::SeqCst)
                }

                /// As its namesake.
                pub fn load(&self, _: Ordering) -> $value {
                    may_step();
                    self.peek()
                }

                /// As its namesake.
                pub fn store(&self, value: $value, _: Ordering) {
                    self.exchange(|_| Some(value));
                }

                /// As its namesake.
                pub fn swap(&self, value: $value, _: Ordering) -> $value {
                    self.exchange(|_| Some(value))
                }

                /// As its namesake.
                pub fn fetch_add(&self, value: $value, _: Ordering) -> $value {
                    self.exchange(|now| Some(now.wrapping_add(value)))
                }

                /// As its namesake.
                pub fn fetch_sub(&self, value: $value, _: Ordering) -> $value {
                    self.exchange(|now| Some(now.wrapping_sub(value)))
                }

                /// As its namesake.
                pub fn fetch_and(&self, value: $value, _: Ordering) -> $value {
                    self.exchange(|now| Some(now & value))
                }

                /// As its namesake.
                pub fn fetch_max(&self, value: $value, _: Ordering) -> $value {
                    self.exchange(|now| Some(now.max(value)))
                }

                /// As its namesake.
                pub fn compare_exchange(
                    &self,
                    expected: $value,
                    value: $value,
                    _: Ordering,
                    _: Ordering,
                ) -> Result<$value, $value> {
                    let found = self.exchange(|now| (now == expected).then_some(value));
                    if found == expected { Ok(found) } else { Err(found) }
                }

                fn exchange(&self, change: impl Fn($value) -> Option<$value>) -> $value {
                    let may = may_step();
                    let now = self.peek();
                    if let Some(value) = change(now).filter(|_| may) {
                        self.0.store(value, Ordering::SeqCst);
                    }
                    now
                }
            }
        )+
    };
}

words! {
    /// A word of 32 bits.
    AtomicU32: u32;
    /// A word of 64 bits.
    AtomicU64: u64;
}

/// The owner of a robust futex dies: the kernel sets `mark` in the word, and wakes one sleeper.
pub(crate) fn owner_dies(word: &AtomicU32, mark: u32) {
    word.exchange(|now| Some(now | mark));
    futex_wake(word, 1);
}

/// Notes a mapping, so that a word is known whatever mapping it is seen through.
pub(crate) fn mapped(base: usize, len: usize, file: u64) {
    MACHINE.with(|machine| machine.borrow_mut().mappings.push((base, len, file)));
}

/// Forgets a mapping.
pub(crate) fn unmapped(base: usize) {
    MACHINE.with(|machine| {
        let mappings = &mut machine.borrow_mut().mappings;
        mappings.retain(|mapping| mapping.0 != base);
    });
}

fn key(word: &AtomicU32) -> Key {
    let address = word.as_ptr() as usize;
    MACHINE.with(|machine| {
        let machine = machine.borrow();
        let mut of = machine.mappings.iter();
        let found = of.find(|(base, len, _)| (*base..base + len).contains(&address));
        found.map_or((0, address), |(base, _, file)| (*file, address - base))
    })
}

/// CLOCK_MONOTONIC and CLOCK_BOOTTIME, ns: constant until [`advance`].
pub(crate) fn now_ns() -> u64 {
    CLOCK.get()
}

/// Advances the time and fires timers.
pub fn advance(ns: u64) {
    CLOCK.set(CLOCK.get() + ns);
    let now = CLOCK.get();
    wake(
        |_, sleeper| {
            let expired = sleeper.until <= now;
            sleeper.expired.store(expired, Ordering::Relaxed);
            expired
        },
        usize::MAX,
    );
}

/// The calling task's id, as a thread id.
pub(crate) fn gettid() -> u32 {
    u32::try_from(me()).expect("few tasks") + 1
}

/// Tasks that sleep on a futex, by the ids that [`gettid`](crate::sys::gettid) returns.
pub fn asleep() -> Vec<u32> {
    MACHINE.with(|machine| {
        let machine = machine.borrow();
        let asleep = machine.asleep.iter();
        asleep
            .map(|(_, it)| u32::try_from(it.task).expect("few tasks") + 1)
            .collect()
    })
}

/// `FUTEX_WAKE`. The scheduler chooses which sleepers wake.
pub(crate) fn futex_wake(word: &AtomicU32, count: i32) -> usize {
    if !may_step() {
        return 0;
    }
    let key = key(word);
    let count = usize::try_from(count).unwrap_or(0);
    wake(|keys, _| keys.contains(&key), count)
}

fn wake(mut whom: impl FnMut(&[Key], &Sleeper) -> bool, count: usize) -> usize {
    let mut chosen = Vec::new();
    MACHINE.with(|machine| {
        let asleep = &mut machine.borrow_mut().asleep;
        let mut of: Vec<usize> = (0..asleep.len())
            .filter(|&i| whom(&asleep[i].0, &asleep[i].1))
            .collect();
        while of.len() > count {
            of.remove(shuttle::rand::thread_rng().gen_range(0..of.len()));
        }
        for i in of.into_iter().rev() {
            chosen.push(asleep.remove(i).1);
        }
    });
    for sleeper in &chosen {
        *sleeper.woken.lock().expect("no code panics with it") = true;
        sleeper.moved.notify_one();
    }
    chosen.len()
}

/// `futex_waitv`. Returns whether the deadline passed.
pub(crate) fn futex_waitv<const N: usize>(words: [(&AtomicU32, u32); N], deadline_ns: u64) -> bool {
    may_step();
    if words
        .iter()
        .any(|(word, expected)| word.peek() != *expected)
    {
        return false;
    }
    if deadline_ns <= now_ns() {
        return true;
    }
    let sleeper = Arc::new(Sleeper {
        task: me(),
        until: deadline_ns,
        expired: AtomicBool::new(false),
        woken: Mutex::new(false),
        moved: Condvar::new(),
    });
    let keys = words.iter().map(|(word, _)| key(word)).collect();
    MACHINE.with(|machine| machine.borrow_mut().asleep.push((keys, sleeper.clone())));
    let mut woken = sleeper.woken.lock().expect("no code panics with it");
    while !*woken {
        woken = sleeper.moved.wait(woken).expect("no code panics with it");
    }
    drop(woken);
    may_step();
    sleeper.expired.load(Ordering::Relaxed)
}

/// `FUTEX_WAIT`: not simulated, because [`futex_waitv`] is always available here.
pub(crate) fn futex_wait_slice(_: &AtomicU32, _: u32, _: u64) {}
