//! Contents of the frames: nothing changes under a holder.

use onair_ipc::caller::{Attachment, LoanGuard};
use onair_ipc::frames::FrameMemory;
use onair_ipc::sync::{AtomicU64, Ordering};

use crate::sending::{HALF, LAST};
use crate::world::{KeptFrame, violation, world};

/// Written over the frames once the session is destroyed.
const DEAD: u64 = 0xdddd_dddd_dddd_dddd;

/// The poller of session `index` writes a frame.
pub(crate) fn stamp(index: usize, frames: &FrameMemory, frame: u32, stamp: u64) {
    world(|world| world.sessions[index].stamps.insert(frame, stamp));
    for half in [0, LAST] {
        write(frames, frame, half, stamp);
    }
}

/// The poller begins to write a frame that it receives, and writes its first half.
pub(crate) fn begin_stamp(index: usize, frames: &FrameMemory, frame: u32, stamp: u64) {
    world(|world| world.sessions[index].stamps.insert(frame, stamp));
    write(frames, frame, 0, stamp);
}

/// It writes the other half.
pub(crate) fn end_stamp(frames: &FrameMemory, frame: u32, stamp: u64) {
    write(frames, frame, LAST, stamp);
}

fn write(frames: &FrameMemory, frame: u32, half: usize, stamp: u64) {
    let at = frames.geometry().frame_offset(frame) + half;
    let word: &AtomicU64 = frames.file().mapping().at(at);
    word.store(stamp, Ordering::Relaxed);
}

/// Reads the stamps of a frame: its first half twice, if the other one is not to be read.
fn read(bytes: &[u8]) -> (u64, u64) {
    let half = |at: usize| {
        // SAFETY: in a frame, aligned; a word of the simulator is an atomic.
        let word: &AtomicU64 = unsafe { &*bytes.as_ptr().add(at).cast() };
        word.load(Ordering::Relaxed)
    };
    let first = half(0);
    let last = if bytes.len() < LAST + HALF {
        first
    } else {
        half(LAST)
    };
    (first, last)
}

/// The bytes of a frame that its holder may read: those that stand, and of a frame that ended with a hole, those before it.
pub(crate) fn right<'a>(guard: &'a LoanGuard<'_>) -> &'a [u8] {
    let (bytes, meta) = (guard.bytes(), guard.meta());
    match guard.open_bytes() {
        None if !meta.is_complete() => &bytes[..bytes.len().min(meta.missing[0].offset as usize)],
        _ => bytes,
    }
}

/// A holder reads its frame. `before` is what it read earlier, if it has.
pub(crate) fn check_frame(of: usize, guard: &LoanGuard<'_>, before: Option<u64>) -> u64 {
    let (first, last) = read(right(guard));
    if !world(|world| world.clients[of].is_honest()) {
        // It may have written that it gave the frame back.
        return first;
    }
    if first == DEAD || last == DEAD {
        violation(format!(
            "frame {} was freed under its holder",
            guard.frame()
        ));
    } else if first != last || first == 0 || before.is_some_and(|it| it != first) {
        violation(format!(
            "frame {} was rewritten under its holder",
            guard.frame()
        ));
    } else if world(|world| {
        let stamps = &world.sessions[world.clients[of].session].stamps;
        stamps.get(&guard.frame()) != Some(&first)
    }) {
        violation(format!("frame {} has old content", guard.frame()));
    }
    first
}

/// A thread reads a frame that it keeps without a guard.
pub(crate) fn check_kept(of: usize, client: &Attachment, kept: &KeptFrame) {
    let KeptFrame {
        handle,
        stamp,
        bytes,
    } = *kept;
    // SAFETY: the first bytes of a frame of the mapping, which stays, whatever is in it.
    let bytes = unsafe { std::slice::from_raw_parts(client.frame_base(handle.frame()), bytes) };
    let found = read(bytes);
    // After these the handle names no frame any more.
    let is_over = world(|world| {
        let its = &world.clients[of];
        its.is_evicted || its.detaches || !its.is_honest()
    });
    if found != (stamp, stamp) && !is_over {
        violation(format!(
            "frame {} was changed under its holder",
            handle.frame()
        ));
    }
}

/// Frames of dead threads were credited, and none that a call had given to its client: such a frame comes back by a
/// put, or with the process. `has`: whether an attachment has it on loan, if its ledger is there.
pub(crate) fn credited(index: usize, has: impl Fn(u64, u32) -> Option<bool>) {
    let lost = world(|world| {
        let its = world.clients.iter().filter(|it| it.session == index);
        let its = its.filter(|it| it.is_settled_in());
        let frames = its.flat_map(|it| {
            let kept = it.kept.iter().map(|kept| kept.handle.frame());
            let all = it.holding.keys().copied().chain(kept);
            all.map(|frame| (it.number, frame))
        });
        let lost = frames.filter(|(number, frame)| has(*number, *frame) == Some(false));
        lost.collect::<Vec<_>>()
    });
    for (number, frame) in lost {
        violation(format!(
            "session {index}: frame {frame} is credited as a dead thread's, and {number} has it"
        ));
    }
}

/// The session is destroyed, and its frames are free.
pub(crate) fn end_of_frames(frames: &FrameMemory) {
    for frame in 0..frames.geometry().frames {
        frames.write(frame, 0, &DEAD.to_ne_bytes());
        frames.write(frame, LAST, &DEAD.to_ne_bytes());
    }
}
