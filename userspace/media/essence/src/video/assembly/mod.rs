//! Assembly of frames from packets that arrive out of order, twice, or never.
//!
//! The [`Assembler`] keeps two frames in assembly and reports each. The bytes go directly to a
//! [`Sink`](crate::receive::Sink), which owns the memory. Clocks, ports and the hand-over to clients do not belong here.

mod admission;
mod assembler;
mod coverage;
mod frame;
mod history;
mod train;

use crate::reasons::reasons;
use crate::video::st2110_20::PayloadReject;

pub use assembler::{Assembler, AssemblerConfig};
pub use coverage::Coverage;

reasons! {
    /// Why a packet is malformed. Each packet counts under exactly one reason.
    Malformed {
        /// More SRD headers than supported.
        TooManySrds "too_many_srds",
        /// Field bit set in a progressive session: interlaced or segmented.
        Interlaced "interlaced",
        /// An SRD outside the raster.
        BadSrdRange "bad_srd_range",
        /// An SRD that splits a pgroup.
        BadPgroupAlignment "bad_pgroup_alignment",
        /// SRD lengths that do not match the payload.
        BadLength "bad_length",
        /// A line of a whole frame in a session of fields or segments: progressive.
        Progressive "progressive",
        /// A field bit that differs from that of the field's other packets.
        FieldMismatch "field_mismatch",
    }
}

impl Malformed {
    /// Names of those that packets of another format cause.
    pub const OF_OTHER_FORMATS: [&'static str; 5] = [
        Self::Interlaced.name(),
        Self::Progressive.name(),
        Self::FieldMismatch.name(),
        Self::BadSrdRange.name(),
        Self::BadPgroupAlignment.name(),
    ];
}

impl From<PayloadReject> for Malformed {
    fn from(reject: PayloadReject) -> Self {
        match reject {
            PayloadReject::Truncated => Self::Truncated,
            PayloadReject::TooManySrds => Self::TooManySrds,
            PayloadReject::Interlaced => Self::Interlaced,
            PayloadReject::Progressive(_) => Self::Progressive,
            PayloadReject::FieldMismatch => Self::FieldMismatch,
            PayloadReject::Range { .. } => Self::BadSrdRange,
            PayloadReject::Alignment { .. } => Self::BadPgroupAlignment,
            PayloadReject::Length { .. } => Self::BadLength,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::MalformedCounts;

    #[test]
    fn reasons_all_then_each_has_its_own_place_and_name() {
        let mut counts = MalformedCounts::default();
        for (place, reason) in Malformed::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
            counts.add(reason);
            assert_eq!(counts.get(reason), 1);
        }
        let names: std::collections::HashSet<_> =
            Malformed::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Malformed::ALL.len());
        assert_eq!(counts.total(), 11);
    }
}
