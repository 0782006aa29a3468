//! W3: who has the session's runtime.

use onair_ipc::sys;
use onair_types::{Reading, Says, Witness, WordOf};

use super::POLLERS;

/// The runtime is a box with one owner: if the control thread has it, no poller touches the
/// session. Transmit buffers are copies in the port's own pool, so none in flight refers to it.
pub fn pollers(handed_back: bool) -> Reading {
    let (says, users, detail) = if handed_back {
        (
            Says::Zero,
            0,
            "the poller handed the session back; packets in flight are copies",
        )
    } else {
        (Says::Users, 1, "a poller has the session")
    };
    Reading {
        witness: Witness::W3,
        name: POLLERS.into(),
        says,
        users,
        left_out: 0,
        detail: detail.into(),
        word_of: WordOf::Daemon,
        at_monotonic_ns: sys::monotonic_ns(),
    }
}
