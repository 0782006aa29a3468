//! The slot of each thread: claimed at its first call, freed when the thread ends.

use core::cell::{Cell, RefCell};
use core::sync::atomic::Ordering;
use std::sync::Weak;

use super::Attachment;
use crate::label;
use crate::layout::OWN_SLOTS;
use crate::sys;

struct Claim {
    id: u64,
    slot: u16,
    memory: Weak<Attachment>,
}

/// The slots of one thread.
struct Claims(RefCell<Vec<Claim>>);

impl Drop for Claims {
    fn drop(&mut self) {
        // Destructors that run after this one may still call: they use the shared slot.
        let _ = LAST.try_with(|last| last.set((0, 0)));
        for claim in self.0.get_mut().drain(..) {
            if let Some(memory) = claim.memory.upgrade() {
                label!("claim.before_vacate");
                memory.words.slots()[claim.slot as usize].vacate();
                label!("claim.vacated");
            }
        }
    }
}

#[cfg(simulated)]
use crate::scheduled::thread_local;

thread_local! {
    static CLAIMS: Claims = const { Claims(RefCell::new(Vec::new())) };
    /// The attachment and slot of the last call: most calls need only these.
    static LAST: Cell<(u64, u16)> = const { Cell::new((0, 0)) };
}

/// The calling thread's slot; the shared one if all are taken, or while the thread ends.
#[inline(always)]
pub(super) fn slot_of(attachment: &Attachment) -> u16 {
    let (id, slot) = LAST.with(Cell::get);
    if id == attachment.id {
        slot
    } else {
        look_up(attachment)
    }
}

#[cold]
fn look_up(attachment: &Attachment) -> u16 {
    CLAIMS
        .try_with(|claims| {
            // A signal handler may have interrupted this very function.
            let Ok(mut claims) = claims.0.try_borrow_mut() else {
                return OWN_SLOTS;
            };
            let known = claims.iter().find(|claim| claim.id == attachment.id);
            let slot = match known {
                Some(claim) => claim.slot,
                None => {
                    let Some(slot) = claim(attachment) else {
                        return OWN_SLOTS;
                    };
                    claims.retain(|claim| claim.memory.strong_count() > 0);
                    claims.push(Claim {
                        id: attachment.id,
                        slot,
                        memory: attachment.this.clone(),
                    });
                    slot
                }
            };
            LAST.with(|last| last.set((attachment.id, slot)));
            slot
        })
        .unwrap_or(OWN_SLOTS)
}

fn claim(attachment: &Attachment) -> Option<u16> {
    let tid = sys::gettid();
    if tid == 0 {
        // A slot with an unknown owner could never be settled.
        return None;
    }
    let now = sys::boottime_ns();
    let slots = attachment.words.slots();
    let slot = (0..OWN_SLOTS).find(|&slot| slots[slot as usize].claim(tid, now))?;
    label!("claim.claimed");
    let high = attachment.words.slots_high();
    high.fetch_max(u32::from(slot) + 1, Ordering::SeqCst);
    label!("claim.counted");
    Some(slot)
}
