//! Counters of the packets and frames of a receive session, by reason.

use crate::rtp::RtpReject;
use crate::video::st2110_20::PayloadReject;

/// Why a packet is malformed. Each packet counts under exactly one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// Truncated within its headers.
    Truncated,
    /// RTP version other than 2.
    BadVersion,
    /// RTP padding longer than the payload, or empty.
    BadPadding,
    /// Another payload type than the session's.
    BadPayloadType,
    /// More SRD headers than supported.
    TooManySrds,
    /// Field bit set in a progressive session: interlaced or segmented.
    Interlaced,
    /// An SRD outside the raster.
    BadSrdRange,
    /// An SRD that splits a pgroup.
    BadPgroupAlignment,
    /// SRD lengths that do not match the payload.
    BadLength,
    /// A line of a whole frame in a session of fields or segments: progressive.
    Progressive,
    /// A field bit that differs from that of the field's other packets.
    FieldMismatch,
}

impl Malformed {
    /// Every reason, in the order of [`MalformedCounts`].
    pub const ALL: [Self; 11] = [
        Self::Truncated,
        Self::BadVersion,
        Self::BadPadding,
        Self::BadPayloadType,
        Self::TooManySrds,
        Self::Interlaced,
        Self::BadSrdRange,
        Self::BadPgroupAlignment,
        Self::BadLength,
        Self::Progressive,
        Self::FieldMismatch,
    ];

    /// Name in statistics and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::BadVersion => "bad_version",
            Self::BadPadding => "bad_padding",
            Self::BadPayloadType => "bad_payload_type",
            Self::TooManySrds => "too_many_srds",
            Self::Interlaced => "interlaced",
            Self::BadSrdRange => "bad_srd_range",
            Self::BadPgroupAlignment => "bad_pgroup_alignment",
            Self::BadLength => "bad_length",
            Self::Progressive => "progressive",
            Self::FieldMismatch => "field_mismatch",
        }
    }
}

impl From<RtpReject> for Malformed {
    fn from(reject: RtpReject) -> Self {
        match reject {
            RtpReject::Truncated => Self::Truncated,
            RtpReject::Version(_) => Self::BadVersion,
            RtpReject::Padding(_) => Self::BadPadding,
        }
    }
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

/// Malformed packets by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MalformedCounts([u64; Malformed::ALL.len()]);

impl MalformedCounts {
    /// Packets rejected for `reason`.
    #[must_use]
    pub const fn get(&self, reason: Malformed) -> u64 {
        self.0[reason as usize]
    }

    /// Packets rejected for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Malformed, u64)> {
        Malformed::ALL.into_iter().zip(self.0)
    }

    pub(super) const fn add(&mut self, reason: Malformed) {
        self.0[reason as usize] += 1;
    }
}

/// Counters since the assembler was created. Every packet counts in exactly one of `accepted`,
/// `malformed`, `other_ssrc_packets`, `duplicate`, `late` and `no_buffer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AssemblyStats {
    /// Packets pushed.
    pub packets: u64,
    /// Bytes of these, RTP headers included.
    pub bytes: u64,
    /// Packets whose bytes went into a frame.
    pub accepted: u64,
    /// Packets that do not match the flow and format.
    pub malformed: MalformedCounts,
    /// Packets of another synchronisation source, while the current one sends.
    pub other_ssrc_packets: u64,
    /// Packets whose sequence number had already arrived.
    pub duplicate: u64,
    /// Packets of a frame that was already closed.
    pub late: u64,
    /// Packets of a frame without memory.
    pub no_buffer: u64,
    /// Packets after one with a higher sequence number (also counted elsewhere).
    pub reordered: u64,
    /// Sequence numbers missing when their frame was closed.
    pub lost: u64,
    /// Of these, numbers that arrived later.
    pub lost_arrived: u64,
    /// Changes of the synchronisation source.
    pub ssrc_changes: u64,
    /// Restarts of the same source with new sequence numbers.
    pub restarts: u64,
    /// Frames finished complete.
    pub frames_complete: u64,
    /// Frames finished incomplete.
    pub frames_incomplete: u64,
    /// Of the incomplete frames, those of a source that sends another format.
    pub frames_wrong_format: u64,
    /// Frames without memory.
    pub frames_no_buffer: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

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
