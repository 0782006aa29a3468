//! Threads that do not follow the protocol. What they do must cost other clients nothing.

use std::sync::Arc;

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::frame_word::{FrameState, FrameTag, FrameWord};
use onair_ipc::layout::SEG_FRAMES;
use onair_ipc::sync::{AtomicU32, AtomicU64, Ordering};
use onair_session::{Event, Ticket};
use onair_sim_kernel::{below, sleep};

use super::is_let_in;
use crate::kernel::post;
use crate::mail::{Channel, Message};
use crate::world::world;

/// Writes anything anywhere into the words that its process may write.
pub(super) fn scribbler(of: usize) {
    let client = world(|world| Arc::clone(&world.clients[of].attachment));
    // SAFETY: threads of a hostile process read their frames only to look, and may see anything.
    let words = unsafe { client.words() };
    for _ in 0..below(400) {
        sleep(below([50, 2_000, 200_000][below(3)]) as u64);
        let at = match below(3) {
            0 => below(words.len() / 4) * 4,
            1 => below(64) * 4,
            _ => below(4096 / 4) * 4,
        };
        let word: &AtomicU32 = words.at(at);
        let value = match below(4) {
            0 => word.peek() ^ 1 << below(32),
            1 => u32::try_from(below(16)).unwrap_or(0),
            2 => word.peek().wrapping_add(1),
            _ => u32::try_from(below(1 << 32)).unwrap_or(0),
        };
        word.store(value, Ordering::SeqCst);
    }
}

/// Takes frames, and gives each back under another serial.
pub(super) fn forger(of: usize) {
    if !is_let_in(of) {
        return;
    }
    let client = world(|world| Arc::clone(&world.clients[of].attachment));
    // SAFETY: as above.
    let words = unsafe { client.words() };
    loop {
        match client.get(Deadline::Never) {
            Ok(lease) => {
                let frame = lease.into_raw().frame();
                let word: &FrameWord = words.at(SEG_FRAMES + 8 * frame as usize);
                let held = word.load();
                let forged = FrameTag::new(held.serial + 1, held.slot, FrameState::Released);
                let word: &AtomicU64 = words.at(SEG_FRAMES + 8 * frame as usize);
                let (relaxed, both) = (Ordering::Relaxed, Ordering::SeqCst);
                let done = word.compare_exchange(held.encode(), forged.encode(), both, relaxed);
                let is_held = held.state() == Some(FrameState::Held);
                world(|world| world.clients[of].has_forged |= is_held && done.is_ok());
            }
            Err(Refusal::Stale) => return,
            Err(_) => sleep(100_000),
        }
    }
}

/// Takes frames, gives none back, and detaches with them, twice.
pub(super) fn holder(of: usize) {
    if !is_let_in(of) {
        return;
    }
    let (client, session, number) = world(|world| {
        let client = &world.clients[of];
        (
            Arc::clone(&client.attachment),
            client.session,
            client.number,
        )
    });
    loop {
        match client.get(Deadline::Never) {
            // A lease has no destructor: the frame stays with the process.
            Ok(lease) => {
                let _ = lease.into_raw();
            }
            Err(Refusal::Stale) => return,
            Err(_) => sleep(100_000),
        }
        if below(4) == 0 {
            for _ in 0..2 {
                let event = Event::Detach(number, Ticket::unread());
                post(Channel::Requests, 1_000, Message::Core(session, event));
            }
            // A connection is served one request at a time.
            sleep(10_000_000);
        }
    }
}
