//! Where a session's packets come from: another sender, and pauses.

use std::net::SocketAddr;

use onair_essence::Format;

use crate::flow::arrival::Arrival;
use crate::stats::{PAUSE_NS, Sender, SessionCounters};

/// The last sender of a session, and when it sent.
#[derive(Debug)]
pub(super) struct Senders {
    /// Where the last packets of the first leg came from.
    last: Option<SocketAddr>,
    /// When the last packet came; 0 before the first.
    last_ns: u64,
    /// The shortest pause that counts.
    pause_ns: u64,
}

impl Senders {
    pub(super) fn of(format: &Format) -> Self {
        let units_ns = u64::try_from(format.units_time(4).as_nanos());
        Self {
            last: None,
            last_ns: 0,
            pause_ns: units_ns.unwrap_or(u64::MAX).max(PAUSE_NS),
        }
    }

    /// Packets of a sender that the session accepts came on the first leg.
    #[inline]
    pub(super) fn note(&mut self, source: SocketAddr, counters: &SessionCounters) {
        let halves = (&counters.sender_high, &counters.sender_low);
        Sender::note(source, [&counters.sender, halves.0, halves.1]);
        let before = self.last.replace(source);
        if let Some(before) = before.filter(|it| *it != source) {
            let halves = (&counters.before_sender_high, &counters.before_sender_low);
            Sender::note(before, [&counters.before_sender, halves.0, halves.1]);
            counters.sender_changes.add(1);
        }
    }

    /// Packets that the session accepts came, on any leg.
    #[inline]
    pub(super) fn note_time(&mut self, arrival: Arrival, counters: &SessionCounters) {
        // A poller that slept knows no more than that they came since.
        let paused_ns = arrival.from_ns.saturating_sub(self.last_ns);
        if self.last_ns > 0 && paused_ns >= self.pause_ns {
            counters.pauses.add(1);
            counters.pause_ns.set(paused_ns);
        }
        self.last_ns = self.last_ns.max(arrival.until_ns);
    }

    /// The session stops: what comes next is neither a change nor a pause.
    pub(super) const fn forget(&mut self) {
        (self.last, self.last_ns) = (None, 0);
    }
}

#[cfg(test)]
mod tests {
    use onair_essence::video::{Depth, FrameRate, VideoFormat};

    use super::*;

    fn senders(frames_a_second: u32) -> Senders {
        let rate = FrameRate::new(frames_a_second, 1).unwrap();
        let format = VideoFormat::new(320, 180, Depth::Ten, rate).unwrap();
        Senders::of(&format.into())
    }

    #[test]
    fn sender_changes_then_counted_with_the_one_before() {
        let (mut senders, counters) = (senders(50), SessionCounters::default());
        let [one, two] = [5_000, 5_001].map(|it| SocketAddr::from(([10, 9, 0, 2], it)));
        for (source, changes) in [(one, 0), (one, 0), (two, 1), (one, 2)] {
            senders.note(source, &counters);
            assert_eq!(counters.sender_changes.get(), changes);
            assert_eq!(counters.snapshot().sender_address(), Some(source));
        }
        assert_eq!(counters.snapshot().sender_before(), Some(two));
        senders.forget();
        senders.note(two, &counters);
        assert_eq!(counters.sender_changes.get(), 2);
    }

    #[test]
    fn packets_pause_then_counted_from_four_units_on() {
        for (rate, least_ns) in [(50, PAUSE_NS), (10, 400_000_000)] {
            let (mut senders, counters) = (senders(rate), SessionCounters::default());
            // Another leg may have brought later ones.
            let times = [(7, 0), (6 + least_ns, 0), (6, 0), (6 + 2 * least_ns, 1)];
            for (at_ns, pauses) in times {
                senders.note_time(Arrival::at(at_ns), &counters);
                assert_eq!(counters.pauses.get(), pauses, "{rate}: {at_ns}");
            }
            assert_eq!(counters.pause_ns.get(), least_ns);
            let slept = Arrival {
                from_ns: 7 + 2 * least_ns,
                ..Arrival::at(9 * least_ns)
            };
            senders.note_time(slept, &counters);
            senders.forget();
            senders.note_time(Arrival::at(20 * least_ns), &counters);
            assert_eq!(counters.pauses.get(), 1, "{rate}");
        }
    }
}
