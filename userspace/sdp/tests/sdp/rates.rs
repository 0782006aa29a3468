//! Frame rates as other programs write them.

use onair_sdp::DescribedRate;

#[test]
fn rate_as_a_decimal_then_the_exact_one() {
    for (text, rate) in [
        ("50", "50"),
        ("50.0", "50"),
        ("25.000000", "25"),
        ("60000/1001", "60000/1001"),
        ("60000 / 1001", "60000/1001"),
        ("59.94", "60000/1001"),
        ("59.9401", "60000/1001"),
        ("59.94005994", "60000/1001"),
        ("29.97", "30000/1001"),
        ("23.98", "24000/1001"),
        ("23.976", "24000/1001"),
        ("119.88", "120000/1001"),
        ("12.5", "25/2"),
    ] {
        let found = DescribedRate::of_text(text).map(|it| it.to_string());
        assert_eq!(found.as_deref(), Some(rate), "{text}");
    }
    for text in [
        "",
        "0",
        "0.0",
        ".",
        "-25",
        "25.x",
        "5e1",
        "50/0",
        "4294967295.5",
        "99999999999",
    ] {
        assert_eq!(DescribedRate::of_text(text), None, "{text}");
    }
}

#[test]
fn another_text_of_a_sessions_rate_then_it_is_its_own() {
    use onair_api::Direction;
    use onair_essence::FormatDocument;
    use onair_sdp::session::Text;
    let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=x\r\nt=0 0\r\nm=video 5006 RTP/AVP 100\r\n\
        c=IN IP4 239.5.5.5/32\r\na=rtpmap:100 smpte291/90000\r\na=fmtp:100 exactframerate=50; SSN=ST2110-40:2018\r\n";
    let text = Text {
        name: "cc.sdp",
        bytes: text.as_bytes(),
    };
    let own = |rate: &str| {
        let format = serde_json::json!({"ancillary": {"frame_rate": rate}});
        serde_json::from_value::<FormatDocument>(format).unwrap()
    };
    let change = text.change((Direction::Receive, false), &own("50/1"));
    let destination = change.unwrap().flow.destination;
    assert_eq!(destination.as_deref(), Some("239.5.5.5:5006"));
    let other = text.change((Direction::Receive, false), &own("25"));
    let other = other.unwrap_err().to_string();
    assert!(other.starts_with("cc.sdp describes"), "{other}");
    assert!(other.contains("create another session"), "{other}");
}
