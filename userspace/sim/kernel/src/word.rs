//! Shared words: each access is a step.

use std::sync::atomic::Ordering;

use crate::buffer::{self, Store};
use crate::engine::may_step;

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
                pub fn load(&self, _: Ordering) -> $value {
                    may_step();
                    buffer::trickle();
                    self.peek()
                }

                /// As its namesake.
                pub fn store(&self, value: $value, order: Ordering) {
                    if !may_step() {
                        return;
                    }
                    if order == Ordering::SeqCst {
                        buffer::fence();
                        self.0.store(value, Ordering::SeqCst);
                    } else {
                        buffer::push(Store {
                            address: self.as_ptr() as usize,
                            is_wide: $is_wide,
                            value: u64::from(value),
                        });
                    }
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
                ///
                /// # Errors
                /// The value found, if it is another.
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

                pub(crate) fn exchange(&self, change: impl Fn($value) -> Option<$value>) -> $value {
                    let may = may_step();
                    buffer::fence();
                    let now = self.0.load(Ordering::SeqCst);
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
    AtomicU32: u32, false;
    /// A word of 64 bits.
    AtomicU64: u64, true;
}
