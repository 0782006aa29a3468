//! A poller's thread, as the control thread has it.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use onair_dpdk::{Eal, RegisteredThread};
use onair_mutant::mutant;
use onair_workers::ThreadRegistry;
use onair_workers::absence::extended;

use super::{Poller, thread_name, wakes_of};
use crate::config::{DataplaneError, Idle, PollerNotStarted, PollerSpec};
use crate::messages::events::Outbox;
use crate::messages::inbox::Inbox;
use crate::poller::idle::Idler;
use crate::poller::priority;
use crate::poller::pulse::{Pulse, PulseChange};
use crate::poller::sessions::Sessions;
use crate::port::PollerPort;
use crate::stats::PollerCounters;

/// Time for the end of a poller that is lost: it may just resume.
const LOST_ENDS: Duration = Duration::from_millis(50);

/// A poller's thread, and what the control thread shares with it.
#[derive(Debug)]
pub(crate) struct PollerHandle {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) counters: Arc<PollerCounters>,
    pub(crate) name: String,
    pulse: Pulse,
    /// Disconnected once the thread has ended.
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl PollerHandle {
    /// Starts poller `index` on `ports`. Returns once it runs. `shares`: the process may use the pollers' cores only.
    pub(crate) fn start(
        eal: &Arc<Eal>,
        index: usize,
        spec: &PollerSpec,
        ports: Vec<PollerPort>,
        (inbox, outbox): (Arc<Inbox>, Outbox),
        threads: &ThreadRegistry,
        shares: bool,
    ) -> Result<Self, DataplaneError> {
        let name = thread_name(&spec.name);
        let poller = Poller {
            index,
            idler: Idler::new(spec.idle, spec.rest, wakes_of(&ports)),
            napped_ns: None,
            ports,
            sessions: Sessions::default(),
            inbox,
            outbox,
            counters: Arc::default(),
            worker: threads.register(&name),
        };
        let (eal, core) = (Arc::clone(eal), spec.core);
        let shares = shares
            && spec.idle == Idle::Busy
            && !mutant!("poller: raised beside all other threads");
        Self::spawn(poller, &spec.name, move || {
            Ok((prepare(&eal, core, shares)?, eal))
        })
    }

    /// Of a poller whose owner makes its turns.
    pub(crate) fn without_thread(
        inbox: Arc<Inbox>,
        counters: Arc<PollerCounters>,
        name: &str,
    ) -> Self {
        let (_, ended) = mpsc::channel();
        Self {
            inbox,
            counters,
            name: thread_name(name),
            pulse: Pulse::default(),
            ended,
            thread: None,
        }
    }

    fn spawn(
        poller: Poller,
        name: &str,
        prepare: impl FnOnce() -> Result<Prepared, PollerNotStarted> + Send + 'static,
    ) -> Result<Self, DataplaneError> {
        let (inbox, counters) = (Arc::clone(&poller.inbox), Arc::clone(&poller.counters));
        let (ready, started) = mpsc::channel();
        let (alive, ended) = mpsc::channel();
        let thread = thread::Builder::new()
            .name(thread_name(name))
            .spawn(move || {
                poller.live(prepare, &ready);
                drop(alive);
            })
            .map_err(|source| DataplaneError::System {
                what: "start a thread",
                source,
            })?;
        let reason = match started.recv() {
            Ok(Ok(())) => {
                return Ok(Self {
                    inbox,
                    counters,
                    name: thread_name(name),
                    pulse: Pulse::default(),
                    ended,
                    thread: Some(thread),
                });
            }
            Ok(Err(reason)) => reason,
            Err(_) => PollerNotStarted::Ended,
        };
        // The thread has reported why it ends, or its panic is on standard error.
        let _ = thread.join();
        Err(DataplaneError::Poller {
            poller: name.to_owned(),
            reason,
        })
    }

    /// Looks whether it makes turns, and wakes it for the next look. A poller that has died is not stalled.
    pub(crate) fn look(&mut self, now: Instant) -> Option<PulseChange> {
        if self.inbox.poller.is_closed() {
            return None;
        }
        let turns = self.counters.snapshot().turns;
        self.inbox.wake();
        self.pulse.look(turns, now)
    }

    /// Since when it makes no turn; `None`: it makes turns, or has died.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        let since = self.pulse.stalled_since();
        since.filter(|_| !self.inbox.poller.is_closed())
    }

    /// Whether it has made no turn for so long that it is waited for no more.
    pub(crate) fn is_lost(&self) -> bool {
        !self.inbox.poller.is_closed() && self.pulse.is_lost(self.counters.snapshot().turns)
    }

    /// Waits until the poller ends after [`Inbox::stop`], at most until `until`, and hardly if it is
    /// lost. Returns whether it has ended. One that has not is left behind with all that it owns.
    pub(crate) fn join(&mut self, until: Instant) -> bool {
        let mut until = until;
        if self.is_lost() {
            until = until.min(Instant::now() + LOST_ENDS);
        }
        let mut left = until.saturating_duration_since(Instant::now());
        while self.ended.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Timeout) {
            let now = Instant::now();
            match extended(until, now).filter(|_| !left.is_zero()) {
                Some(later) => until = later,
                None => return false,
            }
            left = until.saturating_duration_since(now);
        }
        if let Some(thread) = self.thread.take() {
            // A panic was caught in the thread and reported as an event.
            let _ = thread.join();
        }
        true
    }
}

/// DPDK's state that a polling thread needs.
pub(super) type Prepared = (RegisteredThread, Arc<Eal>);

fn prepare(eal: &Eal, core: usize, shares: bool) -> Result<RegisteredThread, PollerNotStarted> {
    if !core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        return Err(PollerNotStarted::Core(core));
    }
    priority::raise(core, shares);
    Ok(RegisteredThread::new(eal)?)
}
