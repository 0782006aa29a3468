//! Problem of one of two legs, by the packets that it brought in the last second.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use onair_api::{GroupMembership, Timestamp};
use onair_dataplane::LegSnapshot;

/// The time that is judged.
const SECOND: Duration = Duration::from_secs(1);
/// Fewest packets of a fault: one alone is none.
const FEWEST: u64 = 3;
/// Looks in which a fault must grow: one burst of losses is no fault of the leg.
const GROWTHS: usize = 2;
/// Of so many packets one that is late, or of another stream, is a fault: a host that was late itself takes the packets
/// of one leg before those of the other.
const FEW: u64 = 5;

/// Traffic of a leg in about a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LegSecond {
    packets: u64,
    refused: u64,
    other_stream: u64,
    late: u64,
    lost: u64,
    /// Looks that added to the refused and the lost.
    growths: usize,
}

/// A fault, with its figure: so many of so many packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LegFault {
    /// They are no RTP of the session's payload type.
    Refused(u64, u64),
    OtherStream(u64, u64),
    /// They come when the stream no longer waits for them.
    Late(u64, u64),
    Lost(u64, u64),
}

impl LegSecond {
    fn fault(self, loss_ppm: u64) -> Option<LegFault> {
        let Self {
            packets,
            refused,
            other_stream,
            late,
            lost,
            growths,
        } = self;
        let sent = packets + lost;
        let is_many = |count: u64, of: u64| {
            growths >= GROWTHS && count >= FEWEST && count * 1_000_000 >= loss_ppm * of
        };
        let is_part = |count: u64| count >= FEWEST && count * FEW >= packets;
        match () {
            () if is_many(refused, packets) => Some(LegFault::Refused(refused, packets)),
            () if is_part(other_stream) => Some(LegFault::OtherStream(other_stream, packets)),
            () if is_part(late) => Some(LegFault::Late(late, packets)),
            () if is_many(lost, sent) => Some(LegFault::Lost(lost, sent)),
            () => None,
        }
    }
}

impl fmt::Display for LegFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, of, what) = match self {
            Self::Refused(count, of) => (count, of, "are refused: check its payload type"),
            Self::OtherStream(count, of) => (count, of, "are of another stream"),
            Self::Late(count, of) => (count, of, "come too late"),
            Self::Lost(count, of) => (count, of, "are lost: check the network behind it"),
        };
        write!(f, "{count} of {of} packets in the last second {what}")
    }
}

/// History of one leg between looks.
#[derive(Debug, Default)]
pub(crate) struct LegWatch {
    /// Whether its port's link is up; `None`: not known, or there is no such leg.
    pub(crate) link_up: Option<bool>,
    /// The multicast group that it receives, as of the last look; `None`: it receives none.
    pub(crate) group: Option<GroupMembership>,
    pub(crate) packets: Presence,
    looks: VecDeque<(Instant, LegSnapshot)>,
    faults: u32,
}

impl LegWatch {
    /// Both legs begin anew, or the leg brings nothing.
    pub(crate) fn restart(&mut self) {
        self.looks.clear();
        self.faults = 0;
    }

    /// The fault of the last second, if the look before showed one, too.
    pub(crate) fn look(
        &mut self,
        counted: LegSnapshot,
        loss_ppm: u64,
        now: Instant,
    ) -> Option<LegFault> {
        let is_old = |it: &(Instant, LegSnapshot)| now.saturating_duration_since(it.0) >= SECOND;
        while self.looks.get(1).is_some_and(is_old) {
            self.looks.pop_front();
        }
        self.looks.push_back((now, counted));
        let (_, first) = self.looks.front()?;
        let grown = |of: fn(&LegSnapshot) -> u64| of(&counted).saturating_sub(of(first));
        let bad = |it: &LegSnapshot| it.packets_malformed + it.packets_lost;
        let steps = self.looks.iter().zip(self.looks.iter().skip(1));
        let growths = steps.filter(|(from, to)| bad(&to.1) > bad(&from.1)).count();
        let second = LegSecond {
            packets: grown(|it| it.packets),
            refused: grown(|it| it.packets_malformed),
            other_stream: grown(|it| it.packets_other_stream),
            late: grown(|it| it.packets_late),
            lost: grown(|it| it.packets_lost),
            growths,
        };
        let fault = second.fault(loss_ppm);
        self.faults = fault.map_or(0, |_| self.faults + 1);
        fault.filter(|_| self.faults >= super::lasting::LOOKS)
    }
}

/// A counter that grows while there is a signal.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    seen: u64,
    grew: Option<(Instant, Timestamp)>,
    from: AbsentFrom,
}

impl Presence {
    /// Looks at the counter; the first look is the start.
    pub(crate) fn look(
        &mut self,
        value: u64,
        now: Instant,
        wall: Timestamp,
        timeout: Duration,
    ) -> Option<Absence> {
        let grows = value > self.seen && self.grew.is_some();
        self.seen = value;
        if grows {
            self.from = AbsentFrom::Last;
            self.grew = None;
        }
        let (at, since) = *self.grew.get_or_insert((now, wall));
        let is_absent = now.saturating_duration_since(at) >= timeout;
        is_absent.then_some(Absence {
            since,
            from: self.from,
        })
    }

    /// The session got other addresses: nothing came to them before.
    pub(crate) fn retarget(&mut self, wall: Timestamp) {
        if let Some((_, since)) = &mut self.grew {
            *since = wall;
            self.from = AbsentFrom::Retarget;
        }
    }
}

/// From when on nothing came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AbsentFrom {
    /// The session's start.
    #[default]
    Start,
    /// The session got other addresses.
    Retarget,
    /// The last time that something came.
    Last,
}

/// Nothing came for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absence {
    pub(crate) since: Timestamp,
    pub(crate) from: AbsentFrom,
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn seconds_of_a_leg_then_a_fault_with_its_figure_or_none() {
        let good = LegSecond {
            packets: 1_000,
            growths: 4,
            ..LegSecond::default()
        };
        let table = [
            ("all is well", good, None),
            ("one lost packet", LegSecond { lost: 1, ..good }, None),
            (
                "one burst",
                LegSecond {
                    lost: 40,
                    growths: 1,
                    ..good
                },
                None,
            ),
            (
                "loss",
                LegSecond { lost: 20, ..good },
                Some(LegFault::Lost(20, 1_020)),
            ),
            (
                "another payload type",
                LegSecond {
                    refused: 1_000,
                    ..good
                },
                Some(LegFault::Refused(1_000, 1_000)),
            ),
            (
                "another stream",
                LegSecond {
                    other_stream: 1_000,
                    ..good
                },
                Some(LegFault::OtherStream(1_000, 1_000)),
            ),
            (
                "a host that was late",
                LegSecond { late: 120, ..good },
                None,
            ),
            (
                "too late for the class",
                LegSecond { late: 990, ..good },
                Some(LegFault::Late(990, 1_000)),
            ),
            ("nothing", LegSecond::default(), None),
        ];
        for (what, second, fault) in table {
            assert_eq!(second.fault(1_000), fault, "{what}");
        }
    }

    #[test]
    fn leg_that_loses_is_told_and_healed_within_two_seconds() {
        let (mut watch, start) = (LegWatch::default(), Instant::now());
        let mut counted = LegSnapshot::default();
        let told: Vec<_> = (0..32u32)
            .map(|look| {
                counted.packets += 250;
                // It loses from 2 s to 5 s.
                counted.packets_lost += if (8..20).contains(&look) { 5 } else { 0 };
                let now = start + Duration::from_millis(250) * look;
                watch.look(counted, 1_000, now).is_some()
            })
            .collect();
        let (first, last) = (
            told.iter().position(|it| *it),
            told.iter().rposition(|it| *it),
        );
        assert!((8..=11).contains(&first.unwrap()), "{told:?}");
        assert!((19..=24).contains(&last.unwrap()), "{told:?}");
    }

    #[test]
    fn counter_that_rests_is_absent_until_it_grows() {
        let mut presence = Presence::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let wall = |ms| Timestamp(UNIX_EPOCH + Duration::from_millis(ms));
        let timeout = Duration::from_secs(1);
        // It counted before the session was started again.
        assert_eq!(presence.look(70, at(0), wall(0), timeout), None);
        assert_eq!(presence.look(70, at(999), wall(999), timeout), None);
        let never = presence.look(70, at(1000), wall(1000), timeout).unwrap();
        assert_eq!(never.from, AbsentFrom::Start);
        assert_eq!(presence.look(71, at(2000), wall(2000), timeout), None);
        assert_eq!(presence.look(71, at(2900), wall(2900), timeout), None);
        let later = presence.look(71, at(3000), wall(3000), timeout).unwrap();
        assert_eq!(later.from, AbsentFrom::Last);

        // It stays absent, and not since a time before the change.
        presence.retarget(wall(3050));
        let changed = presence.look(71, at(3100), wall(3100), timeout).unwrap();
        assert_eq!(changed.from, AbsentFrom::Retarget);
        assert_eq!(changed.since, wall(3050));
    }
}
