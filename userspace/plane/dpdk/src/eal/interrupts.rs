//! DPDK's interrupt thread, held while a port is closed.
//!
//! DPDK's driver `net_virtio_user` gives its memory back while that thread may still be on the way into the driver: an
//! answer of the other end, which the close itself asks for, has woken it (22.11; the process dies of it). It is on the way
//! only after it has looked up the receiver of an interrupt. So an alarm, which the same thread calls, holds it before
//! that; the driver closes, and the thread then finds no receiver.

use std::ffi::c_void;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Without an interrupt thread nothing is to be held: the close goes on.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Called,
    Held,
    Released,
}

#[derive(Debug)]
struct Gate {
    stage: Mutex<Stage>,
    changed: Condvar,
}

impl Gate {
    fn set(&self, to: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = to;
        self.changed.notify_all();
    }

    /// Waits until it is at `stage`, for `most` or, if `None`, for ever.
    fn wait(&self, stage: Stage, most: Option<Duration>) {
        let at = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let before = |at: &mut Stage| *at != stage;
        match most {
            Some(most) => drop(self.changed.wait_timeout_while(at, most, before)),
            None => drop(self.changed.wait_while(at, before)),
        }
    }
}

/// Does `work` while no interrupt is handled.
pub(crate) fn without_interrupts<T>(work: impl FnOnce() -> T) -> T {
    let gate = Arc::new(Gate {
        stage: Mutex::new(Stage::Called),
        changed: Condvar::new(),
    });
    let argument = Arc::into_raw(Arc::clone(&gate)).cast_mut().cast();
    // SAFETY: `hold` has its own share of the gate, and gives it back.
    let is_set = unsafe { dpdk_sys::rte_eal_alarm_set(1, Some(hold), argument) } == 0;
    if is_set {
        gate.wait(Stage::Held, Some(PATIENCE));
    } else {
        // SAFETY: no alarm calls `hold`: the share is still ours.
        drop(unsafe { Arc::<Gate>::from_raw(argument.cast()) });
    }
    let result = work();
    gate.set(Stage::Released);
    result
}

/// On the interrupt thread.
unsafe extern "C" fn hold(gate: *mut c_void) {
    // SAFETY: `without_interrupts` gave this share, for one call.
    let gate = unsafe { Arc::<Gate>::from_raw(gate.cast()) };
    let mut stage = gate.stage.lock().unwrap_or_else(PoisonError::into_inner);
    if *stage == Stage::Called {
        *stage = Stage::Held;
        drop(stage);
        gate.changed.notify_all();
        gate.wait(Stage::Released, None);
    }
}
