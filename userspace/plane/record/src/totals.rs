//! Counts of each producer: events that arrived, and their fates. They balance exactly.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Why an event was not accepted. Each event counts under exactly one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The ring was full: the disk or the drain thread was too slow.
    pub ring_full: u64,
    /// Free space on the disk was below the reserve.
    pub disk_full: u64,
    /// The files could not be written for another reason.
    pub disk_fault: u64,
    /// The recording had stopped accepting.
    pub not_accepting: u64,
}

impl Dropped {
    /// Sum of all reasons.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.ring_full + self.disk_full + self.disk_fault + self.not_accepting
    }
}

/// Why an accepted event is in no file. Each event counts under exactly one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The recording ended while free space was too low.
    pub disk_full: u64,
    /// The recording ended while the files could not be written, or an fsync failed.
    pub disk_fault: u64,
    /// Its file was removed from outside while it was being written.
    pub removed: u64,
    /// The daemon died before the event was written. Only in a repaired recording.
    pub killed: u64,
}

impl Lost {
    /// Sum of all reasons.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.disk_full + self.disk_fault + self.removed + self.killed
    }
}

/// Counts at one time. Always `arrived = accepted + dropped` and `accepted = written + lost +
/// pending`; `pending` is 0 once the recording has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Events offered.
    pub arrived: u64,
    /// Events that the ring took.
    pub accepted: u64,
    /// Events that the ring did not take, by reason.
    pub dropped: Dropped,
    /// Accepted events that are in a file, complete.
    pub written: u64,
    /// Captured bytes of the written events, without the file format's own.
    pub written_bytes: u64,
    /// Accepted events that are in no file, by reason.
    pub lost: Lost,
    /// Accepted events in the ring or in a block.
    pub pending: u64,
}

impl Counts {
    /// Adds `other` to each count.
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
        self.lost.killed += other.lost.killed;
        self.pending += other.pending;
    }

    /// Events that the recorder or its disk failed to keep. Not those after the end.
    #[must_use]
    pub const fn missing(&self) -> u64 {
        // No `..`: a new reason must be judged here.
        let Dropped {
            ring_full,
            disk_full,
            disk_fault,
            not_accepting: _,
        } = self.dropped;
        let Lost {
            disk_full: unwritten,
            disk_fault: broken,
            removed,
            killed,
        } = self.lost;
        ring_full + disk_full + disk_fault + unwritten + broken + removed + killed
    }

    /// Whether both sums are correct.
    #[must_use]
    pub const fn balance(&self) -> bool {
        self.arrived == self.accepted + self.dropped.total()
            && self.accepted == self.written + self.lost.total() + self.pending
    }
}

/// Counts of one producer, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerCounts {
    /// Name of the producer, as given when it was created.
    pub name: String,
    /// Its counts.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Reasons for the loss of accepted events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    DiskFull,
    DiskFault,
    Removed,
}

/// Counters that the producer writes, in their own cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Tally {
    pub(crate) accepted: AtomicU64,
    pub(crate) ring_full: AtomicU64,
    pub(crate) disk_full: AtomicU64,
    pub(crate) disk_fault: AtomicU64,
    pub(crate) not_accepting: AtomicU64,
}

/// Counters that the drain thread writes.
#[derive(Debug, Default)]
#[repr(align(128))]
struct EventCounts {
    /// Events taken out of the ring.
    taken: AtomicU64,
    written: AtomicU64,
    written_bytes: AtomicU64,
    lost: [AtomicU64; 3],
}

/// Counters of one producer. Each has one writer, and all accesses are relaxed.
#[derive(Debug)]
pub(crate) struct ProducerTotals {
    pub(crate) name: String,
    /// Odd while the producer is between its check of the door and the end of its work.
    pub(crate) visit: AtomicU64,
    pub(crate) tally: Tally,
    outcome: EventCounts,
}

/// Call only from the one writer: a load and a store.
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
            outcome: EventCounts::default(),
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

    /// Moves written events to lost: their file was removed.
    pub(crate) fn unwrite(&self, loss: Loss, events: u64, bytes: u64) {
        let outcome = &self.outcome;
        add(&outcome.written, events.wrapping_neg());
        add(&outcome.written_bytes, bytes.wrapping_neg());
        self.lose(loss, events);
    }

    pub(crate) fn taken(&self) -> u64 {
        get(&self.outcome.taken)
    }

    pub(crate) fn dropped(&self) -> Dropped {
        Dropped {
            ring_full: get(&self.tally.ring_full),
            disk_full: get(&self.tally.disk_full),
            disk_fault: get(&self.tally.disk_fault),
            not_accepting: get(&self.tally.not_accepting),
        }
    }

    /// Current counts. While events flow, a counter that is read later may be some events ahead.
    /// `written` is read first, so that it never exceeds `accepted`.
    pub(crate) fn counts(&self) -> Counts {
        let lost = |loss: Loss| get(&self.outcome.lost[loss as usize]);
        let written = get(&self.outcome.written);
        let written_bytes = get(&self.outcome.written_bytes);
        let lost = Lost {
            disk_full: lost(Loss::DiskFull),
            disk_fault: lost(Loss::DiskFault),
            removed: lost(Loss::Removed),
            ..Lost::default()
        };
        let settled = written + lost.total();
        // An event is in the ring a moment before it is counted.
        let accepted = get(&self.tally.accepted).max(settled);
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
