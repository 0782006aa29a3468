//! Who uses a session, by name: the slots, the ledger's words and the probe put together.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use onair_api::{Blocker, BlockerKind, HeldFrame, Timestamp, WaitsIn, Witness};
use onair_ipc::frame_word::FrameState;
use onair_ipc::layout::OWN_SLOTS;
use onair_ipc::lender::Lent;
use onair_ipc::slot::{Operation, SlotReading};
use onair_ipc::sys;
use onair_probe::Waiter;

use super::attachment::Attachment;
use crate::threads::{self, Thread};

/// Age from which a frame that is held outside every call is said to be forgotten, ms. Nobody reads
/// one frame for so long.
const FORGOTTEN_MS: u64 = 5000;

/// The blockers of all attachments. `waiters` are the probe's.
pub fn list<'a>(
    attachments: impl Iterator<Item = &'a Attachment>,
    mut waiters: Vec<Waiter>,
) -> Vec<Blocker> {
    let now = sys::monotonic_ns();
    let mut blockers = Vec::new();
    for attachment in attachments {
        of_attachment(attachment, &mut waiters, now, &mut blockers);
    }
    // Callers that only the kernel saw: their slots were changed behind their back.
    for waiter in waiters {
        let thread = threads::read(waiter.ns_tgid, waiter.ns_tid);
        blockers.push(Blocker {
            pid: waiter.ns_tgid,
            tid: Some(waiter.ns_tid),
            command: crate::control::peer::command_of(waiter.ns_tgid),
            thread: waiter.comm.clone(),
            attachment: Some(waiter.attachment),
            client_version: String::new(),
            kind: BlockerKind::Blocked,
            since: Some(wall(waiter.since, now)),
            blocked_for_ms: Some(ms(now, waiter.since)),
            waits_in: Some(WaitsIn::Unknown),
            kernel_state: thread.map(|thread| thread.state),
            wait_channel: threads::wait_channel(waiter.ns_tgid, waiter.ns_tid),
            held_frames: Vec::new(),
            seen_by: vec![Witness::W2],
            note: Some(
                "its slot in shared memory does not count it: only the kernel sees it".into(),
            ),
        });
    }
    blockers
}

fn of_attachment(
    attachment: &Attachment,
    waiters: &mut Vec<Waiter>,
    now: u64,
    blockers: &mut Vec<Blocker>,
) {
    let who = &attachment.client.who;
    let memory = &attachment.memory;
    let slots = memory.slots();
    let mut held: BTreeMap<u16, Vec<HeldFrame>> = BTreeMap::new();
    for (frame, _, slot) in memory.held() {
        held.entry(slot).or_default().push(HeldFrame {
            frame,
            age_ms: ms(now, memory.lent_since(frame)),
        });
    }
    let gate = memory.session_gate();
    let counted = |slot: &SlotReading| {
        slot.count > 0
            && (onair_ipc::gate::is_open(gate) || slot.is_user(gate, slot.index == OWN_SLOTS))
    };
    if !slots.iter().any(counted) && held.is_empty() {
        return;
    }
    let threads = threads::of(who.pid);
    let blank = |thread: Option<&Thread>, kind| Blocker {
        pid: who.pid,
        tid: thread.map(|thread| thread.tid),
        command: who.command.clone(),
        thread: thread.map_or_else(String::new, |thread| thread.name.clone()),
        attachment: Some(attachment.number),
        client_version: attachment.client.library.clone(),
        kind,
        since: None,
        blocked_for_ms: None,
        waits_in: None,
        kernel_state: thread.map(|thread| thread.state.clone()),
        wait_channel: thread.and_then(|thread| threads::wait_channel(who.pid, thread.tid)),
        held_frames: Vec::new(),
        seen_by: vec![Witness::W1],
        note: attachment
            .disconnected
            .then(|| "its connection is closed; it ends with its process".to_owned()),
    };
    for slot in slots.iter().filter(|slot| counted(slot)) {
        let thread = owner_of(slot, &threads);
        let kind = match thread {
            _ if slot.index == OWN_SLOTS => BlockerKind::Unattributed,
            Some(_) => BlockerKind::Inside,
            None => BlockerKind::Exited,
        };
        let mut blocker = blank(thread, kind);
        blocker.waits_in = Some(match slot.operation {
            Operation::Get => WaitsIn::BufferGet,
            Operation::EventPoll => WaitsIn::EventPoll,
            Operation::None => WaitsIn::Unknown,
        });
        blocker.held_frames = held.remove(&slot.index).unwrap_or_default();
        let seen = waiters.iter().position(|waiter| {
            waiter.attachment == attachment.number && waiter.own_tid == slot.owner
        });
        if let Some(waiter) = seen.map(|at| waiters.swap_remove(at)) {
            blocker.kind = BlockerKind::Blocked;
            blocker.since = Some(wall(waiter.since, now));
            blocker.blocked_for_ms = Some(ms(now, waiter.since));
            blocker.seen_by.push(Witness::W2);
        }
        blockers.push(blocker);
    }
    for (slot, held_frames) in held {
        let thread = slots
            .iter()
            .find(|reading| reading.index == slot)
            .and_then(|reading| owner_of(reading, &threads));
        let kind = match thread {
            None if slot != OWN_SLOTS => BlockerKind::Exited,
            _ => BlockerKind::Holding,
        };
        let mut blocker = blank(thread, kind);
        let oldest = held_frames.iter().map(|held| held.age_ms).max();
        blocker.held_frames = held_frames;
        if kind == BlockerKind::Exited {
            blocker.note = Some(
                "forgotten: the thread that took the frames is gone; they belong to its process now"
                    .into(),
            );
        } else if blocker.note.is_none() && oldest.is_some_and(|age| age >= FORGOTTEN_MS) {
            blocker.note = Some("perhaps forgotten: held for long, outside every call".into());
        }
        blockers.push(blocker);
    }
}

/// The attachment's frames that the ledger has and no shared word speaks of: its client changed the
/// words, or a thread of it ended at the wrong moment.
pub fn of_ledger(attachment: &Attachment, lends: impl Iterator<Item = Lent>) -> Option<Blocker> {
    let now = sys::monotonic_ns();
    let held_frames: Vec<HeldFrame> = lends
        .filter(|lent| lent.state != Some(FrameState::Held))
        .map(|lent| HeldFrame {
            frame: lent.frame,
            age_ms: ms(now, lent.since_ns),
        })
        .collect();
    if held_frames.is_empty() {
        return None;
    }
    let who = &attachment.client.who;
    Some(Blocker {
        pid: who.pid,
        tid: None,
        command: who.command.clone(),
        thread: String::new(),
        attachment: Some(attachment.number),
        client_version: attachment.client.library.clone(),
        kind: BlockerKind::Holding,
        since: None,
        blocked_for_ms: None,
        waits_in: None,
        kernel_state: None,
        wait_channel: None,
        held_frames,
        seen_by: vec![Witness::W1],
        note: Some(
            "the ledger has these frames lent, and the shared memory does not say so: they come \
             back when the process ends"
                .into(),
        ),
    })
}

/// The living thread that owns a slot: its number alone may be another's by now.
pub fn owner_of<'a>(slot: &SlotReading, threads: &'a [Thread]) -> Option<&'a Thread> {
    threads
        .iter()
        .find(|thread| thread.own_tid == slot.owner && !thread.is_younger_than(slot.claimed_at))
}

fn ms(now: u64, then: u64) -> u64 {
    now.saturating_sub(then) / 1_000_000
}

fn wall(then: u64, now: u64) -> Timestamp {
    Timestamp(SystemTime::now() - Duration::from_nanos(now.saturating_sub(then)))
}
