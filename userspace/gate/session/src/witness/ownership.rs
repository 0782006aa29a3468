//! W3: which thread has the session's runtime.

use onair_api::{Reading, Says, Witness, WordOf};
use onair_mutant::mutant;

use super::POLLERS;

/// The runtime is a box with one owner: if the control thread has it, no poller touches the
/// session. Transmit buffers are copies in the port's own pool, so none in flight refers to it.
pub fn pollers(handed_back: bool, now_ns: u64) -> Reading {
    let (says, users, detail) =
        if handed_back || mutant!("W3: zero although a poller has the session") {
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
        at_monotonic_ns: now_ns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pollers_before_and_after_the_return_then_one_user_and_none() {
        let (before, after) = (pollers(false, 1), pollers(true, 2));
        assert_eq!((before.says, before.users), (Says::Users, 1));
        assert_eq!((after.says, after.users), (Says::Zero, 0));
    }
}
