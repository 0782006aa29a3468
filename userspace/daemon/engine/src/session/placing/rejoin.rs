//! A running receiver joins its groups again: it leaves each one first, so that switches and routers build the path anew.
//! Two legs do so one after the other: the packets of one carry the stream meanwhile.

use std::time::{Duration, Instant};

use onair_api::{Direction, SessionState};
use onair_dataplane::REJOINS_AFTER;

use crate::services::Services;
use crate::session::Session;

/// One leg may bring a packet this much later than the other: 450 ms by ST 2022-7, and a look.
const APART: Duration = Duration::from_millis(500);
/// Longest wait for packets of a leg: it may have had none before.
const LONGEST: Duration = Duration::from_secs(3);

/// A leg has left its group, and the other one waits.
#[derive(Debug)]
struct Away {
    leg: usize,
    left_at: Instant,
    /// Its packets at the first look after it was to join again.
    packets: Option<u64>,
    /// A look has seen more of them.
    back_at: Option<Instant>,
    /// All begins anew once both legs are back.
    again: bool,
}

/// The part of a rejoin of two legs that is still to be done.
#[derive(Debug, Default)]
pub(in crate::session) struct Rejoin(Option<Away>);

impl Rejoin {
    /// Asked for. Whether the first leg leaves its group now: not while a leg is away.
    const fn begin(&mut self, now: Instant) -> bool {
        if let Some(away) = &mut self.0 {
            away.again = true;
            return false;
        }
        self.leave(0, now);
        true
    }

    const fn leave(&mut self, leg: usize, now: Instant) {
        self.0 = Some(Away {
            leg,
            left_at: now,
            packets: None,
            back_at: None,
            again: false,
        });
    }

    /// Nothing more is to be done: the session has other groups, or none.
    pub(in crate::session) const fn end(&mut self) {
        self.0 = None;
    }

    /// The leg that leaves its group next, if it is time, by the packets that each has brought until now.
    fn look(&mut self, packets: [u64; 2], now: Instant) -> Option<usize> {
        let away = self.0.as_mut()?;
        let passed = now.saturating_duration_since(away.left_at);
        match away.packets {
            None if passed > REJOINS_AFTER => away.packets = Some(packets[away.leg]),
            Some(before) if packets[away.leg] > before => {
                away.back_at.get_or_insert(now);
            }
            _ => {}
        }
        let is_back = |at: Instant| now.saturating_duration_since(at) >= APART;
        if !away.back_at.is_some_and(is_back) && passed < LONGEST {
            return None;
        }
        let (leg, again) = (away.leg, away.again);
        self.end();
        let next = if leg == 0 {
            Some(1)
        } else {
            again.then_some(0)
        }?;
        self.leave(next, now);
        if let Some(away) = &mut self.0 {
            away.again = leg == 0 && again;
        }
        Some(next)
    }
}

impl Session {
    /// Leaves the groups that it is in, and joins them again. No effect unless it receives and runs.
    pub(crate) fn rejoin(&mut self, services: &mut Services) {
        let receives = self.spec.direction == Direction::Receive;
        if !receives || self.core.state() != SessionState::Running {
            return;
        }
        let has_two = self.spec.flow.second.is_some();
        if !has_two || self.rejoin.begin(services.machine.now()) {
            self.flows().rejoin(services, 0);
        }
    }

    /// The second leg follows the first one.
    pub(in crate::session) fn look_at_rejoin(&mut self, services: &mut Services, now: Instant) {
        if self.core.state() != SessionState::Running {
            return self.rejoin.end();
        }
        let legs = self.stats.legs();
        let packets = legs.map_or([0; 2], |(legs, _)| legs.map(|it| it.packets));
        if let Some(leg) = self.rejoin.look(packets, now) {
            self.flows().rejoin(services, leg);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_millis(250);

    /// The looks in which a leg leaves, if each has so many packets in each look.
    fn turns(rejoin: &mut Rejoin, packets: impl Fn(u32) -> u64) -> Vec<(u32, usize)> {
        let start = Instant::now();
        assert!(rejoin.begin(start));
        let mut looks = (1..40).map(|it| (it, rejoin.look([packets(it); 2], start + LOOK * it)));
        let turns = looks.by_ref().filter_map(|(look, leg)| Some((look, leg?)));
        turns.collect()
    }

    #[test]
    fn first_leg_back_then_the_second_follows_after_the_skew() {
        // The first look counts from where it is, the second one sees more.
        let turned = turns(&mut Rejoin::default(), |look| u64::from(look) * 9);
        assert_eq!(turned, [(4, 1)]);
        let turned = turns(&mut Rejoin::default(), |look| u64::from(look > 4));
        assert_eq!(turned, [(7, 1)]);
        // It may have had no packets before.
        assert_eq!(turns(&mut Rejoin::default(), |_| 7), [(12, 1)]);
    }

    #[test]
    fn asked_for_again_while_a_leg_is_away_then_once_more() {
        let (mut rejoin, start) = (Rejoin::default(), Instant::now());
        assert!(rejoin.begin(start));
        let mut left = vec![];
        for look in 1..30 {
            let now = start + LOOK * look;
            left.extend(rejoin.look([u64::from(look); 2], now));
            if [2, 3, 6].contains(&look) {
                assert!(!rejoin.begin(now));
            }
        }
        assert_eq!(left, [1, 0, 1]);
        assert!(rejoin.begin(start));
    }

    #[test]
    fn packets_before_it_left_then_it_is_not_back() {
        let (mut rejoin, start) = (Rejoin::default(), Instant::now());
        assert!(rejoin.begin(start));
        for (ms, packets) in [(10, 1), (90, 50), (600, 60), (850, 60), (2900, 60)] {
            let now = start + Duration::from_millis(ms);
            assert_eq!(rejoin.look([packets; 2], now), None);
        }
        rejoin.end();
        assert_eq!(rejoin.look([99; 2], start + 2 * LONGEST), None);
    }
}
