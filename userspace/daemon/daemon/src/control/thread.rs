//! The control thread: its event loop, its sockets, and the actor.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use onair_archive::Unread;
use onair_engine::events::Hub;
use onair_engine::inputs::{ActorCommand, AttachAction};
use onair_engine::services::Services;
use onair_ipc::guardian::Guardian;
use onair_mutant::mutant;
use onair_probe::Probe;
use onair_settings::access::authority::Authority;
use onair_workers::{WorkerGuard, panic_text};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::{JoinError, LocalSet};
use tokio_seqpacket::UnixSeqpacket;
use tokio_util::sync::CancellationToken;

use super::attach::{self, Listener};
use super::driver::Driver;
use super::handle::ControlHandle;
use super::inputs::Inbox;
use super::{guardian, http, metrics};
use crate::converter::{BridgeConnection, ConverterTask};
use crate::handoff::ShutdownHandoff;
use crate::resources::Resources;
use crate::shutdown::{Cause, ShutdownCoordinator};
use crate::sockets::connections::{Connections, DescriptorRefusal};
use crate::sockets::socket_file::SocketFile;
use crate::takeover::Takeover;

/// Everything that the control thread needs.
#[derive(Debug)]
pub struct ControlThread {
    /// The thread's event loop.
    pub runtime: Runtime,
    /// The refusal of descriptors from other processes at the sockets, if the kernel offers one.
    pub descriptors: Option<DescriptorRefusal>,
    /// The control socket, its file, and the queue to the actor.
    pub http: (tokio::net::UnixListener, SocketFile, ControlHandle),
    /// The metrics socket, if configured.
    pub metrics: Option<tokio::net::TcpListener>,
    /// The attach socket, and the queue to the actor.
    pub attach: (Listener, mpsc::Sender<AttachAction>),
    /// Keeps the process that converts, whose connections the attach socket's listener serves.
    pub converter: (
        ConverterTask,
        mpsc::Receiver<(UnixSeqpacket, BridgeConnection)>,
    ),
    /// Arms clients, if it runs.
    pub probe: Option<Probe>,
    /// The table of roles and rights.
    pub authority: Authority,
    /// The actor's inputs.
    pub inbox: Inbox,
    /// Starts the daemon that takes this one's place.
    pub takeover: Takeover,
    /// Owned by the actor while it runs.
    pub services: Services,
    /// Certificates in the archive that are not read yet.
    pub unread: Unread,
    /// The connections of the attach socket and of the control socket.
    pub connections: [Connections; 2],
    /// Where the services go when the actor has ended.
    pub handoff: ShutdownHandoff,
    /// Coordinates the daemon's shutdown.
    pub shutdown: ShutdownCoordinator,
    /// Cancelled to close the sockets.
    pub close: CancellationToken,
    /// The daemon's guardian, if it has one, and where the next one is recorded.
    pub guardian: (Option<Guardian>, Resources),
}

/// The running thread.
#[derive(Debug)]
pub struct RunningControl {
    /// For the final join.
    pub thread: JoinHandle<()>,
    /// Receives a message when the thread ends.
    pub ended: Receiver<()>,
}

impl ControlThread {
    /// Starts the thread. If it ends unexpectedly, the shutdown begins.
    ///
    /// # Errors
    /// The kernel's: cannot create a thread.
    pub fn start(self) -> std::io::Result<RunningControl> {
        let (sender, ended) = channel();
        let shutdown = self.shutdown.clone();
        let guard = shutdown.threads().register("control");
        let thread = std::thread::Builder::new()
            .name("control".into())
            .spawn(move || {
                let reason = match catch_unwind(AssertUnwindSafe(|| self.serve(&guard))) {
                    Ok(Ok(())) => "it ended by itself".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(panic) => {
                        let message = panic_text::of(&*panic);
                        guard.note_panic(&message);
                        message
                    }
                };
                let part = "the control thread".to_owned();
                if shutdown.begin(Cause::PartEnded { part, reason }) {
                    tracing::error!("the control thread has ended before the daemon");
                }
                // No receiver is left if the thread was abandoned.
                let _ = sender.send(());
            })?;
        Ok(RunningControl { thread, ended })
    }

    fn serve(self, worker: &WorkerGuard) -> std::io::Result<()> {
        let Self {
            runtime,
            descriptors: _refused,
            http: (http_listener, http_file, handle),
            metrics,
            attach: (listener, actions),
            converter: (converter, bridges),
            probe,
            authority,
            inbox,
            takeover,
            services,
            unread,
            connections,
            handoff,
            shutdown,
            close,
            guardian: (guardian, resources),
        } = self;
        let config = &services.config;
        let metrics_limits = metrics::limits(config);
        let attach_limits = attach::Limits::of(config);
        let http_limits = http::Limits::of(config);
        let [attach_connections, http_connections] = connections;
        let local = LocalSet::new();
        local.block_on(&runtime, async move {
            // Ends with the set of tasks, when the sessions and the sockets have ended.
            tokio::task::spawn_local(guardian::keep(guardian, resources));
            let watched = |part, task| {
                let (shutdown, close) = (shutdown.clone(), close.clone());
                tokio::task::spawn_local(watch(part, task, shutdown, close))
            };
            let metrics = metrics.map(|listener| {
                let closed = close.clone().cancelled_owned();
                let serve = metrics::serve(listener, handle.clone(), metrics_limits, closed);
                watched("the metrics socket", tokio::task::spawn_local(serve))
            });
            let http = tokio::task::spawn_local(http::serve(
                http_listener,
                handle,
                authority.clone(),
                http_limits,
                http_connections,
                (shutdown.clone(), takeover.clone()),
                close.clone().cancelled_owned(),
            ));
            let http = watched("the control socket", http);
            let attach = tokio::task::spawn_local(listener.serve(
                actions,
                authority,
                attach_limits,
                attach_connections,
                probe,
                shutdown.clone(),
                bridges,
            ));
            tokio::task::spawn_local(converter.run());
            let hang_up = attach.abort_handle();
            let attach = watched("the attach socket", attach);
            let driver = Driver::new(services, inbox, shutdown.clone(), worker)?;
            let (services, commands) = driver.run(unread, &takeover).await?;
            let hub = handoff.put(services);
            // The daemon answers requests until both sockets must close.
            publish_to_the_end(hub, commands, &close).await;
            hang_up.abort();
            for task in [Some(attach), Some(http), metrics].into_iter().flatten() {
                task.await.map_err(std::io::Error::other)?;
            }
            if shutdown.is_takeover() {
                http_file.leave();
            }
            Ok(())
        })
    }
}

/// Publishes the progress of the shutdown to the event readers until `close` ends the sockets, and
/// the streams with them.
async fn publish_to_the_end(
    mut hub: Hub,
    mut commands: mpsc::UnboundedReceiver<ActorCommand>,
    close: &CancellationToken,
) {
    loop {
        tokio::select! {
            biased;
            // The actor that would handle other commands has ended; the reply to a dump is dropped.
            Some(command) = commands.recv() => {
                if let ActorCommand::Publish(kind) = command
                    && !mutant!("shutdown: the last phases are not published")
                {
                    hub.publish(None, kind);
                }
            }
            () = close.cancelled() => break,
        }
    }
    hub.close();
}

/// Begins the shutdown if a task ends unexpectedly that the daemon cannot run without.
async fn watch(
    part: &'static str,
    task: tokio::task::JoinHandle<()>,
    shutdown: ShutdownCoordinator,
    close: CancellationToken,
) {
    let ended = task.await;
    if close.is_cancelled() {
        return;
    }
    let reason = match ended.map_err(JoinError::try_into_panic) {
        Ok(()) => "it ended by itself".to_owned(),
        Err(Ok(panic)) => panic_text::of(&*panic),
        Err(Err(cancelled)) => cancelled.to_string(),
    };
    tracing::error!(part, reason, "has ended before the daemon");
    if !mutant!("shutdown: a task may end unnoticed") {
        shutdown.begin(Cause::PartEnded {
            part: part.to_owned(),
            reason,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_api::{EventKind, ShutdownPhase};
    use onair_settings::config::ShutdownConfig;

    fn coordinator() -> ShutdownCoordinator {
        ShutdownCoordinator::new(ShutdownConfig::default()).unwrap()
    }

    #[tokio::test]
    async fn task_panics_or_ends_then_the_shutdown_begins_and_names_it() {
        let panics = tokio::spawn(async { panic!("on purpose") });
        let ends = tokio::spawn(async {});
        for (task, reason) in [(panics, "on purpose"), (ends, "it ended by itself")] {
            let (shutdown, close) = (coordinator(), CancellationToken::new());
            watch("the control socket", task, shutdown.clone(), close).await;
            assert!(shutdown.is_shutting_down());
            let cause = shutdown.status().cause.unwrap();
            assert_eq!(cause, format!("the control socket has ended: {reason}"));
        }
    }

    #[tokio::test]
    async fn task_ends_when_it_is_told_to_then_nothing_begins() {
        let (shutdown, close) = (coordinator(), CancellationToken::new());
        let told = close.clone();
        let task = tokio::spawn(async move { told.cancelled().await });
        close.cancel();
        watch("the control socket", task, shutdown.clone(), close).await;
        assert!(!shutdown.is_shutting_down());
    }

    #[tokio::test]
    async fn events_told_after_the_actors_end_then_read_before_the_end() {
        let (commands, inbox) = mpsc::unbounded_channel();
        let close = CancellationToken::new();
        let mut hub = Hub::new(
            crate::real_machine::HostClock::clocks(),
            1,
            onair_settings::config::Config::default()
                .limits
                .readers_share(),
        );
        let everything = onair_engine::events::Interest {
            grant: onair_settings::access::authority::Grant::Any,
            session: None,
            kinds: Default::default(),
        };
        let owner = onair_shares::Owner::root(1);
        let mut reader = hub.subscribe(owner, everything, None).unwrap();
        let phase = EventKind::ShutdownPhase {
            phase: ShutdownPhase::Cleanup,
            cause: None,
        };
        commands.send(ActorCommand::Publish(phase.clone())).unwrap();
        // Both are ready at once: the first one sent is the first one received.
        close.cancel();
        publish_to_the_end(hub, inbox, &close).await;
        assert_eq!(
            reader.next().await.map(|event| event.kind.clone()),
            Some(phase)
        );
        assert!(reader.next().await.is_none());
    }
}
