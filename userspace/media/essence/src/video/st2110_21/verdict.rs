//! Which sender type a stream's figures comply with.

use std::fmt;

use crate::video::SenderType;

use super::limits::Limits;
use super::schedule::Reads;

/// A figure that has a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Highest level of the network model.
    Cinst,
    /// Lowest level of the virtual receive buffer: packets came after their read times.
    VrxLowest,
    /// Highest level of the virtual receive buffer.
    VrxHighest,
}

impl Quantity {
    /// Name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cinst => "cinst",
            Self::VrxLowest => "vrx_lowest",
            Self::VrxHighest => "vrx_highest",
        }
    }
}

/// Why a stream does not comply with the next stricter type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// The quantity beyond its limit.
    pub quantity: Quantity,
    /// How much it is.
    pub figure: i64,
    /// The limit.
    pub limit: i64,
}

impl Verdict {
    /// Whether a sender that says it is of this type complies with it, on the schedule of that type.
    #[must_use]
    pub fn is_as(&self, declared: SenderType) -> bool {
        self.complies.is_some_and(|it| it <= declared)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { figure, limit, .. } = self;
        match self.quantity {
            Quantity::Cinst => write!(f, "Cinst {figure} is above CMAX {limit}"),
            Quantity::VrxLowest => write!(f, "VRX {figure} is below {limit}: packets are late"),
            Quantity::VrxHighest => write!(f, "VRX {figure} is above VRX_FULL {limit}"),
        }
    }
}

/// The strictest type that a stream complies with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// `None`: not even a wide sender.
    pub complies: Option<SenderType>,
    /// Why not with the next stricter type; `None` if it is narrow.
    pub reason: Option<Reason>,
}

/// The verdict on the highest Cinst and the lowest and highest VRX, if that was measured.
#[must_use]
pub fn verdict(limits: &Limits, reads: Reads, cinst: u64, vrx: Option<(i64, i64)>) -> Verdict {
    let narrow = match reads {
        Reads::Gapped => SenderType::Narrow,
        Reads::Linear => SenderType::NarrowLinear,
    };
    let signed = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
    let above = |quantity, figure: i64, limit: u64| {
        let limit = signed(limit);
        (figure > limit).then_some(Reason {
            quantity,
            figure,
            limit,
        })
    };
    let beyond = |cmax, vrx_full| {
        let cinst = above(Quantity::Cinst, signed(cinst), cmax);
        let vrx = vrx.and_then(|(lowest, highest)| {
            let late = (lowest < 0).then_some(Reason {
                quantity: Quantity::VrxLowest,
                figure: lowest,
                limit: 0,
            });
            late.or_else(|| above(Quantity::VrxHighest, highest, vrx_full))
        });
        cinst.or(vrx)
    };
    let not_narrow = beyond(limits.cmax_narrow, limits.vrx_full_narrow);
    let not_wide = beyond(limits.cmax_wide, limits.vrx_full_wide);
    match (not_narrow, not_wide) {
        (None, _) => Verdict {
            complies: Some(narrow),
            reason: None,
        },
        (reason, None) => Verdict {
            complies: Some(SenderType::Wide),
            reason,
        },
        (_, reason) => Verdict {
            complies: None,
            reason,
        },
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::video::st2110_21) const LIMITS: Limits = Limits {
        cmax_narrow: 4,
        cmax_wide: 16,
        vrx_full_narrow: 8,
        vrx_full_wide: 720,
    };

    #[test]
    fn verdict_names_the_strictest_type_and_what_the_next_lacks() {
        use Quantity::{Cinst, VrxHighest, VrxLowest};
        use SenderType::{Narrow, Wide};
        for (cinst, vrx, complies, reason) in [
            (4, Some((0, 8)), Some(Narrow), None),
            (4, None, Some(Narrow), None),
            (5, Some((0, 8)), Some(Wide), Some((Cinst, 5, 4))),
            (4, Some((0, 9)), Some(Wide), Some((VrxHighest, 9, 8))),
            (16, Some((0, 720)), Some(Wide), Some((Cinst, 16, 4))),
            (17, None, None, Some((Cinst, 17, 16))),
            (0, Some((-1, 3)), None, Some((VrxLowest, -1, 0))),
            (0, Some((0, 721)), None, Some((VrxHighest, 721, 720))),
        ] {
            let found = verdict(&LIMITS, Reads::Gapped, cinst, vrx);
            assert_eq!(found.complies, complies);
            let found = found.reason.map(|it| (it.quantity, it.figure, it.limit));
            assert_eq!(found, reason);
        }
        let linear = verdict(&LIMITS, Reads::Linear, 0, None).complies;
        assert_eq!(linear, Some(SenderType::NarrowLinear));
    }

    #[test]
    fn reason_names_figure_and_limit() {
        let reason = verdict(&LIMITS, Reads::Gapped, 17, None).reason.unwrap();
        assert_eq!(reason.to_string(), "Cinst 17 is above CMAX 16");
    }
}
