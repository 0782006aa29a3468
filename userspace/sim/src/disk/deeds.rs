//! What operators ask of a daemon.

use onair_api::{Operation, SessionId, SessionName, SessionRef, SessionSpec, StoppedBefore};
use onair_archive::PersistedSession;
use onair_session::{Event, Ticket};

use super::certificate::complete;
use super::daemon::{Daemon, answered, operator};
use super::plan::{DiskDeed, DiskDeedKind, NAMES};
use super::promises::{self, Wanted};
use super::scene::trace;

fn name(index: usize) -> SessionName {
    let name = format!("s{}", index % NAMES);
    name.parse().expect("a name")
}

impl Daemon {
    fn named(&self, name: &SessionName) -> Option<SessionId> {
        let mut all = self.sessions.iter();
        let found = all.find(|(_, it)| !it.is_aside && it.spec.name == *name);
        found.map(|(id, _)| *id)
    }

    /// Does as an operator asks.
    pub(super) fn deed(&mut self, deed: DiskDeed) {
        let name = name(deed.session);
        let found = self.named(&name);
        trace(|| format!("{:?} {name}", deed.kind));
        match (deed.kind, found) {
            (DiskDeedKind::Create, None) => self.create(&name, deed),
            (DiskDeedKind::Stop, Some(id)) => self.stop(id, &name),
            (DiskDeedKind::Start, Some(id)) => {
                let generation = self.sessions[&id].core.generation();
                if self
                    .store
                    .note(&self.sessions[&id].spec.name, None, generation)
                {
                    let wanted = promises::wanted(&name).map(|it| Wanted {
                        running: true,
                        stopped: None,
                        ..it
                    });
                    self.tell_when_written(&name, wanted);
                }
                self.handle(id, Event::Start(Ticket::unread()));
            }
            (DiskDeedKind::Retarget, Some(id)) => {
                let live = self.sessions.get_mut(&id).expect("it is there");
                live.spec.flow = spec(&name, true, deed.which).flow;
                if self.store.retarget(&live.spec) {
                    let flow = live.spec.flow.clone();
                    let mut wanted = promises::wanted(&name);
                    wanted.as_mut().expect("it is stored").spec.flow = flow;
                    self.tell_when_written(&name, wanted);
                }
            }
            (DiskDeedKind::Destroy, Some(id)) => {
                self.stop_core(id);
                self.destroy(id, Operation::Destroy, operator());
            }
            (DiskDeedKind::Abort, Some(id)) => {
                self.stop_core(id);
                self.destroy(id, Operation::Abort, operator());
            }
            (DiskDeedKind::Quarantine, Some(id)) => {
                self.stop_core(id);
                self.handle(id, Event::Quarantine(operator()));
            }
            (DiskDeedKind::Show, _) => {
                let all = promises::all_issued();
                let Some(id) = all.get(usize::try_from(deed.which).unwrap_or(0) % all.len().max(1))
                else {
                    return;
                };
                if let Some(certificate) = self.archive.present(&SessionRef::Id(*id)) {
                    promises::shown(&certificate);
                }
            }
            (DiskDeedKind::Unmap, _) if !self.pending.is_empty() => {
                let at = usize::try_from(deed.which).unwrap_or(0) % self.pending.len();
                let id = self.pending.remove(at);
                if let Some(found) = self.archive.find(&SessionRef::Id(id)).cloned() {
                    self.keep(complete(found));
                }
            }
            _ => {}
        }
    }

    fn create(&mut self, name: &SessionName, deed: DiskDeed) {
        let is_persistent = deed.session < self.plan.persistent;
        let spec = spec(name, is_persistent, deed.which);
        let id = self.make(spec.clone());
        self.handle(id, Event::Start(Ticket::unread()));
        if is_persistent {
            let generation = self.sessions[&id].core.generation();
            let kept = PersistedSession::created(spec.clone(), operator(), generation);
            self.store.keep(kept);
            let wanted = Wanted {
                spec,
                running: true,
                stopped: None,
            };
            self.tell_when_written(name, Some(wanted));
        }
    }

    fn stop(&mut self, id: SessionId, name: &SessionName) {
        let core = &self.sessions[&id].core;
        let stopped = StoppedBefore {
            at: core
                .stopped_at()
                .unwrap_or(onair_api::Timestamp(std::time::UNIX_EPOCH)),
            session: id,
            boot_id: "boot".into(),
        };
        let generation = core.generation();
        let session = self.sessions[&id].spec.name.clone();
        if self.store.note(&session, Some(stopped.clone()), generation) {
            let wanted = promises::wanted(name).map(|it| match it.running {
                true => Wanted {
                    running: false,
                    stopped: Some(stopped),
                    ..it
                },
                false => it,
            });
            self.tell_when_written(name, wanted);
        }
        self.handle(id, Event::Stop);
    }

    fn tell_when_written(&mut self, name: &SessionName, wanted: Option<Wanted>) {
        let wish = promises::want(name, wanted);
        let own = name.clone();
        self.store.written(name, move |result| {
            if result.is_ok() {
                promises::told_session(&own, wish);
                answered();
            }
        });
    }
}

fn spec(name: &SessionName, is_persistent: bool, which: u64) -> SessionSpec {
    let mut spec: serde_json::Value =
        serde_json::from_str(include_str!("../../../archive/tests/session.json"))
            .expect("a document");
    spec["name"] = name.to_string().into();
    spec["persistent"] = is_persistent.into();
    spec["flow"]["destination"] = format!("10.0.0.1:{}", 5000 + 2 * which).into();
    serde_json::from_value(spec).expect("a session")
}
