//! The only owner of every session: takes actions, kicks, poller events and probe events, one at a
//! time, and acts on them.
//!
//! Nothing here blocks. Helper threads of the machine do what may hang or take long (reading a client's memory,
//! listing its threads) and answer with a message. The actor does everything else in short steps (`turn`,
//! [`crate::schedule`]).

mod ending;
mod requests;
mod restore;
mod turn;

use std::fmt::Debug;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use onair_api::Certificate;
use onair_dataplane::Runtime;
use onair_mutant::mutant;
use onair_session::{Event, Followers, Quarantines, Ticket};
use onair_settings::access::authority::Caller;
use onair_settings::config::ms;
use onair_settings::diagnostics::rate_limit::RateLimit;

use crate::inputs::Drained;
use crate::recorder::Recorder;
use crate::report::Report;
use crate::schedule::{Due, Schedule, Task};
use crate::services::Services;
use crate::services::reply::Reply;
use crate::session::{Progress, Session};
use crate::sessions::ending::Ending;
use crate::sessions::{Seen, SessionMut, Sessions};
use crate::shares::{Holdings, Refusals};
use crate::snapshots::Snapshots;
use crate::taps::Taps;

/// Interval of the looks at the pollers' turns: three in a row find a poller stalled, within a second.
const TURNS: Duration = Duration::from_millis(200);
/// Interval of the looks at links and traffic.
const TRAFFIC: Duration = Duration::from_millis(250);

/// Owner of all sessions; runs on the control thread.
#[derive(Debug)]
pub struct Actor {
    services: Services,
    sessions: Sessions,
    attachments: u64,
    ending: Ending,
    /// Receives the result of the shutdown.
    drained: Option<SyncSender<Drained>>,
    due: Due,
    /// When the next periodic check is due.
    periodic_at: Instant,
    /// When the pollers' turns are looked at next.
    turns_at: Instant,
    /// When the traffic is looked at next.
    traffic_at: Instant,
    schedule: Schedule,
    /// Requests that waited behind the current one: on the control socket, on the attach socket.
    waiting: [usize; 2],
    /// Probe events were lost: the probe did not report every thread that ended.
    exits_lost: bool,
    /// Limits the lines of that.
    lost_lines: RateLimit,
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
    pub fn new(services: Services) -> Self {
        let now = services.machine.now();
        let (config, incarnation) = (&services.config, services.identity.incarnation);
        let folder = config.recorder.folder(&config.state.dir);
        let recorder = Recorder::new(folder, incarnation, now);
        let snapshots = Snapshots::new(config.limits.snapshots_share());
        Self {
            sessions: Sessions::new(incarnation),
            services,
            snapshots,
            refusals: Refusals::default(),
            attachments: 0,
            ending: Ending::default(),
            drained: None,
            due: Due::default(),
            periodic_at: now,
            turns_at: now,
            traffic_at: now,
            schedule: Schedule::default(),
            waiting: [0; 2],
            exits_lost: false,
            lost_lines: RateLimit::default(),
            recorder,
            followers: Followers::default(),
            quarantines: Quarantines::default(),
        }
    }

    /// The services, to be ended, after [`Self::end`].
    pub fn into_services(self) -> Services {
        self.services
    }

    /// Checks that run each `timeouts.patrol_ms` in any case.
    fn run_periodic(&mut self, now: Instant) {
        if !mutant!("engine: the periodic check is always due") {
            self.periodic_at = now + ms(self.services.config.timeouts.patrol_ms);
        }
        self.services.machine.test_probe();
        self.services.publish_probe_state();
        self.services.look_at_ports(now);
        self.services.archive.trim();
        self.services.publish_fills();
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
        self.services.machine.dataplane_mut().check_ports();
        self.services.follow_clock();
        self.services.follow_ptp(now);
        self.sessions.note_sources(&self.services);
        self.taps().note_degraded();
        let services = &mut self.services;
        let look = |session: &mut Session| session.look_at_traffic(services, now);
        self.sessions.change_each(look);
    }

    /// Notices pollers that make no turn, and those that make turns again.
    fn look_at_turns(&mut self, now: Instant) {
        self.turns_at = now + TURNS;
        let stalls = self.services.look_at_turns(now);
        if stalls.has_new {
            // What waits for one of them is refused.
            self.examine_all_soon();
            let services = &mut self.services;
            let refuse = |session: &mut Session| session.refuse_stalled_retarget(services);
            self.sessions.change_each(refuse);
        }
        for poller in stalls.lost {
            self.poller_lost(&poller, "it has made no turn for 5 s".to_owned());
        }
    }

    /// Whether no poller works any more: only a restart of the daemon helps.
    pub fn is_stalled(&self) -> bool {
        self.services.is_stalled()
    }

    /// The daemon, as its reports see it.
    fn report(&self) -> Report<'_> {
        let holdings = Holdings::of(&self.services, &self.sessions, self.recorder.users());
        Report {
            services: &self.services,
            sessions: &self.sessions,
            recorder: &self.recorder,
            waiting: self.waiting,
            snapshots: self.snapshots.usage(),
            shares: self.refusals.usage(&holdings),
        }
    }

    /// The recordings and snapshots, with what their taps need.
    fn taps(&mut self) -> Taps<'_> {
        Taps {
            services: &mut self.services,
            sessions: &mut self.sessions,
            recorder: &mut self.recorder,
            snapshots: &mut self.snapshots,
            is_shutdown: self.ending.has_begun(),
        }
    }

    /// The sessions as `caller` sees them.
    fn seen_by<'a>(&'a self, caller: &'a Caller) -> Seen<'a> {
        Seen {
            sessions: &self.sessions,
            caller,
            archive: &self.services.archive,
        }
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
        let ticket = self.with(id).map(|(mut it, _)| it.requests.keep(reply));
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

    /// Removes a destroyed session, and answers the requester.
    pub(crate) fn follow(&mut self, id: u64, progress: Progress) {
        let answer = match progress {
            // The caller that asked for these does what follows.
            Progress::Lives | Progress::NotAdmitted(_) | Progress::Quarantined(_) => return,
            Progress::Due => return self.examine_soon(id),
            Progress::Ready => return self.session_ready(id),
            Progress::GaveUp => return self.session_gave_up(id),
            Progress::Destroyed(certificate, via, reply) => Some((certificate, via, reply)),
            Progress::Freed => None,
        };
        let gone = self.sessions.remove(id);
        // It looks at all sessions.
        if gone
            .as_ref()
            .is_some_and(|it| it.spec.convert.is_some() || it.places.conversions > 0)
        {
            self.services.machine.convert(self.sessions.conversions());
        }
        if let (Some(session), Some((_, via, _))) = (&gone, &answer) {
            session.gone(&mut self.services, *via);
        }
        // Its taps are gone with it.
        self.taps().session_gone(id);
        if let Some((certificate, _, reply)) = answer {
            self.services.answer_when_durable(certificate, reply);
        }
        if let Some(group) = gone.and_then(|it| it.member_of) {
            self.groups().member_left(&group);
        }
    }
}
