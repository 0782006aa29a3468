//! Reads the witnesses of one session.

use onair_api::{Reading, Says};
use onair_ipc::fence::Fence;
use onair_ipc::memory::AttachmentMemory;
use onair_mutant::mutant;

use crate::boundary::runtime::Runtime;
use crate::boundary::view::Walk;
use crate::state::{Parts, Turn};
use crate::witness::{self, counters, ownership};

/// One session of an examination: it reads its witnesses (`witness/readings.rs`), and acts on what they say
/// (`drain.rs`).
pub(crate) struct Member<'m, 'v, R> {
    pub(crate) parts: &'m mut Parts,
    pub(crate) turn: &'m mut Turn<'v, R>,
    /// W1, when it was read.
    pub(crate) counted: Option<[Reading; 2]>,
}

impl<'m, 'v, R: Runtime> Member<'m, 'v, R> {
    pub(crate) fn new(parts: &'m mut Parts, turn: &'m mut Turn<'v, R>) -> Self {
        let counted = None;
        Self {
            parts,
            turn,
            counted,
        }
    }
}

impl<R: Runtime> Member<'_, '_, R> {
    /// Arms the kicks, makes the callers' stores visible, settles what is here, and reads all
    /// witnesses: W1 first, so that W2 never shows a conforming caller that W1 missed.
    pub(crate) fn read(&mut self) -> Vec<Reading> {
        let fence = Fence::with_kicks(self.to_arm());
        let counted = self.count(&fence);
        let walk = self.turn.view.walk(&[self.turn.life.id]);
        let mut readings = self.readings(counted, Some(&*walk));
        self.add_mapping(&mut readings);
        readings
    }

    /// Adds W4, if it is not there. A destroy does not need it: the driver adds it to the certificate
    /// when it frees the memory.
    pub(crate) fn add_mapping(&self, readings: &mut Vec<Reading>) {
        if readings.iter().all(|it| it.name != witness::MAPPING) {
            readings.push(self.turn.view.mapping(&self.parts.memory(self.turn.life)));
        }
    }

    /// The memories whose kicks an examination arms.
    pub(crate) fn to_arm(&self) -> impl Iterator<Item = &AttachmentMemory> {
        let memories = self.parts.clients.memories();
        memories.filter(|_| !mutant!("drain: arms no kick"))
    }

    /// Settles what is here, and reads W1 as of `fence`.
    pub(crate) fn count(&mut self, fence: &Fence) -> [Reading; 2] {
        self.parts.clients.settle(self.turn);
        let (view, clients) = (self.turn.view, &self.parts.clients);
        let now_ns = || view.moment().monotonic_ns;
        let slots = counters::slots(
            |words| view.calls_at(words, fence),
            clients.memories(),
            clients.evicted().map(|it| &*it.attachment.memory),
            now_ns,
        );
        [
            slots,
            counters::ledger(self.turn.life.loaned(view), now_ns()),
        ]
    }

    /// All readings, in order. Of a `walk`, W2; without, the probe is not asked.
    pub(crate) fn readings(&self, counted: [Reading; 2], walk: Option<&dyn Walk>) -> Vec<Reading> {
        let (turn, parts) = (&self.turn, &self.parts);
        let mut readings = Vec::from(counted);
        if let Some(walk) = walk {
            let is_out: &dyn Fn(u64) -> bool = &|attachment| parts.clients.is_evicted(attachment);
            let has_out = !parts.clients.evicted.list.is_empty();
            let mut sites = parts.site_schedule.known(&parts.clients, turn.now());
            let out = has_out.then_some(is_out);
            readings.push(turn.view.probe(walk, turn.life.id, &mut sites, out));
        }
        let is_here = turn.life.runtime().is_some();
        readings.push(ownership::pollers(is_here, turn.moment().monotonic_ns));
        readings
    }
}

/// The reading of each witness.
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
