//! Faults: when one begins, and when it is over.

use std::time::{Duration, Instant};

use onair_mutant::mutant;

/// Looks that must show a fault before it is one.
pub(crate) const LOOKS: u32 = 2;

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
}
