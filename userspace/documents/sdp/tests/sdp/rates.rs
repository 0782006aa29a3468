//! Frame rates as other programs write them.

use onair_sdp::{DescribedRate, Essence, Media, SessionDescription};

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

/// AES67 §7.2, ST 2110-31 §6.1: at 44.1 kHz packets have as many samples as at 48 kHz.
#[test]
fn packet_time_at_44100_then_samples_of_48000_and_1_09() {
    let audio = |more: &str| {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=x\r\nt=0 0\r\nm=audio 5004 RTP/AVP 97\r\n\
             c=IN IP4 233.252.0.2/32\r\na=rtpmap:97 L16/44100/2\r\n{more}"
        );
        SessionDescription::parse(&text).unwrap()
    };
    for (more, samples) in [
        ("", 48),
        ("a=ptime:1\r\n", 48),
        ("a=ptime:1\r\na=framecount:48\r\n", 48),
        ("a=ptime:1.09\r\n", 48),
        ("a=ptime:1.08843537415\r\na=framecount:48\r\n", 48),
        ("a=framecount:48\r\n", 48),
        ("a=framecount:44\r\n", 44),
        ("a=ptime:1\r\na=framecount:44\r\n", 44),
        ("a=ptime:0.125\r\n", 6),
        ("a=ptime:0.14\r\n", 6),
        ("a=ptime:0.09\r\n", 4),
        ("a=ptime:4\r\n", 192),
    ] {
        let described = audio(more);
        let format = described.media[0].format().unwrap();
        assert_eq!(format.audio().unwrap().packet_samples(), samples, "{more}");
        let is_noted = more.contains("framecount:44") && more.contains("ptime");
        assert_eq!(!described.media[0].notes.is_empty(), is_noted, "{more}");
        let media = Media {
            essence: Essence::of(&format),
            ..described.media[0].clone()
        };
        let written = SessionDescription {
            media: vec![media],
            ..described
        };
        let text = written.to_string();
        let times = [
            (48, "1.09"),
            (44, "0.998"),
            (6, "0.14"),
            (4, "0.09"),
            (192, "4.35"),
        ];
        let time = times.iter().find(|it| it.0 == samples).unwrap().1;
        assert!(text.contains(&format!("a=ptime:{time}\r\n")), "{text}");
        let again = SessionDescription::parse(&text).unwrap();
        assert_eq!(again.media[0].format().unwrap(), format, "{more}");
    }
}
