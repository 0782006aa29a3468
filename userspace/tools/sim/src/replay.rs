//! The life of a daemon's session, lived again by its trace.

use std::cell::RefCell;

use onair_session::{Replay, ReplayDifference, replay};
use onair_sim_kernel as kernel;

thread_local! {
    static TRACES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A session of the present life has ended, with this trace.
pub(crate) fn keep(trace: String) {
    TRACES.with(|traces| traces.borrow_mut().push(trace));
}

/// The traces of the sessions that ended.
pub(crate) fn take() -> Vec<String> {
    TRACES.with(RefCell::take)
}

/// Gives the core what `onairctl debug trace` wrote, and compares the effects; each event goes to `each` in
/// words.
///
/// # Errors
/// The first difference.
pub fn replay_trace(text: &str, each: impl FnMut(&str)) -> Result<Replay, ReplayDifference> {
    // No task runs: the core changes words that no caller has.
    kernel::boot(0, 0, 0);
    kernel::on_label(|_| ());
    kernel::on_wake(|_, _| ());
    let replayed = replay(text, each);
    kernel::shut_down();
    replayed
}
