//! Faults: when one begins, and when it is over.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use onair_mutant::mutant;

/// Looks that must show a fault before it is one.
pub(crate) const LOOKS: u32 = 2;
/// Pauses of this time are judged together; one alone is no fault.
const MEMORY: Duration = Duration::from_secs(5);
const FEWEST: usize = 2;
/// Without another one for this long they are over.
const CALM: Duration = Duration::from_millis(2_500);

/// A fault that is told from its second look on, until it has not been seen for some time.
#[derive(Debug, Default)]
pub(crate) struct Lasting {
    looks: u32,
    told: Option<(Instant, String)>,
}

impl Lasting {
    /// Takes a look that has `seen` this problem, or none, and returns the text to show.
    pub(crate) fn look(
        &mut self,
        seen: Option<String>,
        now: Instant,
        hold: Duration,
    ) -> Option<String> {
        self.looks = seen.as_ref().map_or(0, |_| self.looks + 1);
        let is_fault =
            self.looks >= LOOKS || self.told.is_some() || mutant!("lamp: one look is a fault");
        self.hold(seen.filter(|_| is_fault), now, hold)
    }

    /// As [`Self::look`], from the first look on.
    pub(crate) fn hold(
        &mut self,
        seen: Option<String>,
        now: Instant,
        hold: Duration,
    ) -> Option<String> {
        match seen {
            Some(text) => self.told = Some((now, text)),
            None => self.told = self.told.take().filter(|it| now < it.0 + hold),
        }
        self.told.as_ref().map(|it| it.1.clone())
    }
}

/// The pauses of the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    counted: Option<u64>,
    at: VecDeque<Instant>,
}

impl Pauses {
    /// Takes a look and returns the problem to show. `counted`: all pauses so far; `last_ns`: the length of the last
    /// one.
    pub(crate) fn look(&mut self, counted: u64, last_ns: u64, now: Instant) -> Option<String> {
        let before = self.counted.replace(counted).unwrap_or(counted);
        if counted > before {
            // Between two looks there is time for one.
            self.at.push_back(now);
        }
        let is_old = |at: &Instant| now.saturating_duration_since(*at) >= MEMORY;
        while self.at.front().is_some_and(is_old) {
            self.at.pop_front();
        }
        let last = *self.at.back()?;
        let is_over = now.saturating_duration_since(last) >= CALM;
        let fewest = if mutant!("lamp: one pause is a fault") {
            1
        } else {
            FEWEST
        };
        (self.at.len() >= fewest && !is_over).then(|| {
            format!(
                "the packets pause again and again, {} times in the last {} s, the last time for {} ms: check the sender",
                self.at.len(),
                MEMORY.as_secs(),
                last_ns / 1_000_000
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_of_two_looks_is_told_until_it_is_over_for_a_time() {
        let (mut fault, start) = (Lasting::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        let hold = Duration::from_millis(500);
        let seen = |text: &str| Some(text.to_owned());
        assert_eq!(fault.look(seen("one"), at(0), hold), None);
        assert_eq!(fault.look(None, at(250), hold), None);
        assert_eq!(fault.look(seen("two"), at(500), hold), None);
        assert_eq!(fault.look(seen("three"), at(750), hold), seen("three"));
        assert_eq!(fault.look(None, at(1_000), hold), seen("three"));
        assert_eq!(fault.look(seen("four"), at(1_200), hold), seen("four"));
        assert_eq!(fault.look(None, at(1_600), hold), seen("four"));
        assert_eq!(fault.look(None, at(1_700), hold), None);
    }

    /// The looks of 20 s at which something is told, with pauses at these looks.
    fn told(pauses: &[u32]) -> Vec<u32> {
        let (mut watch, start) = (Pauses::default(), Instant::now());
        let mut counted = 7;
        let looks = (0..80u32).filter(|look| {
            counted += u64::from(pauses.contains(look));
            let now = start + Duration::from_millis(250) * *look;
            watch.look(counted, 300_000_000, now).is_some()
        });
        looks.collect()
    }

    #[test]
    fn pauses_again_and_again_then_told_and_one_alone_is_not() {
        assert_eq!(told(&[]), [0; 0]);
        assert_eq!(told(&[10]), [0; 0]);
        assert_eq!(told(&[10, 40, 70]), [0; 0]);
        // Each two seconds: told from the second one to 2.5 s after the last.
        let expected: Vec<u32> = (18..52).collect();
        assert_eq!(told(&[10, 18, 26, 34, 42]), expected);
    }
}
