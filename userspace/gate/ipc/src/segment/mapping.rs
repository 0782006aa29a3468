//! A mapping of shared memory, and typed references into it.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

/// Marks types for which every bit pattern is valid and which are only accessed atomically, so that
/// a reference into memory that another process writes is sound.
///
/// # Safety
/// The type consists of atomics only, without padding that is read.
pub unsafe trait SharedWords {}

// SAFETY: an atomic.
unsafe impl SharedWords for core::sync::atomic::AtomicU32 {}
// SAFETY: an atomic.
unsafe impl SharedWords for core::sync::atomic::AtomicU64 {}
#[cfg(simulated)]
// SAFETY: transparent over an atomic.
unsafe impl SharedWords for crate::sync::AtomicU32 {}
#[cfg(simulated)]
// SAFETY: transparent over an atomic.
unsafe impl SharedWords for crate::sync::AtomicU64 {}
// SAFETY: transparent over an atomic.
unsafe impl SharedWords for crate::gate::Gate {}
// SAFETY: two atomics.
unsafe impl SharedWords for crate::event_count::EventCount {}
// SAFETY: transparent over an atomic.
unsafe impl SharedWords for crate::kick::Kick {}
// SAFETY: as above.
unsafe impl SharedWords for crate::progress::ProgressWord {}
// SAFETY: as above.
unsafe impl SharedWords for crate::progress::WantedWord {}
// SAFETY: transparent over an atomic.
unsafe impl SharedWords for crate::frame_word::FrameWord {}
// SAFETY: one atomic word, transparent.
unsafe impl SharedWords for crate::sending::FillWord {}
// SAFETY: atomics only, no padding.
unsafe impl SharedWords for crate::slot::Slot {}

/// Access of the process through a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads only.
    ReadOnly,
    /// Reads and writes.
    ReadWrite,
}

/// A shared mapping of a whole file; unmapped on drop.
#[derive(Debug)]
pub struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is plain memory; all typed access goes through atomics or raw copies.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `file` from its start. The mapping is not inherited by forked children.
    pub fn new(file: BorrowedFd<'_>, len: usize, access: Access) -> io::Result<Self> {
        let protection = match access {
            Access::ReadOnly => libc::PROT_READ,
            Access::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        };
        // SAFETY: a fresh mapping at an address of the kernel's choice overlaps nothing.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the range was just mapped.
        if unsafe { libc::madvise(base, len, libc::MADV_DONTFORK) } != 0 {
            let error = io::Error::last_os_error();
            // SAFETY: the range was just mapped and nothing refers to it.
            unsafe { libc::munmap(base, len) };
            return Err(error);
        }
        #[cfg(simulated)]
        crate::scheduled::mapped(base as usize, len, rustix::fs::fstat(file)?.st_ino);
        let base = NonNull::new(base.cast()).expect("mmap does not map page zero");
        Ok(Self { base, len })
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is mapped (never the case).
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first byte.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// A reference to the `T` at `offset`.
    ///
    /// If it does not lie within the mapping, aligned: [`layout`](crate::layout) computes the
    /// offsets; they never come from another process.
    #[inline(always)]
    pub fn at<T: SharedWords>(&self, offset: usize) -> &T {
        assert!(
            offset.is_multiple_of(align_of::<T>()) && offset + size_of::<T>() <= self.len,
            "offset {offset} outside of a mapping of {} bytes",
            self.len
        );
        // SAFETY: in bounds, aligned (the base is a page), and `SharedWords` makes any contents valid.
        unsafe { &*self.base.as_ptr().add(offset).cast::<T>() }
    }

    /// [`Mapping::at`] without its check, for offsets that are already checked.
    ///
    /// # Safety
    /// A `T` lies at `offset`, aligned and within the mapping.
    #[inline(always)]
    pub(crate) unsafe fn at_unchecked<T: SharedWords>(&self, offset: usize) -> &T {
        debug_assert!(
            offset.is_multiple_of(align_of::<T>()) && offset + size_of::<T>() <= self.len
        );
        // SAFETY: the caller's promise; `SharedWords` makes any contents valid.
        unsafe { &*self.base.as_ptr().add(offset).cast::<T>() }
    }

    /// References to `count` values of `T` from `offset`. Panics as [`Mapping::at`] does.
    #[inline(always)]
    pub fn slice<T: SharedWords>(&self, offset: usize, count: usize) -> &[T] {
        assert!(
            offset.is_multiple_of(align_of::<T>())
                && count
                    .checked_mul(size_of::<T>())
                    .and_then(|bytes| bytes.checked_add(offset))
                    .is_some_and(|end| end <= self.len),
            "{count} values at {offset} outside of a mapping of {} bytes",
            self.len
        );
        // SAFETY: as in `at`.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(offset).cast::<T>(), count) }
    }

    /// Replaces the mapping by zeroed private pages: a thread that still reads it finds closed
    /// gates instead of a fault. Async-signal-safe.
    pub(crate) fn tombstone(&self) {
        #[cfg(simulated)]
        crate::scheduled::give_way();
        #[cfg(simulated)]
        crate::scheduled::tombstoned(self.base.as_ptr() as usize);
        // SAFETY: replaces pages of this very mapping; every typed access to it is atomic, and
        // zero is a valid value of every word.
        let replaced = unsafe {
            libc::mmap(
                self.base.as_ptr().cast(),
                self.len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        assert_ne!(replaced, libc::MAP_FAILED, "no memory for a tombstone");
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        #[cfg(simulated)]
        crate::scheduled::unmapped(self.base.as_ptr() as usize);
        // SAFETY: the range is ours, and references into it cannot outlive `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}
