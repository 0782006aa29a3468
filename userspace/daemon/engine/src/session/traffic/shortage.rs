//! Whether as many whole units (frames, fields, blocks, units of ANC data) come as the format promises.

use std::fmt;

use onair_mutant::mutant;

/// Fewest missing units of a fault: one damaged packet is none.
const FEWEST: u64 = 2;
/// A share of the promise that may be missing: the looks fall between units.
const TOLERATED: u64 = 20;

/// Units of about the last second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Units {
    /// Units of that time, by the clock of this host.
    pub(super) promised: u64,
    /// Units of the time that the timestamps of the finished units went on; `None` if none finished.
    pub(super) stamped: Option<u64>,
    pub(super) complete: u64,
    pub(super) incomplete: u64,
    /// Units without a packet with the marker.
    pub(super) unmarked: u64,
    /// Units with packets behind the marker.
    pub(super) past_marker: u64,
    /// Units that came while no buffer was free.
    pub(super) no_buffer: u64,
    pub(super) packets: u64,
    pub(super) lost: u64,
    /// Packets of units that were over, and packets that came again.
    pub(super) late: u64,
    /// The most frequent reason for which packets were refused.
    pub(super) refused: Option<(&'static str, u64)>,
}

/// Why units are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    NoBuffer,
    NoMarker,
    PastMarker,
    Refused(&'static str, u64),
    Lost(u64),
    Late(u64),
    /// The timestamps go on, the sequence numbers have no gap.
    LeftOut,
    Unknown,
}

/// Fewer whole units came than the format promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shortage {
    units: Units,
    pub(super) cause: Cause,
}

impl Units {
    /// The shortage of units, if it is one.
    pub(super) fn shortage(self) -> Option<Shortage> {
        let missing = self.expected().saturating_sub(self.complete);
        let is_short = missing >= FEWEST && missing * TOLERATED > self.expected();
        is_short.then(|| Shortage {
            units: self,
            cause: self.cause(missing),
        })
    }

    /// Whether whole units come, and as many as the format promises.
    pub(super) fn are_as_promised(self) -> bool {
        let away = self.complete.abs_diff(self.promised);
        self.complete > 0 && away * TOLERATED <= self.promised.max(TOLERATED)
    }

    /// Whether more units come than the format promises: those of another rate, it may be.
    pub(super) fn are_too_many(self) -> bool {
        let more = (self.complete + self.incomplete).saturating_sub(self.promised);
        more >= FEWEST && more * TOLERATED > self.promised
    }

    /// Neither a host that is late nor a timestamp that jumps makes units miss.
    fn expected(&self) -> u64 {
        match self.stamped {
            // Packets come, and no unit ends.
            None | Some(0) if self.complete == 0 && self.packets > 0 => self.promised,
            _ if mutant!("lamp: a late host misses units") => self.promised,
            stamped => self.promised.min(stamped.unwrap_or(0)),
        }
    }

    /// By how many units the timestamps went further than the complete units; 0 if the timestamps jumped.
    pub(super) fn ahead(&self) -> i64 {
        let jumped = 2 * self.promised + 2 * FEWEST;
        let stamped = self.stamped.filter(|it| *it <= jumped);
        let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
        stamped.map_or(0, |it| signed(it) - signed(self.complete))
    }

    /// Those of another time, too.
    pub(super) fn plus(self, other: Self) -> Self {
        let stamped = self.stamped.into_iter().chain(other.stamped);
        let refused = self.refused.into_iter().chain(other.refused);
        Self {
            promised: self.promised + other.promised,
            stamped: stamped.reduce(|all, it| all + it),
            complete: self.complete + other.complete,
            incomplete: self.incomplete + other.incomplete,
            unmarked: self.unmarked + other.unmarked,
            past_marker: self.past_marker + other.past_marker,
            no_buffer: self.no_buffer + other.no_buffer,
            packets: self.packets + other.packets,
            lost: self.lost + other.lost,
            late: self.late + other.late,
            refused: refused.max_by_key(|it| it.1),
        }
    }

    /// Why so many are missing.
    pub(super) fn cause(&self, missing: u64) -> Cause {
        let explains = |count: u64| count > 0 && 2 * count >= missing;
        match self.refused {
            _ if explains(self.no_buffer) => Cause::NoBuffer,
            Some((reason, count)) if explains(count) => Cause::Refused(reason, count),
            _ if explains(self.unmarked) && self.lost < self.unmarked => Cause::NoMarker,
            _ if explains(self.past_marker) && self.lost < self.past_marker => Cause::PastMarker,
            _ if explains(self.lost) => Cause::Lost(self.lost),
            _ if explains(self.late) => Cause::Late(self.late),
            _ if self.incomplete == 0 && self.stamped > Some(self.complete) => Cause::LeftOut,
            _ => Cause::Unknown,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBuffer => f.write_str("no buffer is free: give a higher quota"),
            Self::NoMarker => f.write_str(
                "no packet has the RTP marker, which ends each of them: correct the sender",
            ),
            Self::PastMarker => f.write_str(
                "packets come behind the one with the RTP marker, which is to be the last: correct the sender",
            ),
            Self::Refused(reason, count) => write!(
                f,
                "{count} packets are refused as {reason}: correct the sender, or the session's format"
            ),
            Self::Lost(count) => write!(
                f,
                "{count} packets are lost: check the counters of the switches on the way"
            ),
            Self::Late(count) => write!(
                f,
                "{count} packets belong to units that are over, or came before: check the sender"
            ),
            Self::LeftOut => f.write_str(
                "the sender leaves out the others: its timestamps have gaps, its sequence numbers none; check the \
                 sender, and its rate",
            ),
            Self::Unknown => f.write_str("their packets do not make up a whole: check the sender"),
        }
    }
}

impl Cause {
    /// For people; `remark`: what the packets show of a cause that is theirs.
    pub(super) fn text(&self, remark: Option<String>) -> String {
        let remark = remark.filter(|_| matches!(self, Self::Refused(..) | Self::Unknown));
        remark.unwrap_or_else(|| self.to_string())
    }
}

impl Shortage {
    /// For people; `noun`: what the units are; `remark`: what the packets show of a cause that is theirs.
    pub(super) fn text(&self, noun: &str, remark: Option<String>) -> String {
        let Units {
            complete,
            incomplete,
            ..
        } = self.units;
        let expected = self.units.expected();
        let what = match incomplete {
            0 => format!("too few: {complete} of {expected} {noun} came"),
            _ => format!(
                "incomplete: {complete} of {expected} {noun} were complete, {incomplete} incomplete,"
            ),
        };
        let cause = self.cause.text(remark);
        format!("{what} in the last second: {cause}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A good second of 25 units.
    const GOOD: Units = Units {
        promised: 25,
        stamped: Some(25),
        complete: 25,
        incomplete: 0,
        unmarked: 0,
        past_marker: 0,
        no_buffer: 0,
        packets: 1_000,
        lost: 0,
        late: 0,
        refused: None,
    };

    fn cause(units: Units) -> Option<Cause> {
        units.shortage().map(|it| it.cause)
    }

    #[test]
    fn units_as_promised_then_no_other_essence_is_believed() {
        let of = |complete| Units { complete, ..GOOD }.are_as_promised();
        assert_eq!(
            [0, 12, 24, 25, 26, 50].map(of),
            [false, false, true, true, true, false]
        );
    }

    #[test]
    fn seconds_of_all_kinds_then_short_or_not_and_why() {
        let none = Units {
            complete: 0,
            incomplete: 25,
            ..GOOD
        };
        let ends = Units {
            stamped: None,
            incomplete: 0,
            ..none
        };
        let table = [
            ("all is well", GOOD, None),
            (
                "looks between units",
                Units {
                    complete: 24,
                    ..GOOD
                },
                None,
            ),
            (
                "one damaged packet",
                Units {
                    complete: 24,
                    incomplete: 1,
                    lost: 1,
                    ..GOOD
                },
                None,
            ),
            (
                "one frame in five",
                Units {
                    complete: 5,
                    ..GOOD
                },
                Some(Cause::LeftOut),
            ),
            (
                "each tenth left out",
                Units {
                    complete: 22,
                    ..GOOD
                },
                Some(Cause::LeftOut),
            ),
            (
                "no marker",
                Units {
                    unmarked: 25,
                    ..none
                },
                Some(Cause::NoMarker),
            ),
            (
                "two markers",
                Units {
                    past_marker: 25,
                    ..none
                },
                Some(Cause::PastMarker),
            ),
            (
                "no start of image",
                Units {
                    refused: Some(("bad_header", 25)),
                    ..none
                },
                Some(Cause::Refused("bad_header", 25)),
            ),
            (
                "loss",
                Units {
                    lost: 40,
                    unmarked: 2,
                    ..none
                },
                Some(Cause::Lost(40)),
            ),
            ("nothing ends", ends, Some(Cause::Unknown)),
            (
                "repeated packets",
                Units { late: 900, ..ends },
                Some(Cause::Late(900)),
            ),
            (
                "no memory",
                Units {
                    no_buffer: 25,
                    ..ends
                },
                Some(Cause::NoBuffer),
            ),
            ("silence", Units { packets: 0, ..ends }, None),
            // This host was late, and caught up: the units are in the other second.
            (
                "a late host",
                Units {
                    stamped: Some(15),
                    complete: 15,
                    ..GOOD
                },
                None,
            ),
            (
                "a host that catches up",
                Units {
                    stamped: Some(35),
                    complete: 35,
                    ..GOOD
                },
                None,
            ),
            // The timestamps' own faults have their own judge.
            (
                "a jump",
                Units {
                    stamped: Some(9_000),
                    ..GOOD
                },
                None,
            ),
            (
                "timestamps that stand",
                Units {
                    stamped: Some(0),
                    complete: 3,
                    ..GOOD
                },
                None,
            ),
        ];
        for (what, units, expected) in table {
            assert_eq!(cause(units), expected, "{what}");
        }
    }

    #[test]
    fn shortage_is_told_with_its_figures_and_its_cause() {
        let told = |units: Units| units.shortage().unwrap().text("frames", None);
        let few = told(Units {
            complete: 5,
            ..GOOD
        });
        assert!(few.starts_with("too few: 5 of 25 frames came"), "{few}");
        assert!(few.contains("its timestamps have gaps"), "{few}");
        let broken = told(Units {
            complete: 0,
            incomplete: 25,
            unmarked: 25,
            ..GOOD
        });
        assert!(broken.starts_with("incomplete: 0 of 25 frames"), "{broken}");
        assert!(broken.contains("no packet has the RTP marker"), "{broken}");
    }
}
