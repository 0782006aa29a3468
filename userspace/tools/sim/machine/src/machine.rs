//! The machine, as the engine has it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_api::{EventKind, PtpHealth, PtpState};
use onair_dataplane::Dataplane;
use onair_engine::clock::Clocks;
use onair_engine::machine::{
    FilterError, Later, Machine, Recordings, Reference, Shutdown, Surroundings, Timing,
};
use onair_shares::Usage;

use crate::Shared;
use crate::processes::SimulatedProcesses;
use crate::time::{Tasks, Time};

/// The engine's machine in a [`World`](crate::World).
#[derive(Debug)]
pub struct SimulatedMachine {
    pub(crate) clock: Clocks,
    time: Arc<Time>,
    dataplane: Dataplane,
    pub(crate) shared: Shared,
    pub(crate) looks: SimulatedProcesses,
    ptp: PtpHealth,
    /// Memory that is told of the daemon's death.
    pub(crate) hung: usize,
}

impl SimulatedMachine {
    pub(crate) fn new(time: Arc<Time>, dataplane: Dataplane, shared: Shared) -> Self {
        let clock: Clocks = time.clone();
        Self {
            looks: SimulatedProcesses {
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

    fn convert(&self, _: BTreeMap<u64, u64>) {}

    fn check_converter(&self) -> Result<(), String> {
        match self.shared.lock().has_no_converter {
            true => Err("onair-convert: no such file".to_owned()),
            false => Ok(()),
        }
    }

    fn end_converter(&self, pid: u32) {
        self.shared.lock().ended_converters.push(pid);
    }

    fn conversion_fault(&self, _: u64) -> Option<String> {
        None
    }

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
