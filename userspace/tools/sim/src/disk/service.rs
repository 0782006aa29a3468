//! One daemon, from its start to its death or its end.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use onair_api::Operation;
use onair_archive::{
    Archive, BATCH, CertificateFiles, Host, Note, PersistedSession, Retention, SessionFiles, Store,
};
use onair_session::{Event, Ticket, View as _};
use onair_sim_kernel::{Mortal, current, now_ns, park, sleep};

use super::daemon::{Alone, Daemon, this_daemon};
use super::device::{Desk, SimDisk};
use super::plan::DiskPlan;
use super::{Request, STATE, now, promises, scene, trace, violation};
use crate::daemon::Seen;

/// `timeouts.patrol_ms` of the daemon.
const PATROL: Duration = Duration::from_secs(1);

fn host() -> Host {
    Host {
        disk: &SimDisk,
        now,
        tell,
    }
}

fn tell(note: Note) {
    if let Note::WriterEnded(_) | Note::LogSetAside { .. } = note {
        violation(format!("{note:?}"));
    }
    trace(|| format!("note: {note:?}"));
}

/// Runs a daemon until it dies or ends. A start that fails is tried again, as systemd does.
pub(super) fn run(plan: &Rc<DiskPlan>, mortal: &Mortal) {
    scene(|it| it.control = Some(current()));
    let daemon = loop {
        match Daemon::start(plan, mortal) {
            Ok(daemon) => break daemon,
            Err(error) => trace(|| format!("does not start: {error}")),
        }
        sleep(1_000_000_000);
    };
    daemon.serve();
}

impl Daemon {
    fn start(plan: &Rc<DiskPlan>, mortal: &Mortal) -> std::io::Result<Self> {
        let (state, log) = (Path::new(STATE), plan.log_blocks * 4096);
        let retention = Retention {
            count: plan.certificates,
            age: None,
        };
        let (mut archive, unread) = Archive::open(
            host(),
            state,
            log,
            retention,
            |mut files: CertificateFiles| {
                Ok(Desk::start(mortal, BATCH, move |jobs: Vec<_>| {
                    drop(files.work(&jobs));
                }))
            },
        )?;
        archive.take_in(unread.read());
        let mut store = Store::open(
            host(),
            state,
            Vec::new(),
            &this_daemon(),
            |files: SessionFiles| {
                Ok(Desk::start(mortal, 1, move |jobs: Vec<_>| {
                    jobs.iter().for_each(|job| files.work(job));
                }))
            },
        )?;
        let restored = store.take_restored();
        promises::restarted(&archive, &restored, plan.certificates);
        let incarnation = scene(|it| {
            it.incarnation += 1;
            it.incarnation
        });
        if archive.newest_incarnation() >= incarnation {
            violation("a certificate of an incarnation that is to come".into());
        }
        trace(|| {
            format!(
                "daemon {incarnation} starts with {} sessions",
                restored.len()
            )
        });
        let mut daemon = Self {
            plan: Rc::clone(plan),
            archive,
            store,
            sessions: BTreeMap::new(),
            pending: Vec::new(),
            incarnation,
            counter: 0,
            patrol_at: now() + PATROL,
        };
        restored.into_iter().for_each(|it| daemon.bring_back(it));
        scene(|it| it.is_ready = true);
        Ok(daemon)
    }

    /// As the daemon's actor does.
    fn bring_back(&mut self, kept: PersistedSession) {
        let id = self.make(kept.spec);
        let moment = Seen(Alone(id)).moment();
        let live = self.sessions.get_mut(&id).expect("it was made");
        live.core
            .life_mut()
            .continue_from(kept.generation, kept.stopped, moment);
        if kept.running {
            self.handle(id, Event::Start(Ticket::unread()));
        }
    }

    fn serve(mut self) {
        loop {
            let all = self.sessions.iter_mut();
            let event = all.filter_map(|(id, it)| Some((*id, it.events.pop_front()?)));
            if let Some((id, event)) = { event }.next() {
                self.handle(id, event);
            } else if self.examine() {
            } else if let Some(request) = scene(|it| it.requests.pop_front()) {
                match request {
                    Request::Deed(deed) => self.deed(deed),
                    Request::Check => self.check(),
                    Request::Shutdown => return self.shut_down(),
                }
            } else {
                self.rest();
            }
        }
    }

    /// Does all due work, then waits until more is due.
    fn rest(&mut self) {
        if now() >= self.patrol_at {
            self.patrol_at = now() + PATROL;
            self.archive.trim();
            self.archive.retry();
            self.archive.settle();
            self.store.retry();
            return;
        }
        let pause = self.patrol_at.saturating_duration_since(now()).as_nanos();
        park(now_ns() + u64::try_from(pause).unwrap_or(0).max(1));
    }

    /// Checks the list of files that are not on disk.
    fn check(&self) {
        let certificates = self.archive.unwritten().map(|it| it.detail);
        let sessions = self.store.unwritten().map(|it| it.detail);
        let all = [certificates, sessions].into_iter().flatten();
        let detail = all.collect::<Vec<_>>().join("; ");
        scene(|it| it.unwritten = Some(detail));
    }

    /// As the daemon's shutdown: each session is ended, and then the files are closed.
    fn shut_down(mut self) {
        let all: Vec<_> = self
            .sessions
            .iter()
            .map(|(id, it)| (*id, it.is_aside))
            .collect();
        for (id, _) in all.into_iter().filter(|(_, is_aside)| !is_aside) {
            self.stop_core(id);
            self.destroy(id, Operation::Shutdown, this_daemon());
            while self.examine() {}
        }
        let until = now() + Duration::from_secs(20);
        let closed = self.archive.close(until).map_err(|it| it.to_string());
        let closed = closed.and(self.store.close(until).map_err(|it| it.to_string()));
        trace(|| format!("ended: {closed:?}"));
        if closed.is_ok() {
            promises::told_all();
        }
        scene(|it| it.has_ended = true);
    }
}
