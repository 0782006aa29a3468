//! The running daemon's side.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair_api::{Successor as SuccessorView, Who};
use onair_engine::machine::Charge;
use onair_probe::Probe;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use super::Listening;
use super::channel::{Channel, MAX_DESCRIPTORS, Received};
use super::protocol::{Message, PredecessorEvent, PredecessorState, PredecessorStep};
use crate::process::{notify, priority};
use crate::resources::{ResourceError, Resources};
use crate::shutdown::{Cause, PartError, ShutdownCoordinator};

/// How long a successor may take to prepare. It takes about a second.
const PREPARE: Duration = Duration::from_secs(30);
/// From `prepared` until the shutdown begins. The successor's ports keep what comes from `prepared` on: each unit is whole
/// in one of the two. More than the longest unit (23.98 a second), and little of what the ports have room for.
const OVERLAP: Duration = Duration::from_millis(50);
/// How long it may take to say `taken`, also on a busy host, and to end after it has closed its end of the channel.
const TAKE: Duration = Duration::from_secs(5);

/// The most files of ended sessions that a successor gets.
const MEMORY: usize = 256;
/// The most processes that a successor arms before they attach.
const CLIENTS: usize = 256;

/// The argument of a successor.
const ARGUMENT: &str = "--take-over";

/// Why no daemon can take the place of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Irreplaceable {
    /// The kernel ends a container with its first process.
    #[error(
        "process 1 of a container cannot be replaced: the container ends with it; replace the container"
    )]
    Init,
    /// The demo's folder ends with it.
    #[error("a daemon of --demo is not replaced: end it, and start another one")]
    Demo,
    /// The kernel does not say which program this is.
    #[error("the daemon does not know its own program: mount /proc, and restart it")]
    Unknown,
}

/// Why the daemon was not replaced. It serves on.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// None can.
    #[error(transparent)]
    Irreplaceable(#[from] Irreplaceable),
    /// There is one already.
    #[error("another daemon is taking over already")]
    UnderWay,
    /// The daemon ends anyway.
    #[error("the daemon is shutting down")]
    ShuttingDown,
    /// The program cannot be executed.
    #[error("cannot start {}: {error}; the running daemon goes on", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The new daemon did not come up.
    #[error(
        "the new daemon {0}; the running one goes on; its log says why: journalctl -u onaird -n 50"
    )]
    NotPrepared(String),
}

/// A program and its arguments.
#[derive(Debug)]
struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

/// Starts a successor, when asked. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Takeover {
    program: Result<Arc<Program>, Irreplaceable>,
    probe: Option<Probe>,
    successor: Arc<Mutex<Option<Successor>>>,
    shutdown: ShutdownCoordinator,
}

/// The new daemon.
#[derive(Debug)]
struct Successor {
    process: Child,
    channel: Arc<Channel>,
    state: PredecessorState,
    /// How many files of sessions it still takes.
    memory: usize,
}

impl Takeover {
    /// Of the program of this process, with its own arguments.
    #[must_use]
    pub fn of_this_program(shutdown: &ShutdownCoordinator) -> Self {
        let arguments = std::env::args_os().skip(1).filter(|it| it != ARGUMENT);
        let program = match (std::process::id(), std::env::current_exe()) {
            (1, _) => Err(Irreplaceable::Init),
            (_, Err(_)) => Err(Irreplaceable::Unknown),
            (_, Ok(path)) => Ok(Arc::new(Program {
                path,
                arguments: arguments.collect(),
            })),
        };
        Self::of(program, shutdown)
    }

    /// Of a demo.
    #[must_use]
    pub fn of_demo(shutdown: &ShutdownCoordinator) -> Self {
        Self::of(Err(Irreplaceable::Demo), shutdown)
    }

    fn of(program: Result<Arc<Program>, Irreplaceable>, shutdown: &ShutdownCoordinator) -> Self {
        Self {
            program,
            probe: None,
            successor: Arc::default(),
            shutdown: shutdown.clone(),
        }
    }

    /// With this daemon's probe, if it runs.
    #[must_use]
    pub fn watching(self, probe: Option<Probe>) -> Self {
        Self { probe, ..self }
    }

    /// Starts a successor, waits until it is prepared, and begins the shutdown for it. May take long.
    ///
    /// # Errors
    /// [`TakeoverError`]: nothing has changed.
    pub fn begin(&self, who: Who) -> Result<SuccessorView, TakeoverError> {
        let program = self.program.clone()?;
        let channel = self.start(&program, &who)?;
        let mut memory = 0;
        let received = channel.receive(Some(Instant::now() + PREPARE), None);
        let (event, version) = match received {
            Ok(Received::Message(
                Message::Prepared {
                    protocol,
                    version,
                    takes_memory,
                },
                _,
            )) => {
                memory = if takes_memory { MEMORY } else { 0 };
                // A prepared successor says nothing more: anything but silence is its end.
                match channel.receive(Some(Instant::now() + OVERLAP), None) {
                    Ok(Received::Late) => (PredecessorEvent::Prepared(protocol), version),
                    _ => (PredecessorEvent::Gone, version),
                }
            }
            Ok(Received::Late) => (PredecessorEvent::Late, String::new()),
            _ => (PredecessorEvent::Gone, String::new()),
        };
        let mut slot = self.successor();
        let successor = slot.as_mut().ok_or(TakeoverError::ShuttingDown)?;
        let pid = successor.process.id();
        successor.memory = memory;
        if successor.state.next(event) != Some(PredecessorStep::ShutDown) {
            let refused = slot.take().expect("seen above");
            drop(slot);
            return Err(TakeoverError::NotPrepared(why(event, &version, refused)));
        }
        drop(slot);
        tracing::info!(pid, version, "the daemon that takes over is prepared");
        if !self.shutdown.begin(Cause::Takeover { who, pid }) {
            self.refuse();
            return Err(TakeoverError::ShuttingDown);
        }
        Ok(SuccessorView { pid, version })
    }

    /// Starts the program with a channel.
    fn start(&self, program: &Program, who: &Who) -> Result<Arc<Channel>, TakeoverError> {
        let mut slot = self.successor();
        if self.shutdown.is_shutting_down() {
            return Err(TakeoverError::ShuttingDown);
        }
        if slot.is_some() {
            return Err(TakeoverError::UnderWay);
        }
        let failed = |error| TakeoverError::Spawn {
            program: program.path.clone(),
            error,
        };
        let (channel, other) = Channel::pair().map_err(failed)?;
        let mut command = Command::new(&program.path);
        command.args(&program.arguments).arg(ARGUMENT).stdin(other);
        // The variable names this process; the watchdog's time stays.
        command.env_remove("WATCHDOG_PID");
        // Else the successor has this daemon's queues, too, which are then never free.
        onair_dpdk::inherit_no_files().map_err(failed)?;
        let process = command.spawn().map_err(failed)?;
        let pid = process.id();
        tracing::info!(pid, program = %program.path.display(), by = %who, "a daemon that takes over prepares");
        // Without them they are armed when they attach.
        let _ = channel.send(&self.clients(), &[]);
        let channel = Arc::new(channel);
        *slot = Some(Successor {
            process,
            channel: Arc::clone(&channel),
            state: PredecessorState::Waiting,
            memory: 0,
        });
        drop(slot);
        // Else the shutdown, which begins later, finds the successor.
        if self.shutdown.is_shutting_down() {
            self.refuse();
        }
        Ok(channel)
    }

    /// The processes that are to be armed before they attach.
    fn clients(&self) -> Message {
        let own = std::process::id();
        let armed = self.probe.as_ref().map(Probe::processes);
        let others = armed.into_iter().flatten().filter(|pid| *pid != own);
        Message::Clients {
            pids: others.take(CLIENTS).collect(),
        }
    }

    /// Tells a successor that this daemon's ports have left their queues.
    pub fn say_left(&self) {
        if let Some(successor) = &*self.successor() {
            // If it has ended, the hand-over says so.
            let _ = successor.channel.send(&Message::Left, &[]);
        }
    }

    /// Leaves a successor the memory of an ended session that clients have: all files, or none. Does not wait.
    pub fn leave_memory(&self, charge: Charge, files: &[OwnedFd]) {
        if !self.shutdown.is_takeover() {
            return;
        }
        let mut successor = self.successor();
        let Some(successor) = successor.as_mut().filter(|it| it.memory >= files.len()) else {
            tracing::warn!(session = %charge.session, "its certificate stays pending: too many files, or no daemon takes them");
            return;
        };
        successor.memory -= files.len();
        let message = Message::Memory {
            session: charge.session.0,
            uid: charge.uid,
            files: files.len(),
        };
        for some in files.chunks(MAX_DESCRIPTORS) {
            let some: Vec<_> = some.iter().map(AsFd::as_fd).collect();
            // If it has ended, the hand-over says so.
            let _ = successor.channel.send(&message, &some);
        }
    }

    /// Kills a successor, if this daemon ends for another reason. Does not wait: it is reaped when this process ends.
    pub fn refuse(&self) {
        if self.shutdown.is_takeover() {
            return;
        }
        let Some(mut successor) = self.successor().take() else {
            return;
        };
        if successor.state.next(PredecessorEvent::Stopped) == Some(PredecessorStep::Refuse)
            && let Err(error) = successor.process.kill()
        {
            tracing::warn!(%error, "the daemon that was to take over did not end");
        }
    }

    fn successor(&self) -> MutexGuard<'_, Option<Successor>> {
        self.successor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Successor {
    /// Kills it.
    fn end(mut self) {
        if let Err(error) = self.process.kill().and_then(|()| self.process.wait()) {
            tracing::warn!(%error, "the daemon that was to take over did not end");
        }
    }

    /// How it ended by itself, as it does when it closes its end of the channel; killed after [`TAKE`].
    fn ended(mut self) -> String {
        let is_over = has_ended(&self.process, TAKE).unwrap_or(false);
        match self.process.try_wait() {
            Ok(Some(status)) if is_over && status.signal() == Some(Signal::KILL.as_raw()) => {
                "was killed: if memory is too short for two daemons (`dmesg`), raise the limit (MemoryMax=, or the \
                 container's), or restart the service"
                    .into()
            }
            Ok(Some(status)) if is_over => format!("has ended: {status}"),
            _ => {
                self.end();
                "said nothing intelligible".into()
            }
        }
    }
}

/// Waits until a process has ended, at most for `timeout`.
fn has_ended(process: &Child, timeout: Duration) -> io::Result<bool> {
    let process = pidfd_open(Pid::from_child(process), PidfdFlags::empty())?;
    let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
    let mut polled = [PollFd::new(&process, PollFlags::IN)];
    Ok(poll(&mut polled, Some(&timeout))? > 0)
}

/// Why a successor is refused, which is ended.
fn why(event: PredecessorEvent, version: &str, successor: Successor) -> String {
    match event {
        PredecessorEvent::Late => {
            successor.end();
            format!("was not prepared within {} s", PREPARE.as_secs())
        }
        PredecessorEvent::Prepared(_) => {
            successor.end();
            format!("({version}) takes over in another way: restart the service")
        }
        _ => successor.ended(),
    }
}

/// Objects that the predecessor keeps for a successor: its listening sockets, and the state directory's lock.
#[derive(Debug)]
pub struct HandOver {
    takeover: Takeover,
    resources: Arc<Resources>,
    sockets: Mutex<Vec<(Listening, OwnedFd)>>,
}

impl HandOver {
    /// Of these sockets.
    pub fn new(
        takeover: &Takeover,
        resources: &Arc<Resources>,
        sockets: Vec<(Listening, OwnedFd)>,
    ) -> Self {
        Self {
            takeover: takeover.clone(),
            resources: Arc::clone(resources),
            sockets: Mutex::new(sockets),
        }
    }

    /// Closes the listening sockets unless a successor accepts from them: clients must not wait in a queue for ever.
    pub fn stop_listening(&self) {
        if !self.takeover.shutdown.is_takeover() {
            self.sockets().clear();
        }
    }

    /// Hands over, if the daemon ends for a successor. `in_order`: everything but the sockets and the lock has ended.
    ///
    /// # Errors
    /// The successor is gone.
    pub fn hand_over(&self, in_order: bool) -> Result<(), PartError> {
        if !self.takeover.shutdown.is_takeover() {
            return Ok(());
        }
        let successor = self.takeover.successor().take();
        let mut successor = successor.ok_or(Lost)?;
        let mut event = PredecessorEvent::Released(in_order);
        loop {
            match successor.state.next(event) {
                Some(PredecessorStep::HandOver) => event = self.send(&successor.channel)?,
                Some(PredecessorStep::End) => {
                    let pid = successor.process.id();
                    if in_order {
                        // What is left to do has time. Else the successor waits for the end of this process.
                        priority::step_back();
                    }
                    // Before this process ends: its end would be that of the service.
                    notify::send(&format!("MAINPID={pid}"));
                    let parts = self.takeover.shutdown.status().parts;
                    let parts = parts
                        .iter()
                        .map(|it| format!("{} {}", it.name, it.us / 1000));
                    let ended_ms = parts.collect::<Vec<_>>().join(", ");
                    tracing::info!(
                        pid,
                        in_order,
                        ended_ms,
                        "left to the daemon that takes over"
                    );
                    // It closes with this process: that tells the successor what was not handed over.
                    std::mem::forget(successor.channel);
                    return Ok(());
                }
                _ => {
                    successor.end();
                    return Err(Lost.into());
                }
            }
        }
    }

    /// Sends all, and waits for the answer.
    fn send(&self, channel: &Channel) -> Result<PredecessorEvent, ResourceError> {
        // From here on this process writes nothing in the state directory, whatever becomes of the message.
        let lock = self.resources.leave()?;
        let sockets = std::mem::take(&mut *self.sockets());
        let names = sockets.iter().map(|(name, _)| name.clone()).collect();
        let descriptors: Vec<_> = [lock.as_fd()]
            .into_iter()
            .chain(sockets.iter().map(|(_, socket)| socket.as_fd()))
            .collect();
        let yours = Message::Yours { sockets: names };
        if channel.send(&yours, &descriptors).is_err() {
            return Ok(PredecessorEvent::Gone);
        }
        Ok(match channel.receive(Some(Instant::now() + TAKE), None) {
            Ok(Received::Message(Message::Taken, _)) => PredecessorEvent::Taken,
            Ok(Received::Late) => PredecessorEvent::Late,
            _ => PredecessorEvent::Gone,
        })
    }

    fn sockets(&self) -> MutexGuard<'_, Vec<(Listening, OwnedFd)>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the daemon that was to take over has ended; none runs now")]
struct Lost;
