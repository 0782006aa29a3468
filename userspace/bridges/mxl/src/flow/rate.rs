//! Indices of grains and samples.

/// Grains or samples a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many of them
    pub numerator: u32,
    /// in so many seconds. Neither is 0.
    pub denominator: u32,
}

const NANOS: u128 = 1_000_000_000;

impl Rate {
    /// The index that is nearest to a time, which is nanoseconds since the SMPTE Epoch in TAI: as `mxlTimestampToIndex`.
    #[must_use]
    pub fn index(self, ns: u64) -> u64 {
        let (many, seconds) = (u128::from(self.numerator), u128::from(self.denominator));
        let index = (u128::from(ns) * many + NANOS / 2 * seconds) / (NANOS * seconds);
        u64::try_from(index).unwrap_or(u64::MAX)
    }

    /// The time of an index: as `mxlIndexToTimestamp`.
    #[must_use]
    pub fn ns(self, index: u64) -> u64 {
        let (many, seconds) = (u128::from(self.numerator), u128::from(self.denominator));
        let ns = (u128::from(index) * seconds * NANOS + many / 2) / many;
        u64::try_from(ns).unwrap_or(u64::MAX)
    }

    /// Twice as many.
    #[must_use]
    pub const fn doubled(self) -> Self {
        Self {
            numerator: self.numerator.saturating_mul(2),
            ..self
        }
    }

    /// The index of a field, by the time of the field: a first field has an even one.
    #[must_use]
    pub fn index_of_field(self, ns: u64, is_second: bool) -> u64 {
        let frames = Self {
            denominator: self.denominator.saturating_mul(2),
            ..self
        };
        let field_ns = self.ns(1);
        let frame_ns = ns.saturating_sub(if is_second { field_ns } else { 0 });
        let frame = frames.index(frame_ns);
        frame.saturating_mul(2).saturating_add(is_second.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate {
        numerator: 60_000,
        denominator: 1001,
    };

    #[test]
    fn index_of_times_about_a_grain_then_the_nearest() {
        let index = 106_000_000_000;
        let ns = RATE.ns(index);
        for (ahead, expected) in [
            (0, index),
            (8_341_000, index),
            (8_342_000, index + 1),
            (-8_341_000, index),
            (-8_342_000, index - 1),
        ] {
            let ns = ns.checked_add_signed(ahead).unwrap();
            assert_eq!(RATE.index(ns), expected, "{ahead}");
        }
        assert_eq!(RATE.index(u64::MAX), 1_105_698_945_477);
    }

    #[test]
    fn fields_of_a_frame_then_even_and_odd_also_a_little_early() {
        let fields = Rate {
            numerator: 50,
            denominator: 1,
        };
        for late in [-3_000_000_i64, 0, 9_000_000] {
            let first = 40_000_000_000_u64.checked_add_signed(late).unwrap();
            assert_eq!(fields.index_of_field(first, false), 2000);
            assert_eq!(fields.index_of_field(first + 20_000_000, true), 2001);
        }
    }

    proptest! {
        #[test]
        fn index_of_its_own_time_then_the_same(index in 0u64..1 << 38, which in 0usize..4) {
            let (numerator, denominator) = [(60_000, 1001), (25, 1), (48_000, 1), (96_000, 1)][which];
            let rate = Rate { numerator, denominator };
            prop_assert_eq!(rate.index(rate.ns(index)), index);
        }
    }
}
