//! The control thread: gives each core its events, in the order in which they arrive.

use onair_api::{Direction, Operation, SessionName, SessionState, StepName, Via, Who};
use onair_session::{
    Destroy, Effect, Event, Examination, Examined, Runtime as _, RuntimeHolder, SessionCore,
    examine_together,
};
use onair_sim_kernel::{now_ns, park};

use super::Commands;
use super::ending::Ending;
use super::view::{facts, index_of, instant, ns, view};
use crate::mail::Message;
use crate::oracle;
use crate::requests;
use crate::runtime::PlayedRuntime;
use crate::world::{id, trace, violation, world};

/// Bytes of a session's trace, if its life is traced.
const TRACE: usize = 1 << 20;

/// The control thread's own state.
pub(crate) struct Control {
    pub(super) sessions: Vec<Core>,
    pub(super) ending: Option<Ending>,
    /// Sessions are examined because their turn has come.
    pub(super) is_turn: bool,
}

/// One session.
pub(super) struct Core {
    pub(super) core: SessionCore<PlayedRuntime>,
    pub(super) commands: Commands,
    /// To be examined.
    pub(super) is_due: bool,
    /// To be destroyed in its turn.
    pub(super) is_ready: bool,
    pub(super) is_over: bool,
}

/// An operator.
pub(crate) fn who() -> Who {
    Who {
        uid: 0,
        gid: 0,
        pid: 1,
        command: "operator".into(),
        via: Via::Control,
    }
}

/// A request to destroy.
pub(crate) fn request(operation: Operation, wait_ns: Option<u64>, waits_for_turn: bool) -> Destroy {
    let deadline = wait_ns.map(|wait| instant(now_ns() + wait));
    Destroy {
        who: who(),
        operation,
        deadline,
        deadline_ms: wait_ns.map(|wait| wait / 1_000_000),
        waits_for_turn,
        stops: false,
        ticket: requests::ask(format!("{operation:?}")),
    }
}

impl Control {
    /// With a stopped core for each session.
    pub(crate) fn new(commands: Vec<Commands>) -> Self {
        let cores = commands.into_iter().enumerate().map(|(index, commands)| {
            let (frames, sends) = world(|world| {
                let sends = world.plan.sessions[index].sends;
                (world.sessions[index].frames.clone(), sends)
            });
            let name = SessionName::try_from(format!("s{index}")).expect("a name");
            let runtime = Box::new(PlayedRuntime::new(sends));
            let (direction, frames) = match sends {
                true => (Direction::Send, None),
                false => (Direction::Receive, Some(frames)),
            };
            let mut core = SessionCore::new(id(index), name, direction, runtime, frames, None);
            core.trace_up_to(if world(|world| world.is_traced) {
                TRACE
            } else {
                0
            });
            Core {
                core,
                commands,
                is_due: false,
                is_ready: false,
                is_over: false,
            }
        });
        Self {
            sessions: cores.collect(),
            ending: None,
            is_turn: false,
        }
    }

    /// Runs until every session is over, or something is wrong.
    pub(crate) fn run(&mut self) {
        let is_sound = || world(|world| world.violations.is_empty());
        while self.sessions.iter().any(|it| !it.is_over) && is_sound() {
            let messages = world(|world| world.mail.one_of_each());
            let is_idle = messages.is_empty();
            messages.into_iter().for_each(|it| self.receive(it));
            let has_worked = [
                self.examines() && self.examine(),
                self.tick(),
                self.end_some(),
            ];
            if is_idle && !has_worked.contains(&true) {
                self.check_ledgers();
                let next = world(|world| world.mail.next_at());
                let ticks = self.live().filter_map(|(_, it)| it.core.wake_at().map(ns));
                let until = ticks.chain(next).chain(self.ending_at());
                let until = until.min().unwrap_or(u64::MAX);
                park(until.max(now_ns() + 1));
            }
        }
    }

    pub(super) fn live(&self) -> impl Iterator<Item = (usize, &Core)> {
        self.sessions
            .iter()
            .enumerate()
            .filter(|(_, it)| !it.is_over)
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Core(session, event) => match self.refuses(&event) {
                true => super::answers::refuse(event),
                false => self.handle(session, event),
            },
            Message::Exit(remedy, grace) => self.begin_ending(remedy, grace),
            Message::ExitNow => self.force_ending(),
            Message::StrayRuntime(session) => {
                let it = &self.sessions[session];
                if !it.is_over && it.core.runtime().is_some() {
                    self.handle(session, Event::HandedBack(Box::default()));
                }
            }
            Message::LookedAtThreads(session, question) => {
                let answer = super::answers::look_at_threads(question);
                self.handle(session, answer);
            }
        }
    }

    /// Gives an event to a core, and does what it says.
    pub(super) fn handle(&mut self, index: usize, event: Event<PlayedRuntime>) {
        if self.sessions[index].is_over {
            super::answers::refuse(event);
            return;
        }
        if let Event::Admit(admission) = &event
            && !self.lets_in(index)
        {
            let number = admission.number;
            trace(|| format!("session {index}: lets {number} not in"));
            return oracle::refused(number);
        }
        trace(|| format!("session {index}: {}", super::answers::event_name(&event)));
        oracle::before(index, &event);
        let examines = matches!(
            event,
            Event::Stop | Event::HandedBack(_) | Event::Quarantine(_)
        );
        let is_stop = matches!(event, Event::Stop);
        if let (Event::HandedBack(_), Some(ending)) = (&event, &mut self.ending) {
            ending.handed_back(index);
        }
        let admitted = match &event {
            Event::Admit(admission) => Some(admission.number),
            _ => None,
        };
        let ends = ends_of_threads(&event);
        let credits = matches!(event, Event::ThreadsLookedAt { .. });
        let is_destroy = matches!(event, Event::Destroy(_) | Event::Abort(_));
        let changes_nothing = matches!(event, Event::Kicked(_) | Event::ThreadsEnded { .. });
        let leave_nothing = ends
            .as_ref()
            .is_some_and(|tasks| oracle::leave_nothing(index, tasks));
        world(|world| world.sessions[index].is_empty &= changes_nothing);
        let effects = self.sessions[index]
            .core
            .handle(event, facts(index), &view(index));
        if let Some(tasks) = ends
            && self.sessions[index].core.has_exits_to_settle()
        {
            oracle::noted(index, &tasks);
        }
        if leave_nothing && effects.iter().any(|it| matches!(it, Effect::Examine)) {
            violation(format!(
                "session {index}: examined because of threads that left nothing"
            ));
        }
        if is_stop {
            oracle::closed(index);
        }
        for effect in effects {
            self.execute(index, effect);
        }
        if let Some(number) = admitted {
            crate::kernel::let_in(number);
        }
        if let RuntimeHolder::Here(runtime) = self.sessions[index].core.place() {
            oracle::note_fates(&runtime.take_fates());
            if credits {
                oracle::credited(index, |number, frame| runtime.has(number, frame));
            }
        }
        if is_destroy {
            oracle::examined(index, true);
        }
        self.sessions[index].is_due |= examines;
        oracle::state(index, self.sessions[index].core.state());
        oracle::after();
        self.check(index);
    }

    /// After an event of a session, or an examination.
    fn check(&mut self, index: usize) {
        let has_work = self.has_work(index);
        let core = &self.sessions[index].core;
        let is_settled = core.state() == SessionState::Running && !core.has_exits_to_settle();
        oracle::waits(index, has_work, is_settled);
    }

    /// Nothing is to be done: each session whose runtime is here has the ledgers of all its clients.
    fn check_ledgers(&self) {
        for (index, it) in self
            .live()
            .filter(|(_, it)| it.commands.borrow().is_empty())
        {
            if let Some(runtime) = it.core.runtime() {
                let has = |number| runtime.lenders().any(|it| it.attachment() == number);
                let mut attached = it.core.clients().attached().map(|it| it.number);
                oracle::has_ledgers(index, attached.find(|number| !has(*number)));
            }
        }
    }

    /// Whether the daemon takes no such request any more.
    fn refuses(&self, event: &Event<PlayedRuntime>) -> bool {
        let is_new = matches!(
            event,
            Event::Start(_) | Event::Destroy(_) | Event::Abort(_) | Event::Evict(..)
        );
        self.ending.is_some() && is_new
    }

    fn lets_in(&self, index: usize) -> bool {
        let core = &self.sessions[index].core;
        let state = core.state();
        let is_there = !matches!(
            state,
            SessionState::Draining | SessionState::Quarantined | SessionState::Destroyed
        );
        is_there && !core.life().is_draining() && self.ending.is_none()
    }

    /// Examines what is due, all of it together. Returns whether something was.
    fn examine(&mut self) -> bool {
        let due = self.examine_where(Examination::Due, |it| std::mem::take(&mut it.is_due));
        due | self.examine_where(Examination::InTurn, |it| std::mem::take(&mut it.is_ready))
    }

    pub(super) fn examine_where(
        &mut self,
        why: Examination,
        mut wanted: impl FnMut(&mut Core) -> bool,
    ) -> bool {
        let all = self.sessions.iter_mut().enumerate();
        let mut all: Vec<_> = all.filter(|(_, it)| !it.is_over).collect();
        all.retain_mut(|(_, it)| wanted(it));
        if all.is_empty() {
            return false;
        }
        trace(|| {
            format!(
                "examine {:?} {why:?}",
                all.iter().map(|it| it.0).collect::<Vec<_>>()
            )
        });
        world(|world| world.is_in_event = true);
        let indices: Vec<usize> = all.iter().map(|it| it.0).collect();
        let calls = indices.iter().map(|it| oracle::calls_if_empty(*it));
        let calls: Vec<_> = calls.collect();
        let views: Vec<_> = indices.iter().map(|index| view(*index)).collect();
        let members = all.iter_mut().zip(&views);
        let members = members.map(|((_, it), view)| Examined {
            facts: facts(index_of(it.core.id())),
            core: &mut it.core,
            view,
        });
        let done = examine_together(members.collect(), why);
        for (index, before) in indices.into_iter().zip(calls) {
            let core = &self.sessions[index].core;
            let is_stopped = matches!(core.state(), SessionState::Stopped | SessionState::Draining);
            let is_idle = is_stopped && core.runtime().is_some();
            let is_empty = is_idle && before.is_some() && oracle::calls_if_empty(index) == before;
            world(|world| world.sessions[index].is_empty = is_empty);
        }
        self.is_turn = why == Examination::InTurn;
        for (of, effects) in done {
            let index = index_of(of);
            for effect in effects {
                self.execute(index, effect);
            }
            oracle::state(index, self.sessions[index].core.state());
            self.check(index);
            let it = &self.sessions[index];
            if !it.is_over && it.core.state() == SessionState::Draining {
                oracle::examined(index, it.core.has_exits_to_settle());
            }
        }
        self.is_turn = false;
        oracle::after();
        true
    }

    /// Gives a tick to each session whose time has come. Returns whether one was.
    fn tick(&mut self) -> bool {
        let now = now_ns();
        let due = |it: &Core| it.core.wake_at().is_some_and(|at| ns(at) <= now);
        let due: Vec<usize> = self
            .live()
            .filter(|(_, it)| due(it))
            .map(|(at, _)| at)
            .collect();
        for &index in &due {
            let has_work = self.has_work(index);
            oracle::check_timer(index, has_work);
            self.handle(index, Event::Tick);
            self.examine();
            let it = &self.sessions[index];
            let again = it.core.wake_at().filter(|_| !it.is_over).map(ns);
            oracle::ticked(index, now, again);
        }
        !due.is_empty()
    }

    /// Whether something else than a timer will come for it.
    fn has_work(&mut self, index: usize) -> bool {
        let it = &mut self.sessions[index];
        it.is_due
            || it.core.state() != SessionState::Draining
            || it.core.clients().is_looking_at_sites()
            || it.core.has_exits_to_settle()
            || it.core.runtime().is_none()
            || it
                .core
                .life()
                .steps()
                .iter()
                .any(|it| it.step == StepName::LastUserLeft)
    }
}

/// The threads that have ended, if the event says so.
fn ends_of_threads(event: &Event<PlayedRuntime>) -> Option<Vec<usize>> {
    match event {
        Event::ThreadsEnded { exits, .. } => {
            Some(exits.iter().map(|it| it.own_tid as usize - 1).collect())
        }
        _ => None,
    }
}
