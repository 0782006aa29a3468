//! Local sessions: one client fills the frames, the others read them.
//!
//! *One filler at a time.* All clients map one file of frames, and only the filler can write to it. The kernel has no way
//! to take that from a process that does not cooperate. So the next filler is admitted only when the last one is gone
//! from the core's clients, and the kernel grants a read lease on the file ([`FrameMemory::file`]): then no process has
//! a description that can write, not even one that inherited or was sent it. The kernel itself may still write to pages
//! that were pinned for it: each filler but the first is loaned frames whose pages were replaced meanwhile
//! ([`onair_ipc::freshness`]).

use std::os::fd::AsFd as _;
use std::sync::Arc;

use onair_api::{Problem, ProblemCode, SessionId, SessionSpec, SpecError, SpecErrors};
use onair_dataplane::{LocalConfig, MediaClock, Runtime};
use onair_ipc::frames::FrameMemory;

use super::attachment::NoPlace;
use super::{Session, converted};
use crate::services::Services;

/// The runtime of a local or converted session.
///
/// # Errors
/// `invalid_spec`: its format tells no fields apart.
pub(super) fn runtime(
    id: SessionId,
    spec: &SessionSpec,
    frames: FrameMemory,
    clock: &Arc<MediaClock>,
) -> Result<Runtime, Problem> {
    let converted = converted::buffer_bytes(spec);
    let config = LocalConfig {
        format: spec.format.clone().of_sender(),
        frame_bytes: converted.unwrap_or_else(|| spec.format.unit_bytes()),
        is_described: converted.is_some(),
        max_attachments: spec.max_attachments as usize + usize::from(converted.is_some()),
        clock: Arc::clone(clock),
    };
    Runtime::local(id.0, config, frames).map_err(|error| {
        let field = spec.format.kind().name();
        SpecErrors(vec![SpecError::new(field, error.to_string())]).into()
    })
}

impl Session {
    /// Whether a client, or the daemon's converter, can fill it now. It has no packets.
    ///
    /// # Errors
    /// `limit_reached`, with who is in the way; a client waits for one that is leaving.
    pub(crate) fn check_filler(&self) -> Result<(), NoPlace> {
        let name = &self.spec.name;
        let refused = |code, detail: String| Problem::new(code, detail);
        let frames = self.core.frames().expect("a filled session has frames");
        if let Some(filler) = self.core.clients().holders().find(|it| it.fills) {
            let who = format!("{} ({})", filler.who.command, filler.who.pid);
            let detail = match self.core.clients().is_evicted(filler.number) {
                false => {
                    format!("session {name} is filled by {who}: one client fills it at a time")
                }
                true => format!(
                    "{who} was evicted from session {name} and can still write to its frames: end that process"
                ),
            };
            let problem = Box::new(refused(ProblemCode::LimitReached, detail));
            let waits = self.core.clients().is_settling();
            return Err(NoPlace { problem, waits });
        }
        let system = |error: std::io::Error| {
            let detail = format!("cannot look for writers to session {name}: {error}");
            NoPlace::from(refused(ProblemCode::LimitReached, detail))
        };
        if frames.file().has_writer().map_err(system)? {
            let detail = format!(
                "a process has the frames of session {name} from an earlier filler and can write to them: end the \
                 processes that it started or passed descriptors to"
            );
            let problem = Box::new(refused(ProblemCode::LimitReached, detail));
            // One that detached unmaps its memory after the answer.
            let waits = true;
            return Err(NoPlace { problem, waits });
        }
        Ok(())
    }
}

impl Session {
    /// Frames of an earlier filler are to be replaced, or all are fresh.
    pub(crate) fn renew_frames(&self, services: &mut Services) {
        let frames = self.core.frames();
        let Some((frames, freshness)) = frames.and_then(|it| Some((it, it.freshness()?))) else {
            return;
        };
        if freshness.ask() {
            services.machine.replace_pages(freshness);
        }
        if let Some(filler) = converted::filler(&self.core)
            && freshness.is_complete()
        {
            // Before, the daemon makes holes itself.
            let owner = (self.id.0, filler.number);
            services.machine.guard(frames.file().as_fd(), owner);
        }
    }
}
