//! Ancillary data: ST 2110-40 and RFC 8331.

use onair_essence::ancillary::{AncillaryStandard as Standard, AncillaryStream, Transmission};

use crate::error::{Notes, SdpError};
use crate::essence::video::parse_rate;
use crate::fmtp::{Parameters, Written};
use crate::rate::DescribedRate;
use crate::words::words;

words! {
    /// Version of the standard (`SSN`).
    AncillaryStandard {
        /// ST 2110-40:2018.
        Y2018 "ST2110-40:2018",
        /// ST 2110-40:2021.
        Y2021 "ST2110-40:2021",
        /// ST 2110-40:2023.
        Y2023 "ST2110-40:2023",
    }
}

words! {
    /// When packets are sent (`TM`).
    TransmissionModel {
        /// Compatible: within 1 ms.
        Compatible "CTM",
        /// Low latency.
        LowLatency "LLTM",
    }
}

/// A format of ancillary data (`smpte291`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ancillary {
    /// The kinds of data, as DID and SDID. Empty: any.
    pub kinds: Vec<(u8, u8)>,
    /// VPID code of the video's interface (ST 352).
    pub vpid: Option<u8>,
    /// Frames per second.
    pub rate: Option<DescribedRate>,
    /// When packets are sent.
    pub transmission: Option<TransmissionModel>,
    /// Version of the standard.
    pub standard: Option<AncillaryStandard>,
    /// `TROFF`: offset of the frame's start in µs.
    pub tr_offset_us: Option<u32>,
}

impl Ancillary {
    pub(crate) fn parse(all: &Parameters<'_>, notes: &mut Notes) -> Result<Self, SdpError> {
        let mut kinds = Vec::new();
        for text in all.values("DID_SDID") {
            match kind(text) {
                Some(kind) => kinds.push(kind),
                None => {
                    let reason = "not used: it is not two numbers such as {0x61,0x02}";
                    notes.add(all.line, "DID_SDID", Some(text), reason);
                }
            }
        }
        Ok(Self {
            kinds,
            vpid: all
                .number("VPID_Code", 0..=255, notes)
                .and_then(|it| u8::try_from(it).ok()),
            rate: parse_rate(all, notes)?,
            transmission: all.word("TM", notes),
            standard: all.word("SSN", notes),
            tr_offset_us: all.number("TROFF", 0..=u32::MAX, notes),
        })
    }

    pub(crate) fn write(&self) -> String {
        let mut out = Written::default();
        for (did, sdid) in &self.kinds {
            out.add("DID_SDID", format!("{{0x{did:02X},0x{sdid:02X}}}"));
        }
        out.maybe("VPID_Code", self.vpid);
        out.maybe("exactframerate", self.rate);
        out.maybe("TM", self.transmission);
        out.maybe("SSN", self.standard);
        out.maybe("TROFF", self.tr_offset_us);
        out.finish()
    }
}

/// `SSN` goes with `TM` (ST 2110-40:2023 §7): the first edition has no `TM`, which absent means the compatible model, so of
/// that nothing is written unless the session names a later edition.
impl From<&AncillaryStream> for Ancillary {
    fn from(stream: &AncillaryStream) -> Self {
        let is_low_latency = stream.transmission == Some(Transmission::LowLatency);
        let standard = match stream.standard {
            Some(later @ (Standard::Y2021 | Standard::Y2023)) => later,
            _ if is_low_latency => Standard::Y2023,
            _ => Standard::Y2018,
        };
        let transmission = stream.transmission.filter(|_| standard != Standard::Y2018);
        Self {
            kinds: stream.kinds.clone(),
            vpid: stream.vpid,
            rate: Some(stream.rate.into()),
            transmission: transmission.map(|it| match it {
                Transmission::Compatible => TransmissionModel::Compatible,
                Transmission::LowLatency => TransmissionModel::LowLatency,
            }),
            standard: Some(match standard {
                Standard::Y2018 => AncillaryStandard::Y2018,
                Standard::Y2021 => AncillaryStandard::Y2021,
                Standard::Y2023 => AncillaryStandard::Y2023,
            }),
            tr_offset_us: stream.tr_offset_us,
        }
    }
}

fn kind(text: &str) -> Option<(u8, u8)> {
    let inner = text.strip_prefix('{').unwrap_or(text);
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    let (did, sdid) = inner.split_once(',')?;
    let hex = |text: &str| {
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").or(digits.strip_prefix("0X"))?;
        let is_hex = digits.bytes().all(|it| it.is_ascii_hexdigit());
        is_hex.then(|| u8::from_str_radix(digits, 16).ok())?
    };
    Some((hex(did)?, hex(sdid)?))
}
