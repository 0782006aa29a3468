//! A format of ancillary data as JSON. Only its shape is checked; [`AncillaryStream`] exists only if every field is
//! valid.

mod check;
mod listed;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::stream::{AncillaryStandard, AncillaryStream, Transmission};
use crate::essence::{Document, Patch};
use crate::rows::Row;

pub use listed::{ListedAncillary, SeenAncillary};

/// Rate of the frames, kinds of data, and how they are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", schema(as = AncillaryFormat))]
pub struct AncillaryDocument {
    /// Frames a second of the video that the data belongs to, as an exact ratio: `60/1`, `60`, `30000/1001`. 1 to 120.
    #[cfg_attr(
        feature = "openapi",
        schema(pattern = "^[1-9][0-9]{0,5}(/[1-9][0-9]{0,5})?$", examples("60/1"))
    )]
    pub frame_rate: String,
    /// Each frame has two fields, and each buffer is of a field; `false` when absent. A receiver takes frames and fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<bool>,
    /// DID and SDID of what is sent, in hexadecimal digits: `61/02`. For receivers; a sender sends what it is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(examples(json!(["60/60", "61/01"]))))]
    pub did_sdid: Vec<String>,
    /// Payload identifier of the video signal, 0 to 255 (ST 352; `VPID_Code` in SDP).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(maximum = 255, examples(133)))]
    pub vpid: Option<u32>,
    /// When an ANC packet is sent (`TM` in SDP); `ctm` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transmission: Option<Transmission>,
    /// Year of the version of ST 2110-40 (`SSN` in SDP).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<AncillaryStandard>,
    /// How long after a frame's time its data is sent, in microseconds, less than a frame (`TROFF` in SDP); 0 when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(maximum = 999_999))]
    pub tr_offset_us: Option<u32>,
}

impl Document for AncillaryDocument {
    fn packet_rows(&self, _sends: bool) -> Vec<Row> {
        let kinds = (!self.did_sdid.is_empty()).then(|| self.did_sdid.join(", "));
        let rows = [
            ("DID/SDID", kinds),
            ("VPID", self.vpid.map(|it| it.to_string())),
            ("TM", self.transmission.map(|it| it.to_string())),
            ("SSN", self.standard.map(|it| format!("ST 2110-40:{it}"))),
            ("TROFFSET", self.tr_offset_us.map(|us| format!("{us} µs"))),
        ];
        let rows = rows.into_iter();
        rows.filter_map(|(name, text)| Some(Row::new(name, text?)))
            .collect()
    }
}

/// For people: `ancillary data 30000/1001 fps interlaced`.
impl fmt::Display for AncillaryDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = &self.frame_rate;
        let rate = rate.strip_suffix("/1").unwrap_or(rate);
        let interlaced = match self.fields {
            Some(true) => " interlaced",
            _ => "",
        };
        write!(f, "ancillary data {rate} fps{interlaced}")
    }
}

/// Default values stay out.
impl From<AncillaryStream> for AncillaryDocument {
    fn from(stream: AncillaryStream) -> Self {
        let kinds = stream.kinds.into_iter();
        Self {
            frame_rate: stream.rate.to_string(),
            fields: stream.interlaced.then_some(true),
            did_sdid: kinds
                .map(|(did, sdid)| format!("{did:02x}/{sdid:02x}"))
                .collect(),
            vpid: stream.vpid.map(u32::from),
            transmission: stream.transmission,
            standard: stream.standard,
            tr_offset_us: stream.tr_offset_us,
        }
    }
}

/// Nothing of ancillary data changes while a session lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AncillaryPatch {}

impl Patch<AncillaryDocument> for AncillaryPatch {
    fn apply(&self, _document: &mut AncillaryDocument) {}
}
