//! Whether a poller makes turns. The control thread wakes it at each look, so that also one that sleeps
//! makes a turn until the next look.

use std::time::Instant;

use onair_mutant::mutant;

/// Looks in a row without a turn until a poller counts as stalled, which is shown and changes nothing: a busy host takes
/// as long. A single look may come late or early: both threads may have waited for a core.
const LOOKS: u32 = 3;
/// As many until it counts as lost, and is waited for no more: 5 s of looks each 200 ms. They are counted, because a virtual machine that was paused
/// finds that much time has passed at its first look.
const LOST_LOOKS: u32 = 25;

/// Change of a poller's pulse since the look before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PulseChange {
    /// The poller makes no turn.
    Stalled,
    /// It has made none for so long that it probably never will.
    Lost,
    /// It makes turns again.
    Resumed,
}

/// The turns of a poller at the last looks.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    turns: u64,
    /// When it was first seen with this many turns.
    since: Option<Instant>,
    /// Looks since then.
    looks: u32,
}

impl Pulse {
    /// Since when it makes no turn; `None`: it makes turns.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        self.since
            .filter(|_| self.looks >= LOOKS && !mutant!("poller: a stall is not seen"))
    }

    /// Whether it counts as lost: it has made no turn for 5 s of looks, nor since the last one.
    pub(crate) fn is_lost(&self, turns: u64) -> bool {
        let looks = mutant!("poller: a stall is a loss", LOOKS, LOST_LOOKS);
        self.looks >= looks && self.turns == turns
    }

    /// Looks at `now` at a poller that made `turns` so far.
    pub(crate) fn look(&mut self, turns: u64, now: Instant) -> Option<PulseChange> {
        if self.since.is_none() || self.turns != turns {
            let was_stalled = self.stalled_since().is_some();
            (self.turns, self.since, self.looks) = (turns, Some(now), 0);
            return was_stalled.then_some(PulseChange::Resumed);
        }
        self.looks = self.looks.saturating_add(1);
        match self.looks {
            _ if self.stalled_since().is_none() => None,
            LOOKS => Some(PulseChange::Stalled),
            LOST_LOOKS => Some(PulseChange::Lost),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn poller_that_makes_no_turn_is_stalled_once_and_resumes_once() {
        let start = Instant::now();
        let mut pulse = Pulse::default();
        let mut look = |at: u32, turns| {
            (
                pulse.look(turns, start + Duration::from_millis(200) * at),
                pulse.stalled_since(),
            )
        };
        assert_eq!(look(0, 7), (None, None));
        // A sleeping poller makes one turn a look.
        assert_eq!(look(1, 8), (None, None));
        let since = Some(start + Duration::from_millis(200));
        assert_eq!(look(2, 8), (None, None));
        assert_eq!(look(3, 8), (None, None));
        assert_eq!(look(4, 8), (Some(PulseChange::Stalled), since));
        assert_eq!(look(5, 8), (None, since));
        assert_eq!(look(6, 9), (Some(PulseChange::Resumed), None));
        assert_eq!(look(7, 9), (None, None));
    }

    #[test]
    fn poller_stalled_for_five_seconds_of_looks_is_lost_once() {
        use PulseChange::{Lost, Resumed, Stalled};
        let start = Instant::now();
        let mut pulse = Pulse::default();
        let mut look = |turns, looks| {
            let changes = (0..looks).filter_map(|_| pulse.look(turns, start));
            changes.collect::<Vec<_>>()
        };
        // A stall that ends in time.
        assert_eq!(look(7, LOST_LOOKS), [Stalled]);
        assert_eq!(look(8, LOST_LOOKS), [Resumed, Stalled]);
        assert_eq!(look(9, 1 + LOST_LOOKS), [Resumed, Stalled, Lost]);
        assert_eq!(look(9, 100), []);
        assert_eq!(look(10, 2), [Resumed]);
    }

    #[test]
    fn stalled_poller_then_lost_after_five_seconds_until_a_turn() {
        let start = Instant::now();
        let mut pulse = Pulse::default();
        for _ in 0..LOST_LOOKS {
            pulse.look(7, start);
            assert!(!pulse.is_lost(7));
        }
        pulse.look(7, start);
        assert!(pulse.is_lost(7));
        // Before the next look.
        assert!(!pulse.is_lost(8));
    }

    #[test]
    fn late_look_alone_stalls_no_poller() {
        let start = Instant::now();
        let mut pulse = Pulse::default();
        assert_eq!(pulse.look(1, start), None);
        assert_eq!(pulse.look(1, start + Duration::from_secs(60)), None);
        assert_eq!(pulse.look(2, start + Duration::from_secs(61)), None);
        assert_eq!(pulse.stalled_since(), None);
    }
}
