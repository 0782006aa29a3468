//! Video formats of session descriptions, against `formats.json`.

use std::fs;
use std::path::Path;

use onair_essence::video::VideoStream;
use onair_sdp::{DescribedVideo, Essence, SessionDescription};
use serde_json::{Value, json};

use crate::samples::bare;

const FORMAT: &str = "a=fmtp:96 ";

/// A description of video with these parameters, or with the fewest.
fn text(given: &str) -> String {
    let fewest = "sampling=KEY; width=16; height=16; exactframerate=25; depth=8; PM=2110GPM";
    let given = if given.is_empty() { fewest } else { given };
    format!(
        "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=cam\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\n\
         c=IN IP4 239.1.1.1/64\r\na=rtpmap:96 raw/90000\r\n{FORMAT}{given}\r\n\
         a=ts-refclk:localmac=00-11-22-33-44-55\r\na=mediaclk:direct=0\r\n"
    )
}

/// `given` is read; what it becomes is written and carried.
fn found(given: &str) -> Value {
    let text = text(given);
    let description = match SessionDescription::parse(&text) {
        Ok(description) => description,
        Err(error) => return json!({"given": given, "error": error.to_string()}),
    };
    let Essence::Video(video) = &description.media[0].essence else {
        panic!("{given} is no video");
    };
    let carried = match video.carried() {
        Ok(carried) => {
            if let Ok(stream) = VideoStream::try_from(&carried) {
                let again = DescribedVideo::from(stream).carried().unwrap();
                assert_eq!(VideoStream::try_from(&again).unwrap(), stream);
            }
            json!(carried)
        }
        Err(error) => error.to_string().into(),
    };
    let written = description.to_string();
    let (mut read, mut again) = (description, SessionDescription::parse(&written).unwrap());
    let mut lines = written.lines().filter_map(|line| line.strip_prefix(FORMAT));
    for description in [&mut read, &mut again] {
        bare(description);
    }
    assert_eq!(again, read);
    json!({"given": given, "written": lines.next(), "carried": carried})
}

#[test]
fn formats_then_written_and_carried_as_pinned() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdp/formats.json");
    let pinned: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let given = pinned.as_array().unwrap().iter();
    let found: Value = given
        .map(|case| found(case["given"].as_str().unwrap()))
        .collect();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
    }
    assert_eq!(found, pinned);
}

/// `fmtp` of a session with this format.
fn described(document: &Value) -> String {
    let document = serde_json::from_value(document.clone()).unwrap();
    let stream = VideoStream::try_from(&document).unwrap();
    let mut description = SessionDescription::parse(&text("")).unwrap();
    description.media[0].essence = Essence::Video(stream.into());
    let written = description.to_string();
    let line = written.lines().find_map(|line| line.strip_prefix(FORMAT));
    line.unwrap().to_owned()
}

#[test]
fn session_of_nothing_said_then_its_colours_are_unspecified() {
    let hd = json!({"width": 1920, "height": 1080, "frame_rate": "25", "depth": 10});
    let with = |fields: Value| {
        let mut all = hd.clone();
        all.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        described(&all)
    };
    for (fields, said) in [
        (
            json!({}),
            "TCS=UNSPECIFIED; colorimetry=UNSPECIFIED; PM=2110GPM; SSN=ST2110-20:2017",
        ),
        (
            json!({"sampling": "KEY"}),
            "TCS=UNSPECIFIED; colorimetry=ALPHA; PM=2110GPM; SSN=ST2110-20:2022",
        ),
        // A missing TCS beside a colorimetry is SDR for every receiver, as it came.
        (
            json!({"colorimetry": "BT709"}),
            "depth=10; colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017",
        ),
        (
            json!({"transfer": "ST2115LOGS3"}),
            "TCS=ST2115LOGS3; colorimetry=UNSPECIFIED; PM=2110GPM; SSN=ST2110-20:2022",
        ),
        (
            json!({"colorimetry": "BT2100", "transfer": "HLG", "range": "FULL", "pixel_aspect": "12:11", "standard": "2022"}),
            "TCS=HLG; colorimetry=BT2100; RANGE=FULL; PAR=12:11; PM=2110GPM; SSN=ST2110-20:2022",
        ),
    ] {
        let written = with(fields);
        assert!(written.contains(said), "{written}");
    }
    // FFmpeg loses what follows a word without a value.
    let psf = with(json!({"scan": "psf", "cmax": 4, "tr_offset_us": 7, "max_udp": 8960}));
    assert!(psf.ends_with("CMAX=4; interlace; segmented; "), "{psf}");
}
