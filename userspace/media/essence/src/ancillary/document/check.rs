//! Checks of a format of ancillary data.

use super::AncillaryDocument;
use crate::ancillary::stream::AncillaryStream;
use crate::invalid::{OutOfRange, Problems, SpecErrors, within};
use crate::video::FrameRate;

/// Most kinds in a format.
const MOST_KINDS: usize = 64;

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
    let tr_offset = rate.map(|rate| offset(document.tr_offset_us, rate));
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

/// Less than a frame.
fn offset(us: Option<u32>, rate: FrameRate) -> Result<Option<u32>, Invalid> {
    let most = rate.nanos(1).saturating_sub(1) / 1000;
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    let offset = us.map(|us| within(us, 0..=most, " microseconds, less than a frame"));
    Ok(offset.transpose()?)
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
