//! The sessions of this copy of the library, by handle.
//!
//! A handle has an index, the generation of the slot, and a mark of this copy. A signal handler may look a handle up:
//! one compare-and-swap pins the slot, another one unpins it. No lock is taken, nothing is allocated, and a handler never
//! frees: a session that ends while a handler has it pinned is freed by a later call.

use std::cell::UnsafeCell;
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Sessions that a process can have at once.
const SLOTS: usize = 1024;
const INDEX_BITS: u32 = SLOTS.trailing_zeros();
const GENERATION_BITS: u32 = 32;
const LAST_GENERATION: u64 = u32::MAX as u64;
const MARK_AT: u32 = INDEX_BITS + GENERATION_BITS;

/// State of a slot's word, below its generation; the pins are in the lowest bits.
const PINS: u64 = (1 << 30) - 1;
const STATE: u64 = 3 << 30;
const FREE: u64 = 0;
const LIVE: u64 = 1 << 30;
/// No further pin. The one that finds no pin left frees it.
const CLOSED: u64 = 2 << 30;
/// One thread has its contents.
const OWNED: u64 = 3 << 30;

struct Slot<T> {
    word: AtomicU64,
    value: UnsafeCell<Option<Arc<T>>>,
}

/// Handles of `T`.
pub(crate) struct Table<T>([Slot<T>; SLOTS]);

// SAFETY: the value of a slot is written only by the thread that has made it OWNED, and read only by those that
// have it pinned; both are never the case at once.
unsafe impl<T: Send + Sync> Sync for Table<T> {}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Self(
            [const {
                Slot {
                    word: AtomicU64::new(FREE),
                    value: UnsafeCell::new(None),
                }
            }; SLOTS],
        )
    }

    /// Of another copy of the library in this process, the mark differs.
    fn mark(&self) -> u64 {
        let page = std::ptr::from_ref(self).addr() as u64 >> 12;
        page << MARK_AT
    }

    /// A handle of `value`; `None` if the table is full.
    pub(crate) fn insert(&self, value: Arc<T>) -> Option<u64> {
        for (index, slot) in self.0.iter().enumerate() {
            slot.free_if_unused();
            let word = slot.word.load(Ordering::Relaxed);
            if word & STATE != FREE {
                continue;
            }
            let generation = match word >> GENERATION_BITS {
                LAST_GENERATION => 1,
                before => before + 1,
            };
            let next = generation << GENERATION_BITS;
            // SYNC: handle.
            let is_ours = slot.word.compare_exchange(
                word,
                next | OWNED,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            if is_ours.is_err() {
                continue;
            }
            // SAFETY: this thread owns the slot.
            unsafe { *slot.value.get() = Some(value) };
            // SYNC: handle.
            slot.word.store(next | LIVE, Ordering::Release);
            return Some(self.mark() | generation << INDEX_BITS | index as u64);
        }
        None
    }

    /// The object of the handle.
    ///
    /// # Errors
    /// `EINVAL` if no call returned this handle, `ESTALE` if it was closed.
    pub(crate) fn get(&self, handle: u64) -> Result<Arc<T>, c_int> {
        let slot = self.pin(handle)?;
        // SAFETY: pinned, so no thread writes it.
        let value = unsafe { (*slot.value.get()).clone() };
        slot.unpin();
        slot.free_if_unused();
        value.ok_or(libc::ESTALE)
    }

    /// Runs `body` with what the handle names. Async-signal-safe if `body` is.
    ///
    /// # Errors
    /// As [`Table::get`].
    pub(crate) fn with<R>(&self, handle: u64, body: impl FnOnce(&T) -> R) -> Result<R, c_int> {
        let slot = self.pin(handle)?;
        // SAFETY: pinned, so no thread writes it.
        let value = unsafe { (*slot.value.get()).as_deref() };
        let result = value.map(body);
        slot.unpin();
        result.ok_or(libc::ESTALE)
    }

    /// Ends the handle. Its value is dropped with its last pin.
    pub(crate) fn close(&self, handle: u64) {
        let Ok(slot) = self.pin(handle) else {
            return;
        };
        // SYNC: handle.
        let _ = slot
            .word
            .try_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
                (word & STATE == LIVE).then_some(word ^ LIVE ^ CLOSED)
            });
        slot.unpin();
        slot.free_if_unused();
    }

    fn pin(&self, handle: u64) -> Result<&Slot<T>, c_int> {
        if handle >> MARK_AT != self.mark() >> MARK_AT {
            return Err(libc::EINVAL);
        }
        let generation = (handle >> INDEX_BITS) & LAST_GENERATION;
        let index = usize::try_from(handle % SLOTS as u64);
        let slot = &self.0[index.expect("below the number of slots")];
        // SYNC: handle.
        let pinned = slot
            .word
            .try_update(Ordering::Acquire, Ordering::Relaxed, |word| {
                let is_it = word >> GENERATION_BITS == generation && word & STATE == LIVE;
                (is_it && word & PINS != PINS).then_some(word + 1)
            });
        match pinned {
            Ok(_) => Ok(slot),
            Err(word) if (1..=word >> GENERATION_BITS).contains(&generation) => Err(libc::ESTALE),
            Err(_) => Err(libc::EINVAL),
        }
    }
}

impl<T> Slot<T> {
    fn unpin(&self) {
        // SYNC: handle.
        self.word.fetch_sub(1, Ordering::Release);
    }

    /// Drops the value of a closed slot without a pin.
    fn free_if_unused(&self) {
        let word = self.word.load(Ordering::Relaxed);
        if word & (STATE | PINS) != CLOSED {
            return;
        }
        let generation = word & !(STATE | PINS);
        // SYNC: handle.
        let is_ours = self.word.compare_exchange(
            word,
            generation | OWNED,
            Ordering::Acquire,
            Ordering::Relaxed,
        );
        if is_ours.is_ok() {
            // SAFETY: this thread owns the slot.
            let value = unsafe { (*self.value.get()).take() };
            // SYNC: handle.
            self.word.store(generation | FREE, Ordering::Release);
            drop(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    #[test]
    fn handles_wrong_or_closed_then_an_errno() {
        let table = Table::new();
        let other = Box::new(Table::<i32>::new());
        let handle = table.insert(Arc::new(1)).unwrap();
        assert_eq!(*table.get(handle).unwrap(), 1);
        assert_eq!(other.get(handle).unwrap_err(), libc::EINVAL);
        for wrong in [
            0,
            u64::MAX,
            handle + 1,
            handle + (1 << INDEX_BITS),
            handle ^ (1 << 63),
        ] {
            assert_eq!(table.get(wrong).unwrap_err(), libc::EINVAL, "{wrong:x}");
        }
        table.close(handle);
        table.close(handle);
        assert_eq!(table.get(handle).unwrap_err(), libc::ESTALE);
        let next = table.insert(Arc::new(2)).unwrap();
        assert_ne!(next, handle);
        assert_eq!(table.get(handle).unwrap_err(), libc::ESTALE);
        assert_eq!(*table.get(next).unwrap(), 2);
    }

    #[test]
    fn closed_while_pinned_then_freed_by_a_later_call() {
        let table = Table::new();
        let value = Arc::new(1);
        let handle = table.insert(value.clone()).unwrap();
        table
            .with(handle, |_| {
                table.close(handle);
                assert_eq!(Arc::strong_count(&value), 2, "still pinned");
            })
            .unwrap();
        assert_eq!(Arc::strong_count(&value), 2, "a handler frees nothing");
        table.insert(Arc::new(2)).unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn full_then_none_and_a_closed_place_is_taken_again() {
        let table = Table::new();
        let all: Vec<_> = (0..SLOTS)
            .map(|n| table.insert(Arc::new(n)).unwrap())
            .collect();
        assert_eq!(table.insert(Arc::new(0)), None);
        table.close(all[7]);
        assert!(table.insert(Arc::new(0)).is_some());
    }

    #[test]
    fn threads_look_up_and_close_then_each_value_is_freed_once() {
        static TABLE: Table<AtomicBool> = Table::new();
        static HANDLE: AtomicU64 = AtomicU64::new(0);
        static ENDS: AtomicBool = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !ENDS.load(Ordering::SeqCst) {
                        let handle = HANDLE.load(Ordering::SeqCst);
                        let _ = TABLE.with(handle, |it| assert!(it.load(Ordering::SeqCst)));
                        if let Ok(value) = TABLE.get(handle) {
                            assert!(value.load(Ordering::SeqCst));
                        }
                    }
                });
            }
            for _ in 0..20_000 {
                let value = Arc::new(AtomicBool::new(true));
                let handle = TABLE.insert(value).unwrap();
                HANDLE.store(handle, Ordering::SeqCst);
                TABLE.close(handle);
            }
            ENDS.store(true, Ordering::SeqCst);
        });
    }
}
