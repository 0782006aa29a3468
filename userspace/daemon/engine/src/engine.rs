//! All sessions, the services that they share, and the work beside a session's own events: requests
//! ([`crate::requests`]), and the consequences of a session's progress.
//!
//! The actor decides the order ([`crate::actor`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::io;
use std::os::fd::OwnedFd;

use onair_api::Certificate;
use onair_dataplane::Runtime;
use onair_mutant::mutant;
use onair_session::{Event, Examination, Quarantines, Ticket};
use onair_settings::access::authority::Caller;

use crate::inputs::ConnectionId;
use crate::machine::Charge;
use crate::recorder::Recorder;
use crate::report::Report;
use crate::schedule::{Due, Schedule, Task};
use crate::services::Services;
use crate::services::reply::Reply;
use crate::session::{Progress, Session};
use crate::sessions::ending::Ending;
use crate::sessions::{SessionMut, Sessions, VisibleSessions};
use crate::shares::{Holdings, Refusals};
use crate::snapshots::Snapshots;
use crate::taps::Taps;

/// All sessions, and what they share.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) services: Services,
    pub(crate) sessions: Sessions,
    /// The number of the last attachment.
    pub(crate) attachments: u64,
    pub(crate) ending: Ending,
    pub(crate) due: Due,
    pub(crate) schedule: Schedule,
    /// Requests that waited behind the current one: on the control socket, on the attach socket.
    pub(crate) waiting: [usize; 2],
    pub(crate) recorder: Recorder,
    snapshots: Snapshots<Reply<Vec<u8>>>,
    pub(crate) refusals: Refusals,
    /// Connections, each with a session that ends with it.
    pub(crate) creators: BTreeSet<(ConnectionId, u64)>,
    /// Quarantines that wait for a look at the clients' sites.
    pub(crate) quarantines: Quarantines<Reply<Box<Certificate>>>,
}

impl Engine {
    pub(crate) fn new(services: Services) -> Self {
        let now = services.machine.now();
        let (config, incarnation) = (&services.config, services.identity.incarnation);
        let folder = config.recorder.folder(&config.state.dir);
        let recorder = Recorder::new(folder, incarnation, now);
        let snapshots = Snapshots::new(config.limits.snapshots_share());
        Self {
            sessions: Sessions::new(incarnation),
            services,
            attachments: 0,
            ending: Ending::default(),
            due: Due::default(),
            schedule: Schedule::default(),
            waiting: [0; 2],
            recorder,
            snapshots,
            refusals: Refusals::default(),
            creators: BTreeSet::new(),
            quarantines: Quarantines::default(),
        }
    }

    /// The daemon, as its reports see it.
    pub(crate) fn report(&self) -> Report<'_> {
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
    pub(crate) fn taps(&mut self) -> Taps<'_> {
        Taps {
            services: &mut self.services,
            sessions: &mut self.sessions,
            recorder: &mut self.recorder,
            snapshots: &mut self.snapshots,
            is_shutdown: self.ending.has_begun(),
        }
    }

    /// The sessions as `caller` sees them.
    pub(crate) fn seen_by<'a>(&'a self, caller: &'a Caller) -> VisibleSessions<'a> {
        VisibleSessions {
            sessions: &self.sessions,
            caller,
            archive: &self.services.archive,
        }
    }

    /// A session that exists.
    pub(crate) fn any(&self, id: u64) -> &Session {
        self.sessions.any(id).expect("just found")
    }

    /// A session, if it exists or is quarantined, with the services.
    pub(crate) fn with(&mut self, id: u64) -> Option<(SessionMut<'_>, &mut Services)> {
        Some((self.sessions.any_mut(id)?, &mut self.services))
    }

    /// Gives a request to a session, which answers it.
    pub(crate) fn request<T: Debug + 'static>(
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
    pub(crate) fn handle(&mut self, id: u64, event: Event<Runtime>) {
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
            Progress::Ready => return self.groups().ready(id),
            Progress::GaveUp => return self.groups().gave_up(id),
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
        let creator = gone.as_ref().and_then(|it| it.owner_connection);
        creator.map(|it| self.creators.remove(&(it, id)));
        // Its taps are gone with it.
        self.taps().session_gone(id);
        if let Some((certificate, _, reply)) = answer {
            self.services.answer_when_durable(certificate, reply);
        }
        if let Some(group) = gone.and_then(|it| it.member_of) {
            self.groups().member_left(&group);
        }
    }

    /// The session is to be examined in this turn.
    pub(crate) fn examine_soon(&mut self, id: u64) {
        if let Some(session) = self.sessions.any(id) {
            self.due.add(session.spec.priority, id);
        }
    }

    /// All sessions are to be examined.
    pub(crate) fn examine_all_soon(&mut self) {
        let all: Vec<u64> = self.sessions.ids().collect();
        all.into_iter().for_each(|id| self.examine_soon(id));
    }

    /// Examines these sessions. Each rests for its share, as after a task of its own.
    pub(crate) fn examine(&mut self, some: &BTreeSet<u64>, why: Examination) {
        if some.is_empty() {
            return;
        }
        let began = self.services.machine.now();
        self.services.slow_down("examine");
        let services = &mut self.services;
        let done = self.sessions.change_together(some, |mut wanted| {
            wanted.sort_by_key(|it| (it.spec.priority, it.id));
            Session::examine_together(wanted, services, why)
        });
        let ended = self.services.machine.now();
        let share = ended.duration_since(began) / u32::try_from(some.len()).unwrap_or(u32::MAX);
        for (id, progress) in done {
            self.schedule.charge(Task::Session(id.0), ended, share);
            self.follow(id.0, progress);
        }
    }

    /// All files of each ended session of which processes have memory. A session that is still to end has no certificate.
    pub(crate) fn left(&self) -> io::Result<Vec<(Charge, Vec<OwnedFd>)>> {
        let mut all = BTreeMap::<_, (Charge, Vec<OwnedFd>)>::new();
        if mutant!("takeover: what clients keep is not left to the next daemon") {
            return Ok(Vec::new());
        }
        let aside = self.sessions.in_quarantine();
        let aside: Vec<_> = aside.map(|it| (it.charge(), it.core.memory())).collect();
        let aside = aside.iter().map(|(charge, it)| (*charge, it));
        let waiting = self.services.pending_reclaim.waiting();
        let waiting = waiting.filter(|(charge, _)| self.sessions.get(charge.session.0).is_none());
        for (charge, memory) in aside.chain(waiting) {
            let (_, files) = all.entry(charge.session.0).or_insert((charge, Vec::new()));
            for file in memory.files() {
                files.push(file.for_successor()?);
            }
        }
        Ok(all.into_values().collect())
    }
}
