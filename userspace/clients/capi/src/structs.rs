//! Structs that begin with their size, so that they can grow: a caller built for an earlier version passes a smaller
//! one, and gets the fields that it knows.

use crate::border::{Fault, invalid};

/// A struct of `onair.h` whose first field is `uint32_t size`.
///
/// # Safety
/// It is `repr(C)`, its first field is a `u32` with its size, and every byte pattern is a value of it.
pub(crate) unsafe trait Grows: Copy {
    /// Size of its first version.
    const FIRST: usize;
}

/// Checks a struct of the caller's: how many of its bytes both sides know.
///
/// # Safety
/// `at` is null, or points to a struct of the caller's with its size in front.
unsafe fn known<T: Grows>(at: *const T) -> Result<usize, Fault> {
    const { assert!(size_of::<u32>() < T::FIRST && T::FIRST <= size_of::<T>()) };
    if at.is_null() || !at.is_aligned() {
        return Err(invalid("a struct is NULL or not aligned"));
    }
    // SAFETY: the caller's promise; the size is in front.
    let size = unsafe { at.cast::<u32>().read() } as usize;
    if size < T::FIRST {
        return Err(invalid(
            "a struct's size is not set; set it to sizeof the struct",
        ));
    }
    Ok(size.min(size_of::<T>()))
}

/// Reads a struct of the caller's. Fields that the caller does not know are as in `missing`.
///
/// # Safety
/// As for [`known`].
pub(crate) unsafe fn read<T: Grows>(at: *const T, mut missing: T) -> Result<T, Fault> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { known(at)? };
    // SAFETY: both are at least so long, and any bytes are a value of it.
    unsafe {
        at.cast::<u8>()
            .copy_to_nonoverlapping((&raw mut missing).cast(), bytes)
    };
    Ok(missing)
}

/// A place for a result, checked before the call does anything.
pub(crate) struct ResultPlace<T> {
    at: *mut T,
    bytes: usize,
}

impl<T: Grows> ResultPlace<T> {
    /// # Safety
    /// As for [`known`]; the struct stays in place and writable until [`ResultPlace::write`].
    pub(crate) unsafe fn new(at: *mut T) -> Result<Self, Fault> {
        // SAFETY: the caller's promise.
        let bytes = unsafe { known(at.cast_const())? };
        Ok(Self { at, bytes })
    }

    /// Writes the fields that the caller knows; its size stays.
    pub(crate) fn write(self, value: &T) {
        const SIZE: usize = size_of::<u32>();
        let from: *const T = value;
        // SAFETY: `bytes` lie within both structs, which do not overlap, and are more than the size.
        unsafe {
            from.cast::<u8>()
                .add(SIZE)
                .copy_to_nonoverlapping(self.at.cast::<u8>().add(SIZE), self.bytes - SIZE);
        }
    }
}

/// Writes a plain result.
///
/// # Safety
/// `at` is null or points to a writable `T`.
pub(crate) unsafe fn set<T>(at: *mut T, value: T) -> Result<(), Fault> {
    if at.is_null() || !at.is_aligned() {
        return Err(invalid("a place for a result is NULL or not aligned"));
    }
    // SAFETY: the caller's promise.
    unsafe { at.write(value) };
    Ok(())
}
