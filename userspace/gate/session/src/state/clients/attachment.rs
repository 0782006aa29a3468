//! One client process on one session, as the core knows it.

use std::sync::Arc;

use onair_api::{ReconciledCause, Who};
use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::{AttachmentMemory, AttachmentState};
use onair_ipc::slot::SlotReading;
use serde::{Deserialize, Serialize};

use crate::boundary::effect::{Effect, Effects};
use crate::boundary::event::Exit;
use crate::boundary::retired::ClientMemory;
use crate::boundary::ticket::Ticket;
use crate::state::clients::site_looks::SiteLooks;
use crate::state::clients::thread_looks::ThreadLooks;

/// One client process attached to one session.
#[derive(Debug, Serialize, Deserialize)]
pub struct Attachment {
    /// Unique for the daemon's lifetime.
    pub number: u64,
    /// The attached process.
    pub who: Who,
    /// The shared memory words.
    #[serde(with = "onair_ipc::described::shared")]
    pub memory: Arc<AttachmentMemory>,
    /// Frames of its own; send sessions only.
    pub frames: Option<FrameMemory>,
    /// It fills the frames of a local session, which the others read.
    pub fills: bool,
    /// It takes some frames, not all.
    pub samples: bool,
    /// Its process in the first pid namespace, if the probe watches it.
    pub watched: Option<u32>,
    /// Its socket hung up, but its process is alive: it admits no further calls.
    pub disconnected: bool,
    /// Kicks since the last examination that changed something.
    pub(crate) fruitless_kicks: u32,
    /// Slots of dead threads that the poller was asked to credit, each with its request's ticket.
    pub(crate) crediting: Vec<(u64, SlotReading)>,
    /// Threads with a slot that have ended and are not settled yet.
    pub(crate) exits: Vec<Exit>,
    /// State of the helper threads' looks at its threads.
    pub(crate) threads: ThreadLooks,
    /// State of the helper threads' looks at the probe's sites in its memory.
    pub(crate) sites: SiteLooks,
}

impl Attachment {
    /// Its memory, charged to its user.
    pub(crate) fn retired(&self) -> ClientMemory {
        ClientMemory {
            uid: self.who.uid,
            words: Arc::clone(&self.memory),
            frames: self.frames.clone(),
        }
    }

    /// Closes the attachment for good with the state `why`: every later call of the client returns
    /// `ESTALE`, even after the daemon exits. The memory stays until no process maps it.
    pub(crate) fn close<R>(&self, why: AttachmentState, effects: &mut Effects<R>) {
        self.memory.set_state(why);
        self.memory.stop();
        effects.wake(&self.memory);
        effects.push(Effect::Closed(self.number));
    }
}

/// The caller that waits until a poller hands an attachment's lender back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Leaving {
    /// The client asked to detach, and has no loaned frames.
    Detach(Ticket<()>),
    /// The process is gone, or released the memory.
    Ended(ReconciledCause),
}
