//! A sender's declaration of the timing of its packets.

use crate::video::{SenderType, VideoStream};

use super::verdict::{Quantity, Reason, Verdict};

/// The parameters of a session description that ST 2110-21 §8 has: `TP`, `TROFF`, `CMAX`, and `MAXUDP`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Declared {
    /// The sender type.
    pub sender: Option<SenderType>,
    /// TROFFSET in nanoseconds; `None`: the default of the raster.
    pub offset_ns: Option<u64>,
    /// CMAX; `None`: that of the sender type.
    pub cmax: Option<u32>,
    /// Largest UDP datagram (`MAXUDP`).
    pub max_udp: Option<u16>,
}

impl From<SenderType> for Declared {
    fn from(sender: SenderType) -> Self {
        Self {
            sender: Some(sender),
            ..Self::default()
        }
    }
}

impl From<&VideoStream> for Declared {
    fn from(video: &VideoStream) -> Self {
        Self {
            sender: video.sender_type,
            offset_ns: video.tr_offset_us.map(|us| u64::from(us) * 1000),
            cmax: video.cmax,
            max_udp: Some(video.max_udp),
        }
    }
}

impl Declared {
    /// Whether the figures that `found` is of, with `cinst` as the highest level of the network model, are as
    /// the sender says: they comply with its type, and hold no more packets than its CMAX. A CMAX above that
    /// of the type allows no more than the type. `None` if it says neither.
    #[must_use]
    pub fn judge(&self, found: &Verdict, cinst: u64) -> Option<Judgement> {
        let as_type = self.sender.map(|it| found.is_as(it));
        let above = self.cmax.and_then(|limit| above(cinst, limit));
        match (as_type, above) {
            (None, None) => self.cmax.map(|_| Judgement::AsDeclared),
            (Some(true), None) => Some(Judgement::AsDeclared),
            // The type's own reason, which may be stricter, is in the verdict if the type is not kept.
            (Some(false), None) => Some(Judgement::Not(found.reason)),
            (_, Some(reason)) => Some(Judgement::Not(Some(reason))),
        }
    }
}

/// Whether figures are as their sender says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// They are.
    AsDeclared,
    /// They are not, and why.
    Not(Option<Reason>),
}

fn above(cinst: u64, limit: u32) -> Option<Reason> {
    let figure = i64::try_from(cinst).unwrap_or(i64::MAX);
    (cinst > limit.into()).then_some(Reason {
        quantity: Quantity::Cinst,
        figure,
        limit: limit.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::st2110_21::Reads;
    use crate::video::st2110_21::verdict::{tests::LIMITS, verdict};

    #[test]
    fn figures_are_judged_by_the_smaller_cmax_declared_or_of_type() {
        use SenderType::{Narrow, Wide};
        let limit_of = |sender, cmax, cinst| {
            let declared = Declared {
                sender,
                cmax,
                offset_ns: None,
                max_udp: None,
            };
            let found = verdict(&LIMITS, Reads::Gapped, cinst, None);
            declared.judge(&found, cinst).map(|it| match it {
                Judgement::AsDeclared => None,
                Judgement::Not(reason) => Some(reason.unwrap().limit),
            })
        };
        for (sender, cmax, cinst, expected) in [
            (None, None, 99, None),
            (None, Some(3), 3, Some(None)),
            (None, Some(3), 4, Some(Some(3))),
            (Some(Narrow), None, 4, Some(None)),
            (Some(Narrow), None, 5, Some(Some(4))),
            (Some(Narrow), Some(3), 3, Some(None)),
            (Some(Narrow), Some(3), 4, Some(Some(3))),
            // It does not widen the type's limit.
            (Some(Narrow), Some(9), 5, Some(Some(4))),
            (Some(Wide), Some(9), 9, Some(None)),
            (Some(Wide), Some(9), 10, Some(Some(9))),
            (Some(Wide), Some(20), 17, Some(Some(16))),
        ] {
            let found = limit_of(sender, cmax, cinst);
            assert_eq!(found, expected, "{sender:?} {cmax:?} {cinst}");
        }
    }
}
