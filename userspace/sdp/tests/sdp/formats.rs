//! Video formats of session descriptions, against `formats.json`.

use std::fs;
use std::path::Path;

use onair_essence::video::VideoStream;
use onair_sdp::{DescribedVideo, Essence, SessionDescription};
use serde_json::{Value, json};

const FORMAT: &str = "a=fmtp:96 ";

/// `given` is read; what it becomes is written and carried.
fn found(given: &str) -> Value {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=cam\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\n\
         c=IN IP4 239.1.1.1/64\r\na=rtpmap:96 raw/90000\r\n{FORMAT}{given}\r\n\
         a=ts-refclk:localmac=00-11-22-33-44-55\r\na=mediaclk:direct=0\r\n"
    );
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
    let mut lines = written.lines().filter_map(|line| line.strip_prefix(FORMAT));
    assert_eq!(SessionDescription::parse(&written).unwrap(), description);
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
    assert_eq!(found, pinned);
}
