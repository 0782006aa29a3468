//! The definition of a flow that OnAir writes: an IS-04 flow with what MXL asks for besides.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Format;

/// A flow's name, and its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The flow.
    pub id: Uuid,
    /// For people.
    pub label: String,
    /// Flows of one source have one group (`grouphint`).
    pub group: String,
    /// Its units.
    pub format: Format,
    /// The kernel does not know TAI: the indices are of UTC.
    pub is_utc: bool,
}

/// The id of a session's flow, if the operator gives none: made of this machine and the session's name.
#[must_use]
pub fn flow_id(seed: &str, session: &str) -> Uuid {
    let seed = Uuid::new_v5(&Uuid::NAMESPACE_DNS, format!("{seed}.onair").as_bytes());
    Uuid::new_v5(&seed, format!("mxl/{session}").as_bytes())
}

impl Definition {
    /// The document.
    #[must_use]
    pub fn document(&self) -> Value {
        let (kind, role) = match self.format {
            Format::Video { .. } => ("video", "Video"),
            Format::Audio { .. } => ("audio", "Audio"),
            Format::Data { .. } => ("data", "Ancillary Data"),
        };
        // A colon parts the fields of a hint.
        let group = self.group.replace(':', "-");
        let mut document = json!({
            "id": self.id.to_string(),
            "label": self.label,
            "description": format!("OnAir session {}", self.label),
            "format": format!("urn:x-nmos:format:{kind}"),
            "parents": [],
            "tags": {"urn:x-nmos:tag:grouphint/v1.0": [format!("{group}:{role}")]},
        });
        if self.is_utc {
            document["tags"]["urn:x-onair:tag:clock"] = json!(["UTC"]);
        }
        let rate = self.format.rate();
        let rate = |many: u32| json!({"numerator": many, "denominator": rate.denominator});
        let own = match self.format {
            Format::Video {
                width,
                height,
                is_interlaced,
                rate: fields,
                colours: (colorimetry, transfer),
            } => {
                let frames = fields.numerator / if is_interlaced { 2 } else { 1 };
                let part = |name: &str, width: u32| json!({"name": name, "width": width, "height": height, "bit_depth": 10});
                json!({
                    "media_type": "video/v210",
                    "grain_rate": rate(frames),
                    "frame_width": width,
                    "frame_height": height,
                    "interlace_mode": if is_interlaced { "interlaced_tff" } else { "progressive" },
                    "colorspace": colorimetry.as_str(),
                    "transfer_characteristic": transfer.as_str(),
                    "components": [part("Y", width), part("Cb", width / 2), part("Cr", width / 2)],
                })
            }
            Format::Audio {
                channels,
                rate: samples,
            } => json!({
                "media_type": "audio/float32",
                "sample_rate": rate(samples.numerator),
                "channel_count": channels,
                "bit_depth": 32,
            }),
            Format::Data { rate: units } => json!({
                "media_type": "video/smpte291",
                "grain_rate": rate(units.numerator),
            }),
        };
        if let (Value::Object(document), Value::Object(own)) = (&mut document, own) {
            document.extend(own);
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rate;
    use super::*;
    use onair::{Colorimetry, TransferCharacteristics};

    #[test]
    fn definition_written_then_read_as_the_same_units() {
        let rate = |numerator, denominator| Rate {
            numerator,
            denominator,
        };
        let colours = (Colorimetry::Bt2100, TransferCharacteristics::Hlg);
        let video = |rate, is_interlaced| Format::Video {
            width: 1920,
            height: 1080,
            rate,
            is_interlaced,
            colours,
        };
        for format in [
            video(rate(60_000, 1001), false),
            video(rate(60_000, 1001), true),
            video(rate(50, 1), true),
            Format::Audio {
                channels: 16,
                rate: rate(48_000, 1),
            },
            Format::Data { rate: rate(25, 1) },
        ] {
            let definition = Definition {
                id: flow_id("a machine", "cam1"),
                label: "cam1".to_owned(),
                group: "studio:1".to_owned(),
                format,
                is_utc: true,
            };
            let document = definition.document();
            let read = Format::of_definition(&document).unwrap();
            assert!(read.has_same_units(&format), "{document}");
            let hint = document["tags"]["urn:x-nmos:tag:grouphint/v1.0"][0]
                .as_str()
                .unwrap();
            assert_eq!(hint.split(':').count(), 2, "{hint}");
        }
    }
}
