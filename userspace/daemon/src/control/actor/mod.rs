//! The only owner of every session: takes actions, kicks, poller events and probe events, one at a
//! time, and acts on them.
//!
//! Nothing here blocks. Helper threads ([`crate::clients::inspector`]) do what may hang or take long
//! (reading a client's memory, listing its threads) and answer with a message. The actor does
//! everything else in short steps (`turn`, `control/schedule.rs`).

mod converted;
mod ending;
mod recordings;
mod requests;
mod restore;
mod turn;

use std::fmt::Debug;
use std::time::{Duration, Instant};

use onair_api::Certificate;
use onair_dataplane::Runtime;
use onair_session::{Event, Followers, Quarantines, Ticket};
use onair_workers::WorkerGuard;
use tokio::sync::mpsc::UnboundedReceiver;

use super::command::ActorCommand;
use super::inputs::{Inbox, Inputs};
use crate::config::ms;
use crate::control::schedule::{Due, Schedule, Task};
use crate::process::notify;
use crate::process::watchdog::{Watchdog, WatchdogCheck};
use crate::recorder::Recorder;
use crate::report::Report;
use crate::services::reply::Reply;
use crate::services::{Services, this_daemon};
use crate::session::Session;
use crate::sessions::{Numbers, SessionMut, Sessions};
use crate::shares::{Holdings, Refusals};
use crate::shutdown::ShutdownCoordinator;
use crate::snapshot::Snapshots;

use ending::Ending;

/// Interval of the looks at links and traffic.
const TRAFFIC: Duration = Duration::from_millis(250);

/// Owner of all sessions; runs on the control thread.
#[derive(Debug)]
pub struct Actor {
    services: Services,
    sessions: Sessions,
    numbers: Numbers,
    attachments: u64,
    shutdown: ShutdownCoordinator,
    ending: Ending,
    due: Due,
    /// When the next periodic check is due.
    periodic_at: Instant,
    /// When the traffic is looked at next.
    traffic_at: Instant,
    schedule: Schedule,
    /// Requests that waited behind the current one: on the control socket, on the attach socket.
    waiting: [usize; 2],
    watchdog: Option<Watchdog>,
    /// Probe events were lost: the probe did not report every thread that ended.
    exits_lost: bool,
    recorder: Recorder,
    snapshots: Snapshots<Reply<Vec<u8>>>,
    refusals: Refusals,
    /// Sessions that were made for clients.
    followers: Followers,
    /// Quarantines that wait for a look at the clients' sites.
    quarantines: Quarantines<Reply<Box<Certificate>>>,
}

impl Actor {
    /// An actor without sessions.
    pub fn new(services: Services, recorder: Recorder, shutdown: ShutdownCoordinator) -> Self {
        let snapshots = Snapshots::new(services.config.limits.snapshots_share());
        Self {
            numbers: Numbers::new(services.identity.incarnation),
            services,
            snapshots,
            refusals: Refusals::default(),
            shutdown,
            sessions: Sessions::default(),
            attachments: 0,
            ending: Ending::default(),
            due: Due::default(),
            periodic_at: Instant::now(),
            traffic_at: Instant::now(),
            schedule: Schedule::default(),
            waiting: [0; 2],
            watchdog: Watchdog::from_environment(),
            exits_lost: false,
            recorder,
            followers: Followers::default(),
            quarantines: Quarantines::default(),
        }
    }

    /// Runs until [`ActorCommand::Drain`] is done and counts requests in `worker`. Returns the
    /// services, to be ended, and the commands that are still to come.
    ///
    /// # Errors
    /// The kernel's, at the start: out of descriptors.
    pub async fn run(
        mut self,
        inbox: Inbox,
        worker: &WorkerGuard,
    ) -> std::io::Result<(Services, UnboundedReceiver<ActorCommand>)> {
        let mut inputs = Inputs::open(&mut self.services, &mut self.recorder, inbox)?;
        self.restore();
        loop {
            self.work();
            if self.is_over() {
                break;
            }
            self.wait(&mut inputs, worker).await?;
            self.serve(&mut inputs, worker);
            self.examine_due();
        }
        self.end();
        self.services.waking.finish();
        Ok((self.services, inputs.into_commands()))
    }

    /// Checks that run each `timeouts.patrol_ms` in any case.
    fn run_periodic(&mut self, now: Instant) {
        self.periodic_at = now + ms(self.services.config.timeouts.patrol_ms);
        self.services.probe.test();
        self.services.publish_probe_state();
        self.services.look_at_ports(now);
        self.services.archive.trim();
        self.services.archive.retry();
        self.services.archive.settle();
        self.services.store.retry();
        let (services, all) = (&mut self.services, self.exits_lost);
        self.sessions.change_each(|session| {
            // It only asks helper threads.
            let _ = session.handle(services, Event::LookForDead { all });
        });
    }

    /// Checks that notice within a second what a port or a session no longer does.
    fn look_at_traffic(&mut self, now: Instant) {
        self.traffic_at = now + TRAFFIC;
        self.services.dataplane.check_ports();
        self.services.follow_clock();
        self.services.follow_ptp(now);
        self.note_sources();
        self.note_degraded_recordings();
        let services = &mut self.services;
        let look = |session: &mut Session| session.look_at_traffic(services, now);
        self.sessions.change_each(look);
    }

    /// Tells the service manager that this thread and every living poller make progress.
    fn feed_watchdog(&mut self, now: Instant) {
        let services = &self.services;
        let Some(watchdog) = self.watchdog.as_mut().filter(|it| it.due() <= now) else {
            return;
        };
        let turns = services.dataplane.turns().into_iter().enumerate();
        let living = turns.map(|(poller, turns)| services.is_alive(poller).then_some(turns));
        match watchdog.look(now, living.collect()) {
            WatchdogCheck::Feed => notify::send("WATCHDOG=1"),
            WatchdogCheck::Stuck(pollers) => {
                for poller in pollers {
                    let name = services.poller_name(poller);
                    tracing::error!(name, "a poller makes no turn: the watchdog is not fed");
                }
            }
        }
    }

    /// A client changed its memory with a system call.
    fn memory_touched(&mut self) {
        for (session, attachment) in self.services.guard.touched() {
            if self.sessions.get(session).is_some() {
                self.handle(session, Event::MemoryTouched(attachment));
            }
        }
    }

    /// The daemon, as its reports see it.
    fn report(&self) -> Report<'_> {
        Report {
            services: &self.services,
            sessions: &self.sessions,
            recorder: &self.recorder,
            shutdown: &self.shutdown,
            destroyed: self.numbers.destroyed(),
            waiting: self.waiting,
            snapshots: self.snapshots.usage(),
            shares: self.refusals.usage(&self.holdings()),
        }
    }

    /// What each user has of the limits.
    fn holdings(&self) -> Holdings {
        let mut all = Holdings::new(&self.services.config, this_daemon(0).uid);
        all.sessions.extend(self.sessions.taken());
        let pending = self.services.pending_reclaim.bytes_by_user();
        all.pending.extend(pending);
        let recordings = self.recorder.list.values();
        all.recordings.extend(recordings.map(|it| it.starter.uid));
        all
    }

    /// A session that exists.
    fn any(&self, id: u64) -> &Session {
        self.sessions.any(id).expect("just found")
    }

    /// A session, if it exists or is quarantined, with the services.
    fn with(&mut self, id: u64) -> Option<(SessionMut<'_>, &mut Services)> {
        Some((self.sessions.any_mut(id)?, &mut self.services))
    }

    /// Gives a request to a session, which answers it.
    fn request<T: Debug + 'static>(
        &mut self,
        id: u64,
        reply: Reply<T>,
        event: impl FnOnce(Ticket<T>) -> Event<Runtime>,
    ) {
        let ticket = self.with(id).map(|(mut it, _)| it.keep(reply));
        if let Some(ticket) = ticket {
            self.handle(id, event(ticket));
        }
    }

    /// Gives an event to a session, if it exists or is quarantined, and does what follows.
    fn handle(&mut self, id: u64, event: Event<Runtime>) {
        let handled = self
            .with(id)
            .map(|(mut session, services)| session.handle(services, event));
        if let Some(progress) = handled {
            self.follow(id, progress);
        }
    }
}
