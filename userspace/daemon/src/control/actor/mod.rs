//! The one owner of every session: takes actions, kicks, poller events and probe events, one at a
//! time, and does what follows.
//!
//! Nothing here blocks but the system calls that the gate needs (waking sleepers, the barrier) and
//! the bounded look at clients' sites inside a verdict.

mod actions;
mod clients;
mod ending;
mod events;
mod evictions;
mod health;
mod metrics;
mod recordings;
mod reload;
mod remains;
mod requests;
mod restore;
mod shares;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use onair_probe::Events;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::action::Action;
use super::attach::AttachAction;
use crate::config::ms;
use crate::notify;
use crate::recorder::{News, Recorder};
use crate::services::Services;
use crate::session::{Progress, Session};
use crate::shutdown::{ShutdownCoordinator, WorkerGuard};
use crate::watchdog::{Look, Watchdog};

use ending::Ending;
pub use ending::{Drain, Drained, Errand, Order};

/// Places in the probe's counters: sessions that live at a time.
const INDICES: u32 = 1024;
/// Slots that one patrol looks at for owners that are gone, some 20 µs each.
const PATROL_SLOTS: usize = 256;
/// Pause between two tries of a poller's full queue.
const OUTBOX_PAUSE: Duration = Duration::from_millis(1);

/// The actor.
#[derive(Debug)]
pub struct Actor {
    services: Services,
    sessions: BTreeMap<u64, Session>,
    /// Those that have no name any more, until their last holder is gone.
    quarantined: BTreeMap<u64, Session>,
    counter: u32,
    attachments: u64,
    destroyed: u64,
    free_indices: VecDeque<u32>,
    shutdown: ShutdownCoordinator,
    ending: Option<Ending>,
    patrol_at: Instant,
    /// Requests that waited behind the present one: on the control socket, on the attach socket.
    waiting: [usize; 2],
    watchdog: Option<Watchdog>,
    /// The attachment that the patrol looked at last.
    patrolled: u64,
    /// The probe's events have been lost: it did not tell of every thread that ended.
    exits_lost: bool,
    recorder: Recorder,
}

/// Where actions come from.
#[derive(Debug)]
pub struct Inbox {
    /// From the HTTP socket.
    pub actions: mpsc::Receiver<Action>,
    /// From the attach socket.
    pub attach: mpsc::Receiver<AttachAction>,
    /// The probe's events.
    pub probe: Option<Events>,
    /// From the coordinator of the daemon's end.
    pub orders: mpsc::UnboundedReceiver<Order>,
}

impl Actor {
    /// An actor without sessions.
    pub fn new(services: Services, recorder: Recorder, shutdown: ShutdownCoordinator) -> Self {
        Self {
            services,
            shutdown,
            sessions: BTreeMap::new(),
            quarantined: BTreeMap::new(),
            counter: 0,
            attachments: 0,
            destroyed: 0,
            free_indices: (0..INDICES).collect(),
            ending: None,
            patrol_at: Instant::now(),
            waiting: [0; 2],
            watchdog: Watchdog::from_environment(),
            patrolled: 0,
            exits_lost: false,
            recorder,
        }
    }

    /// Runs until [`Order::Drain`] is done, counting in `worker` what it was asked. Returns the
    /// services, to be ended, and the orders that are still to come.
    ///
    /// # Errors
    /// The kernel's, at the start: out of descriptors.
    pub async fn run(
        mut self,
        mut inbox: Inbox,
        worker: &WorkerGuard,
    ) -> std::io::Result<(Services, mpsc::UnboundedReceiver<Order>)> {
        let pollers = readable(&self.services.events)?;
        let probe_fd = inbox.probe.as_ref().map(readable).transpose()?;
        let guard = self.services.guard.fd().map(readable).transpose()?;
        let mut recorder = self.recorder.take_heard();
        let forced = self.shutdown.forced_token();
        self.restore();
        loop {
            if self.is_over() {
                break;
            }
            self.services.waking.turn();
            let wake = self.wake_at();
            if wake <= Instant::now() {
                // Not a branch below: a flood of messages must not put a deadline off.
                self.tick();
                continue;
            }
            tokio::select! {
                biased;
                Some(order) = inbox.orders.recv() => self.order(order),
                () = forced.cancelled(), if self.ending.is_some() => {}
                ready = pollers.readable() => {
                    ready?.clear_ready();
                    self.poller_events();
                }
                ready = wait(&probe_fd), if probe_fd.is_some() => {
                    ready?.clear_ready();
                    let events = inbox.probe.as_mut().map(Events::drain).unwrap_or_default();
                    self.probe_events(&events);
                }
                ready = wait(&guard), if guard.is_some() => {
                    ready?.clear_ready();
                    self.memory_touched();
                }
                Some(news) = hear(&mut recorder) => self.news(news),
                // Operators first: each of their connections waits for its answer, so they cannot
                // flood; clients can.
                Some(action) = inbox.actions.recv() => {
                    self.waiting = [inbox.actions.len(), inbox.attach.len()];
                    self.action(action);
                    worker.count_processed(1);
                }
                Some(action) = inbox.attach.recv() => {
                    self.attach_action(action);
                    worker.count_processed(1);
                }
                // The connections' tasks have their turn, and what they ask for is looked at, before
                // the next some are woken.
                () = tokio::task::yield_now(), if !self.services.waking.is_done() => {}
                () = tokio::time::sleep_until(wake.into()) => self.tick(),
            }
        }
        self.end();
        self.services.waking.finish();
        Ok((self.services, inbox.orders))
    }

    fn tick(&mut self) {
        self.services.flush();
        self.bounce();
        let now = Instant::now();
        if now >= self.patrol_at {
            self.patrol_at = now + ms(self.services.config.timeouts.patrol_ms);
            self.services.dataplane.check_ports();
            self.services.probe.test();
            self.services.tell_probe_state();
            self.services.archive.trim();
            self.patrol_slots();
        }
        self.feed_watchdog(now);
        self.watch_recordings(now);
        let all = self.sessions.keys().chain(self.quarantined.keys());
        let ids: Vec<u64> = all.copied().collect();
        for id in ids {
            let progress = self.with(id, |session, services| session.tick(services, now));
            self.follow(id, progress);
        }
        if self.services.limbo.wake_at().is_some_and(|at| at <= now) {
            self.sweep_limbo();
        }
    }

    /// Tells the service manager that this thread and every poller that lives move.
    fn feed_watchdog(&mut self, now: Instant) {
        let services = &self.services;
        let Some(watchdog) = self.watchdog.as_mut().filter(|it| it.due() <= now) else {
            return;
        };
        let turns = services.dataplane.turns().into_iter().enumerate();
        let living = turns.map(|(poller, turns)| services.is_alive(poller).then_some(turns));
        match watchdog.look(now, living.collect()) {
            Look::Feed => notify::tell("WATCHDOG=1"),
            Look::Stuck(pollers) => {
                for poller in pollers {
                    let name = &services.config.poller[poller].name;
                    tracing::error!(name, "a poller makes no turn: the watchdog is not fed");
                }
            }
        }
    }

    /// Clients' memory was worked on with system calls.
    fn memory_touched(&mut self) {
        for (session, attachment) in self.services.guard.touched() {
            if self.sessions.contains_key(&session) {
                let progress = self.with(session, |session, services| {
                    session.memory_touched(services, attachment);
                    Progress::Lives
                });
                self.follow(session, progress);
            }
        }
    }

    /// Looks for threads that ended inside a call where nobody tells of them: at some of the slots,
    /// from where it was the last time.
    fn patrol_slots(&mut self) {
        let mut due = Vec::new();
        for session in self.sessions.values() {
            let unwatched = session.unwatched(self.exits_lost);
            due.extend(unwatched.map(|number| (number, session.id.0)));
        }
        due.sort_unstable();
        let next = due.partition_point(|(number, _)| *number <= self.patrolled);
        due.rotate_left(next);
        let mut left = PATROL_SLOTS;
        for (number, id) in due {
            if left == 0 {
                break;
            }
            if let Some(session) = self.sessions.get_mut(&id) {
                left -= session.patrol(&mut self.services, number, left);
            }
            self.patrolled = number;
        }
    }

    fn wake_at(&mut self) -> Instant {
        let now = Instant::now();
        let mut wake = self.patrol_at;
        if let Some(watchdog) = &self.watchdog {
            wake = wake.min(watchdog.due());
        }
        wake = self.recorder.wake_at().map_or(wake, |at| at.min(wake));
        let sessions = self.sessions.values().chain(self.quarantined.values());
        wake = sessions
            .filter_map(Session::wake_at)
            .fold(wake, Instant::min);
        wake = self
            .services
            .limbo
            .wake_at()
            .map_or(wake, |at| at.min(wake));
        if !self.services.flush() {
            wake = wake.min(now + OUTBOX_PAUSE);
        }
        if let Some(ending) = &self.ending {
            wake = wake.min(ending.wake_at());
        }
        wake
    }

    /// A session that was found.
    fn any(&self, id: u64) -> &Session {
        let found = self.sessions.get(&id).or_else(|| self.quarantined.get(&id));
        found.expect("just found")
    }

    /// Does something to a session, if it lives or is quarantined.
    fn with(
        &mut self,
        id: u64,
        act: impl FnOnce(&mut Session, &mut Services) -> Progress,
    ) -> Progress {
        let quarantined = &mut self.quarantined;
        let found = self.sessions.get_mut(&id);
        match found.or_else(|| quarantined.get_mut(&id)) {
            Some(session) => act(session, &mut self.services),
            None => Progress::Lives,
        }
    }
}

#[expect(
    deprecated,
    reason = "the replacement is unsafe; an OwnedFd never changes the descriptor it has"
)]
fn readable(source: impl std::os::fd::AsFd) -> std::io::Result<AsyncFd<std::os::fd::OwnedFd>> {
    let own = source.as_fd().try_clone_to_owned()?;
    AsyncFd::with_interest(own, tokio::io::Interest::READABLE)
}

async fn hear(news: &mut Option<mpsc::UnboundedReceiver<News>>) -> Option<News> {
    match news {
        Some(news) => news.recv().await,
        None => std::future::pending().await,
    }
}

async fn wait(
    fd: &Option<AsyncFd<std::os::fd::OwnedFd>>,
) -> std::io::Result<tokio::io::unix::AsyncFdReadyGuard<'_, std::os::fd::OwnedFd>> {
    match fd {
        Some(fd) => fd.readable().await,
        None => std::future::pending().await,
    }
}
