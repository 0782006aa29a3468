//! Video: ST 2110-20, and JPEG XS of ST 2110-22.

use onair_essence::jpeg_xs::{JpegXsStream, PacketMode};
use onair_essence::video::{
    Appearance, Chroma, Colorimetry, Depth, Sampling, Scan, SenderType, TransferCharacteristics,
    VideoStream,
};
use onair_sdp::{DescribedVideo, Word as _};
use serde_json::{Value, json};

use super::{Described, constraint, fraction};

/// Raster and samples.
struct Raster {
    width: u32,
    height: u32,
    sampling: Sampling,
    depth: Depth,
    scan: Scan,
    rate: Value,
    said: Appearance,
}

pub(super) fn raw(video: &VideoStream) -> Described {
    let format = &video.format;
    let raster = Raster {
        width: format.width(),
        height: format.height(),
        sampling: format.sampling(),
        depth: format.depth(),
        scan: format.scan(),
        rate: fraction(format.rate()),
        said: DescribedVideo::from(*video).appearance,
    };
    Described {
        format: "video",
        media_type: "video/raw",
        flow: raster.flow(),
        sender: sender_type(video.sender_type),
        constraints: raster.constraints(),
        source: Value::Null,
        rate: json!({"grain_rate": raster.rate}),
    }
}

/// BCP-006-01.
pub(super) fn compressed(video: &JpegXsStream) -> Described {
    let raster = Raster {
        width: video.width,
        height: video.height,
        sampling: video.sampling,
        depth: video.depth,
        scan: match video.interlaced {
            true => Scan::Interlaced,
            false => Scan::Progressive,
        },
        rate: fraction(video.rate),
        said: onair_sdp::Compressed::from(video).appearance,
    };
    let names = [
        ("profile", &video.profile),
        ("level", &video.level),
        ("sublevel", &video.sublevel),
    ];
    let mode = match (video.mode, video.in_order) {
        (PacketMode::Codestream, _) => "codestream",
        (PacketMode::Slice, true) => "slice_sequential",
        (PacketMode::Slice, false) => "slice_out_of_order",
    };
    let (media_kbps, transport_kbps) = (media_kbps(video), video.bandwidth_kbps());
    let mut constraints = raster.constraints();
    let mut sender = sender_type(video.sender_type);
    sender["packet_transmission_mode"] = json!(mode);
    sender["bit_rate"] = json!(transport_kbps);
    constraints["urn:x-nmos:cap:format:bit_rate"] = json!({"maximum": media_kbps});
    let name = "urn:x-nmos:cap:transport:packet_transmission_mode";
    constraints[name] = constraint([json!(mode)]);
    let mut flow = raster.flow();
    for (name, value) in names {
        let Some(value) = value else { continue };
        constraints[format!("urn:x-nmos:cap:format:{name}")] = constraint([json!(value)]);
        flow.iter_mut().for_each(|it| it[name] = json!(value));
    }
    flow.iter_mut()
        .for_each(|it| it["bit_rate"] = json!(media_kbps));
    Described {
        format: "video",
        media_type: "video/jxsv",
        flow,
        sender,
        constraints,
        source: Value::Null,
        rate: json!({"grain_rate": raster.rate}),
    }
}

/// Bit rate of the codestreams in kbit/s, rounded up.
fn media_kbps(video: &JpegXsStream) -> u64 {
    let rate = video.unit_rate();
    let bits = u64::from(video.bytes) * 8 * u64::from(rate.numerator());
    bits.div_ceil(1_000 * u64::from(rate.denominator()))
}

/// `st2110_21_sender_type`, where the session has one.
fn sender_type(given: Option<SenderType>) -> Value {
    match given {
        Some(it) => json!({"st2110_21_sender_type": it.word()}),
        None => json!({}),
    }
}

impl Raster {
    /// Fields of a flow; `None` if a component has no name there: those of XYZ have none.
    fn flow(&self) -> Option<Value> {
        let colorimetry = self.said.colorimetry.unwrap_or(Colorimetry::Unspecified);
        let transfer = self.said.transfer.unwrap_or(match colorimetry {
            Colorimetry::Unspecified => TransferCharacteristics::Unspecified,
            _ => TransferCharacteristics::Sdr,
        });
        Some(json!({
            "frame_width": self.width,
            "frame_height": self.height,
            "interlace_mode": self.interlace_mode(),
            "colorspace": colorimetry.as_str(),
            "transfer_characteristic": transfer.as_str(),
            "components": self.components()?,
        }))
    }

    const fn interlace_mode(&self) -> &'static str {
        match self.scan {
            Scan::Progressive => "progressive",
            Scan::Interlaced => "interlaced_tff",
            Scan::Psf => "interlaced_psf",
        }
    }

    fn components(&self) -> Option<Vec<Value>> {
        let names: &[_] = match self.sampling {
            Sampling::YCbCr444
            | Sampling::YCbCr422
            | Sampling::YCbCr420
            | Sampling::ClYCbCr444
            | Sampling::ClYCbCr422
            | Sampling::ClYCbCr420 => &["Y", "Cb", "Cr"],
            Sampling::ICtCp444 | Sampling::ICtCp422 | Sampling::ICtCp420 => &["I", "Ct", "Cp"],
            Sampling::Rgb => &["R", "G", "B"],
            Sampling::Key => &["A"],
            Sampling::Xyz => return None,
        };
        let (half_width, half_height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let chroma = match self.sampling.chroma() {
            Chroma::Half => (half_width, self.height),
            Chroma::Quarter => (half_width, half_height),
            Chroma::Full | Chroma::None => (self.width, self.height),
        };
        let bits = self.depth.bits();
        let component = |(at, name): (usize, &&str)| {
            let (width, height) = match at {
                0 => (self.width, self.height),
                _ => chroma,
            };
            json!({"name": name, "width": width, "height": height, "bit_depth": bits})
        };
        Some(names.iter().enumerate().map(component).collect())
    }

    fn constraints(&self) -> Value {
        // Which field is first is not in a session description.
        let modes: &[_] = match self.scan {
            Scan::Interlaced => &["interlaced_tff", "interlaced_bff"],
            _ => &[self.interlace_mode()],
        };
        let modes = modes.iter().map(|it| json!(it));
        json!({
            "urn:x-nmos:cap:format:frame_width": constraint([json!(self.width)]),
            "urn:x-nmos:cap:format:frame_height": constraint([json!(self.height)]),
            "urn:x-nmos:cap:format:grain_rate": constraint([self.rate.clone()]),
            "urn:x-nmos:cap:format:interlace_mode": constraint(modes),
            "urn:x-nmos:cap:format:color_sampling": constraint([json!(self.sampling.as_str())]),
            "urn:x-nmos:cap:format:component_depth": constraint([json!(self.depth.bits())]),
        })
    }
}
