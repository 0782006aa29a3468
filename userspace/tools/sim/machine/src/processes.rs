//! The client processes.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use onair_engine::clients::inspection::{Inspection, InspectionTask};
use onair_engine::clients::processes::{Processes, Thread, Threads};
use onair_engine::machine::ClientAccess;
use onair_ipc::memory::AttachmentMemory;
use onair_probe::{Blind, SiteReading, Waiter};

use crate::{Shared, SimulatedMachine};

/// The first process's number.
const FIRST: u32 = 1000;

/// How long a look at a client's sites takes.
const LOOK: Duration = Duration::from_micros(200);

/// How the threads that look at processes behave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Helpers {
    /// They answer at once.
    #[default]
    Work,
    /// They answer when they work again; the engine gives up on them before.
    Hang,
    /// They find no client's sites.
    FindNothing,
}

/// The living processes, and their callers.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    begun: u32,
    living: Vec<u32>,
    /// Blocked callers, by session and attachment.
    blocked: BTreeMap<(u64, u64), u64>,
    pub(crate) helpers: Helpers,
    /// Questions that wait, with the time at which the engine gives up.
    questions: Vec<(Instant, Inspection)>,
}

impl Crowd {
    pub(crate) fn begin(&mut self) -> u32 {
        let pid = FIRST + self.begun;
        self.begun += 1;
        self.living.push(pid);
        pid
    }

    pub(crate) fn end(&mut self, pid: u32) {
        self.living.retain(|it| *it != pid);
    }

    pub(crate) fn set_blocked(&mut self, session: u64, attachment: u64, callers: u64) {
        self.blocked.insert((session, attachment), callers);
    }

    /// The callers that the kernel sees blocked in a session.
    pub(crate) fn waiters(&self, session: u64, now_ns: u64) -> Vec<Waiter> {
        let of = self.blocked.range((session, 0)..=(session, u64::MAX));
        let each = of.flat_map(|((_, attachment), callers)| (0..*callers).map(|_| *attachment));
        let waiters = each.zip(FIRST..).map(|(attachment, tid)| Waiter {
            tgid: tid,
            tid,
            ns_tgid: tid,
            ns_tid: tid,
            own_tid: tid,
            attachment,
            session,
            since: now_ns,
            start_boottime: 0,
            comm: "caller".into(),
            inode: 0,
        });
        waiters.collect()
    }
}

/// The engine's looks at them.
#[derive(Debug)]
pub(crate) struct SimulatedProcesses {
    pub(crate) shared: Shared,
    pub(crate) now: Instant,
}

impl SimulatedProcesses {
    fn lives(&self, pid: u32) -> bool {
        self.shared.lock().crowd.living.contains(&pid)
    }
}

impl Processes for SimulatedProcesses {
    fn now(&self) -> Instant {
        self.now
    }

    fn command_of(&self, _: u32) -> String {
        "client".into()
    }

    fn thread(&self, pid: u32, tid: u32) -> Option<Thread> {
        self.lives(pid).then(|| Thread {
            tid,
            own_tid: tid,
            name: "caller".into(),
            state: "sleeping".into(),
            started_ticks: 0,
            is_ending: false,
            is_exiting: false,
        })
    }

    fn threads(&self, pid: u32) -> Box<dyn Threads> {
        Box::new(OfProcess(self.lives(pid)))
    }

    fn wait_channel(&self, _: u32, _: u32) -> Option<String> {
        None
    }

    fn goes_on(&self, pid: u32, _: u32, _: u32, _: u64) -> bool {
        self.lives(pid)
    }

    fn is_ending(&self, pid: u32) -> bool {
        !self.lives(pid)
    }

    fn is_stopped(&self, _: u32) -> bool {
        false
    }

    fn started_ticks(&self, pid: u32) -> Option<u64> {
        self.lives(pid).then_some(0)
    }
}

/// The threads of a process, which live as long as it does.
#[derive(Debug)]
struct OfProcess(bool);

impl Threads for OfProcess {
    fn find(&self, _: u32) -> Option<Thread> {
        None
    }

    fn has(&self, _: u32, _: u64) -> bool {
        self.0
    }
}

impl ClientAccess for SimulatedMachine {
    fn inspect(&self, inspection: Inspection) {
        let due = self.clock.now() + inspection.limit;
        let crowd = &mut self.shared.lock().crowd;
        crowd.questions.push((due, inspection));
    }

    fn inspections_due(&self) -> Option<Instant> {
        let questions = &self.shared.lock().crowd.questions;
        questions.iter().map(|(due, _)| *due).min()
    }

    fn expire_inspections(&self, now: Instant) {
        let late: Vec<_> = {
            let questions = &mut self.shared.lock().crowd.questions;
            questions.extract_if(.., |(due, _)| *due <= now).collect()
        };
        for (_, question) in late {
            let found = (question.late)(&self.looks);
            self.shared.lock().findings.push(found);
        }
    }

    fn processes(&self) -> &dyn Processes {
        &self.looks
    }

    fn hang(&mut self, _: &AttachmentMemory) -> Result<usize, String> {
        self.hung += 1;
        Ok(self.hung)
    }

    fn unhang(&mut self, _: usize) {}

    fn guard(&mut self, _: BorrowedFd<'_>, _: (u64, u64)) {}

    fn touched(&mut self) -> Vec<(u64, u64)> {
        Vec::new()
    }

    fn guard_problem(&self) -> Option<String> {
        None
    }
}

impl Shared {
    /// The threads answer what was asked, if they do. Returns whether there was anything.
    pub(crate) fn answer_questions(&self, now: Instant) -> bool {
        let (helpers, questions) = {
            let crowd = &mut self.lock().crowd;
            let questions = match crowd.helpers {
                Helpers::Hang => Vec::new(),
                Helpers::Work | Helpers::FindNothing => std::mem::take(&mut crowd.questions),
            };
            (crowd.helpers, questions)
        };
        // What follows looks at the processes.
        let looks = SimulatedProcesses {
            shared: self.clone(),
            now,
        };
        let has_some = !questions.is_empty();
        for (_, question) in questions {
            let found = match question.look {
                InspectionTask::Alone(look) => look(&looks),
                InspectionTask::Sites(_, tell) => {
                    let seen = match helpers {
                        Helpers::FindNothing => Err(Blind::AddressSpaceGone),
                        _ => Ok(SiteReading { asleep: Vec::new() }),
                    };
                    tell(seen, LOOK)
                }
            };
            self.lock().findings.push(found);
        }
        has_some
    }
}
