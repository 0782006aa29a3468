//! The machine, as the engine has it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_api::{EventKind, PtpHealth, PtpState, SessionId};
use onair_dataplane::Dataplane;
use onair_engine::clock::Clocks;
use onair_engine::machine::{
    Charge, FilterError, Later, Machine, MemoryReturn, Recordings, Reference, Shutdown,
    Surroundings, Timing,
};
use onair_ipc::memfd::Memfd;
use onair_probe::share::Usage;
use onair_session::RetiredMemory;

use crate::Shared;
use crate::processes::Looks;
use crate::time::{Tasks, Time};

/// The engine's machine in a [`World`](crate::World).
#[derive(Debug)]
pub struct SimulatedMachine {
    pub(crate) clock: Clocks,
    time: Arc<Time>,
    dataplane: Dataplane,
    pub(crate) shared: Shared,
    pub(crate) looks: Looks,
    ptp: PtpHealth,
    /// Memory that is told of the daemon's death.
    pub(crate) hung: usize,
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

impl Timing for SimulatedMachine {
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
}

impl Machine for SimulatedMachine {
    fn dataplane(&self) -> &Dataplane {
        &self.dataplane
    }

    fn dataplane_mut(&mut self) -> &mut Dataplane {
        &mut self.dataplane
    }

    fn recordings(&self) -> &dyn Recordings {
        &self.shared
    }

    fn shutdown(&self) -> &dyn Shutdown {
        &self.shared
    }
}

impl MemoryReturn for SimulatedMachine {
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
}

impl Surroundings for SimulatedMachine {
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

    fn set_log_filter(&self, _: &str) -> Result<(), FilterError> {
        Ok(())
    }

    fn dropped_log_lines(&self) -> u64 {
        0
    }

    fn heap_bytes(&self) -> u64 {
        0
    }
}
