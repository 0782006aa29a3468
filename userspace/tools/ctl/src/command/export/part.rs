//! The part of a capture that is exported, in time.

use std::time::Duration;

/// Where a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangePosition {
    Before,
    Within,
    After,
}

/// Times of packets, in nanoseconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct ExportRange {
    /// The time that `from_ns` counts from; `None`: the first packet.
    start_ns: Option<u64>,
    from_ns: u64,
    length_ns: Option<u64>,
}

impl ExportRange {
    pub(super) fn new(
        start_ns: Option<u64>,
        from: Option<Duration>,
        length: Option<Duration>,
    ) -> Self {
        let ns = |it: Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX);
        Self {
            start_ns,
            from_ns: from.map_or(0, ns),
            length_ns: length.map(ns),
        }
    }

    /// Whether nothing up to this time is within it.
    pub(super) fn is_before(&self, at_ns: u64) -> bool {
        let start = self.start_ns.unwrap_or(at_ns);
        self.from_ns > 0 && at_ns < start.saturating_add(self.from_ns)
    }

    /// The place of a packet; packets come in the order of the file.
    pub(super) fn of(&mut self, at_ns: u64) -> RangePosition {
        self.start_ns.get_or_insert(at_ns);
        if self.is_before(at_ns) {
            return RangePosition::Before;
        }
        let from = self.start_ns.unwrap_or(at_ns).saturating_add(self.from_ns);
        let is_after = |length: u64| at_ns >= from.saturating_add(length);
        match self.length_ns.is_some_and(is_after) {
            true => RangePosition::After,
            false => RangePosition::Within,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_of_a_capture_then_packets_of_its_times() {
        let seconds = |it| Some(Duration::from_secs(it));
        let second = 1_000_000_000;
        let mut all = ExportRange::new(None, None, None);
        assert_eq!(
            [5, 3, u64::MAX].map(|it| all.of(it)),
            [RangePosition::Within; 3]
        );
        // From the first packet, or from the given start.
        for (start, first) in [(None, 7 * second), (Some(7 * second), 8 * second)] {
            let mut part = ExportRange::new(start, seconds(2), seconds(1));
            let places = [
                first,
                9 * second - 1,
                9 * second,
                10 * second - 1,
                10 * second,
            ];
            assert_eq!(
                places.map(|it| part.of(it)),
                [
                    RangePosition::Before,
                    RangePosition::Before,
                    RangePosition::Within,
                    RangePosition::Within,
                    RangePosition::After
                ]
            );
        }
    }
}
