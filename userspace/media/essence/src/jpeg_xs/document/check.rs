//! Checks of a format of JPEG XS.

use super::JpegXsDocument;
use crate::MAX_UNIT_BYTES;
use crate::invalid::{Problems, SpecErrors, within};
use crate::jpeg_xs::{JpegXsStream, PacketMode};
use crate::video::document::check::{
    self as picture, check_cmax, check_height, check_max_udp, check_width,
};
use crate::video::{Depth, FrameRate, Sampling, Scan, VideoFormat};

/// Fewest bytes of a unit: headers, and a picture.
const LEAST_BYTES: u32 = 512;
/// Longest name.
const LONGEST_NAME: usize = 40;

/// Why a value is invalid.
#[derive(Debug, thiserror::Error)]
enum Invalid {
    #[error(transparent)]
    Picture(#[from] picture::Invalid),
    #[error("segmented frames are not supported: give progressive or interlaced")]
    Segmented,
    #[error(
        "whole codestreams are sent in order (RFC 9134 §4.1): leave it out, or give packet mode slice"
    )]
    OutOfOrder,
    #[error("{0:?} is no name of ISO/IEC 21122-2: give one as in SDP, without blanks")]
    Name(String),
}

impl TryFrom<&JpegXsDocument> for JpegXsStream {
    type Error = SpecErrors;

    fn try_from(document: &JpegXsDocument) -> Result<Self, SpecErrors> {
        let mut problems = Problems::default();
        check(document, &mut problems).ok_or(problems.into())
    }
}

fn check(document: &JpegXsDocument, p: &mut Problems) -> Option<JpegXsStream> {
    let sampling = document.sampling.unwrap_or_default();
    let width = p.take("jpeg_xs.width", check_width(document.width, sampling));
    let height = p.take("jpeg_xs.height", check_height(document.height, sampling));
    let rate = p.take(
        "jpeg_xs.frame_rate",
        document.frame_rate.parse::<FrameRate>(),
    );
    let depth = Depth::from_bits(document.depth, false);
    let depth = p.take(
        "jpeg_xs.depth",
        depth.ok_or(picture::Invalid::Depth(document.depth)),
    );
    let bytes = within(document.bytes, LEAST_BYTES..=MAX_UNIT_BYTES, " bytes");
    let bytes = p.take("jpeg_xs.bytes", bytes);
    let scan = check_scan(document.scan.unwrap_or_default(), sampling);
    let interlaced = p.take("jpeg_xs.scan", scan);
    let mode = document.packet_mode.unwrap_or_default();
    let is_any_order = document.out_of_order.unwrap_or_default();
    let order = match (is_any_order, mode) {
        (true, PacketMode::Codestream) => Err(Invalid::OutOfOrder),
        (is_any_order, _) => Ok(!is_any_order),
    };
    let in_order = p.take("jpeg_xs.out_of_order", order);
    let profile = p.take("jpeg_xs.profile", name(document.profile.as_ref()));
    let level = p.take("jpeg_xs.level", name(document.level.as_ref()));
    let sublevel = p.take("jpeg_xs.sublevel", name(document.sublevel.as_ref()));
    let max_udp = p.take("jpeg_xs.max_udp", check_max_udp(document.max_udp));
    let cmax = p.take("jpeg_xs.cmax", check_cmax(document.cmax));
    Some(JpegXsStream {
        width: width?,
        height: height?,
        sampling,
        depth: depth?,
        interlaced: interlaced?,
        rate: rate?,
        bytes: bytes?,
        mode,
        in_order: in_order?,
        profile: profile?,
        level: level?,
        sublevel: sublevel?,
        max_udp: max_udp?,
        sender_type: document.sender_type,
        cmax: cmax?,
        appearance: document.appearance(),
        standard: document.standard,
    })
}

/// Whether it is interlaced.
fn check_scan(scan: Scan, sampling: Sampling) -> Result<bool, Invalid> {
    VideoFormat::check_scan(scan, sampling).map_err(picture::Invalid::from)?;
    match scan {
        Scan::Progressive => Ok(false),
        Scan::Interlaced => Ok(true),
        Scan::Psf => Err(Invalid::Segmented),
    }
}

fn name(given: Option<&String>) -> Result<Option<String>, Invalid> {
    let is_name = |it: &String| {
        let letter = |it: u8| it.is_ascii_alphanumeric() || b".-".contains(&it);
        (1..=LONGEST_NAME).contains(&it.len()) && it.bytes().all(letter)
    };
    match given {
        Some(text) if !is_name(text) => {
            Err(Invalid::Name(text.chars().take(LONGEST_NAME).collect()))
        }
        given => Ok(given.cloned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::Format;

    fn check(fields: &Value) -> Result<JpegXsStream, Vec<String>> {
        let mut document = json!({
            "width": 1920, "height": 1080, "frame_rate": "25/1", "depth": 10, "bytes": 300_000,
        });
        let changed = fields.as_object().unwrap().clone();
        document.as_object_mut().unwrap().extend(changed);
        let document: JpegXsDocument = serde_json::from_value(document).unwrap();
        let stream = JpegXsStream::try_from(&document);
        stream.map_err(|errors| errors.0.into_iter().map(|it| it.field).collect())
    }

    #[test]
    fn format_of_every_field_then_written_as_it_was() {
        let fields = json!({
            "width": 3840, "height": 2160, "frame_rate": "60000/1001", "depth": 12, "bytes": 1_000_000,
            "sampling": "RGB", "scan": "interlaced", "packet_mode": "slice", "out_of_order": true,
            "profile": "High444.12", "level": "4k-2", "sublevel": "Sublev3bpp", "max_udp": 8960,
            "sender_type": "narrow_linear", "cmax": 5,
        });
        let stream = check(&fields).unwrap();
        assert_eq!((stream.in_order, stream.interlaced), (false, true));
        assert_eq!(json!(JpegXsDocument::from(stream.clone())), fields);
        let format = Format::from(stream);
        let text = serde_json::to_string(&format).unwrap();
        assert!(text.starts_with(r#"{"jpeg_xs":{"#), "{text}");
        assert_eq!(serde_json::from_str::<Format>(&text).unwrap(), format);
        let least = json!(JpegXsDocument::from(check(&json!({})).unwrap()));
        assert_eq!(least.as_object().unwrap().len(), 5);
    }

    #[test]
    fn fields_not_allowed_then_each_is_named() {
        for (fields, field) in [
            (json!({"width": 1921}), "width"),
            (json!({"width": 15}), "width"),
            (json!({"height": 1}), "height"),
            (json!({"height": 1081, "sampling": "YCbCr-4:2:0"}), "height"),
            (json!({"frame_rate": "59.94"}), "frame_rate"),
            (json!({"depth": 9}), "depth"),
            (json!({"bytes": 511}), "bytes"),
            (json!({"bytes": 268_435_457}), "bytes"),
            (json!({"scan": "psf"}), "scan"),
            (
                json!({"scan": "interlaced", "sampling": "YCbCr-4:2:0"}),
                "scan",
            ),
            (json!({"out_of_order": true}), "out_of_order"),
            (json!({"profile": "Main 422.10"}), "profile"),
            (json!({"level": ""}), "level"),
            (json!({"sublevel": "x".repeat(41)}), "sublevel"),
            (json!({"max_udp": 8961}), "max_udp"),
            (json!({"cmax": 0}), "cmax"),
        ] {
            let expected = vec![format!("jpeg_xs.{field}")];
            assert_eq!(check(&fields), Err(expected), "{fields}");
        }
    }

    #[test]
    fn bandwidth_of_a_unit_then_its_bytes_are_within() {
        for fields in [
            json!({}),
            json!({"frame_rate": "30000/1001", "scan": "interlaced", "bytes": 259_264}),
            json!({"max_udp": 8960, "bytes": 512}),
        ] {
            let stream = check(&fields).unwrap();
            let most = JpegXsStream::bytes_within(stream.bandwidth_kbps(), stream.unit_rate());
            let bytes = u64::from(stream.bytes);
            assert!(
                (bytes..bytes + bytes / 4).contains(&most),
                "{most} {stream:?}"
            );
        }
        // What a description says comes out again.
        for kbps in [300_000, 250_001, 1_219_336] {
            for rate in ["25", "60000/1001", "120"] {
                let stream = check(&json!({"frame_rate": rate})).unwrap();
                let bytes = JpegXsStream::bytes_within(kbps, stream.unit_rate());
                let stream = check(&json!({"frame_rate": rate, "bytes": bytes})).unwrap();
                assert_eq!(stream.described_kbps(), kbps, "{rate}");
                let other = check(&json!({"frame_rate": rate, "bytes": bytes + 1})).unwrap();
                let most = JpegXsStream::bytes_within(other.described_kbps(), other.unit_rate());
                assert!(most > bytes, "{rate} {kbps}");
            }
        }
        for kbps in [61_840, 61_839, 250_000] {
            let own = check(&json!({})).unwrap();
            let bytes = own.bytes_sent_within(kbps);
            let of = |bytes: u64| check(&json!({"bytes": bytes})).unwrap().bandwidth_kbps();
            assert!(of(bytes) <= kbps && of(bytes + 60) > kbps, "{kbps}");
        }
        // 300,000 bytes in 209 packets, 25 times a second.
        assert_eq!(check(&json!({})).unwrap().bandwidth_kbps(), 61_840);
    }
}
