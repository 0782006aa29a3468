//! Lists of a session's users by name: for requesters, warnings and events. A helper thread finds
//! the names, because that takes time that depends on the clients.

use onair_api::{Blocker, BlockerKind, BlockerList, EventKind, Witness};
use onair_session::{Named, RetiredMemory, Runtime as _};

use super::blockers;
use crate::clients::inspection::{Finding, Purpose};
use crate::mapping;
use crate::services::Services;
use crate::services::reply::Reply;
use crate::session::Session;
use crate::session::clients::blockers::Draft;

/// Maximum number of blockers in one log line.
const LOGGED: usize = 8;

/// The users of a session, as a helper thread names them.
#[derive(Clone, Copy)]
pub struct Users<'a> {
    session: &'a Session,
    services: &'a Services,
}

impl Users<'_> {
    /// Its users, still without thread names.
    pub fn draft(&self) -> Draft {
        let mut waiters = self.services.machine.waiters(self.session.id.0);
        waiters.retain(|waiter| !self.session.core.clients().is_evicted(waiter.attachment));
        let all = self.session.core.clients().attached();
        let all = all.map(|it| (it, self.session.connected.library(it.number)));
        let mut draft = Draft::of(all, waiters, self.session.clock.moment());
        for lender in self
            .session
            .core
            .runtime()
            .into_iter()
            .flat_map(|it| it.lenders())
        {
            let number = lender.attachment();
            let attachment = self.session.core.clients().get(number);
            let held = attachment.and_then(|it| {
                blockers::of_ledger(
                    it,
                    self.session.connected.library(number),
                    lender.loans(),
                    draft.now(),
                )
            });
            held.into_iter().for_each(|blocker| draft.add(blocker));
        }
        if self.session.core.life().is_quarantined() {
            self.add_mappers(&mut draft);
        }
        draft
    }

    /// A helper thread names its users, then calls `then` with the list.
    fn name(&self, then: impl FnOnce(Vec<Blocker>) -> Finding + Send + 'static) {
        blockers::name(self.services, self.session.id.0, self.draft(), then);
    }

    /// Answers with its users, which a helper thread names.
    pub fn list(&self, reply: Reply<BlockerList>) {
        let mut list = BlockerList {
            session: self.session.id,
            name: self.session.spec.name.clone(),
            at: self.session.clock.wall(),
            blockers: Vec::new(),
        };
        self.name(move |blockers| {
            list.blockers = blockers;
            reply.send(Ok(list));
            Finding::Told
        });
    }

    /// Adds the processes that block only the memory.
    fn add_mappers(&self, draft: &mut Draft) {
        let mapper = |pid, (command, version): (&str, &str), attachment, note: &str| Blocker {
            pid,
            tid: None,
            command: command.to_owned(),
            thread: String::new(),
            attachment,
            kind: BlockerKind::Mapping,
            since: None,
            blocked_for_ms: None,
            waits_in: None,
            held_frames: Vec::new(),
            seen_by: vec![Witness::W4],
            note: Some(note.to_owned()),
            client_version: version.to_owned(),
            kernel_state: None,
            wait_channel: None,
        };
        for it in self.session.core.clients().holders() {
            if draft.has(it.number) {
                continue;
            }
            let who = &it.who;
            let note =
                "the session is quarantined; its memory is freed when this process releases it";
            let named = (
                who.command.as_str(),
                self.session.connected.library(it.number),
            );
            draft.add(mapper(who.pid, named, Some(it.number), note));
        }
        for pid in self.session.former_clients.holders(
            &self.session.core,
            self.services,
            &RetiredMemory::default(),
        ) {
            let note = "it left the session and keeps its memory";
            let command = self.services.machine.processes().command_of(pid);
            draft.add(mapper(pid, (&command, ""), None, note));
        }
        if draft.is_empty()
            && self
                .session
                .core
                .is_mapped(|memory| mapping::of(&*self.services.machine, memory))
        {
            let note =
                "a process that never attached has the memory: its descriptors were passed on";
            draft.add(mapper(0, ("", ""), None, note));
        }
    }
}

impl Session {
    /// Its users, to be named.
    pub const fn blockers<'a>(&'a self, services: &'a Services) -> Users<'a> {
        let session = self;
        Users { session, services }
    }

    /// A helper thread has named its users, for this purpose: publishes them, and logs a warning of them.
    pub fn named(&self, services: &mut Services, purpose: Purpose, blockers: Vec<Blocker>) {
        let (lines, now) = (&services.lines.sessions, services.machine.now());
        if let Purpose::Warning(after) = purpose
            && let Some(more) = lines.note_caused(self.requested_by, now)
        {
            tracing::warn!(
                session = %self.id, name = %self.spec.name, after_s = after.as_secs(),
                destroy_waits = self.core.life().is_draining(), blockers = blockers.len(),
                more, "drain blocked: {}", named(&blockers)
            );
        }
        let (blockers, more) = EventKind::cut(blockers);
        let (caused_by, kind) = match purpose {
            Purpose::Warning(after) => {
                let after_s = after.as_secs();
                let blocked = EventKind::DrainBlocked {
                    after_s,
                    blockers,
                    more,
                };
                (self.requested_by, blocked)
            }
            Purpose::Quarantined(bytes) => {
                let quarantined = EventKind::Quarantined {
                    bytes,
                    blockers,
                    more,
                };
                (self.owner.uid, quarantined)
            }
        };
        self.publish(services, caused_by, kind);
    }

    /// A helper thread names its users, for this use.
    pub(crate) fn name_users(&mut self, services: &Services, named: Named) {
        let session = self.id.0;
        let about = |purpose| {
            move |blockers| Finding::Blockers {
                session,
                blockers,
                purpose,
            }
        };
        match named {
            Named::Warning(after) => self.blockers(services).name(about(Purpose::Warning(after))),
            Named::Quarantined => {
                let left = services.pending_reclaim.parts(self.id).bytes();
                let bytes = self.core.memory_bytes() + left;
                self.blockers(services)
                    .name(about(Purpose::Quarantined(bytes)));
            }
            Named::Refusal(destroy, problem) => {
                let reply = self.requests.take(&destroy.ticket);
                self.blockers(services).name(move |blockers| {
                    reply.send(Err(problem.with_blockers(blockers)));
                    Finding::Told
                });
            }
            Named::Busy(number, ticket, problem) => {
                // Only its own callers: those of other clients do not matter here.
                let mut waiters = services.machine.waiters(session);
                waiters.retain(|waiter| waiter.attachment == number);
                let attachment = self.core.clients().get(number);
                let own = attachment.map(|it| (it, self.connected.library(number)));
                let pid = attachment.map_or(session, |it| u64::from(it.who.pid));
                let draft = Draft::of(own.into_iter(), waiters, self.clock.moment());
                let reply = self.requests.take(&ticket);
                blockers::name(services, pid, draft, move |blockers| {
                    reply.send(Err(problem.with_blockers(blockers)));
                    Finding::Told
                });
            }
        }
    }
}

fn named(blockers: &[Blocker]) -> String {
    if blockers.is_empty() {
        return "no user is named; `onairctl session verdict` shows which witness disagrees".into();
    }
    let mut names: Vec<_> = blockers
        .iter()
        .take(LOGGED)
        .map(Blocker::to_string)
        .collect();
    if blockers.len() > LOGGED {
        names.push(format!("and {} more", blockers.len() - LOGGED));
    }
    names.join("; ")
}
