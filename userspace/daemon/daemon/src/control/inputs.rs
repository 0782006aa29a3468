//! Inputs of the actor that owns the sessions: messages of the sockets, the pollers, the probe, the helper threads. A
//! source that is never empty gets its share and no more.

use std::future::pending;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::Builder;
use std::time::Instant;

use onair_api::Certificate;
use onair_archive::Unread;
use onair_dataplane::EventReceiver;
use onair_engine::clients::inspection::Finding;
use onair_engine::inputs::{Action, ActorCommand, AttachAction, Input};
use onair_engine::machine::RecorderEvent;
use onair_probe::{Events, ProbeEvent};
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Probe events taken in one step.
const PROBE_EVENTS: usize = 64;

/// The queues to the actor.
#[derive(Debug)]
pub struct Inbox {
    /// From the HTTP socket.
    pub actions: Receiver<Action>,
    /// From the attach socket.
    pub attach: Receiver<AttachAction>,
    /// The pollers' events.
    pub pollers: EventReceiver,
    /// The probe's events.
    pub probe: Option<Events>,
    /// Readable when a client has changed its memory with a system call.
    pub guard: Option<OwnedFd>,
    /// From the recorder's threads.
    pub recorder: UnboundedReceiver<RecorderEvent>,
    /// The answers of helper threads.
    pub findings: UnboundedReceiver<Finding>,
    /// From the shutdown coordinator.
    pub commands: UnboundedReceiver<ActorCommand>,
}

/// All sources.
pub(super) struct Inputs {
    inbox: Inbox,
    pollers: AsyncFd<OwnedFd>,
    probe: Option<AsyncFd<OwnedFd>>,
    guard: Option<AsyncFd<OwnedFd>>,
    /// Descriptors that became readable and have not been read until empty.
    ready: ReadySources,
    /// Probe events that have not been handled yet.
    probe_events: Vec<ProbeEvent>,
    /// The certificates of earlier daemons, while a thread reads them: the requests of the HTTP socket, which may ask
    /// for them, wait until then.
    earlier: Option<oneshot::Receiver<Vec<Arc<Certificate>>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct ReadySources {
    pollers: bool,
    probe: bool,
    guard: bool,
}

impl Inputs {
    /// # Errors
    /// The kernel's: out of descriptors.
    pub(super) fn open(mut inbox: Inbox) -> std::io::Result<Self> {
        Ok(Self {
            pollers: readable(&inbox.pollers)?,
            probe: inbox.probe.as_ref().map(readable).transpose()?,
            guard: inbox.guard.take().map(readable).transpose()?,
            inbox,
            ready: ReadySources::default(),
            probe_events: Vec::new(),
            earlier: None,
        })
    }

    /// Begins to read the certificates of earlier daemons.
    ///
    /// # Errors
    /// The kernel's: cannot create a thread.
    pub(super) fn read_certificates(&mut self, unread: Unread) -> std::io::Result<()> {
        let (send, read) = oneshot::channel();
        // If the control thread has ended, nothing awaits them.
        let read_all = move || drop(send.send(unread.read()));
        Builder::new().name("certificates".into()).spawn(read_all)?;
        self.earlier = Some(read);
        Ok(())
    }

    /// The commands that are still to come.
    pub(super) fn into_commands(self) -> UnboundedReceiver<ActorCommand> {
        self.inbox.commands
    }

    /// Requests that wait: on the control socket, on the attach socket.
    pub(super) fn waiting(&self) -> [usize; 2] {
        [self.inbox.actions.len(), self.inbox.attach.len()]
    }

    /// The pollers have sent nothing more.
    pub(super) fn no_poller_event(&mut self) {
        self.ready.pollers = false;
    }

    /// Waits until a message arrives, until `wake`, or until `forced`; not at all if there is a `rest`
    /// of work. The connections run in between even if messages wait already.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) async fn next(
        &mut self,
        wake: Instant,
        rest: bool,
        forced: Option<CancellationToken>,
    ) -> std::io::Result<Option<Input>> {
        tokio::task::yield_now().await;
        let ReadySources {
            pollers,
            probe,
            guard,
        } = self.ready;
        let rest = rest || pollers || probe || guard || !self.probe_events.is_empty();
        let inbox = &mut self.inbox;
        tokio::select! {
            biased;
            Some(command) = inbox.commands.recv() => return Ok(Some(Input::Command(command))),
            () = cancelled(forced) => {}
            found = self.pollers.readable() => {
                found?.clear_ready();
                self.ready.pollers = true;
            }
            found = when_readable(&self.probe) => {
                found?.clear_ready();
                self.ready.probe = true;
            }
            found = when_readable(&self.guard) => {
                found?.clear_ready();
                self.ready.guard = true;
            }
            Some(event) = inbox.recorder.recv() => return Ok(Some(Input::Recorder(event))),
            Some(finding) = inbox.findings.recv() => return Ok(Some(Input::Finding(finding))),
            read = received(&mut self.earlier) => {
                self.earlier = None;
                return Ok(Some(Input::Certificates(read)));
            }
            Some(action) = inbox.actions.recv(), if self.earlier.is_none() => return Ok(Some(Input::Action(action))),
            Some(action) = inbox.attach.recv() => return Ok(Some(Input::Attach(action))),
            () = std::future::ready(()), if rest => {}
            () = tokio::time::sleep_until(wake.into()) => {}
        }
        Ok(None)
    }

    /// The inputs that wait, one of each source.
    pub(super) fn one_of_each(&mut self) -> Vec<Input> {
        let command = self.inbox.commands.try_recv().ok();
        let has_all = self.earlier.is_none();
        let action = has_all.then(|| self.inbox.actions.try_recv().ok());
        let attach = self.inbox.attach.try_recv().ok();
        if self.ready.probe && self.probe_events.is_empty() {
            self.ready.probe = false;
            let events = self.inbox.probe.as_mut().map(Events::drain);
            self.probe_events.extend(events.unwrap_or_default());
        }
        let some = self.probe_events.len().min(PROBE_EVENTS);
        let probe = (some > 0).then(|| self.probe_events.drain(..some).collect());
        let guard = std::mem::take(&mut self.ready.guard);
        let recorder = self.inbox.recorder.try_recv().ok();
        let finding = self.inbox.findings.try_recv().ok();
        let all = [
            command.map(Input::Command),
            action.flatten().map(Input::Action),
            attach.map(Input::Attach),
            self.ready.pollers.then_some(Input::Pollers),
            probe.map(Input::Probe),
            guard.then_some(Input::MemoryTouched),
            recorder.map(Input::Recorder),
            finding.map(Input::Finding),
        ];
        all.into_iter().flatten().collect()
    }
}

async fn cancelled(token: Option<CancellationToken>) {
    match token {
        Some(token) => token.cancelled().await,
        None => pending().await,
    }
}

async fn received<T: Default>(from: &mut Option<oneshot::Receiver<T>>) -> T {
    match from {
        // Its thread has panicked, which was logged: the daemon goes on without them.
        Some(from) => from.await.unwrap_or_default(),
        None => pending().await,
    }
}

async fn when_readable(
    fd: &Option<AsyncFd<OwnedFd>>,
) -> std::io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
    match fd {
        Some(fd) => fd.readable().await,
        None => pending().await,
    }
}

/// A duplicate of `source` to await until it is readable.
///
/// # Errors
/// The kernel's: no descriptor is left.
#[expect(
    deprecated,
    reason = "the replacement is unsafe; an OwnedFd never changes the descriptor it has"
)]
pub(super) fn readable(source: impl AsFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    let own = source.as_fd().try_clone_to_owned()?;
    AsyncFd::with_interest(own, Interest::READABLE)
}
