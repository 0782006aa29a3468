//! A format of ancillary data as JSON. Only its shape is checked; [`AncillaryStream`] exists only if every field is
//! valid.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::stream::{AncillaryStandard, AncillaryStream, Transmission};
use crate::document::changes::changes;
use crate::essence::{Document, Listed, Seen};
use crate::invalid::{OutOfRange, Problems, SpecErrors, within};
use crate::rows::Row;
use crate::video::FrameRate;
use crate::video::document::check::check_tr_offset;

/// Most kinds in a format.
const MOST_KINDS: usize = 64;

crate::document! {
    /// Rate of the frames, kinds of data, and how they are sent.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
    #[serde(deny_unknown_fields)]
    #[cfg_attr(feature = "openapi", schema(as = AncillaryFormat))]
    pub struct AncillaryDocument {
        /// Frames a second of the video that the data belongs to, as an exact ratio: `60/1`, `60`, `30000/1001`. 1 to 120.
        #[cfg_attr(feature = "openapi", schema(pattern = "^[1-9][0-9]{0,5}(/[1-9][0-9]{0,5})?$", examples("60/1")))]
        pub frame_rate: String,
        /// Each frame has two fields, and each buffer is of a field; `false` when absent. A receiver takes frames and fields.
        pub fields: Option<bool>,
        /// DID and SDID of what is sent, in hexadecimal digits: `61/02`. For receivers; a sender sends what it is given.
        #[cfg_attr(feature = "openapi", schema(examples(json!(["60/60", "61/01"]))))]
        pub did_sdid: Vec<String>,
        /// Payload identifier of the video signal, 0 to 255 (ST 352; `VPID_Code` in SDP).
        #[cfg_attr(feature = "openapi", schema(maximum = 255, examples(133)))]
        pub vpid: Option<u32>,
        /// When an ANC packet is sent (`TM` in SDP); `ctm` when absent.
        pub transmission: Option<Transmission>,
        /// Year of the version of ST 2110-40 (`SSN` in SDP).
        pub standard: Option<AncillaryStandard>,
        /// How long after a frame's time its data is sent, in microseconds, less than a frame (`TROFF` in SDP); 0 when
        /// absent.
        #[cfg_attr(feature = "openapi", schema(maximum = 999_999))]
        pub tr_offset_us: Option<u32>,
    }
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

changes! {
    /// Nothing of ancillary data changes while a session lasts.
    AncillaryPatch of AncillaryDocument {}
}

/// Rate of the frames of ancillary data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListedAncillary {
    /// For people: `ancillary data 60 fps`.
    pub ancillary: String,
    /// Frames a second as an exact ratio.
    pub frame_rate: String,
    /// Each buffer is of a field; `false` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<bool>,
}

impl From<AncillaryDocument> for ListedAncillary {
    fn from(document: AncillaryDocument) -> Self {
        Self {
            ancillary: document.to_string(),
            frame_rate: document.frame_rate,
            fields: document.fields,
        }
    }
}

impl Listed for ListedAncillary {
    fn format(&self) -> &str {
        &self.ancillary
    }

    fn rate(&self) -> &str {
        &self.frame_rate
    }

    fn units_a_period(&self) -> u64 {
        1 + u64::from(self.fields == Some(true))
    }
}

/// Facts about a format of ancillary data that packets show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeenAncillary {
    /// Frames a second as a ratio.
    pub ancillary_rate: String,
    /// Packets name first and second fields.
    pub fields: bool,
}

/// In the words in which formats are shown, for people.
impl fmt::Display for SeenAncillary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, fields) = (&self.ancillary_rate, self.fields);
        let rate = rate.strip_suffix("/1").unwrap_or(rate);
        let interlaced = if fields { " interlaced" } else { "" };
        write!(f, "ancillary data {rate} fps{interlaced}")
    }
}

impl Seen for SeenAncillary {
    fn flags(&self) -> String {
        let fields = if self.fields { " --fields" } else { "" };
        format!(" --ancillary {}{fields}", self.ancillary_rate)
    }
}

/// Why a value is invalid.
#[derive(Debug, thiserror::Error)]
enum Invalid {
    #[error(transparent)]
    Range(#[from] OutOfRange),
    #[error("{0:?} is no DID and SDID: give two numbers of two hexadecimal digits, such as 61/02")]
    Kind(String),
    #[error("{0} kinds are given: give at most {MOST_KINDS}")]
    Kinds(usize),
}

impl TryFrom<&AncillaryDocument> for AncillaryStream {
    type Error = SpecErrors;

    fn try_from(document: &AncillaryDocument) -> Result<Self, SpecErrors> {
        let mut problems = Problems::default();
        check(document, &mut problems).ok_or(problems.into())
    }
}

fn check(document: &AncillaryDocument, p: &mut Problems) -> Option<AncillaryStream> {
    let rate = document.frame_rate.parse::<FrameRate>();
    let rate = p.take("ancillary.frame_rate", rate);
    let kinds = p.take("ancillary.did_sdid", kinds(&document.did_sdid));
    let vpid = document.vpid.map(|it| within(it, 0..=255, ""));
    let vpid = p.take("ancillary.vpid", vpid.transpose());
    let tr_offset = rate.map(|rate| check_tr_offset(document.tr_offset_us, rate));
    let tr_offset_us = tr_offset.and_then(|it| p.take("ancillary.tr_offset_us", it));
    Some(AncillaryStream {
        rate: rate?,
        interlaced: document.fields.unwrap_or_default(),
        kinds: kinds?,
        vpid: vpid?.and_then(|it| u8::try_from(it).ok()),
        transmission: document.transmission,
        standard: document.standard,
        tr_offset_us: tr_offset_us?,
    })
}

fn kinds(all: &[String]) -> Result<Vec<(u8, u8)>, Invalid> {
    if all.len() > MOST_KINDS {
        return Err(Invalid::Kinds(all.len()));
    }
    let kinds = all.iter().map(|text| {
        let shown = || Invalid::Kind(text.chars().take(40).collect());
        kind(text).ok_or_else(shown)
    });
    kinds.collect()
}

fn kind(text: &str) -> Option<(u8, u8)> {
    let hex = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|it| it.is_ascii_hexdigit());
        digits.then(|| u8::from_str_radix(text, 16).ok())?
    };
    let (did, sdid) = text.split_once('/')?;
    Some((hex(did)?, hex(sdid)?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(fields: Value) -> Result<AncillaryStream, Vec<String>> {
        let mut document = json!({"frame_rate": "30000/1001"});
        let changed = fields.as_object().unwrap().clone();
        document.as_object_mut().unwrap().extend(changed);
        let document: AncillaryDocument = serde_json::from_value(document).unwrap();
        let stream = AncillaryStream::try_from(&document);
        stream.map_err(|errors| errors.0.into_iter().map(|it| it.field).collect())
    }

    #[test]
    fn format_of_every_field_then_written_as_it_was() {
        let fields = json!({
            "frame_rate": "25/1", "fields": true, "did_sdid": ["60/60", "ff/0a"], "vpid": 133,
            "transmission": "lltm", "standard": "2021", "tr_offset_us": 39_999,
        });
        let stream = check(fields.clone()).unwrap();
        assert_eq!(stream.kinds, [(0x60, 0x60), (0xff, 0x0a)]);
        assert_eq!(json!(AncillaryDocument::from(stream)), fields);
        let least = json!(AncillaryDocument::from(check(json!({})).unwrap()));
        assert_eq!(least, json!({"frame_rate": "30000/1001"}));
    }

    #[test]
    fn fields_out_of_range_then_each_is_named() {
        for (fields, field) in [
            (json!({"frame_rate": "59.94"}), "ancillary.frame_rate"),
            (json!({"did_sdid": ["61/2"]}), "ancillary.did_sdid"),
            (json!({"did_sdid": ["+1/02"]}), "ancillary.did_sdid"),
            (json!({"did_sdid": vec!["61/02"; 65]}), "ancillary.did_sdid"),
            (json!({"vpid": 256}), "ancillary.vpid"),
            (json!({"tr_offset_us": 33_367}), "ancillary.tr_offset_us"),
        ] {
            assert_eq!(
                check(fields.clone()),
                Err(vec![field.to_owned()]),
                "{fields}"
            );
        }
    }
}
