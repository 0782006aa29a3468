//! Results of `event_poll`, and the ring that carries them.

use crate::layout::{CTL_EVENT_TAIL, EVENT_BYTES, EVENTS, Geometry};
use crate::mapping::Mapping;
use crate::sync::{AtomicU64, Ordering};

/// A notice to an attachment about its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The session runs (again).
    Started,
    /// The daemon is shutting down; the client should leave.
    Draining,
    /// `argument` frames were dropped because this attachment was slow.
    Dropped,
    /// The session receives or sends at other addresses from now on. Earlier libraries know it as `Other(4)`.
    Retargeted,
    /// A kind that this version of the library does not know.
    Other(u64),
}

impl EventKind {
    fn word(self) -> u64 {
        match self {
            Self::Started => 1,
            Self::Draining => 2,
            Self::Dropped => 3,
            Self::Retargeted => 4,
            Self::Other(word) => word,
        }
    }

    fn from_word(word: u64) -> Self {
        match word {
            1 => Self::Started,
            2 => Self::Draining,
            3 => Self::Dropped,
            4 => Self::Retargeted,
            other => Self::Other(other),
        }
    }
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Position in the attachment's history, from 1. A gap means missed events.
    pub sequence: u64,
    /// Kind of the event.
    pub kind: EventKind,
    /// Number that belongs to the kind; see [`EventKind`].
    pub argument: u64,
    /// Time of the event: CLOCK_MONOTONIC, ns.
    pub at_ns: u64,
}

/// The event ring in `ctl`. Only the control thread writes it.
pub(crate) struct EventRing<'a> {
    tail: &'a AtomicU64,
    entries: &'a [AtomicU64],
}

const WORDS: usize = EVENT_BYTES / 8;

impl<'a> EventRing<'a> {
    pub(crate) fn new(ctl: &'a Mapping, geometry: &Geometry) -> Self {
        Self {
            tail: ctl.at(CTL_EVENT_TAIL),
            entries: ctl.slice(geometry.ctl_events(), EVENTS * WORDS),
        }
    }

    /// Events written so far.
    pub(crate) fn tail(&self) -> u64 {
        self.tail.load(Ordering::Acquire)
    }

    fn entry(&self, sequence: u64) -> &[AtomicU64] {
        let slot = usize::try_from((sequence - 1) % EVENTS as u64).expect("below 64");
        &self.entries[slot * WORDS..][..WORDS]
    }

    /// Daemon: appends an event. It clears the sequence first and writes it last, so that an
    /// overtaken reader notices. SYNC: event.
    pub(crate) fn push(&self, kind: EventKind, argument: u64, at_ns: u64) {
        let sequence = self.tail.load(Ordering::Relaxed) + 1;
        let entry = self.entry(sequence);
        entry[0].store(0, Ordering::Relaxed);
        core::sync::atomic::fence(Ordering::Release);
        entry[1].store(kind.word(), Ordering::Relaxed);
        entry[2].store(argument, Ordering::Relaxed);
        entry[3].store(at_ns, Ordering::Relaxed);
        entry[0].store(sequence, Ordering::Release);
        self.tail.store(sequence, Ordering::Release);
    }

    /// Client: the event `sequence`, or `None` if it has been overwritten. SYNC: event.
    pub(crate) fn read(&self, sequence: u64) -> Option<Event> {
        let entry = self.entry(sequence);
        if entry[0].load(Ordering::Acquire) != sequence {
            return None;
        }
        let event = Event {
            sequence,
            kind: EventKind::from_word(entry[1].load(Ordering::Relaxed)),
            argument: entry[2].load(Ordering::Relaxed),
            at_ns: entry[3].load(Ordering::Relaxed),
        };
        core::sync::atomic::fence(Ordering::Acquire);
        (entry[0].load(Ordering::Relaxed) == sequence).then_some(event)
    }

    /// Client: whether one of the events after `seen` that are still there is of this kind.
    pub(crate) fn has(&self, kind: EventKind, seen: u64) -> bool {
        let last = self.tail();
        let oldest = last.saturating_sub(EVENTS as u64);
        let first = seen.max(oldest).saturating_add(1);
        (first..=last)
            .filter_map(|sequence| self.read(sequence))
            .any(|event| event.kind == kind)
    }
}
