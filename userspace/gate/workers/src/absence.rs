//! Waits that end late because this process did not run: the host was busy, or a signal had stopped it. What it waited
//! for did not run either.

use std::time::{Duration, Instant};

/// A wait that ends so much after its deadline was held up. Less is a busy processor's.
const LATE: Duration = Duration::from_millis(50);
/// The most that a deadline moves at once: a machine that was suspended for a night is no reason to wait for another.
const MOST: Duration = Duration::from_secs(5);

/// The deadline of a wait that is over at `now`, if it ended too late to say that what it waits for is late: as much
/// time again as was lost.
#[must_use]
pub fn extended(deadline: Instant, now: Instant) -> Option<Instant> {
    let lost = now.saturating_duration_since(deadline);
    (lost >= LATE).then(|| now + lost.min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_ends_long_after_its_deadline_then_it_goes_on() {
        let at = Instant::now();
        let ms = Duration::from_millis;
        assert_eq!(extended(at, at), None);
        assert_eq!(extended(at, at + ms(49)), None);
        assert_eq!(extended(at + ms(1), at), None);
        assert_eq!(extended(at, at + ms(600)), Some(at + ms(1200)));
        assert_eq!(extended(at, at + ms(60_000)), Some(at + ms(65_000)));
    }
}
