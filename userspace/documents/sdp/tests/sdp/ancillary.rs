//! Ancillary data of session descriptions, as a session carries it.

use onair_essence::ancillary::{AncillaryDocument, AncillaryStream};
use onair_essence::{Essence as _, Format, FormatDocument};
use onair_sdp::{Essence, SessionDescription};
use serde_json::{Value, json};

fn described(parameters: &str) -> SessionDescription {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=cc\r\nt=0 0\r\nm=video 5004 RTP/AVP 100\r\n\
         c=IN IP4 239.1.1.1/64\r\na=rtpmap:100 smpte291/90000\r\na=fmtp:100 {parameters}\r\n\
         a=ts-refclk:localmac=00-11-22-33-44-55\r\na=mediaclk:direct=0\r\n"
    );
    SessionDescription::parse(&text).unwrap()
}

#[test]
fn ancillary_described_then_carried_and_written_as_it_was() {
    for (parameters, document) in [
        (
            "exactframerate=25; SSN=ST2110-40:2018; ",
            json!({"frame_rate": "25/1", "standard": "2018"}),
        ),
        (
            "DID_SDID={0x61,0x02}; DID_SDID={0x41,0x05}; VPID_Code=133; exactframerate=60000/1001; TM=LLTM; \
             SSN=ST2110-40:2021; TROFF=100; ",
            json!({
                "frame_rate": "60000/1001", "did_sdid": ["61/02", "41/05"], "vpid": 133,
                "transmission": "lltm", "standard": "2021", "tr_offset_us": 100,
            }),
        ),
    ] {
        let description = described(parameters);
        let format = description.media[0].format().unwrap();
        let FormatDocument::Ancillary(carried) = FormatDocument::from(format.clone()) else {
            panic!("{format}");
        };
        assert_eq!(json!(carried), document);
        assert_eq!(Essence::of(&format), description.media[0].essence);
        assert!(
            description.to_string().contains(parameters.trim()),
            "{description}"
        );
        assert_eq!(
            SessionDescription::parse(&description.to_string()).unwrap(),
            description
        );
    }
}

#[test]
fn ancillary_described_by_us_then_its_edition_fits_its_model() {
    for (document, parameters) in [
        (
            json!({"transmission": "ctm"}),
            "exactframerate=25; SSN=ST2110-40:2018; ",
        ),
        (
            json!({"transmission": "lltm"}),
            "exactframerate=25; TM=LLTM; SSN=ST2110-40:2023; ",
        ),
        (
            json!({"transmission": "ctm", "standard": "2021"}),
            "exactframerate=25; TM=CTM; SSN=ST2110-40:2021; ",
        ),
        (
            json!({"transmission": "lltm", "standard": "2018"}),
            "exactframerate=25; TM=LLTM; SSN=ST2110-40:2023; ",
        ),
    ] {
        let mut fields = json!({"frame_rate": "25"});
        fields
            .as_object_mut()
            .unwrap()
            .extend(document.as_object().unwrap().clone());
        let document: AncillaryDocument = serde_json::from_value(fields).unwrap();
        let stream = AncillaryStream::check(&document).unwrap();
        assert_eq!(
            Essence::of(&Format::from(stream)),
            described(parameters).media[0].essence
        );
    }
}

#[test]
fn ancillary_of_fields_then_its_description_says_none() {
    let document: AncillaryDocument =
        serde_json::from_value(json!({"frame_rate": "25", "fields": true})).unwrap();
    let stream = AncillaryStream::check(&document).unwrap();
    let Essence::Ancillary(ancillary) = Essence::of(&Format::from(stream)) else {
        panic!("another essence");
    };
    assert_eq!(json!(ancillary.carried().unwrap())["fields"], Value::Null);
}

#[test]
fn ancillary_without_a_rate_then_not_carried_by_name() {
    let error = described("VPID_Code=133; ").media[0].format().unwrap_err();
    assert!(error.to_string().contains("exactframerate"), "{error}");
}
