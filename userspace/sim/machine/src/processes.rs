//! The client processes.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use onair_engine::clients::inspection::{Inspection, InspectionTask};
use onair_engine::clients::processes::{Processes, Thread, Threads};
use onair_engine::machine::ClientAccess;
use onair_ipc::memory::AttachmentMemory;
use onair_probe::{SiteReading, Waiter};

use crate::{Shared, SimulatedMachine};

/// The first process's number.
const FIRST: u32 = 1000;

/// The living processes, and their callers.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    begun: u32,
    living: Vec<u32>,
    /// Blocked callers, by session and attachment.
    blocked: BTreeMap<(u64, u64), u64>,
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

/// What the engine asks about them.
#[derive(Debug)]
pub(crate) struct Looks {
    pub(crate) shared: Shared,
    pub(crate) now: Instant,
}

impl Looks {
    fn lives(&self, pid: u32) -> bool {
        self.shared.lock().crowd.living.contains(&pid)
    }
}

impl Processes for Looks {
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
        let found = match inspection.look {
            InspectionTask::Alone(look) => look(&self.looks),
            InspectionTask::Sites(_, tell) => {
                tell(Ok(SiteReading { asleep: Vec::new() }), Duration::ZERO)
            }
        };
        self.shared.lock().findings.push(found);
    }

    fn inspections_due(&self) -> Option<Instant> {
        None
    }

    fn expire_inspections(&self, _: Instant) {}

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
