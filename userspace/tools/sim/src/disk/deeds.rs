//! Requests of operators for a daemon.

use onair_api::{Operation, SessionId, SessionName, SessionRef, SessionSpec, StoppedBefore};
use onair_archive::{PersistedSession, SessionJob, Store};
use onair_session::{Event, Ticket};

use super::certificate::complete;
use super::daemon::{Daemon, answered, operator};
use super::device::Desk;
use super::plan::{DiskDeed, DiskDeedKind, NAMES};
use super::promises::{self, Wanted};
use super::{trace, violation};

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
                let generation = self.sessions[&id].core.life().generation();
                let change = |it| Wanted {
                    running: true,
                    stopped: None,
                    ..it
                };
                self.change(&name, change, |it| it.note(&name, None, generation));
                self.handle(id, Event::Start(Ticket::unread()));
            }
            (DiskDeedKind::Retarget, Some(id)) => {
                let live = self.sessions.get_mut(&id).expect("it is there");
                live.spec.flow = spec(&name, true, deed.which).flow;
                let spec = live.spec.clone();
                let change = |mut it: Wanted| {
                    it.spec.flow = spec.flow.clone();
                    it
                };
                self.change(&name, change, |it| it.retarget(&spec));
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
            let generation = self.sessions[&id].core.life().generation();
            let kept = PersistedSession::created(spec.clone(), operator(), generation);
            let wanted = Wanted {
                spec,
                running: true,
                stopped: None,
            };
            let wish = promises::want(name, Some(wanted));
            self.store.keep(kept);
            self.tell_when_written(name, wish);
        }
    }

    fn stop(&mut self, id: SessionId, name: &SessionName) {
        let core = &self.sessions[&id].core;
        let stopped = StoppedBefore {
            at: core
                .life()
                .stopped_at()
                .unwrap_or(onair_api::Timestamp(std::time::UNIX_EPOCH)),
            session: id,
            boot_id: "boot".into(),
        };
        let generation = core.life().generation();
        let change = |it: Wanted| match it.running {
            true => Wanted {
                running: false,
                stopped: Some(stopped.clone()),
                ..it
            },
            false => it,
        };
        let stop = Some(stopped.clone());
        self.change(name, change, |it| it.note(name, stop, generation));
        self.handle(id, Event::Stop);
    }

    /// Changes what is wanted of a session, if it is stored, and then what the store has of it: the daemon
    /// may die as soon as the disk has that.
    fn change(
        &mut self,
        name: &SessionName,
        change: impl FnOnce(Wanted) -> Wanted,
        store: impl FnOnce(&mut Store<Desk<SessionJob>>) -> bool,
    ) {
        let wish = promises::wanted(name).map(|it| promises::want(name, Some(change(it))));
        let is_stored = store(&mut self.store);
        if is_stored != wish.is_some() {
            violation(format!("session {name} is stored: {is_stored}"));
        }
        if let Some(wish) = wish {
            self.tell_when_written(name, wish);
        }
    }

    fn tell_when_written(&mut self, name: &SessionName, wish: usize) {
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
    let mut spec: serde_json::Value = serde_json::from_str(include_str!(
        "../../../../daemon/archive/tests/session.json"
    ))
    .expect("a document");
    spec["name"] = name.to_string().into();
    spec["persistent"] = is_persistent.into();
    spec["flow"]["destination"] = format!("10.0.0.1:{}", 5000 + 2 * which).into();
    serde_json::from_value(spec).expect("a session")
}
