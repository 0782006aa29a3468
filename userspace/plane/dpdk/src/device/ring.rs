//! In-process wires: two rings crossed between two ports.

use std::{
    collections::BTreeMap,
    ffi::{CString, c_int},
    ptr::NonNull,
    sync::{Mutex, PoisonError},
};

use dpdk_sys::rte_ring;

use crate::{
    Error,
    device::{End, RingEnd},
    log,
};

/// Places in one direction; one stays empty.
const PLACES: u32 = 2048;

/// The rings of one pair, and its open ends.
struct Pair {
    serial: u32,
    /// Packets sent by A, then packets sent by B.
    rings: [NonNull<rte_ring>; 2],
    open: [bool; 2],
}

// SAFETY: the rings are used under the registry's lock, or by the ports.
unsafe impl Send for Pair {}

static PAIRS: Mutex<BTreeMap<String, Pair>> = Mutex::new(BTreeMap::new());

/// Creates the port of one end, and the rings if it is the first of the two. Returns the port's
/// number.
pub(crate) fn attach(end: &RingEnd, device: &str) -> Result<u16, Error> {
    let mut pairs = PAIRS.lock().unwrap_or_else(PoisonError::into_inner);
    if !pairs.contains_key(&end.pair) {
        let serial = (0..)
            .find(|serial| pairs.values().all(|pair| pair.serial != *serial))
            .expect("fewer pairs than numbers");
        pairs.insert(end.pair.clone(), Pair::new(serial, device)?);
    }
    let pair = pairs.get_mut(&end.pair).expect("just inserted");
    let mine = end.end as usize;
    if pair.open[mine] {
        return Err(Error::DeviceInUse {
            device: device.to_owned(),
        });
    }
    let result = pair.port(end.end, device);
    pair.open[mine] = result.is_ok();
    remove_if_unused(&mut pairs, &end.pair);
    result
}

/// Removes one end, whose port is closed. The last end frees the rings, and their packets return to
/// their pools.
pub(crate) fn detach(end: &RingEnd) {
    let mut pairs = PAIRS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pair) = pairs.get_mut(&end.pair) {
        pair.open[end.end as usize] = false;
    }
    remove_if_unused(&mut pairs, &end.pair);
}

fn remove_if_unused(pairs: &mut BTreeMap<String, Pair>, name: &str) {
    if pairs.get(name).is_some_and(|pair| pair.open == [false; 2]) {
        pairs.remove(name);
    }
}

impl Pair {
    fn new(serial: u32, device: &str) -> Result<Self, Error> {
        let first = ring(&format!("onair{serial}a"), device)?;
        let second = ring(&format!("onair{serial}b"), device).inspect_err(|_| {
            // SAFETY: created above, and not used yet.
            unsafe { dpdk_sys::rte_ring_free(first.as_ptr()) };
        })?;
        Ok(Self {
            serial,
            rings: [first, second],
            open: [false; 2],
        })
    }

    fn port(&self, end: End, device: &str) -> Result<u16, Error> {
        let (tx, rx, letter) = match end {
            End::A => (self.rings[0], self.rings[1], 'a'),
            End::B => (self.rings[1], self.rings[0], 'b'),
        };
        let name = CString::new(format!("onair{}{letter}", self.serial)).expect("no NUL");
        let (rx, tx) = ([rx.as_ptr()], [tx.as_ptr()]);
        // SAFETY: one live ring each; DPDK copies name and pointers.
        let call = || unsafe {
            dpdk_sys::rte_eth_from_rings(name.as_ptr(), rx.as_ptr(), 1, tx.as_ptr(), 1, 0)
        };
        let (code, log) = log::captured(call);
        u16::try_from(code).map_err(|_| Error::dpdk("make a port of", device, code, log))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for ring in self.rings {
            // SAFETY: no end is open, so no other code uses the rings, and their packets have no
            // owner.
            unsafe {
                while let Some(mbuf) = NonNull::new(dpdk_sys::onair_ring_take(ring.as_ptr())) {
                    dpdk_sys::onair_mbuf_free(mbuf.as_ptr());
                }
                dpdk_sys::rte_ring_free(ring.as_ptr());
            }
        }
    }
}

fn ring(name: &str, device: &str) -> Result<NonNull<rte_ring>, Error> {
    let name = CString::new(name).expect("no NUL");
    // SAFETY: EAL is initialised, because opening a port needs an `Eal`. The default mode allows
    // several threads on each side; there is one.
    let create = || unsafe { dpdk_sys::rte_ring_create(name.as_ptr(), PLACES, -1, 0) };
    let (raw, log) = log::captured(create);
    NonNull::new(raw).ok_or_else(|| {
        // SAFETY: reads a thread-local of DPDK's.
        let errno: c_int = unsafe { dpdk_sys::onair_errno() };
        Error::dpdk("make the rings of", device, -errno, log)
    })
}
