//! W1: the slots, which the clients write, and the ledger, which the daemon writes.

use onair_api::{Reading, Says, Witness, WordOf};
use onair_ipc::memory::AttachmentMemory;

use super::{LEDGER, SLOTS, some, without};

/// Reads the slots of all attachments: `calls` has the calls of one, as of a fence. Those of
/// `evicted_clients` are reported but not counted. `now_ns` is asked after the last slot.
pub fn slots<'a>(
    calls: impl Fn(&AttachmentMemory) -> u64,
    attachments: impl Iterator<Item = &'a AttachmentMemory>,
    evicted_clients: impl Iterator<Item = &'a AttachmentMemory>,
    now_ns: impl FnOnce() -> u64,
) -> Reading {
    let left_out = evicted_clients.map(&calls).sum();
    let mut users = 0_u64;
    let mut attached = 0;
    for memory in attachments {
        attached += 1;
        users += calls(memory);
    }
    Reading {
        witness: Witness::W1,
        name: SLOTS.into(),
        says: if users == 0 { Says::Zero } else { Says::Users },
        users,
        left_out,
        detail: format!(
            "{} in progress in {}{}",
            some(users, "call"),
            some(attached, "attachment"),
            without(left_out, "call")
        ),
        word_of: WordOf::Client,
        at_monotonic_ns: now_ns(),
    }
}

/// Reads the ledger: `Some(frames on loan)`, or `None` while a poller has it.
pub fn ledger(loaned: Option<u64>, now_ns: u64) -> Reading {
    let (says, users, detail) = match loaned {
        Some(0) => (Says::Zero, 0, "no frame is lent".to_owned()),
        Some(loaned) => (
            Says::Users,
            loaned,
            format!("{} lent", some(loaned, "frame")),
        ),
        None => (Says::Unknown, 0, "a poller still has the ledger".to_owned()),
    };
    Reading {
        witness: Witness::W1,
        name: LEDGER.into(),
        says,
        users,
        left_out: 0,
        detail,
        word_of: WordOf::Daemon,
        at_monotonic_ns: now_ns,
    }
}
