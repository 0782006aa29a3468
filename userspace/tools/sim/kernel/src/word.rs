//! Shared words: each access is a step.

use std::sync::atomic::Ordering;

use crate::buffer::{self, Store};
use crate::engine::may_step;
use crate::views;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $value:ident, $is_wide:literal;)+) => {
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

                /// Reads it without a step.
                #[allow(clippy::cast_possible_truncation, reason = "it was of this size")]
                pub fn peek(&self) -> $value {
                    match buffer::forwarded(self.as_ptr() as usize) {
                        Some(value) => value as $value,
                        None => self.0.load(Ordering::SeqCst),
                    }
                }

                /// As its namesake.
                #[allow(clippy::cast_possible_truncation, reason = "it was of this size")]
                pub fn load(&self, order: Ordering) -> $value {
                    may_step();
                    if views::is_weak() {
                        let newest = u64::from(self.0.load(Ordering::SeqCst));
                        return views::load(self.as_ptr() as usize, newest, order) as $value;
                    }
                    buffer::trickle();
                    self.peek()
                }

                /// As its namesake.
                pub fn store(&self, value: $value, order: Ordering) {
                    if !may_step() {
                        return;
                    }
                    if views::is_weak() {
                        let before = self.0.swap(value, Ordering::SeqCst);
                        let address = self.as_ptr() as usize;
                        views::store(address, u64::from(before), u64::from(value), order);
                    } else if order == Ordering::SeqCst {
                        buffer::drain_mine();
                        self.0.store(value, Ordering::SeqCst);
                    } else {
                        let address = self.as_ptr() as usize;
                        buffer::push(Store::new(address, $is_wide, u64::from(value), order));
                    }
                }

                /// As its namesake.
                pub fn swap(&self, value: $value, order: Ordering) -> $value {
                    self.exchange(order, |_| Some(value))
                }

                /// As its namesake.
                pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                    self.exchange(order, |now| Some(now.wrapping_add(value)))
                }

                /// As its namesake.
                pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                    self.exchange(order, |now| Some(now.wrapping_sub(value)))
                }

                /// As its namesake.
                pub fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                    self.exchange(order, |now| Some(now & value))
                }

                /// As its namesake.
                pub fn fetch_max(&self, value: $value, order: Ordering) -> $value {
                    self.exchange(order, |now| Some(now.max(value)))
                }

                /// As its namesake.
                ///
                /// # Errors
                /// The value found, if it is another.
                pub fn compare_exchange(
                    &self,
                    expected: $value,
                    value: $value,
                    order: Ordering,
                    _: Ordering,
                ) -> Result<$value, $value> {
                    let found = self.exchange(order, |now| (now == expected).then_some(value));
                    if found == expected { Ok(found) } else { Err(found) }
                }

                pub(crate) fn exchange(
                    &self,
                    order: Ordering,
                    change: impl Fn($value) -> Option<$value>,
                ) -> $value {
                    let may = may_step();
                    buffer::drain_mine();
                    let now = self.0.load(Ordering::SeqCst);
                    let after = change(now).filter(|_| may);
                    if let Some(value) = after {
                        self.0.store(value, Ordering::SeqCst);
                    }
                    if may && views::is_weak() {
                        let address = self.as_ptr() as usize;
                        views::exchange(address, u64::from(now), after.map(u64::from), order);
                    }
                    now
                }
            }
        )+
    };
}

words! {
    /// A word of 32 bits.
    AtomicU32: u32, false;
    /// A word of 64 bits.
    AtomicU64: u64, true;
}
