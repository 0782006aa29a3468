//! How a client joins a session, once the daemon has made its memory.
//!
//! The lender goes to the side that has the runtime: here, or by a command to its poller. Only then the gate opens, so
//! that a caller finds its frames and what it returns is credited. A poller that does not have the session gives the
//! lender back ([`Clients::attach_refused`]), since the runtime and the command may have passed each other.

use std::sync::Arc;

use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::Lender;
use onair_ipc::memory::AttachmentState;
use onair_mutant::mutant;

use crate::boundary::effect::{Effect, PollerCommand};
use crate::boundary::event::Admission;
use crate::boundary::note::Note;
use crate::boundary::runtime::{AttachRefusal, Runtime};
use crate::lifecycle::RuntimeHolder;
use crate::state::Turn;
use crate::state::clients::Clients;
use crate::state::clients::attachment::Attachment;

impl Clients {
    /// Hands the client's lender to the runtime, and opens its gate.
    pub(crate) fn admit<R: Runtime>(&mut self, turn: &mut Turn<R>, admission: Admission) {
        let Admission {
            number,
            who,
            memory,
            frames,
            fills,
            samples,
            watched,
            quota,
            after,
        } = admission;
        let lender = Lender::new(Arc::clone(&memory), quota).of_client_that_had(after);
        let lender = Box::new(lender.of_role(fills).of_sampler(samples));
        let attachment = Attachment {
            number,
            who,
            memory,
            frames: frames.clone(),
            fills,
            samples,
            watched,
            disconnected: false,
            fruitless_kicks: 0,
            crediting: Vec::new(),
            exits: Vec::new(),
            threads: Default::default(),
            sites: Default::default(),
        };
        match turn.life.lifecycle.place() {
            RuntimeHolder::Here(runtime) => {
                if let Err(refused) = turn.view.attach(&mut **runtime, lender, frames) {
                    attachment.close(AttachmentState::Gone, &mut turn.effects);
                    turn.effects.push(Effect::NotAdmitted(refused));
                    return;
                }
            }
            RuntimeHolder::Poller | RuntimeHolder::Returning => {
                turn.effects
                    .poller(PollerCommand::Attach { lender, frames });
            }
        }
        attachment.memory.open();
        if turn.life.lifecycle.is_running() {
            attachment.memory.start();
        }
        turn.life.audit.counts.attachments += 1;
        self.attached.insert(number, attachment);
    }

    /// A poller did not take an attachment because it did not have the session. The attachment is
    /// added here, or sent again if the poller has the session since. An attachment that does not
    /// fit at all ends when its process does.
    pub(crate) fn attach_refused<R: Runtime>(
        &mut self,
        turn: &mut Turn<R>,
        lender: Box<Lender>,
        frames: Option<FrameMemory>,
        reason: AttachRefusal,
    ) {
        let number = lender.attachment();
        if !self.attached.contains_key(&number) {
            // It was evicted meanwhile, and had no loans.
            return;
        }
        let Some(runtime) = turn.life.lifecycle.runtime_mut() else {
            if reason != AttachRefusal::NoSession {
                return turn.effects.note(Note::NotAttached {
                    attachment: number,
                    reason,
                });
            }
            if !mutant!("attach: one that a poller refused is not sent again") {
                turn.effects
                    .poller(PollerCommand::Attach { lender, frames });
            }
            if self.leaving.contains_key(&number) {
                // The earlier request found no attachment to remove.
                turn.effects.poller(PollerCommand::Detach(number));
            }
            return;
        };
        if let Err(reason) = turn.view.attach(&mut **runtime, lender, frames) {
            turn.effects.note(Note::NotAttached {
                attachment: number,
                reason,
            });
        }
        self.settle_leaving(turn);
    }

    /// A client changed its memory with a system call, for example by punching a hole. It is
    /// evicted, because a thread that reads the memory would take page faults.
    pub(crate) fn memory_touched<R: Runtime>(&mut self, turn: &mut Turn<R>, number: u64) {
        let Some(attachment) = self.attached.get(&number) else {
            return;
        };
        turn.effects.note(Note::MemoryTouched {
            attachment: number,
            pid: attachment.who.pid,
        });
        self.violated(turn, number);
    }
}
