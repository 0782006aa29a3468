//! What is written in the frames: nothing changes under a holder.

use onair_ipc::caller::LoanGuard;
use onair_ipc::frames::FrameMemory;
use onair_sim_kernel::give_way;

use crate::world::{violation, world};

/// Written over the frames once the session is destroyed.
const DEAD: u64 = 0xdddd_dddd_dddd_dddd;
/// Where the second half of a stamp is.
const LAST: usize = 56;

/// The poller writes a frame.
pub(crate) fn stamp(frames: &FrameMemory, frame: u32, stamp: u64) {
    frames.write(frame, 0, &stamp.to_ne_bytes());
    give_way();
    frames.write(frame, LAST, &stamp.to_ne_bytes());
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    // Through a volatile read: other tasks write it meanwhile.
    for (offset, byte) in word.iter_mut().enumerate() {
        *byte = std::hint::black_box(bytes)[at + offset];
    }
    u64::from_ne_bytes(word)
}

/// A holder reads its frame. `before` is what it read earlier, if it has.
pub(crate) fn check_frame(of: usize, guard: &LoanGuard<'_>, before: Option<u64>) -> u64 {
    let bytes = guard.bytes();
    let (first, last) = (word(bytes, 0), word(bytes, LAST));
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
    }
    first
}

/// The session is destroyed, and its frames are free.
pub(crate) fn end_of_frames(frames: &FrameMemory) {
    for frame in 0..frames.geometry().frames {
        frames.write(frame, 0, &DEAD.to_ne_bytes());
        frames.write(frame, LAST, &DEAD.to_ne_bytes());
    }
}
