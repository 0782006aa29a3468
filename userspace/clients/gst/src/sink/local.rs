//! The local session that a sink makes of a pipeline's caps.

use gstreamer as gst;
use onair::{Depth, Picture, PixelFormat, Sampling, SessionSpec};
use serde_json::{Value, json};

use crate::formats::chosen;

/// Why no session can be made of caps.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoSession {
    #[error("onairsink makes no session for {0}: make it by onairctl session create --local")]
    Media(String),
    #[error(
        "the pipeline's frame rate is not fixed: put videorate and a framerate before onairsink"
    )]
    Rate,
    #[error("no session has such frames: {0}")]
    Specification(#[from] serde_json::Error),
}

/// The specification of a local session of this name for units as the caps describe them.
pub(super) fn specification(name: &str, caps: &gst::CapsRef) -> Result<SessionSpec, NoSession> {
    let other = || NoSession::Media(caps.to_string());
    let structure = caps.structure(0).ok_or_else(other)?;
    let (essence, format) = match structure.name().as_str() {
        "video/x-raw" => ("video", video(structure, chosen(caps).ok_or_else(other)?)?),
        "audio/x-raw" => ("audio", audio(structure).ok_or_else(other)?),
        _ => return Err(other()),
    };
    let document = json!({ "name": name, "direction": "local", essence: format });
    Ok(serde_json::from_value(document)?)
}

fn video(caps: &gst::StructureRef, format: PixelFormat) -> Result<Value, NoSession> {
    let other = || NoSession::Media(caps.to_string());
    let size = |field| {
        let found = caps.get::<i32>(field).ok();
        found
            .and_then(|it| u32::try_from(it).ok())
            .ok_or_else(other)
    };
    let (width, height) = (size("width")?, size("height")?);
    let rate = caps.get::<gst::Fraction>("framerate").ok();
    let rate = rate.filter(|it| it.numer() > 0).ok_or(NoSession::Rate)?;
    let mut samples = Sampling::ALL
        .iter()
        .flat_map(|sampling| Depth::ALL.iter().map(move |depth| (*sampling, *depth)));
    let holds = |(sampling, depth)| {
        Picture::new(width, height, sampling, depth).is_some_and(|it| format.holds(&it))
    };
    let (sampling, depth) = samples.find(|it| holds(*it)).ok_or_else(other)?;
    let is_interlaced = caps
        .get::<&str>("interlace-mode")
        .is_ok_and(|it| it != "progressive");
    Ok(json!({
        "width": width,
        "height": height,
        "frame_rate": format!("{}/{}", rate.numer(), rate.denom()),
        "sampling": sampling.as_str(),
        "depth": depth.bits(),
        "scan": if is_interlaced { "interlaced" } else { "progressive" },
    }))
}

fn audio(caps: &gst::StructureRef) -> Option<Value> {
    let coding = match caps.get::<&str>("format").ok()? {
        "S16BE" => "L16",
        "S24BE" => "L24",
        _ => return None,
    };
    Some(json!({
        "coding": coding,
        "sample_rate": caps.get::<i32>("rate").ok()?,
        "channels": caps.get::<i32>("channels").ok()?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_of(caps: &str) -> Result<String, String> {
        gst::init().unwrap();
        let caps: gst::Caps = caps.parse().unwrap();
        let made = specification("mix", &caps).map_err(|it| it.to_string())?;
        assert!(made.is_local());
        Ok(made.format.to_string())
    }

    #[test]
    fn caps_of_pictures_and_sound_then_a_session_that_holds_them() {
        for (caps, expected) in [
            (
                "video/x-raw,format=v210,width=320,height=180,framerate=50/1",
                "320x180 50/1 fps 10 bit",
            ),
            (
                "video/x-raw,format=I420,width=320,height=180,framerate=30000/1001",
                "320x180 30000/1001 fps YCbCr-4:2:0 8 bit",
            ),
            (
                "video/x-raw,format=RGB,width=320,height=180,framerate=25/1,interlace-mode=interleaved",
                "320x180 interlaced 25/1 fps RGB 8 bit",
            ),
            (
                "audio/x-raw,format=S24BE,layout=interleaved,rate=48000,channels=2",
                "L24",
            ),
        ] {
            let made = made_of(caps).unwrap();
            assert!(made.contains(expected), "{caps}: {made}");
        }
    }

    #[test]
    fn caps_of_no_session_then_the_error_says_what_to_do() {
        for (caps, expected) in [
            (
                "video/x-raw,format=v210,width=320,height=180,framerate=0/1",
                "videorate",
            ),
            ("image/x-jxsc,width=320,height=180", "onairctl"),
            (
                "video/x-raw,format=v210,width=4,height=2,framerate=50/1",
                "no session has such frames",
            ),
        ] {
            let why = made_of(caps).unwrap_err();
            assert!(why.contains(expected), "{caps}: {why}");
        }
    }
}
