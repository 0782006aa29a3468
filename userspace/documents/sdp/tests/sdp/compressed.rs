//! JPEG XS of session descriptions, as a session carries it.

use onair_api::Direction;
use onair_essence::jpeg_xs::{JpegXsDocument, JpegXsStream};
use onair_essence::{Essence as _, Format, FormatDocument};
use onair_sdp::session::Text;
use onair_sdp::{Essence, Media, SdpError, SessionDescription};
use serde_json::{Value, json};

const HD: &str = "packetmode=0; profile=High444.12; level=2k-1; sublevel=Sublev3bpp; sampling=YCbCr-4:2:2; \
    width=1920; height=1080; exactframerate=50; depth=10; TCS=SDR; colorimetry=BT709; SSN=ST2110-22:2019; TP=2110TPW";

fn described(bandwidth: &str, parameters: &str) -> SessionDescription {
    read(bandwidth, parameters).unwrap()
}

fn read(bandwidth: &str, parameters: &str) -> Result<SessionDescription, SdpError> {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=xs\r\nt=0 0\r\nm=video 5004 RTP/AVP 98\r\n\
         c=IN IP4 239.1.1.1/64\r\n{bandwidth}a=rtpmap:98 jxsv/90000\r\na=fmtp:98 {parameters}\r\n\
         a=ts-refclk:localmac=00-11-22-33-44-55\r\na=mediaclk:direct=0\r\n"
    );
    SessionDescription::parse(&text)
}

fn carried(bandwidth: &str, parameters: &str) -> Value {
    match described(bandwidth, parameters).media[0].format() {
        Ok(format) => {
            let FormatDocument::JpegXs(document) = FormatDocument::from(format) else {
                panic!("{parameters}");
            };
            json!(document)
        }
        Err(error) => error.to_string().into(),
    }
}

#[test]
fn jpeg_xs_described_then_carried_with_its_bytes() {
    let names = json!({"profile": "High444.12", "level": "2k-1", "sublevel": "Sublev3bpp"});
    let with = |fields: Value| {
        let mut all = json!({
            "width": 1920, "height": 1080, "frame_rate": "50/1", "depth": 10, "sender_type": "wide",
            "colorimetry": "BT709", "transfer": "SDR", "standard": "2019",
        });
        for more in [&names, &fields] {
            all.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
        }
        all
    };
    // 125 Mbit/s of 50 frames, and a rounded kilobit.
    assert_eq!(
        carried("b=AS:125000\r\n", HD),
        with(json!({"bytes": 312_503}))
    );
    // Without a bandwidth the sublevel says it.
    assert_eq!(
        carried("", HD),
        with(json!({"bytes": 1_024 + 1920 * 1080 * 3 / 8}))
    );
    let slices = HD.replace("packetmode=0", "packetmode=1; transmode=0") + "; CMAX=7";
    let expected =
        json!({"bytes": 312_503, "packet_mode": "slice", "out_of_order": true, "cmax": 7});
    assert_eq!(carried("b=AS:125000\r\n", &slices), with(expected));
    let fields = HD.replace("exactframerate=50", "exactframerate=25; interlace");
    let expected = json!({"bytes": 312_503, "scan": "interlaced", "frame_rate": "25/1"});
    assert_eq!(carried("b=AS:125000\r\n", &fields), with(expected));
}

#[test]
fn jpeg_xs_not_described_enough_then_named() {
    for (from, to, named) in [
        ("width=1920; ", "", "width is missing"),
        ("height=1080; ", "", "height is missing"),
        ("exactframerate=50; ", "", "exactframerate is missing"),
        ("depth=10; ", "", "depth is missing"),
        ("sampling=YCbCr-4:2:2; ", "", "sampling is missing"),
        ("sublevel=Sublev3bpp; ", "", "b=AS (or sublevel) is missing"),
        ("depth=10", "depth=16f", "depth=16f"),
        (
            "depth=10",
            "depth=10; interlace; segmented",
            "have the sender compress each frame as one",
        ),
        (
            "exactframerate=50",
            "exactframerate=500",
            "exactframerate=500",
        ),
    ] {
        let changed = HD.replace(from, to);
        assert_ne!(changed, HD);
        let error = carried("", &changed);
        assert!(error.as_str().unwrap().contains(named), "{to}: {error}");
    }
}

#[test]
fn jpeg_xs_leaves_sampling_to_the_codestream_then_told_what() {
    let open = HD.replace("YCbCr-4:2:2", "UNSPECIFIED");
    let error = read("", &open).unwrap_err().to_string();
    assert!(
        error.contains("sampling") && error.contains("like what arrives"),
        "{error}"
    );
}

#[test]
fn jpeg_xs_of_a_session_then_described_and_carried_alike() {
    for fields in [
        json!({}),
        json!({"scan": "interlaced", "frame_rate": "30000/1001", "cmax": 5, "sender_type": "narrow_linear"}),
        json!({"packet_mode": "slice", "sampling": "RGB", "depth": 12, "profile": "Main444.12"}),
        json!({"colorimetry": "BT2100", "transfer": "PQ", "range": "FULL", "pixel_aspect": "12:11"}),
    ] {
        let mut document = json!({
            "width": 1920, "height": 1080, "frame_rate": "50", "depth": 10, "bytes": 300_000,
        });
        document
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let document: JpegXsDocument = serde_json::from_value(document).unwrap();
        let stream = JpegXsStream::check(&document).unwrap();
        let format = Format::from(stream.clone());
        let mut description = described("", HD);
        description.media[0].essence = Essence::of(&format);
        description.media[0].bandwidth = Media::bandwidth_of(&format);
        let text = description.to_string();
        assert!(
            text.contains("b=AS:") && text.contains("SSN=ST2110-22:2019"),
            "{text}"
        );
        let read = SessionDescription::parse(&text).unwrap();
        let Format::JpegXs(again) = read.media[0].format().unwrap() else {
            panic!("{text}");
        };
        // What is unknown is described as unspecified.
        let said = stream.appearance.colorimetry.is_some();
        assert_eq!(again.appearance == stream.appearance, said, "{text}");
        // A receiver has room for the headers of packets, too.
        assert!((300_000..320_000).contains(&again.bytes), "{}", again.bytes);
        assert_eq!(
            JpegXsStream {
                bytes: 300_000,
                appearance: stream.appearance,
                standard: None,
                ..again
            },
            stream
        );
    }
}

#[test]
fn jpeg_xs_of_a_bandwidth_then_its_sender_stays_within_it() {
    let text = |bandwidth: &str| {
        format!(
            "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 5004 RTP/AVP 98\r\nc=IN IP4 239.1.1.1/64\r\n\
         {bandwidth}a=rtpmap:98 jxsv/90000\r\na=fmtp:98 {HD}\r\na=mediaclk:direct=0\r\n"
        )
    };
    let described = |text: &str, receives| {
        let text = Text {
            name: "x",
            bytes: text.as_bytes(),
        };
        text.one(None, receives).unwrap().format
    };
    let stream = |format: FormatDocument| {
        let FormatDocument::JpegXs(it) = format else {
            panic!("{format:?}");
        };
        JpegXsStream::check(&it).unwrap()
    };
    let sent = stream(described(&text("b=AS:250000\r\n"), false));
    assert!(
        (249_980..=250_000).contains(&sent.bandwidth_kbps()),
        "{sent:?}"
    );
    // What it sends is the format of a session that was made alike.
    let own = FormatDocument::from(Format::JpegXs(sent.clone()));
    let again = text(&format!("b=AS:{}\r\n", sent.bandwidth_kbps()));
    let again = Text {
        name: "x",
        bytes: again.as_bytes(),
    };
    assert!(again.change((Direction::Receive, false), &own).is_ok());
    let more = text(&format!("b=AS:{}\r\n", sent.bandwidth_kbps() + 10));
    let more = Text {
        name: "x",
        bytes: more.as_bytes(),
    };
    assert!(more.change((Direction::Receive, false), &own).is_err());
    // A bandwidth that cannot be.
    let bytes = |bandwidth| {
        [true, false].map(|receives| stream(described(&text(bandwidth), receives)).bytes)
    };
    assert_eq!(bytes("b=AS:250000000\r\n"), bytes(""));
}
