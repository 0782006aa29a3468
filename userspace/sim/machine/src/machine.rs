//! The machine, as the engine has it.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_api::{
    EventKind, ProbeMode, ProbeState, Problem, PtpHealth, PtpState, SessionId, Timestamp,
};
use onair_dataplane::Dataplane;
use onair_engine::clients::inspection::{Inspection, InspectionTask};
use onair_engine::clients::processes::Processes;
use onair_engine::clock::Clocks;
use onair_engine::machine::{Charge, Later, Machine, Reference, Watching};
use onair_ipc::memfd::Memfd;
use onair_ipc::memory::AttachmentMemory;
use onair_probe::share::Usage;
use onair_probe::{ProbeError, Proof, SiteReading, Waiter};
use onair_session::{RetiredMemory, Walk};

use crate::Shared;
use crate::probe::SimulatedWalk;
use crate::processes::Looks;
use crate::time::{Tasks, Time};

/// The engine's machine in a [`World`](crate::World).
#[derive(Debug)]
pub struct SimulatedMachine {
    clock: Clocks,
    time: Arc<Time>,
    dataplane: Dataplane,
    shared: Shared,
    looks: Looks,
    ptp: PtpHealth,
    /// Memory that is told of the daemon's death.
    hung: usize,
}

impl SimulatedMachine {
    pub(crate) fn new(time: Arc<Time>, dataplane: Dataplane, shared: Shared) -> Self {
        let clock: Clocks = time.clone();
        Self {
            looks: Looks {
                shared: shared.clone(),
                now: clock.now(),
            },
            clock,
            time,
            dataplane,
            shared,
            ptp: PtpHealth::empty(PtpState::Off, None),
            hung: 0,
        }
    }
}

impl Machine for SimulatedMachine {
    fn clock(&self) -> &Clocks {
        &self.clock
    }

    fn pause(&self, time: Duration) {
        self.time.pass(time);
    }

    fn spawn(&self, work: Later<()>) {
        Tasks::add(work);
    }

    fn sleep_until(&self, at: Instant) -> Later<()> {
        self.time.sleep_until(at)
    }

    fn dataplane(&self) -> &Dataplane {
        &self.dataplane
    }

    fn dataplane_mut(&mut self) -> &mut Dataplane {
        &mut self.dataplane
    }

    fn probe_state(&self) -> (ProbeState, Option<String>) {
        (ProbeState::Watching, None)
    }

    fn probe_mode(&self) -> ProbeMode {
        ProbeMode::Required
    }

    fn set_probe_mode(&mut self, _: ProbeMode) {}

    fn canary_at(&self) -> Option<Timestamp> {
        None
    }

    fn test_probe(&self) {}

    fn check_probe(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn waiters(&self, session: u64) -> Vec<Waiter> {
        let now_ns = self.clock.monotonic_ns();
        self.shared.lock().crowd.waiters(session, now_ns)
    }

    fn blocked(&self, _: u32) -> Option<Result<u64, ProbeError>> {
        None
    }

    fn walk(&self, _: &[SessionId]) -> Box<dyn Walk + '_> {
        Box::new(SimulatedWalk {
            shared: self.shared.clone(),
            now_ns: self.clock.monotonic_ns(),
        })
    }

    fn register(&self, _: &Proof, _: u64, _: u64, _: u32) -> Result<(), ProbeError> {
        Ok(())
    }

    fn unregister(&self, _: u32, _: u64, _: u64) -> Result<(), ProbeError> {
        Ok(())
    }

    fn watching(&self) -> Watching {
        Watching::Required
    }

    fn probe_usage(&self) -> Vec<Usage> {
        Vec::new()
    }

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

    fn is_sole(&self, file: &Memfd) -> io::Result<bool> {
        file.is_sole_user()
    }

    fn give_back(&self, _: Charge, memory: RetiredMemory) {
        drop(memory);
    }

    fn is_returning(&self, _: SessionId) -> bool {
        false
    }

    fn when_returned(&self, _: SessionId) -> Later<()> {
        Box::pin(std::future::ready(()))
    }

    fn returning(&self) -> Vec<(u32, u64)> {
        Vec::new()
    }

    fn pinned(&self) -> Vec<(Charge, u64)> {
        Vec::new()
    }

    fn pinned_due(&self) -> Option<Instant> {
        None
    }

    fn ask_for_pinned(&mut self, _: Instant) {}

    fn follow_ptp(&mut self, _: Instant) -> Vec<EventKind> {
        Vec::new()
    }

    fn ptp_health(&self) -> &PtpHealth {
        &self.ptp
    }

    fn ptp_reference(&self) -> (Option<Reference>, u64) {
        (None, 0)
    }

    fn journal_problem(&self) -> Option<String> {
        None
    }

    fn file_problem(&self) -> Option<String> {
        None
    }

    fn note_file(&self, _: Option<String>) {}

    fn connections(&self) -> Vec<Usage> {
        Vec::new()
    }
}
