//! Names of DID and SDID by SMPTE's registry (ST 291-1 Annex A, smpte-ra.org).

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

/// Kinds whose second word is a number.
const NUMBERED: [(u8, &str); 8] = [
    (0x80, "marked for deletion (ST 291-1)"),
    (0x84, "end of data (ST 291-1)"),
    (0x88, "start of data (ST 291-1)"),
    (0xa7, "audio control (ST 299-2)"),
    (0xe3, "audio control, group 1 (ST 299-1)"),
    (0xe7, "audio, group 1 (ST 299-1)"),
    (0xf4, "error detection (RP 165)"),
    (0xff, "audio, group 1 (ST 272)"),
];

/// The name of ANC packets with this DID and SDID; `None` if it is not known.
#[must_use]
pub fn name((did, sdid): (u8, u8)) -> Option<&'static str> {
    let numbered = NUMBERED.iter().find(|(it, _)| *it == did);
    let kind = KINDS.iter().find(|(it, _)| *it == (did, sdid));
    kind.map(|it| it.1).or(numbered.map(|it| it.1))
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
        ] {
            assert!(name(kind).unwrap().contains(part), "{kind:x?}");
        }
        assert_eq!(name((0x50, 0x01)), None);
    }

    #[test]
    fn kinds_all_then_each_once() {
        for (at, (kind, _)) in KINDS.iter().enumerate() {
            assert!(KINDS[at + 1..].iter().all(|(it, _)| it != kind));
        }
    }
}
