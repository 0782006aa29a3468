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

/// The process behind an attachment.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its credentials; the pid is in the daemon's pid namespace.
    pub who: Who,
    /// What its library says it is.
    pub library: String,
    /// Names the process whatever happens to its number.
    pub pidfd: Arc<OwnedFd>,
    /// The connection that carries the attachment.
    pub connection: u64,
}

/// What the probe knows of the client.
#[derive(Debug)]
pub struct Watched {
    /// The kernel's identity of the process, from its canary.
    pub proof: Proof,
    /// The files, and the sight of the process's sites.
    pub armed: Armed,
}

/// An attachment.
#[derive(Debug)]
pub struct Attachment {
    /// Number, unique in the daemon's life.
    pub number: u64,
    /// Who.
    pub client: Client,
    /// The shared words.
    pub memory: Arc<AttachmentMemory>,
    /// Frames of its own (send sessions).
    pub frames: Option<FrameMemory>,
    /// The probe's part; `None` where the probe is not used.
    pub watched: Option<Watched>,
    /// Place of its life word on the owner-death notifier.
    pub life: Option<usize>,
    /// Its socket hung up, and its process lives: nothing more is admitted.
    pub disconnected: bool,
    /// Tells, by being dropped, whoever waits for the end of a process that has hung up.
    pub outlived: Option<oneshot::Sender<Infallible>>,
    /// Kicks since the last examination that changed nothing.
    pub fruitless_kicks: u32,
    /// Slots of dead threads that the poller was asked to credit, each with the request's ticket.
    pub crediting: Vec<(u64, SlotReading)>,
    /// Threads with a slot that have ended, and are not settled yet.
    pub exits: Vec<Exit>,
    /// Looks of helper threads at its threads.
    pub threads: ThreadLooks,
    /// The same at the probe's sites in its memory.
    pub sites: SiteLooks,
}

/// A thread that has ended, by the kernel's word.
#[derive(Clone, Copy, Debug)]
pub struct Exit {
    /// Its id in its own pid namespace: what it wrote into its slot.
    pub own_tid: u32,
    /// Its id in the daemon's pid namespace.
    pub tid: u32,
}

impl Attachment {
    /// As the API shows it, with `lent` frames in the ledger.
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

    /// Closes it for good, saying `why`: every later call of the client returns `ESTALE`, also if the
    /// daemon then ends. The memory stays until nobody maps it.
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
