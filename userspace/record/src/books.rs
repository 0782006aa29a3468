//! The books of each producer: what arrived, and what became of it. They balance to the event.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Why an event was not accepted: each is counted under exactly one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The ring was full: the disk, or the drain thread, did not keep up.
    pub ring_full: u64,
    /// Less space was free than is to stay free.
    pub disk_full: u64,
    /// The files could not be written for another reason.
    pub disk_fault: u64,
    /// The recording had been told to accept no more.
    pub not_accepting: u64,
}

impl Dropped {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.ring_full + self.disk_full + self.disk_fault + self.not_accepting
    }
}

/// Why an accepted event is in no file: each is counted under exactly one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The recording ended while there was too little space.
    pub disk_full: u64,
    /// The recording ended while the files could not be written, or an fsync failed.
    pub disk_fault: u64,
    /// It was in a file that somebody removed while it was being written.
    pub removed: u64,
    /// Video: a packet of a frame that did not come whole.
    pub incomplete_frame: u64,
    /// Video: a packet that is of no frame: malformed, doubled, late, of another flow, cut short.
    pub no_frame: u64,
    /// The daemon was gone before it was written; of a repaired recording only.
    pub killed: u64,
}

impl Lost {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.disk_full
            + self.disk_fault
            + self.removed
            + self.incomplete_frame
            + self.no_frame
            + self.killed
    }
}

/// The books at one time. `arrived = accepted + dropped` and
/// `accepted = written + lost + pending`, always; `pending` is 0 once the recording has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Events that were offered.
    pub arrived: u64,
    /// Of these, those that the ring took.
    pub accepted: u64,
    /// Of these, the others.
    pub dropped: Dropped,
    /// Accepted events that are in a file, whole.
    pub written: u64,
    /// Captured bytes of these, without the file format's own.
    pub written_bytes: u64,
    /// Accepted events that will be in no file.
    pub lost: Lost,
    /// Accepted events that are under way: in the ring, in a frame, in a block.
    pub pending: u64,
}

impl Counts {
    /// Adds up.
    pub fn add(&mut self, other: &Self) {
        self.arrived += other.arrived;
        self.accepted += other.accepted;
        self.dropped.ring_full += other.dropped.ring_full;
        self.dropped.disk_full += other.dropped.disk_full;
        self.dropped.disk_fault += other.dropped.disk_fault;
        self.dropped.not_accepting += other.dropped.not_accepting;
        self.written += other.written;
        self.written_bytes += other.written_bytes;
        self.lost.disk_full += other.lost.disk_full;
        self.lost.disk_fault += other.lost.disk_fault;
        self.lost.removed += other.lost.removed;
        self.lost.incomplete_frame += other.lost.incomplete_frame;
        self.lost.no_frame += other.lost.no_frame;
        self.lost.killed += other.lost.killed;
        self.pending += other.pending;
    }

    /// Whether both sums are right.
    #[must_use]
    pub const fn balance(&self) -> bool {
        self.arrived == self.accepted + self.dropped.total()
            && self.accepted == self.written + self.lost.total() + self.pending
    }
}

/// One producer, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerCounts {
    /// As it was given when the producer was made.
    pub name: String,
    /// Its books.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What accepted events were lost to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    DiskFull,
    DiskFault,
    Removed,
    IncompleteFrame,
    NoFrame,
}

/// The producer's side of the books, in cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Tally {
    pub(crate) accepted: AtomicU64,
    pub(crate) ring_full: AtomicU64,
    pub(crate) disk_full: AtomicU64,
    pub(crate) disk_fault: AtomicU64,
    pub(crate) not_accepting: AtomicU64,
}

/// The drain thread's side.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Outcome {
    /// Taken out of the ring.
    taken: AtomicU64,
    written: AtomicU64,
    written_bytes: AtomicU64,
    lost: [AtomicU64; 5],
}

/// The books of one producer as they are kept. Each counter has one writer, and is relaxed.
#[derive(Debug)]
pub(crate) struct ProducerTotals {
    pub(crate) name: String,
    /// Odd while the producer is between its look at the door and the end of its work.
    pub(crate) visit: AtomicU64,
    pub(crate) tally: Tally,
    outcome: Outcome,
}

/// One writer: a load and a store.
#[inline]
pub(crate) fn add(counter: &AtomicU64, more: u64) {
    let sum = counter.load(Ordering::Relaxed).wrapping_add(more);
    counter.store(sum, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl ProducerTotals {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            visit: AtomicU64::new(0),
            tally: Tally::default(),
            outcome: Outcome::default(),
        }
    }

    pub(crate) fn take(&self, events: u64) {
        add(&self.outcome.taken, events);
    }

    pub(crate) fn write(&self, events: u64, bytes: u64) {
        add(&self.outcome.written, events);
        add(&self.outcome.written_bytes, bytes);
    }

    pub(crate) fn lose(&self, loss: Loss, events: u64) {
        add(&self.outcome.lost[loss as usize], events);
    }

    /// What was written is no more: its file was removed.
    pub(crate) fn unwrite(&self, loss: Loss, events: u64, bytes: u64) {
        let outcome = &self.outcome;
        add(&outcome.written, events.wrapping_neg());
        add(&outcome.written_bytes, bytes.wrapping_neg());
        self.lose(loss, events);
    }

    pub(crate) fn taken(&self) -> u64 {
        get(&self.outcome.taken)
    }

    pub(crate) fn accepted(&self) -> u64 {
        get(&self.tally.accepted)
    }

    pub(crate) fn dropped(&self) -> Dropped {
        Dropped {
            ring_full: get(&self.tally.ring_full),
            disk_full: get(&self.tally.disk_full),
            disk_fault: get(&self.tally.disk_fault),
            not_accepting: get(&self.tally.not_accepting),
        }
    }

    /// The books now. While events flow, a counter that is read later may be some events ahead:
    /// what was written is read first, so that nothing is ever written that was not accepted.
    pub(crate) fn counts(&self) -> Counts {
        let lost = |loss: Loss| get(&self.outcome.lost[loss as usize]);
        let written = get(&self.outcome.written);
        let written_bytes = get(&self.outcome.written_bytes);
        let lost = Lost {
            disk_full: lost(Loss::DiskFull),
            disk_fault: lost(Loss::DiskFault),
            removed: lost(Loss::Removed),
            incomplete_frame: lost(Loss::IncompleteFrame),
            no_frame: lost(Loss::NoFrame),
            killed: 0,
        };
        let settled = written + lost.total();
        // An event is in the ring a moment before it is counted.
        let accepted = self.accepted().max(settled);
        let dropped = self.dropped();
        Counts {
            arrived: accepted + dropped.total(),
            accepted,
            dropped,
            written,
            written_bytes,
            lost,
            pending: accepted - settled,
        }
    }

    pub(crate) fn report(&self) -> ProducerCounts {
        ProducerCounts {
            name: self.name.clone(),
            counts: self.counts(),
        }
    }
}
