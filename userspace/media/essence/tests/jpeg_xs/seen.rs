//! What a survey of packets says of a stream.

use std::net::SocketAddr;

use onair_essence::survey::{CapturedPacket, Survey};
use onair_essence::{Format, Seen as _, SeenFormat};
use serde_json::{Value, json};

use crate::rig::{Source, stream};

fn surveyed(fields: &Value) -> SeenFormat {
    let address = SocketAddr::from(([127, 0, 0, 1], 5004));
    let mut source = Source::new(&stream(fields), 0);
    let mut survey = Survey::default();
    for unit in 0..20u64 {
        for packet in source.unit() {
            let parsed = CapturedPacket::of_datagram(address, address, &packet).unwrap();
            survey.packet(unit * 16_683_333, &parsed);
        }
    }
    survey.seen()
}

#[test]
fn stream_of_each_format_then_seen_as_it_is() {
    let cases = [
        json!({}),
        json!({"scan": "interlaced"}),
        json!({"packet_mode": "slice", "depth": 12, "frame_rate": "50"}),
        json!({"width": 1280, "height": 720, "sampling": "YCbCr-4:4:4"}),
    ];
    for sent in &cases {
        let seen = surveyed(sent);
        for other in &cases {
            let format = Format::from(stream(other));
            assert_eq!(
                format.differs_from(&seen),
                sent != other,
                "{sent} {other} {seen:?}"
            );
        }
    }
    let seen = surveyed(&cases[2]);
    let text = "JPEG XS 1920x1080 50 fps YCbCr-4:2:2 12 bit";
    assert_eq!(seen.to_string(), text);
    let flags = " --jpeg-xs 1920x1080@50 --codestream-bytes 20000 --samples YCbCr-4:2:2/12 --packet-mode slice";
    assert_eq!(seen.flags(), flags);
    // With a rate of two terms its fields are those of a picture, too.
    for fields in [&cases[0], &cases[2]] {
        let seen = surveyed(fields);
        let read = SeenFormat::of_document("jpeg_xs", json!(seen)).unwrap();
        assert_eq!(read, seen);
    }
}
