//! Facts about a client process that the daemon keeps beside those of the session's core.

use std::fmt::Debug;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use onair_api::{AttachmentState, AttachmentView, Problem, Who};
use onair_probe::{Proof, WatchedFile};

use crate::clients::inspection::Sites;
use crate::services::Services;

/// The client process of an attachment.
#[derive(Clone, Debug)]
pub struct ClientProcess {
    /// Its credentials; the pid is in the daemon's pid namespace.
    pub who: Who,
    /// Library name and version, as the client reports them.
    pub library: String,
    /// Identifies the process even if its pid is reused.
    pub pidfd: Arc<OwnedFd>,
    /// The connection that carries the attachment.
    pub connection: u64,
    /// RTP timestamp of the last unit that it had of an earlier attachment, as it says.
    pub after: Option<u32>,
    /// It wants to fill frames: those of a local session, which others read.
    pub fills: bool,
    /// It takes some frames, not all.
    pub samples: bool,
}

/// The probe's data about a client.
#[derive(Debug)]
pub struct Watched {
    /// The kernel's identity of the process, from its canary.
    pub proof: Proof,
    /// Files with sites that it executes.
    pub files: Vec<WatchedFile>,
    /// The process's sites.
    pub sites: Box<dyn Sites>,
}

/// Dropped when the attachment of a closed connection has ended.
pub type Outlived = Box<dyn Debug + Send>;

/// A client that is attached, until its attachment has ended.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) client: ClientProcess,
    /// The probe's part; `None` if the probe is not used.
    pub(crate) watched: Option<Watched>,
    /// Index of its life word in the owner-death notifier.
    pub(crate) life: Option<usize>,
    /// Dropping it tells the waiter that a disconnected process has ended.
    pub(crate) outlived: Option<Outlived>,
}

impl Connected {
    /// The attachment is closed: takes it off the owner-death notifier and the probe. No effect the
    /// second time.
    pub(super) fn close(&mut self, services: &mut Services, session: u64, number: u64) {
        let Some(place) = self.life.take() else {
            return;
        };
        services.machine.unhang(place);
        if let Some(watched) = &self.watched
            && let Err(error) = (services.machine).unregister(watched.proof.tgid, session, number)
        {
            tracing::warn!(%error, attachment = number, "cannot unregister from the probe");
        }
    }
}

/// The attachment as the API shows it; `loaned` is the ledger's count of loaned frames.
pub(super) fn view(it: &onair_session::Attachment, library: &str, loaned: u64) -> AttachmentView {
    let inside = it.memory.slots().iter().map(|slot| slot.calls()).sum();
    let state = if it.disconnected {
        AttachmentState::Disconnected
    } else if it.memory.is_locally_stopped() {
        AttachmentState::Stopped
    } else {
        AttachmentState::Attached
    };
    AttachmentView {
        attachment: it.number,
        pid: it.who.pid,
        command: it.who.command.clone(),
        uid: it.who.uid,
        client_version: library.to_owned(),
        lent: loaned,
        held: it.memory.held().len() as u64,
        oldest_held_ms: None,
        frames_dropped_slow: 0,
        missed: None,
        fills: it.fills,
        samples: it.samples,
        frames_sampled_out: 0,
        threads_inside: inside,
        state,
    }
}

/// No place for a client.
#[derive(Debug)]
pub struct NoPlace {
    /// The refusal.
    pub problem: Box<Problem>,
    /// A place comes free soon: the client asks again.
    pub waits: bool,
}

impl From<Problem> for NoPlace {
    fn from(problem: Problem) -> Self {
        let (problem, waits) = (Box::new(problem), false);
        Self { problem, waits }
    }
}
