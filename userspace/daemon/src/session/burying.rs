//! What is settled for threads and processes that are gone, or have let go.

use onair_api::ReconciledCause;
use onair_ipc::layout;
use onair_ipc::slot::SlotReading;

use super::attachment::Attachment;
use super::leaving::Leaving;
use super::{Place, Session, blockers};
use crate::services::Services;
use crate::threads;

impl Session {
    /// Credits, once, what threads left behind that ended inside a call.
    pub(super) fn bury_dead_threads(&mut self, services: &mut Services) {
        let Place::Here(runtime) = &mut self.place else {
            // Their frames are in the poller's ledger: again when it is back.
            self.rescan.dead = true;
            return;
        };
        let mut settled = Vec::new();
        for attachment in self.attachments.values() {
            let users = own_users(attachment);
            if users.is_empty() {
                continue;
            }
            let living = threads::of(attachment.client.who.pid);
            if living.iter().all(|thread| thread.is_ending) {
                // The whole process is going: its pidfd says so, and settles it as a whole.
                continue;
            }
            // A thread that left its call and ended between the two looks is not the slot's owner
            // any more: only what stands before and after the look at the threads is residue.
            let still = own_users(attachment);
            for slot in users {
                let is_residue = still.iter().any(|now| {
                    now.index == slot.index
                        && now.owner == slot.owner
                        && now.claimed_at == slot.claimed_at
                });
                if !is_residue || blockers::owner_of(&slot, &living).is_some() {
                    continue;
                }
                let frames = runtime
                    .lenders_mut()
                    .find(|lender| lender.attachment() == attachment.number)
                    .and_then(|lender| lender.credit_dead_thread(&slot));
                attachment.memory.bury(slot.index);
                settled.extend(self.books.reconcile(
                    &attachment.client.who,
                    Some(slot.owner),
                    ReconciledCause::ThreadExited,
                    u64::from(frames.is_some()),
                    1,
                ));
            }
        }
        self.tell_reconciled(services, settled);
    }

    /// Ends the attachments of processes that let go of the memory without dying (exec, unmap).
    pub(super) fn sweep_disconnected(&mut self, services: &mut Services) {
        let gone: Vec<u64> = self
            .attachments
            .values()
            .filter(|it| it.disconnected || self.is_quarantined())
            .filter(|it| it.memory.is_sole_user().unwrap_or(false))
            // One that dies lets go of its memory first: its pidfd settles it.
            .filter(|it| !threads::is_process_ending(it.client.who.pid))
            .map(|it| it.number)
            .collect();
        for number in gone {
            self.leave(services, number, Leaving::Ended(ReconciledCause::Detached));
        }
    }
}

/// The slots of threads of their own that count users.
fn own_users(attachment: &Attachment) -> Vec<SlotReading> {
    let mut users = attachment.memory.users();
    users.retain(|slot| slot.index != layout::OWN_SLOTS && slot.owner != 0);
    users
}
