//! RTP timestamps as times (ST 2110-10 §7): ticks since the SMPTE Epoch, of which a packet carries the low
//! 32 bits. A sender's offset is taken off here ([`RtpClock`]): measurements get [`RtpClock::ticks`].

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The time of `timestamp`, a count of ticks of `hz` Hz, in nanoseconds since the epoch, rounded down: of all
/// times that have this timestamp the nearest to `near_ns`. That is 13 hours away at most at 90 kHz.
///
/// A rate of 0 Hz, and a time before the epoch, give 0.
#[must_use]
pub const fn nearest_ns(timestamp: u32, hz: u32, near_ns: u64) -> u64 {
    if hz == 0 {
        return 0;
    }
    let near = near_ns as u128 * hz as u128 / NANOS_PER_SECOND;
    #[expect(clippy::cast_possible_truncation, reason = "timestamps wrap")]
    let ahead = timestamp.wrapping_sub(near as u32).cast_signed();
    let ticks = near.saturating_add_signed(ahead as i128);
    let ns = ticks * NANOS_PER_SECOND / hz as u128;
    if ns > u64::MAX as u128 {
        return u64::MAX;
    }
    #[expect(clippy::cast_possible_truncation, reason = "compared above")]
    {
        ns as u64
    }
}

/// The clock of a flow's RTP timestamps: ticks since the epoch, and the offset that the sender adds
/// (`mediaclk:direct=OFFSET`, RFC 7273 §5.2; 0 in ST 2110, any in AES67).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpClock {
    /// Ticks a second.
    pub hz: u32,
    /// The timestamp of the epoch.
    pub offset: u32,
}

impl RtpClock {
    /// The low 32 bits of the ticks from the epoch to the time of `timestamp`.
    #[must_use]
    pub const fn ticks(self, timestamp: u32) -> u32 {
        timestamp.wrapping_sub(self.offset)
    }

    /// As [`nearest_ns`].
    #[must_use]
    pub const fn nearest_ns(self, timestamp: u32, near_ns: u64) -> u64 {
        nearest_ns(self.ticks(timestamp), self.hz, near_ns)
    }
}

/// When packets arrive whose timestamps are `away_ns` nanoseconds earlier, for people.
#[must_use]
pub fn beside_timestamps(away_ns: f64) -> String {
    let (seconds, order) = (
        away_ns.abs() / 1e9,
        if away_ns < 0.0 { "before" } else { "after" },
    );
    format!("{seconds:.3} s {order} the time of their timestamps")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn timestamps_ahead_or_behind_then_said_without_a_sign() {
        for (away_ns, said) in [(-2.5e9, "2.500 s before"), (7e6, "0.007 s after")] {
            let found = beside_timestamps(away_ns);
            assert_eq!(found, format!("{said} the time of their timestamps"));
        }
    }

    #[test]
    fn timestamp_across_a_wrap_is_unwrapped_to_the_nearest_time() {
        // 2^32 ticks of 90 kHz are 47,721.858 s.
        let wrap_ns = (1u64 << 32) * 100_000 / 9;
        let wraps = 37_000;
        let near_ns = wrap_ns * wraps + 500;
        let second = 1_000_000_000;
        assert!(nearest_ns(0, 90_000, near_ns).abs_diff(near_ns) < 1_000_000);
        let before = nearest_ns(u32::MAX - 89_999, 90_000, near_ns);
        assert!(before.abs_diff(near_ns - second) < 1_000_000);
        let after = nearest_ns(90_000, 90_000, near_ns);
        assert!(after.abs_diff(near_ns + second) < 1_000_000);
        assert_eq!(nearest_ns(u32::MAX, 90_000, 0), 0, "before the epoch");
        assert_eq!(nearest_ns(5, 0, 7), 0);
        assert_eq!(nearest_ns(0, 1, u64::MAX), 4_294_967_296 * 4 * second);
    }

    #[test]
    fn timestamp_with_an_offset_then_the_time_is_without_it() {
        let ns = 1_790_000_000_000_000_000u64;
        let ticks = u64::from(u32::MAX) & (ns / 1_000_000_000 * 48_000);
        for offset in [0, 1, 2_911_906_980, u32::MAX] {
            let clock = RtpClock { hz: 48_000, offset };
            #[expect(clippy::cast_possible_truncation, reason = "timestamps wrap")]
            let sent = (ticks as u32).wrapping_add(offset);
            assert_eq!(clock.nearest_ns(sent, ns + 5_000_000), ns, "{offset}");
        }
    }

    proptest! {
        #[test]
        fn time_of_any_tick_is_found_from_near_it(
            ticks in 1u64 << 33..1 << 47,
            hz in prop::sample::select(vec![44_100u32, 48_000, 90_000, 96_000]),
            away_ns in -20_000_000_000_000i64..20_000_000_000_000,
        ) {
            let tick_ns = |ticks: u64| {
                u64::try_from(u128::from(ticks) * NANOS_PER_SECOND / u128::from(hz)).unwrap()
            };
            let time_ns = tick_ns(ticks);
            prop_assume!(away_ns.unsigned_abs() < time_ns);
            #[expect(clippy::cast_possible_truncation, reason = "timestamps wrap")]
            let timestamp = ticks as u32;
            let found = nearest_ns(timestamp, hz, time_ns.strict_add_signed(away_ns));
            prop_assert_eq!(found, time_ns);
        }
    }
}
