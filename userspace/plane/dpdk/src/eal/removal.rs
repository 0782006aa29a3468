//! Requests to give a PCI device back, because it is removed (`VFIO_PCI_REQ_ERR_IRQ`, linux/vfio.h).
//!
//! The kernel waits until the process has closed the device. DPDK passes the request on, and does
//! nothing by itself.

use std::{
    collections::BTreeSet,
    ffi::{CStr, c_char},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Error, log};

/// DPDK's names of the devices that the kernel wants back.
static WANTED_BACK: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn wanted_back() -> MutexGuard<'static, BTreeSet<String>> {
    WANTED_BACK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets DPDK report such requests, once in a process, after EAL is up.
pub(crate) fn watch() -> Result<(), Error> {
    // SAFETY: the function is static.
    let register = || unsafe { dpdk_sys::onair_on_removal(Some(note)) };
    match log::captured(register) {
        (0, _) => Ok(()),
        (code, log) => Err(Error::dpdk(
            "watch for the removal of",
            "devices",
            code,
            log,
        )),
    }
}

/// On DPDK's interrupt thread.
unsafe extern "C" fn note(name: *const c_char) {
    // SAFETY: DPDK passes the device's name.
    let name = unsafe { CStr::from_ptr(name) };
    wanted_back().insert(name.to_string_lossy().into_owned());
}

/// Whether the kernel wants the device `name` back.
pub(crate) fn is_wanted_back(name: &str) -> bool {
    wanted_back().contains(name)
}

/// The device `name` was given back, or is another one now.
pub(crate) fn forget(name: &str) {
    wanted_back().remove(name);
}
