//! The control thread: its event loop, both sockets, and the actor.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use super::action::ControlHandle;
use super::actor::{Actor, Inbox};
use super::attach::{self, AttachAction, Listener};
use super::authority::Authority;
use super::http;
use super::metrics;
use super::socket_file::SocketFile;
use crate::services::{Services, Shelf};
use crate::shutdown::{Cause, ShutdownCoordinator, message};

/// Everything that the control thread needs.
#[derive(Debug)]
pub struct ControlThread {
    /// Its event loop.
    pub runtime: Runtime,
    /// The socket for operators, its file, and the way to the actor.
    pub http: (
        tokio::net::UnixListener,
        SocketFile,
        ControlHandle,
        http::Limits,
    ),
    /// The socket for numbers, where one is configured.
    pub metrics: Option<(tokio::net::TcpListener, http::Limits)>,
    /// The socket for clients, and the way to the actor.
    pub attach: (Listener, mpsc::Sender<AttachAction>, attach::Limits),
    /// Who may do what.
    pub authority: Authority,
    /// The actor's end of the ways to it.
    pub inbox: Inbox,
    /// What the actor owns while it runs.
    pub services: Services,
    /// Where that is put when the actor has ended.
    pub shelf: Shelf,
    /// The daemon's end.
    pub shutdown: ShutdownCoordinator,
    /// Both sockets are to be closed.
    pub close: CancellationToken,
}

/// The thread, while it runs.
#[derive(Debug)]
pub struct RunningControl {
    /// To be joined.
    pub thread: JoinHandle<()>,
    /// Hears of its end.
    pub ended: Receiver<()>,
}

impl ControlThread {
    /// Starts it. If it ends before it is told to, the shutdown begins.
    ///
    /// # Errors
    /// The kernel's: no thread.
    pub fn start(self) -> std::io::Result<RunningControl> {
        let (tell, ended) = channel();
        let shutdown = self.shutdown.clone();
        let guard = shutdown.threads().register("control");
        let thread = std::thread::Builder::new()
            .name("control".into())
            .spawn(move || {
                let reason = match catch_unwind(AssertUnwindSafe(|| self.serve())) {
                    Ok(Ok(())) => "it ended by itself".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(panic) => {
                        let message = message(&*panic);
                        guard.note_panic(&message);
                        message
                    }
                };
                let part = "the control thread".to_owned();
                if shutdown.begin(Cause::PartEnded { part, reason }) {
                    tracing::error!("the control thread has ended before the daemon");
                }
                // Nobody listens if it was left behind.
                let _ = tell.send(());
            })?;
        Ok(RunningControl { thread, ended })
    }

    fn serve(self) -> std::io::Result<()> {
        let Self {
            runtime,
            http: (http_listener, http_file, handle, http_limits),
            metrics,
            attach: (listener, actions, limits),
            authority,
            inbox,
            services,
            shelf,
            shutdown,
            close,
        } = self;
        let local = LocalSet::new();
        local.block_on(&runtime, async move {
            let metrics = metrics.map(|(listener, limits)| {
                let closed = close.clone().cancelled_owned();
                tokio::task::spawn_local(metrics::serve(listener, handle.clone(), limits, closed))
            });
            let http = tokio::task::spawn_local(http::serve(
                http_listener,
                handle,
                authority,
                http_limits,
                shutdown.clone(),
                close.clone().cancelled_owned(),
            ));
            let attach = tokio::task::spawn_local(listener.serve(
                actions,
                authority,
                limits,
                shutdown.clone(),
            ));
            let services = Actor::new(services, shutdown).run(inbox).await?;
            shelf.put(services);
            // Requests are answered until both sockets are to be closed.
            close.cancelled().await;
            attach.abort();
            http.await.map_err(std::io::Error::other)?;
            if let Some(metrics) = metrics {
                metrics.await.map_err(std::io::Error::other)?;
            }
            drop(http_file);
            Ok(())
        })
    }
}
