//! Reads the witnesses of one session.

use onair_api::{Reading, Says};
use onair_ipc::fence::Fence;
use onair_ipc::memory::AttachmentMemory;
use onair_mutant::mutant;

use crate::boundary::runtime::Runtime;
use crate::boundary::view::Walk;
use crate::state::{SessionCore, Turn};
use crate::witness::{self, counters, ownership};

impl<R: Runtime> SessionCore<R> {
    /// Arms the kicks, makes the callers' stores visible, settles what is here, and reads the
    /// witnesses: W1 first, so that a caller that follows the protocol and that W1 does not see is
    /// not in W2 either.
    pub(crate) fn read(&mut self, turn: &Turn<'_, R>, ask_probe: bool) -> Vec<Reading> {
        let fence = Fence::with_kicks(self.to_arm());
        let counted = self.count(turn, &fence);
        let walk = ask_probe.then(|| turn.view.walk(&[self.id]));
        let mut readings = self.readings(turn, counted, walk.as_deref());
        if ask_probe {
            self.add_mapping(turn, &mut readings);
        }
        readings
    }

    /// Adds W4, if it is not there. A destroy does not need it: the driver adds it to the certificate
    /// when it frees the memory.
    pub(crate) fn add_mapping(&self, turn: &Turn<'_, R>, readings: &mut Vec<Reading>) {
        if readings.iter().all(|it| it.name != witness::MAPPING) {
            readings.push(turn.view.mapping(&self.memory()));
        }
    }

    /// The memories whose kicks an examination arms.
    pub(crate) fn to_arm(&self) -> impl Iterator<Item = &AttachmentMemory> {
        let memories = self.clients.memories();
        memories.filter(|_| !mutant!("drain: arms no kick"))
    }

    /// Settles what is here, and reads W1 as of `fence`.
    pub(crate) fn count(&mut self, turn: &Turn<'_, R>, fence: &Fence) -> [Reading; 2] {
        self.settle(turn.view);
        let now_ns = || turn.moment().monotonic_ns;
        let evicted_clients = self.clients.evicted.list.values();
        let slots = counters::slots(
            |words| turn.view.calls_at(words, fence),
            self.clients.memories(),
            evicted_clients.map(|it| &*it.attachment.memory),
            now_ns,
        );
        [slots, counters::ledger(self.loaned(turn.view), now_ns())]
    }

    /// The readings that decide: W1 as `counted`, W2 from `walk` if there is one, W3.
    pub(crate) fn readings(
        &self,
        turn: &Turn<'_, R>,
        counted: [Reading; 2],
        walk: Option<&dyn Walk>,
    ) -> Vec<Reading> {
        let mut readings = Vec::from(counted);
        if let Some(walk) = walk {
            let is_out: &dyn Fn(u64) -> bool = &|attachment| self.is_evicted(attachment);
            let has_out = !self.clients.evicted.list.is_empty();
            let mut sites = self.sites(turn.now());
            let out = has_out.then_some(is_out);
            readings.push(turn.view.probe(walk, self.id, &mut sites, out));
        }
        let is_here = self.runtime().is_some();
        readings.push(ownership::pollers(is_here, turn.moment().monotonic_ns));
        readings
    }
}

/// What each witness says.
#[derive(Clone, Copy)]
pub(crate) struct WitnessReadings {
    pub(crate) slots: Says,
    pub(crate) ledger: Says,
    pub(crate) probe: Says,
    pub(crate) pollers: Says,
}

impl WitnessReadings {
    pub(crate) fn of(readings: &[Reading]) -> Self {
        let says = |name: &str| {
            let reading = readings.iter().find(|reading| reading.name == name);
            reading.map_or(Says::NotApplicable, |reading| reading.says)
        };
        Self {
            slots: says(witness::SLOTS),
            ledger: says(witness::LEDGER),
            probe: says(witness::PROBE),
            pollers: says(witness::POLLERS),
        }
    }

    pub(crate) fn no_caller_or_loan(self) -> bool {
        self.slots == Says::Zero && self.ledger == Says::Zero
    }
}
