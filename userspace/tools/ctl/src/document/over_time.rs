//! How a stream went, in equal parts of its time.

use serde::Serialize;

/// Most parts: a page and a document stay small, however long the capture is.
pub(crate) const MAX_BINS: u64 = 120;

/// Equal parts of a time, at most [`MAX_BINS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Axis {
    pub(crate) start_ns: u64,
    /// Length of a part.
    pub(crate) bin_ns: u64,
    pub(crate) bins: u64,
}

impl Axis {
    /// The time from `first_ns` to `last_ns`, both included.
    pub(crate) fn new(first_ns: u64, last_ns: u64) -> Self {
        let length_ns = last_ns.saturating_sub(first_ns).saturating_add(1);
        let bin_ns = length_ns.div_ceil(MAX_BINS);
        Self {
            start_ns: first_ns,
            bin_ns,
            bins: length_ns.div_ceil(bin_ns),
        }
    }

    /// The part in which `at_ns` is; the nearest for a time outside.
    pub(crate) fn bin(&self, at_ns: u64) -> usize {
        let bin = at_ns.saturating_sub(self.start_ns) / self.bin_ns;
        usize::try_from(bin.min(self.bins - 1)).expect("at most 120")
    }
}

/// A stream over its time.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OverTime {
    #[serde(flatten)]
    pub(crate) axis: Axis,
    /// As many as the axis has.
    pub(crate) parts: Vec<TimeBin>,
}

/// A stream in a part of its time.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct TimeBin {
    pub(crate) packets: u64,
    /// Of RTP payload.
    pub(crate) bytes: u64,
    /// Numbers that were skipped. A packet that comes late counts there, and here where it was missing.
    pub(crate) missing: u64,
    pub(crate) late: u64,
    pub(crate) duplicates: u64,
    /// Longest time between two packets, of which the second is in this part.
    pub(crate) longest_interval_ns: u64,
    /// From the time of the RTP timestamp to the first packet that has it.
    pub(crate) first_after_timestamp_ns: Option<Band>,
    /// From one packet with a marker to the next.
    pub(crate) marker_interval_ns: Option<Band>,
    /// Highest level of the network model.
    pub(crate) cinst_max: Option<u64>,
    /// Levels of the virtual receive buffer.
    pub(crate) vrx: Option<Band>,
    /// After the same packet of the first leg; negative if before.
    pub(crate) after_first_leg_ns: Option<Band>,
}

/// Smallest and largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Band {
    pub(crate) min: i64,
    pub(crate) max: i64,
}

impl Band {
    /// `band`, and `value` in it.
    pub(crate) fn with(band: Option<Self>, value: i64) -> Self {
        let band = band.unwrap_or(Self {
            min: value,
            max: value,
        });
        Self {
            min: band.min.min(value),
            max: band.max.max(value),
        }
    }
}

/// Legs of one stream (ST 2022-7): the same packets on several ways.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Legs {
    /// Places of the legs in the list of flows.
    pub(crate) flows: Vec<usize>,
    /// Packets that came on no leg. Legs are merged if they are at most 4096 packets apart.
    pub(crate) lost: u64,
    /// Packets of each leg that came on another leg before.
    pub(crate) matched: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn axis_of_any_time_has_few_parts_and_covers_it(first: u64, length: u64, at: u64) {
            let last = first.saturating_add(length);
            let axis = Axis::new(first, last);
            prop_assert!((1..=MAX_BINS).contains(&axis.bins));
            prop_assert!(axis.bin(at) < 120);
            prop_assert_eq!(axis.bin(first), 0);
            prop_assert_eq!(axis.bin(last) as u64, axis.bins - 1);
        }
    }
}
