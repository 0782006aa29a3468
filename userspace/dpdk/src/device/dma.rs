//! DMA engines (`rte_dmadev`): devices that copy memory beside the processor.

use std::{
    ffi::{CStr, CString},
    ptr,
    sync::Arc,
};

use crate::{Eal, Error, eal::Alive, log};

/// A channel of a DMA engine that takes the process's own addresses (shared virtual memory). It has one user.
#[derive(Debug)]
pub struct DmaChannel {
    engine: i16,
    name: String,
    _alive: Arc<Alive>,
}

impl DmaChannel {
    /// Copies under way at once.
    pub const DEPTH: u16 = 1024;
    /// Most copies that [`Self::completed`] tells of at once.
    pub const TOLD: usize = Self::MOST as usize;

    const MOST: u16 = 64;

    /// Opens the engine that DPDK calls `name`, such as `wq0.0` (a work queue of Intel's DSA) or
    /// `dma_skeleton`, DPDK's engine in software.
    ///
    /// # Errors
    /// [`Error::Invalid`], or DPDK's: there is no such engine, or it does not take the process's addresses.
    pub fn open(eal: &Eal, name: &str) -> Result<Self, Error> {
        let device = CString::new(name).map_err(|_| Error::Invalid {
            what: "DMA engine",
            value: name.to_owned(),
            expected: "a name without a NUL byte",
        })?;
        let mut step = ptr::null();
        // SAFETY: a C string and a place for another; EAL is initialised.
        let open =
            || unsafe { dpdk_sys::onair_dma_open(device.as_ptr(), Self::DEPTH, &raw mut step) };
        let (code, log) = log::captured(open);
        match i16::try_from(code) {
            Ok(engine) if engine >= 0 => Ok(Self {
                engine,
                name: name.to_owned(),
                _alive: eal.alive(),
            }),
            _ => {
                // SAFETY: the shim sets it to one of its literals before anything can fail.
                let step = unsafe { CStr::from_ptr(step) };
                Err(match step.to_str() {
                    Ok("use") => Error::Invalid {
                        what: "DMA engine",
                        value: name.to_owned(),
                        expected: "one that takes the process's own addresses (SVA), such as a work queue of the kernel's idxd driver",
                    },
                    step => Error::dpdk(
                        step.unwrap_or("open"),
                        format!("DMA engine {name}"),
                        code,
                        log,
                    ),
                })
            }
        }
    }

    /// DPDK's name of the engine.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes a copy of `length` bytes, which begins with [`Self::submit`]. False: [`Self::DEPTH`] are under way.
    ///
    /// # Safety
    /// Until [`Self::completed`] tells of the copy, or [`Self::stop`] has returned true, the bytes at `from` are
    /// readable and those at `to` writable.
    #[inline]
    #[must_use]
    pub unsafe fn copy(&mut self, from: *const u8, to: *mut u8, length: u32) -> bool {
        // SAFETY: the engine is open and has one user; the memory is the caller's promise.
        unsafe { dpdk_sys::onair_dma_copy(self.engine, from.cast(), to.cast(), length) != 0 }
    }

    /// Lets the engine begin what it took.
    #[inline]
    pub fn submit(&mut self) {
        // SAFETY: the engine is open and has one user.
        unsafe { dpdk_sys::onair_dma_submit(self.engine) }
    }

    /// How many further copies have ended, in their order; of each, whether it failed.
    #[inline]
    pub fn completed(&mut self, failed: &mut [bool; Self::TOLD]) -> usize {
        let mut told = [0; Self::TOLD];
        // SAFETY: the engine is open and has one user; it writes as many bytes as it returns.
        let count =
            unsafe { dpdk_sys::onair_dma_completed(self.engine, told.as_mut_ptr(), Self::MOST) };
        for (failed, told) in failed.iter_mut().zip(told) {
            *failed = told != 0;
        }
        usize::from(count)
    }

    /// Ends the copies under way. Returns whether the engine touches no memory any more.
    #[must_use]
    pub fn stop(&mut self) -> bool {
        // SAFETY: the engine is open and has one user.
        let (code, _) = log::captured(|| unsafe { dpdk_sys::onair_dma_stop(self.engine) });
        code == 0
    }
}

impl Drop for DmaChannel {
    fn drop(&mut self) {
        if self.stop() {
            // SAFETY: it is stopped, and nothing uses it after this.
            unsafe { dpdk_sys::onair_dma_close(self.engine) };
        }
    }
}
