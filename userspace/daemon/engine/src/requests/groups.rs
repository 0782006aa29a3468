//! Carries out the requests about groups: what all members need is checked first, then each member gets its event in
//! the same turn. [`onair_session::end_of_group`] decides when they end.

use std::fmt::Debug;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use onair_api::operations::{
    CreateGroup, DestroyGroup, DestroyGroupWait, RetargetGroup, StartGroup, StopGroup,
};
use onair_api::{
    Certificate, GroupEnded, GroupName, GroupView, NewGroup, Operation, Problem, ProblemCode,
    SessionName, SessionSpec, SessionState, SessionView, Who,
};
use onair_mutant::mutant;
use onair_session::shutdown::ShutdownEvent;
use onair_session::{
    AwaitedTurn, Destroy, Event, Examination, GroupEvent, GroupStep, boundary_from, end_of_group,
};
use onair_settings::access::authority::Caller;
use onair_settings::config::ms;

use crate::engine::Engine;
use crate::inputs::Asked;
use crate::machine::Machine;
use crate::services::reply::{Awaited, Reply};
use crate::sessions::Users;
use crate::sessions::ending::millis;
use crate::sessions::groups::{group_of, of_member, refusal};

/// Time for the pollers to get all members that start.
const LEAD_NS: u64 = 5_000_000;

/// The members of a group that answer a request, each with its name.
#[derive(Debug)]
pub(super) struct Answers<T>(Vec<(SessionName, Awaited<T>)>);

impl<T: Debug + 'static> Answers<T> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The reply of one more member.
    pub(super) fn of(&mut self, member: &SessionName) -> Reply<T> {
        let (reply, answer) = Reply::new();
        self.0.push((member.clone(), answer));
        reply
    }

    /// Answers the request about the group once all members have answered. If the requester goes, the members' answers are
    /// not awaited, which ends their destroys.
    pub(super) fn gather<A: 'static>(
        self,
        machine: &dyn Machine,
        mut reply: Reply<A>,
        done: impl FnOnce(Vec<T>) -> A + 'static,
    ) {
        machine.spawn(Box::pin(async move {
            let (mut all, mut refusals) = (Vec::new(), Vec::new());
            let answers = async {
                for (member, answer) in self.0 {
                    match answer.await {
                        Ok(Ok(answer)) => all.push(answer),
                        Ok(Err(problem)) => refusals.push(of_member(&member, problem)),
                        // The session is gone, and its request with it.
                        Err(_) => refusals.push(gone(&member)),
                    }
                }
            };
            let is_unwanted = {
                let unwanted = pin!(reply.unwanted());
                matches!(select(pin!(answers), unwanted).await, Either::Right(_))
            };
            if is_unwanted {
                return;
            }
            reply.send(match refusal(refusals) {
                None => Ok(done(all)),
                Some(problem) => Err(problem),
            });
        }));
    }
}

impl Answers<SessionView> {
    /// Answers with the group `name`, once all members have answered.
    fn show(self, machine: &dyn Machine, reply: Reply<GroupView>, name: GroupName) {
        self.gather(machine, reply, move |views| group_of(name, views));
    }
}

fn gone(member: &SessionName) -> Problem {
    let detail = format!("member {member} was destroyed meanwhile");
    Problem::new(ProblemCode::StaleSession, detail)
}

impl Engine {
    /// The groups, for a request or an event of one.
    pub(crate) fn groups(&mut self) -> Groups<'_> {
        Groups(self)
    }
}

/// The groups of sessions. What all members need is checked first; then each member gets its event in the same turn, or
/// none does.
pub(crate) struct Groups<'a>(pub(super) &'a mut Engine);

impl Groups<'_> {
    pub(crate) fn create(&mut self, asked: Asked<CreateGroup>) {
        let Asked {
            caller,
            input: NewGroup { name, sessions },
            reply,
            ..
        } = asked;
        let made = self.make(&caller, &name, sessions);
        let Some((ids, reply)) = reply.or_refuse(made) else {
            return;
        };
        self.align_start(&ids);
        let mut answers = Answers::new();
        for id in &ids {
            let session = &self.0.sessions[*id];
            let start = answers.of(&session.spec.name);
            let start = session.persist(&mut self.0.services, start);
            self.0.request(*id, start, Event::Start);
        }
        let is_running = |id: &u64| self.0.sessions[*id].core.state() == SessionState::Running;
        if !ids.iter().all(is_running) {
            self.take_back(&ids, &caller.who);
        }
        answers.show(&*self.0.services.machine, reply, name);
    }

    /// Makes all members, stopped, or none.
    fn make(
        &mut self,
        caller: &Caller,
        group: &GroupName,
        specs: Vec<SessionSpec>,
    ) -> Result<Vec<u64>, Problem> {
        self.0.sessions.check_new_group(group)?;
        let mut ids = Vec::new();
        for spec in specs {
            let name = spec.name.clone();
            match self.0.make(spec, Users::of(caller, None)) {
                Ok(id) => {
                    if let Some(mut session) = self.0.sessions.get_mut(id) {
                        session.member_of = Some(group.clone());
                    }
                    ids.push(id);
                }
                Err(problem) => {
                    if !mutant!("group: what was made of a refused one stays") {
                        self.take_back(&ids, &caller.who);
                    }
                    return Err(of_member(&name, problem));
                }
            }
        }
        Ok(ids)
    }

    /// Ends members of a group that was not created.
    fn take_back(&mut self, ids: &[u64], who: &Who) {
        for id in ids {
            self.0.abort(*id, who.clone(), Reply::unread());
        }
    }

    /// Lets members that send and start now begin at the same time.
    fn align_start(&mut self, ids: &[u64]) {
        let Some(at_ns) = self.next_boundary(ids.iter()) else {
            return;
        };
        for id in ids {
            if let Some(mut session) = self.0.sessions.get_mut(*id) {
                session.start_at(at_ns);
            }
        }
    }

    /// Where a unit of the slowest of these sessions begins, as soon as their pollers can know: ns of TAI.
    pub(super) fn next_boundary<'a>(&self, ids: impl Iterator<Item = &'a u64>) -> Option<u64> {
        let formats = ids.map(|id| &self.0.sessions[*id].spec.format);
        let slowest = formats.max_by_key(|it| it.period_ns(1))?;
        let from_ns = self.0.services.tai_ns().saturating_add(LEAD_NS);
        Some(boundary_from(|n| slowest.period_ns(n), from_ns))
    }

    pub(crate) fn stop(&mut self, asked: Asked<StopGroup>, ids: &[u64]) {
        let all = if mutant!("group: the last member is not stopped") {
            &ids[1..]
        } else {
            ids
        };
        for id in all {
            self.0.handle(*id, Event::Stop);
        }
        let mut answers = Answers::new();
        for id in ids {
            let Some(session) = self.0.sessions.get(*id) else {
                continue;
            };
            let reply = answers.of(&session.spec.name);
            let reply = session.persist_desired_state(&mut self.0.services, false, reply);
            reply.send(Ok(session.shown().view()));
        }
        for id in ids {
            self.0.handle(*id, Event::Examine);
        }
        answers.show(&*self.0.services.machine, asked.reply, asked.target);
    }

    pub(crate) fn start(&mut self, asked: Asked<StartGroup>, ids: &[u64]) {
        let mut sessions = ids.iter().map(|id| &self.0.sessions[*id]);
        let checked = self.0.check_service().and_then(|()| {
            sessions.try_for_each(|it| {
                let checked = it.check_start(&self.0.services);
                checked.map_err(|problem| of_member(&it.spec.name, problem))
            })
        });
        let Some(((), reply)) = asked.reply.or_refuse(checked) else {
            return;
        };
        self.align_start(ids);
        let mut answers = Answers::new();
        for id in ids {
            let session = &self.0.sessions[*id];
            let start = answers.of(&session.spec.name);
            let start = session.persist_desired_state(&mut self.0.services, true, start);
            self.0.request(*id, start, Event::Start);
        }
        answers.show(&*self.0.services.machine, reply, asked.target);
    }

    pub(crate) fn retarget(&mut self, asked: Asked<RetargetGroup>, ids: &[u64]) {
        let changes = self.0.retargets().change(&asked.caller, ids, &asked.input);
        if let Some((answers, reply)) = asked.reply.or_refuse(changes) {
            answers.show(&*self.0.services.machine, reply, asked.target);
        }
    }

    pub(crate) fn destroy(&mut self, asked: Asked<DestroyGroup>, ids: &[u64]) {
        let Asked {
            caller,
            target,
            reply,
            ..
        } = asked;
        self.end(target, ids, caller.who, None, reply);
    }

    pub(crate) fn destroy_wait(&mut self, asked: Asked<DestroyGroupWait>, ids: &[u64]) {
        let wait = ms(asked.input.deadline_ms);
        let until = Some((asked.at + wait, wait));
        self.end(asked.target, ids, asked.caller.who, until, asked.reply);
    }

    fn end(
        &mut self,
        name: GroupName,
        ids: &[u64],
        who: Who,
        wait: Option<(Instant, Duration)>,
        reply: Reply<GroupEnded>,
    ) {
        let mut sessions = ids.iter().map(|id| &self.0.sessions[*id]);
        let checked = self.0.services.machine.check_probe().and_then(|()| {
            sessions.try_for_each(|it| {
                let checked = it.core.life().check_destroy();
                checked.map_err(|problem| of_member(&it.spec.name, problem))
            })
        });
        let Some(((), reply)) = reply.or_refuse(checked) else {
            return;
        };
        let operation = match wait {
            Some(_) => Operation::DestroyWait,
            None => Operation::Destroy,
        };
        let (deadline, wait) = wait.unzip();
        let mut answers = Answers::new();
        for id in ids {
            let member = answers.of(&self.0.sessions[*id].spec.name);
            self.0.request(*id, member, |ticket| {
                Event::Destroy(Destroy {
                    who: who.clone(),
                    operation,
                    deadline,
                    deadline_ms: wait.map(millis),
                    waits_for_turn: true,
                    stops: false,
                    ticket,
                })
            });
        }
        // A destroy that is refused at once, for example on a stalled poller, gives no event: the other members
        // would wait for it.
        let is_refused =
            |id: &u64| self.0.sessions[*id].core.life().awaited_turn() == AwaitedTurn::None;
        if ids.iter().any(is_refused) && !mutant!("group: members wait for a refused one") {
            self.step(&name, GroupEvent::GaveUp);
        }
        answers.gather(
            &*self.0.services.machine,
            reply,
            move |certificates: Vec<Box<Certificate>>| {
                let certificates = certificates.iter().map(|it| it.summary()).collect();
                GroupEnded { name, certificates }
            },
        );
    }

    /// A session can be destroyed in its turn: in that of the shutdown, or of its group.
    pub(crate) fn ready(&mut self, id: u64) {
        match self.0.ending.has_begun() {
            true if mutant!("shutdown: a session that is ready is forgotten") => {}
            true => self
                .0
                .ending
                .note(ShutdownEvent::Ready(id), self.0.services.machine.now()),
            false => self.step_of(id, GroupEvent::Ready),
        }
    }

    /// A session is not destroyed. The shutdown ends others without it.
    pub(crate) fn gave_up(&mut self, id: u64) {
        if !self.0.ending.has_begun() {
            self.step_of(id, GroupEvent::GaveUp);
        }
    }

    /// A member is gone, for which the others may have waited.
    pub(crate) fn member_left(&mut self, group: &GroupName) {
        if !self.0.ending.has_begun() {
            self.step(group, GroupEvent::Ready);
        }
    }

    fn step_of(&mut self, id: u64, event: GroupEvent) {
        let session = self.0.sessions.get(id);
        if let Some(group) = session.and_then(|it| it.member_of.clone()) {
            self.step(&group, event);
        }
    }

    fn step(&mut self, group: &GroupName, event: GroupEvent) {
        let members = self.0.sessions.members(group);
        let members: Vec<_> = members
            .map(|it| (it.id.0, it.core.life().awaited_turn()))
            .collect();
        match end_of_group(&members, event) {
            GroupStep::Wait => {}
            GroupStep::End(ids) => {
                self.0
                    .examine(&ids.into_iter().collect(), Examination::InTurn);
            }
            GroupStep::Withdraw(ids) => {
                for member in ids {
                    let detail = format!("another member of group {group} is not destroyed");
                    let problem = Problem::new(ProblemCode::Busy, detail);
                    self.0.handle(member, Event::Withdraw(problem));
                }
            }
        }
    }

    /// The members of the group of a request; then serves it.
    pub(crate) fn on<O>(mut self, asked: Asked<O>, serve: impl FnOnce(&mut Self, Asked<O>, &[u64]))
    where
        O: onair_api::operations::ApiOperation<Target = GroupName>,
    {
        match self.0.seen_by(&asked.caller).find_group(&asked.target) {
            Ok(ids) => {
                self.0.note_requester::<O>(&ids, &asked.caller);
                serve(&mut self, asked, &ids);
            }
            Err(problem) => asked.reply.send(Err(problem)),
        }
    }
}
