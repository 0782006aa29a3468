//! Parts that the shutdown ends, and their order.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use onair_api::{EventKind, PartOutcome, ShutdownPhase, ShutdownStatus};
use onair_dataplane::DataplaneError;
use onair_engine::inputs::{ActorCommand, Drain, Drained};
use onair_workers::Late;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::control::handle::ControlHandle;
use crate::control::thread::RunningControl;
use crate::handoff::{HandoffCell, ProbeEnd, ShutdownHandoff};
use crate::recorder::Live;
use crate::resources::Resources;
use crate::shutdown::{LeftBehind, Limit, PartError, ShutdownCoordinator, Waiting};
use crate::takeover::{HandOver, Takeover};

/// Order in which the parts end in phase 3, after the sockets: lowest first. Gaps are for
/// additions.
mod order {
    /// In parallel: each waits for the disk or for another part of the kernel, and none needs
    /// another. The probe's end began with that of the last session, unless a daemon takes over; the kernel takes the
    /// longest for it and for the guard, and nothing needs them: their turn comes last.
    pub(super) const ARCHIVE: u8 = 20;
    pub(super) const STORE: u8 = ARCHIVE;
    pub(super) const DATAPLANE: u8 = ARCHIVE;
    /// Now the daemon has nothing any more that another one needs.
    pub(super) const TAKEOVER: u8 = 30;
    pub(super) const RECLAIMER: u8 = 40;
    pub(super) const CONTROL: u8 = 50;
    pub(super) const RESOURCES: u8 = 60;
    pub(super) const PROBE: u8 = RESOURCES;
    pub(super) const GUARD: u8 = RESOURCES;
}

/// Ensures that nothing stays in the kernel or on disk, however the daemon ends, even if it cannot
/// start.
pub(super) fn register_resources(shutdown: &ShutdownCoordinator, resources: Arc<Resources>) {
    shutdown.register_cleanup("kernel-visible resources", order::RESOURCES, move |_| {
        for forced in resources.release() {
            tracing::warn!(forced, "released by force");
        }
        Ok(())
    });
}

/// The sockets, and the state directory, for a daemon that takes over.
pub(super) fn register_takeover(
    shutdown: &ShutdownCoordinator,
    takeover: Takeover,
    hand_over: Arc<HandOver>,
) {
    shutdown.register_shutdown_notification("daemon that takes over", move || takeover.refuse());
    let coordinator = shutdown.clone();
    shutdown.register_cleanup("takeover", order::TAKEOVER, move |_| {
        let parts = coordinator.status().parts;
        hand_over.hand_over(parts.iter().all(|it| it.outcome == PartOutcome::Done))
    });
}

/// SIGHUP. The thread that runs tasks reads the file: reading may hang.
pub(super) fn register_reload(
    shutdown: &ShutdownCoordinator,
    handle: ControlHandle,
    file: Option<std::path::PathBuf>,
) {
    shutdown.register_reload("configuration", move || {
        handle.reload_blocking(file.as_deref());
    });
}

pub(super) fn register_control(
    shutdown: &ShutdownCoordinator,
    control: RunningControl,
    close: CancellationToken,
    copies: Arc<HandOver>,
) {
    let RunningControl { thread, ended } = control;
    shutdown.register_server_shutdown("sockets", move |waiting| {
        copies.stop_listening();
        close.cancel();
        Ok(recv(&ended, waiting)?)
    });
    shutdown.register_cleanup("control thread", order::CONTROL, move |_| {
        Ok(thread.join().map_err(|_| ControlError::Panicked)?)
    });
}

/// Tells the clients; then the actor stops and destroys all sessions, and gives up at the graceful
/// timeout.
pub(super) fn register_sessions(
    shutdown: &ShutdownCoordinator,
    commands: mpsc::UnboundedSender<ActorCommand>,
    result: HandoffCell<Drained>,
) {
    let announce = commands.clone();
    shutdown.register_shutdown_notification("clients", move || {
        // An actor that has ended has no clients.
        let _ = announce.send(ActorCommand::Announce);
    });
    let (dump, timeout) = (commands.clone(), shutdown.config().handler());
    shutdown.register_dump("control", move || {
        let (reply, answer) = sync_channel(1);
        // An actor that has ended drops the command, and the reply with it.
        let _ = dump.send(ActorCommand::Dump(reply));
        answer
            .recv_timeout(timeout)
            .unwrap_or_else(|error| format!("the control thread does not answer: {error}").into())
    });
    shutdown.on_progress(events(commands.clone()));
    let times = shutdown.clone();
    shutdown.register_shutdown_waiter("sessions", 50, Limit::Graceful, move |waiting| {
        let (reply, answer) = sync_channel(1);
        let command = ActorCommand::Drain(Drain {
            deadline: Instant::now() + times.graceful(),
            reply,
        });
        // An actor that has ended drops the command, and the reply with it.
        let _ = commands.send(command);
        result.put(recv(&answer, waiting)?);
        Ok(())
    });
}

/// Recordings take no more packets at once. They are finished in parallel with the sessions, whose
/// packets they get up to the last one; a disk that hangs delays nothing else.
pub(super) fn register_recordings(shutdown: &ShutdownCoordinator, live: &Live, finish: Duration) {
    let cut = live.clone();
    shutdown.register_shutdown_notification("recordings cut", move || cut.cut());
    let live = live.clone();
    shutdown.register_shutdown_waiter("recordings", 50, finish, move |waiting| {
        Ok(live.finish_all(waiting)?)
    });
}

/// Publishes the progress of the shutdown to the event readers.
fn events(commands: mpsc::UnboundedSender<ActorCommand>) -> impl Fn(&ShutdownStatus) + Send + Sync {
    let last = Mutex::new(ShutdownPhase::Running);
    move |status| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = std::mem::replace(&mut *last, status.phase) != status.phase;
        let kind = if is_new {
            EventKind::ShutdownPhase {
                phase: status.phase,
                cause: status.cause.clone(),
            }
        } else {
            EventKind::ShutdownProgress {
                sessions: status.sessions,
                users: status.users,
            }
        };
        // An actor that has ended has no readers any more.
        let _ = commands.send(ActorCommand::Publish(kind));
    }
}

/// Ends the services that the actor owned.
pub(super) fn register_handoff(
    shutdown: &ShutdownCoordinator,
    handoff: &ShutdownHandoff,
    result: HandoffCell<onair_dataplane::Summary>,
    takeover: Takeover,
) {
    use ControlError::NotReleased;
    let archive = handoff.archive.clone();
    shutdown.register_cleanup("certificates", order::ARCHIVE, move |waiting| {
        Ok(archive.take().ok_or(NotReleased)?.close(past(waiting))?)
    });
    let store = handoff.store.clone();
    shutdown.register_cleanup("persistent sessions", order::STORE, move |waiting| {
        Ok(store.take().ok_or(NotReleased)?.close(past(waiting))?)
    });
    let dataplane = handoff.dataplane.clone();
    let (threads, coordinator) = (shutdown.threads().clone(), shutdown.clone());
    shutdown.register_cleanup("pollers and ports", order::DATAPLANE, move |waiting| {
        let dataplane = dataplane.take().ok_or(NotReleased)?;
        // Half of the time is left for the ports.
        let flushed = dataplane.flush(&threads, waiting.remaining() / 2);
        let is_port_lost = dataplane.has_lost_a_port();
        let limit = waiting.remaining() / 2;
        let summary = match coordinator.is_takeover() {
            true => dataplane.leave(limit),
            false => dataplane.shutdown(limit),
        };
        result.put(summary.map_err(left_behind)?);
        takeover.say_left();
        match flushed {
            Err(late) if is_port_lost => {
                tracing::warn!(%late, "an interface is gone; its unsent packets are lost");
                Ok(())
            }
            flushed => Ok(flushed.map_err(NotEmpty)?),
        }
    });
    let probe = handoff.probe.clone();
    shutdown.register_cleanup("probe", order::PROBE, move |waiting| {
        let closing = match probe.take().ok_or(NotReleased)? {
            ProbeEnd::Begun(closing) => closing,
            ProbeEnd::Later(probe) => probe.begin_close(),
        };
        let Some(closing) = closing else {
            return Ok(());
        };
        // Many links without `uprobe.multi` take longer than the time of any part.
        if !closing.wait(Instant::now() + waiting.remaining() / 2) {
            tracing::warn!("the kernel is still detaching the probe: the process ends after that");
        }
        Ok(())
    });
    let guard = handoff.guard.clone();
    shutdown.register_cleanup("file guard", order::GUARD, move |_| {
        // Its end waits for the kernel, some 15 ms.
        drop(guard.take().ok_or(NotReleased)?);
        Ok(())
    });
    let reclaim = handoff.reclaim.clone();
    shutdown.register_cleanup("reclaimer", order::RECLAIMER, move |waiting| {
        let (waits_for_w4, reclaimer) = reclaim.take().ok_or(NotReleased)?;
        // It ends with the daemon's process.
        drop(waits_for_w4);
        Ok(reclaimer.close(past(waiting))?)
    });
}

/// The control thread did not do its share of a part's end.
#[derive(Debug, thiserror::Error)]
enum ControlError {
    #[error("the control thread does not answer")]
    Silent,
    #[error("the control thread has ended, and its sessions with it")]
    Ended,
    #[error("it panicked")]
    Panicked,
    #[error("the control thread has not released it")]
    NotReleased,
}

/// Pollers that hang are left behind.
fn left_behind(error: DataplaneError) -> PartError {
    match error {
        DataplaneError::Hung { .. } => LeftBehind(error.to_string()).into(),
        other => other.into(),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("buffers that were not empty: {0}")]
struct NotEmpty(Late);

/// The control thread's message to a part that waits for it.
fn recv<T>(answer: &Receiver<T>, waiting: &Waiting) -> Result<T, ControlError> {
    let timeout = past(waiting).saturating_duration_since(Instant::now());
    let heard = answer.recv_timeout(timeout);
    heard.map_err(|error| match error {
        RecvTimeoutError::Timeout => ControlError::Silent,
        RecvTimeoutError::Disconnected => ControlError::Ended,
    })
}

/// The time when a part gives up. The coordinator abandons the part at its deadline and reports
/// that with a separate status: this limit only prevents an abandoned part from waiting forever.
fn past(waiting: &Waiting) -> Instant {
    waiting.deadline() + waiting.remaining().max(Duration::from_secs(1))
}
