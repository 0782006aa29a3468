//! Gaps: places where events are missing.

use std::sync::Arc;

use crate::manifest::{Gap, LISTED, Time};
use crate::producer::{Event, Missed};
use crate::totals::ProducerTotals;

/// The gaps of all producers.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    listed: Vec<Listed>,
    more: u64,
    /// For each producer: time of its last event, and all events missing before it.
    last: Vec<(Option<u64>, Missed)>,
}

#[derive(Clone, Copy, Debug)]
struct Listed {
    producer: usize,
    after: Option<u64>,
    before: Option<u64>,
    missed: Missed,
}

impl Gaps {
    /// Records an event read from a ring.
    #[inline]
    pub(crate) fn event(&mut self, producer: usize, event: &Event<'_>) {
        if self.last.len() <= producer {
            self.last.resize(producer + 1, (None, Missed::default()));
        }
        if event.missed.total() > 0 {
            self.gap(producer, Some(event.at_ns), event.missed);
        }
        self.last[producer].0 = Some(event.at_ns);
    }

    fn gap(&mut self, producer: usize, before: Option<u64>, missed: Missed) {
        let (after, sum) = &mut self.last[producer];
        sum.ring_full += missed.ring_full;
        sum.disk_full += missed.disk_full;
        sum.disk_fault += missed.disk_fault;
        if self.listed.len() == LISTED {
            self.more += 1;
            return;
        }
        self.listed.push(Listed {
            producer,
            after: *after,
            before,
            missed,
        });
    }

    /// No more events follow: events missing after the last one are a gap too.
    pub(crate) fn end(&mut self, producers: &[Arc<ProducerTotals>]) {
        self.last.resize(producers.len(), (None, Missed::default()));
        for (producer, totals) in producers.iter().enumerate() {
            let all = totals.dropped();
            let reported = self.last[producer].1;
            let missed = Missed {
                ring_full: all.ring_full - reported.ring_full,
                disk_full: all.disk_full - reported.disk_full,
                disk_fault: all.disk_fault - reported.disk_fault,
            };
            if missed.total() > 0 {
                self.gap(producer, None, missed);
            }
        }
    }

    /// The listed gaps, and the number of further ones.
    pub(crate) fn list(&self, producers: &[Arc<ProducerTotals>]) -> (Vec<Gap>, u64) {
        let gaps = self.listed.iter().map(|gap| Gap {
            producer: producers[gap.producer].name.clone(),
            after: gap.after.map(Time::from_unix_ns),
            before: gap.before.map(Time::from_unix_ns),
            ring_full: gap.missed.ring_full,
            disk_full: gap.missed.disk_full,
            disk_fault: gap.missed.disk_fault,
        });
        (gaps.collect(), self.more)
    }
}
