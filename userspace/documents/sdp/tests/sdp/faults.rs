//! What is wrong is fatal or noted, with line and parameter.

use std::net::IpAddr;

use onair_sdp::{Fault, SessionDescription};

use crate::samples::{HD, around, video};

/// The notes of the only stream of a text: parameters, and those of media that are not read.
fn noted(text: &str) -> Vec<String> {
    let description = SessionDescription::parse(text).unwrap_or_else(|it| panic!("{it}\n{text}"));
    let stream = description.chosen(None);
    let stream = stream.unwrap_or_else(|it| panic!("{it}\n{text}"));
    stream.notes.iter().map(|it| it.parameter.clone()).collect()
}

/// Line and parameter of the fatal fault.
fn fatal(text: &str) -> (usize, String) {
    let error = SessionDescription::parse(text).expect_err(text);
    (error.line, error.parameter)
}

#[test]
fn video_without_what_it_needs_then_fatal_by_name_and_line() {
    for (from, to, parameter) in [
        ("sampling=YCbCr-4:2:2; ", "", "sampling"),
        ("YCbCr-4:2:2", "YCbCr-4:2:1", "sampling"),
        ("width=1920; ", "", "width"),
        ("width=1920", "width=0", "width"),
        ("width=1920", "width=32768", "width"),
        ("width=1920", "width=+1920", "width"),
        ("width=1920", "width", "width"),
        ("height=1080", "height=", "height"),
        ("depth=10", "depth=9", "depth"),
        ("exactframerate=50", "exactframerate=0", "exactframerate"),
        ("exactframerate=50", "exactframerate=50/0", "exactframerate"),
        ("depth=10", "depth=10; depth=8", "depth"),
        ("depth=10", "depth=10; segmented", "interlace"),
        ("YCbCr-4:2:2", "YCbCr-4:2:0; interlace", "sampling"),
        ("YCbCr-4:2:2; ", "YCbCr-4:2:0; depth=16; ", "depth"),
    ] {
        let mut changed = HD.replace(from, to);
        assert_ne!(changed, HD, "{from}");
        if to.ends_with("depth=16; ") {
            changed = changed.replace("depth=10; ", "");
        }
        assert_eq!(fatal(&video(&changed)), (9, parameter.to_owned()), "{to}");
    }
}

#[test]
fn address_or_payload_type_that_can_be_carried_then_noted() {
    let ipv4 = "239.20.1.1 192.0.2.1";
    let many: String = (1..=18).map(|it| format!(" 192.0.2.{it}")).collect();
    let many = format!("239.20.1.1{many}");
    for (from, to, sources, parameters) in [
        ("239.20.1.1/64\n", "239.20.1.1 /64\n", 1, &[][..]),
        ("239.20.1.1/64\n", "239.20.1.1 / 64\n", 1, &[]),
        ("96", "33", 1, &["m"]),
        (ipv4, &many, 16, &["source-filter", "source-filter"]),
        (
            "IP4 239.20.1.1/64\n",
            "IP6 fe80::1%eth0\n",
            0,
            &["c", "source-filter"],
        ),
    ] {
        let text = video(HD).replace(from, to);
        assert_ne!(text, video(HD), "{from}");
        let media = &SessionDescription::parse(&text).expect(&text).media[0];
        assert_eq!(media.sources.len(), sources, "{text}");
        assert_eq!(noted(&text), parameters, "{text}");
    }
    let of_zone = video(HD)
        .replace("IP4 239.20.1.1/64", "IP6 ff3e::8000:1")
        .replace("IP4 239.20.1.1 192.0.2.1", "IP6 ff3e::8000:1 fe80::2%eth0");
    let media = &SessionDescription::parse(&of_zone).expect(&of_zone).media[0];
    assert_eq!(media.sources, ["fe80::2".parse::<IpAddr>().unwrap()]);
    assert_eq!(noted(&of_zone), ["source-filter"]);
    let medium = |text: &str| (6, text.to_owned());
    assert_eq!(
        fatal(&video(HD).replace("1/64\n", "1/64 239.20.1.2\n")),
        medium("c")
    );
    for of_rtcp in [72, 76, 128] {
        let text = video(HD).replace("96", &of_rtcp.to_string());
        assert_eq!(fatal(&text), (5, "m".to_owned()));
    }
}

#[test]
fn video_with_what_a_session_can_be_without_then_noted_once() {
    for (from, to, parameter) in [
        ("BT709", "BT.709", "colorimetry"),
        ("colorimetry=BT709; ", "", "colorimetry"),
        ("TCS=SDR", "TCS=SDRR", "TCS"),
        ("2110GPM", "GPM", "PM"),
        ("PM=2110GPM; ", "", "PM"),
        ("ST2110-20:2017", "ST2110-21:2017", "SSN"),
        ("SSN=ST2110-20:2017; ", "", "SSN"),
        ("SSN=ST2110-20:2017", "SSN", "SSN"),
        ("2110TPN", "2110TPX", "TP"),
        ("TP=2110TPN; ", "", "TP"),
        ("depth=10", "depth=10; depth=10", "depth"),
        ("depth=10", "depth=10; RANGE=WIDE", "RANGE"),
        ("depth=10", "depth=10; MAXUDP=65536", "MAXUDP"),
        ("depth=10", "depth=10; MAXUDP=9000", "MAXUDP"),
        ("depth=10", "depth=10; PAR=1", "PAR"),
        ("depth=10", "depth=10; PAR=0:1", "PAR"),
        ("depth=10", "depth=10; TROFF=-1", "TROFF"),
        ("depth=10", "depth=10; TROFF=40000", "TROFF"),
        ("depth=10", "depth=10; CMAX=0", "CMAX"),
        ("depth=10", "depth=10; TSMODE=SAMP", "TSMODE"),
        ("depth=10", "depth=10; TSDELAY=7", "TSDELAY"),
        ("depth=10", "depth=10; x-vendor", "x-vendor"),
        ("depth=10", "depth=10; interlace=0", "interlace"),
        ("depth=10", "depth=10; interlaced", "interlaced"),
        ("exactframerate=50", "exactframerate=50.0", "exactframerate"),
    ] {
        let changed = HD.replace(from, to);
        assert_ne!(changed, HD, "{from}");
        assert_eq!(noted(&video(&changed)), [parameter], "{to}");
    }
    assert!(noted(&video(HD)).is_empty());
}

#[test]
fn line_wrong_then_fatal_or_noted() {
    let right = video(HD);
    let changed = |from: &str, to: &str| {
        let changed = right.replacen(from, to, 1);
        assert_ne!(changed, right, "{from}");
        changed
    };
    for (from, to, line, parameter) in [
        ("v=0", "v=1", 1, "v"),
        ("m=video 50020", "m=video 0", 5, "m"),
        ("m=video 50020", "m=video 99999", 5, "m"),
        ("m=video 50020", "m=video 50020/2", 5, "m"),
        ("m=video 50020 RTP/AVP 96", "m=video 50020", 5, "m"),
        ("RTP/AVP 96", "UDP 96", 5, "m"),
        ("RTP/AVP 96", "RTP/AVP 128", 5, "m"),
        ("fmtp:96", "fmtp:97", 9, "fmtp"),
        ("rtpmap:96", "rtpmap:97", 8, "rtpmap"),
        ("c=IN IP4 239.20.1.1/64\n", "", 5, "c"),
        ("239.20.1.1/64", "239.20.1/64", 6, "c"),
        ("239.20.1.1/64", "239.20.1.1/64/2", 6, "c"),
        ("239.20.1.1/64", "239.20.1.1/64/1/1", 6, "c"),
        ("239.20.1.1/64", "camera.example", 6, "c"),
        ("c=IN IP4 239.20.1.1/64", "c=IN IP6 239.20.1.1", 6, "c"),
        ("c=IN IP4 239.20.1.1/64", "c=IN IP4 ff15::1", 6, "c"),
        ("c=IN IP4 239.20.1.1/64", "c=IN IP7 ff15::1", 6, "c"),
        ("raw/90000", "raw/48000", 8, "rtpmap"),
        ("rtpmap:96", "rtpmap:x", 8, "rtpmap"),
    ] {
        let text = changed(from, to);
        assert_eq!(fatal(&text), (line, parameter.to_owned()), "{to}");
    }
    for (from, to, parameter) in [
        ("v=0\n", "", "v"),
        ("o=- 1 2 IN IP4 192.0.2.1", "o=- 1", "o"),
        ("s=Camera 1", "Camera 1", "line"),
        ("239.20.1.1/64", "239.20.1.1/640", "c"),
        ("RTP/AVP 96", "RTP/AVPF 96", "m"),
        ("m=video", "m=application", "m"),
        ("a=rtpmap", "c=IN IP4 239.20.1.9\na=rtpmap", "c"),
        ("incl IN IP4", "incl IN IP6", "source-filter"),
        ("incl IN", "excl IN", "source-filter"),
        (
            "239.20.1.1 192.0.2.1",
            "239.20.1.1 camera.example",
            "source-filter",
        ),
        (
            "239.20.1.1 192.0.2.1",
            "239.20.1.1 0.0.0.0",
            "source-filter",
        ),
        ("239.20.1.1 192.0.2.1", "239.20.1.1", "source-filter"),
        (
            "239.20.1.1 192.0.2.1",
            "239.20.1.1/64 192.0.2.1",
            "source-filter",
        ),
        (
            "239.20.1.1 192.0.2.1",
            "239.20.1.7 192.0.2.1",
            "source-filter",
        ),
        (
            "t=0 0",
            "t=0 0\na=source-filter:incl IN IP4 239.9.9.9 192.0.2.9",
            "source-filter",
        ),
        ("direct=0", "direct=x", "mediaclk"),
        ("direct=0", "direct=-48", "mediaclk"),
        ("direct=0", "sender", "mediaclk"),
        ("direct=0", "direct=0 rate=48000", "mediaclk"),
        ("5F-6E:42", "5F:42", "ts-refclk"),
        ("5F-6E:42", "5F-6E:256", "ts-refclk"),
        ("5F-6E:42", "5F-6E:42:1", "ts-refclk"),
        (
            "a=mediaclk:direct=0",
            "a=inactive\na=mediaclk:direct=0",
            "inactive",
        ),
    ] {
        assert_eq!(noted(&changed(from, to)), [parameter], "{to}");
    }
    let ipv6 = "c=IN IP6 ff15::1/64\na=source-filter: incl IN IP6 ff15::1 fd00::1";
    let text = right.replace(
        "c=IN IP4 239.20.1.1/64\na=source-filter: incl IN IP4 239.20.1.1 192.0.2.1",
        ipv6,
    );
    assert_eq!(noted(&text), ["c"], "{text}");
}

#[test]
fn audio_and_data_wrong_then_fatal_or_noted() {
    let audio = |rtpmap: &str, more: &str| {
        around(&format!(
            "m=audio 50030 RTP/AVP 97\nc=IN IP4 239.1.1.1/64\na=rtpmap:97 {rtpmap}\n{more}\n"
        ))
    };
    let data = |fmtp: &str| {
        around(&format!(
            "m=video 5 RTP/AVP 97\nc=IN IP4 239.1.1.1/64\na=rtpmap:97 smpte291/90000\n\
             a=fmtp:97 exactframerate=25; {fmtp}\n"
        ))
    };
    for rtpmap in ["L24/0/2", "L24/48000/0", "L24/48000/2/1", "L24"] {
        assert_eq!(
            fatal(&audio(rtpmap, "")),
            (7, "rtpmap".to_owned()),
            "{rtpmap}"
        );
    }
    let stereo = |more: &str| audio("L24/48000/2", more);
    for (text, parameter) in [
        (stereo("a=ptime:x"), "ptime"),
        (stereo("a=ptime:0"), "ptime"),
        (stereo("a=ptime:20"), "ptime"),
        (stereo("a=ptime:1\na=ptime:2"), "ptime"),
        (stereo("a=ptime:1\na=framecount:6"), "ptime"),
        (stereo("a=framecount:x"), "framecount"),
        (stereo("a=fmtp:98 x"), "fmtp"),
        (
            stereo("a=fmtp:97 channel-order=SMPTE2110.(XX)"),
            "channel-order",
        ),
        (
            stereo("a=fmtp:97 channel-order=SMPTE2110.ST"),
            "channel-order",
        ),
        (
            stereo("a=fmtp:97 channel-order=SMPTE2110.(51)"),
            "channel-order",
        ),
        (data("DID_SDID={0x61}"), "DID_SDID"),
        (data("DID_SDID={0x161,0x02}"), "DID_SDID"),
        (data("VPID_Code=256"), "VPID_Code"),
        (data("TM=X"), "TM"),
        (data("SSN=ST2110-40"), "SSN"),
        (data("TROFF=40000"), "TROFF"),
    ] {
        assert_eq!(noted(&text), [parameter], "{text}");
    }
}

#[test]
fn description_of_hostile_texts_then_few_printable_notes() {
    let line = format!("a=fmtp:96 {HD}");
    let junk: String = (0..900)
        .map(|it| format!("\u{1b}[{it}J\u{202e}={}; ", "y".repeat(40)))
        .collect();
    let description =
        SessionDescription::parse(&video(HD).replace(&line, &format!("{line}{junk}")));
    let stream = description.as_ref().unwrap().chosen(None).unwrap();
    let notes = stream.notes.into_vec();
    assert_eq!(notes.len(), onair_api::MAX_NOTES);
    assert!(notes.iter().all(|it| it.to_string().len() < 400));
    assert!(
        !notes
            .iter()
            .any(|it| it.to_string().contains(onair_api::is_unprintable))
    );
}

#[test]
fn text_too_long_then_refused_unread() {
    let text = video(HD) + &"a=x\n".repeat(20_000);
    let error = SessionDescription::parse(&text).unwrap_err();
    assert!(matches!(error.fault, Fault::TooLong(_)), "{error}");
}
