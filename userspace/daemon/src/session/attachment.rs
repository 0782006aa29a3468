//! One client process on one session.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::{AttachmentMemory, State};
use onair_ipc::slot::SlotReading;
use onair_probe::{Armed, Proof};
use onair_types::{AttachmentState, AttachmentView, Who};
use tokio::sync::oneshot;

use super::burying::ThreadLooks;
use super::sites::SiteLooks;
use crate::services::Services;

/// The client process of an attachment.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its credentials; the pid is in the daemon's pid namespace.
    pub who: Who,
    /// Library name and version, as the client reports them.
    pub library: String,
    /// Identifies the process even if its pid is reused.
    pub pidfd: Arc<OwnedFd>,
    /// The connection that carries the attachment.
    pub connection: u64,
}

/// The probe's data about a client.
#[derive(Debug)]
pub struct Watched {
    /// The kernel's identity of the process, from its canary.
    pub proof: Proof,
    /// The watched files, and the checker of the process's probe sites.
    pub armed: Armed,
}

/// One client process attached to one session.
#[derive(Debug)]
pub struct Attachment {
    /// Unique for the daemon's lifetime.
    pub number: u64,
    /// The attached process.
    pub client: Client,
    /// The shared memory words.
    pub memory: Arc<AttachmentMemory>,
    /// Frames of its own; send sessions only.
    pub frames: Option<FrameMemory>,
    /// The probe's part; `None` if the probe is not used.
    pub watched: Option<Watched>,
    /// Index of its life word in the owner-death notifier.
    pub life: Option<usize>,
    /// Its socket hung up, but its process is alive: it admits no further calls.
    pub disconnected: bool,
    /// Dropping it tells the waiter that a disconnected process has ended.
    pub outlived: Option<oneshot::Sender<Infallible>>,
    /// Kicks since the last examination that changed something.
    pub fruitless_kicks: u32,
    /// Slots of dead threads that the poller was asked to credit, each with its request's ticket.
    pub crediting: Vec<(u64, SlotReading)>,
    /// Threads with a slot that have ended and are not settled yet.
    pub exits: Vec<Exit>,
    /// State of the helper threads' looks at its threads.
    pub threads: ThreadLooks,
    /// State of the helper threads' looks at the probe's sites in its memory.
    pub sites: SiteLooks,
}

/// A thread that has ended, as the kernel reports.
#[derive(Clone, Copy, Debug)]
pub struct Exit {
    /// Thread id in the thread's own pid namespace: the value in its slot.
    pub own_tid: u32,
    /// Thread id in the daemon's pid namespace.
    pub tid: u32,
}

impl Attachment {
    /// The attachment as the API shows it; `lent` is the ledger's count of loaned frames.
    pub fn view(&self, lent: u64) -> AttachmentView {
        let inside = self.memory.slots().iter().map(|slot| slot.calls()).sum();
        let state = if self.disconnected {
            AttachmentState::Disconnected
        } else if self.memory.is_locally_stopped() {
            AttachmentState::Stopped
        } else {
            AttachmentState::Attached
        };
        AttachmentView {
            attachment: self.number,
            pid: self.client.who.pid,
            command: self.client.who.command.clone(),
            uid: self.client.who.uid,
            client_version: self.client.library.clone(),
            lent,
            held: self.memory.held().len() as u64,
            threads_inside: inside,
            state,
        }
    }

    /// Closes the attachment for good with the state `why`: every later call of the client returns
    /// `ESTALE`, even after the daemon exits. The memory stays until no process maps it.
    pub fn close(&mut self, why: State, services: &mut Services) {
        self.memory.set_state(why);
        self.memory.stop();
        services.waking.enter(&self.memory);
        if let Some(place) = self.life.take() {
            services.bell.unhang(place);
        }
        if let (Some(watched), Some(probe)) = (&self.watched, services.probe.probe())
            && let Err(error) =
                probe.unregister(watched.proof.tgid, self.memory.session(), self.number)
        {
            tracing::warn!(%error, attachment = self.number, "cannot unregister from the probe");
        }
    }
}
