//! Names of DID and SDID by SMPTE's registry (ST 291-1 Annex A, smpte-ra.org).

use std::fmt;

/// Ancillary timecode (ST 12-2).
pub const TIMECODE: (u8, u8) = (0x60, 0x60);
/// CEA-708 caption distribution packets (ST 334-1).
pub const CEA_708: (u8, u8) = (0x61, 0x01);
/// CEA-608 caption data (ST 334-1).
pub const CEA_608: (u8, u8) = (0x61, 0x02);

/// Kinds with a second identification word.
const KINDS: [((u8, u8), &str); 31] = [
    ((0x08, 0x08), "MPEG recoding data (ST 353)"),
    ((0x40, 0x01), "SDTI (ST 305)"),
    ((0x40, 0x02), "HD-SDTI (ST 348)"),
    ((0x41, 0x01), "video payload identifier (ST 352)"),
    ((0x41, 0x05), "AFD and bar data (ST 2016-3)"),
    ((0x41, 0x06), "pan-scan (ST 2016-4)"),
    ((0x41, 0x07), "SCTE 104 (ST 2010)"),
    ((0x41, 0x08), "DVB/SCTE VBI data (ST 2031)"),
    ((0x41, 0x0c), "HDR/WCG metadata (ST 2108-1)"),
    ((0x43, 0x01), "inter-station control (ITU-R BT.1685)"),
    ((0x43, 0x02), "OP-47 subtitles (RDD 8)"),
    ((0x43, 0x03), "OP-47 multipacket (RDD 8)"),
    ((0x43, 0x05), "acquisition metadata (RDD 18)"),
    ((0x44, 0x04), "KLV metadata (RP 214)"),
    ((0x44, 0x14), "KLV metadata (RP 214)"),
    ((0x44, 0x44), "UMID and program ID (RP 223)"),
    ((0x45, 0x01), "audio metadata (ST 2020)"),
    ((0x51, 0x01), "film codes (RP 215)"),
    ((0x5f, 0xdc), "ARIB captions, mobile (STD-B37)"),
    ((0x5f, 0xdd), "ARIB captions, analogue (STD-B37)"),
    ((0x5f, 0xde), "ARIB captions, SD (STD-B37)"),
    ((0x5f, 0xdf), "ARIB captions, HD (STD-B37)"),
    (TIMECODE, "timecode (ST 12-2)"),
    (CEA_708, "CEA-708 captions (ST 334-1)"),
    (CEA_608, "CEA-608 captions (ST 334-1)"),
    ((0x62, 0x01), "program description (RP 207)"),
    ((0x62, 0x02), "data broadcast (ST 334-1)"),
    ((0x62, 0x03), "VBI data (RP 208)"),
    ((0x64, 0x64), "linear timecode (RP 196)"),
    ((0x64, 0x7f), "vertical interval timecode (RP 196)"),
    ((0x53, 0x02), "not registered, seen in use"),
];

/// Kinds of type 1: their second word is a number.
const NUMBERED: [(u8, &str); 33] = [
    (0x80, "marked for deletion (ST 291-1)"),
    (0x84, "end of data (ST 291-1)"),
    (0x88, "start of data (ST 291-1)"),
    (0xa0, "audio control, group 8 (ST 299-2)"),
    (0xa1, "audio control, group 7 (ST 299-2)"),
    (0xa2, "audio control, group 6 (ST 299-2)"),
    (0xa3, "audio control, group 5 (ST 299-2)"),
    (0xa4, "audio, group 8 (ST 299-2)"),
    (0xa5, "audio, group 7 (ST 299-2)"),
    (0xa6, "audio, group 6 (ST 299-2)"),
    (0xa7, "audio, group 5 (ST 299-2)"),
    (0xe0, "audio control, group 4 (ST 299-1)"),
    (0xe1, "audio control, group 3 (ST 299-1)"),
    (0xe2, "audio control, group 2 (ST 299-1)"),
    (0xe3, "audio control, group 1 (ST 299-1)"),
    (0xe4, "audio, group 4 (ST 299-1)"),
    (0xe5, "audio, group 3 (ST 299-1)"),
    (0xe6, "audio, group 2 (ST 299-1)"),
    (0xe7, "audio, group 1 (ST 299-1)"),
    (0xec, "audio control, group 4 (ST 272)"),
    (0xed, "audio control, group 3 (ST 272)"),
    (0xee, "audio control, group 2 (ST 272)"),
    (0xef, "audio control, group 1 (ST 272)"),
    (0xf0, "camera position (ST 315)"),
    (0xf4, "error detection (RP 165)"),
    (0xf8, "extended audio, group 4 (ST 272)"),
    (0xf9, "audio, group 4 (ST 272)"),
    (0xfa, "extended audio, group 3 (ST 272)"),
    (0xfb, "audio, group 3 (ST 272)"),
    (0xfc, "extended audio, group 2 (ST 272)"),
    (0xfd, "audio, group 2 (ST 272)"),
    (0xfe, "extended audio, group 1 (ST 272)"),
    (0xff, "audio, group 1 (ST 272)"),
];

/// Kind of ANC packets (ST 291-1 §6). As text: `61/02`, or `e7` of type 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Type 1, of DIDs from 0x80 on: the second word is a number that grows from packet to packet (DBN).
    Numbered(u8),
    /// Type 2: DID and SDID.
    Identified(u8, u8),
}

impl Kind {
    /// The kind of an ANC packet by its first two words: DID, and SDID or DBN.
    #[must_use]
    pub const fn of((did, second): (u8, u8)) -> Self {
        match did {
            0x80.. => Self::Numbered(did),
            _ => Self::Identified(did, second),
        }
    }

    /// The name by SMPTE; `None` if it is not known.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Numbered(did) => NUMBERED.iter().find(|it| it.0 == did).map(|it| it.1),
            Self::Identified(did, sdid) => {
                let found = KINDS.iter().find(|it| it.0 == (did, sdid));
                found.map(|it| it.1)
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbered(did) => write!(f, "{did:02x}"),
            Self::Identified(did, sdid) => write!(f, "{did:02x}/{sdid:02x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_what_is_in_use_then_with_its_standard() {
        for (kind, part) in [
            ((0x60, 0x60), "ST 12-2"),
            ((0x61, 0x01), "CEA-708"),
            ((0x61, 0x02), "CEA-608"),
            ((0x41, 0x05), "AFD"),
            ((0x41, 0x07), "SCTE 104"),
            ((0x43, 0x02), "OP-47"),
            ((0x43, 0x03), "OP-47"),
            ((0xf4, 0x01), "RP 165"),
            ((0xf4, 0xff), "RP 165"),
            ((0xe0, 0x01), "audio control, group 4 (ST 299-1)"),
            ((0xe6, 0x02), "audio, group 2 (ST 299-1)"),
            ((0xa7, 0x02), "audio, group 5 (ST 299-2)"),
            ((0xf8, 0x03), "extended audio, group 4 (ST 272)"),
            ((0xfe, 0x04), "extended audio, group 1 (ST 272)"),
        ] {
            assert!(Kind::of(kind).name().unwrap().contains(part), "{kind:x?}");
        }
        assert_eq!(Kind::of((0x50, 0x01)).name(), None);
        assert_eq!(Kind::of((0xe8, 0x01)).name(), None);
    }

    #[test]
    fn kind_as_text_then_with_sdid_or_without_number() {
        assert_eq!(Kind::of((0x7f, 0x80)).to_string(), "7f/80");
        assert_eq!(Kind::of((0x80, 0x7f)).to_string(), "80");
        assert_eq!(Kind::of((0xe7, 1)), Kind::of((0xe7, 255)));
    }

    #[test]
    fn kinds_all_then_each_once() {
        for (at, (kind, _)) in KINDS.iter().enumerate() {
            assert!(KINDS[at + 1..].iter().all(|(it, _)| it != kind));
        }
        assert!(NUMBERED.iter().is_sorted_by(|a, b| a.0 < b.0));
    }
}
