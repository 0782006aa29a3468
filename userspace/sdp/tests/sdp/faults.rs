//! What is wrong is refused, with line and parameter.

use onair_sdp::{Fault, SessionDescription};

use crate::samples::{HD, around, video};

#[test]
fn video_one_parameter_wrong_then_named_with_its_line() {
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
        (
            "exactframerate=50",
            "exactframerate=59.94",
            "exactframerate",
        ),
        ("exactframerate=50", "exactframerate=0", "exactframerate"),
        ("exactframerate=50", "exactframerate=50/0", "exactframerate"),
        ("BT709", "BT.709", "colorimetry"),
        ("TCS=SDR", "TCS=SDRR", "TCS"),
        ("2110GPM", "GPM", "PM"),
        ("PM=2110GPM; ", "", "PM"),
        ("ST2110-20:2017", "ST2110-21:2017", "SSN"),
        ("2110TPN", "2110TPX", "TP"),
        ("depth=10", "depth=10; depth=10", "depth"),
        ("depth=10", "depth=10; segmented", "interlace"),
        ("depth=10", "depth=10; RANGE=WIDE", "RANGE"),
        ("depth=10", "depth=10; MAXUDP=65536", "MAXUDP"),
        ("depth=10", "depth=10; PAR=1", "PAR"),
        ("depth=10", "depth=10; PAR=0:1", "PAR"),
        ("depth=10", "depth=10; TROFF=-1", "TROFF"),
        ("depth=10", "depth=10; CMAX=0", "CMAX"),
        ("depth=10", "depth=10; TSMODE=NOW", "TSMODE"),
        ("depth=10", "depth=10; TSDELAY=x", "TSDELAY"),
        ("YCbCr-4:2:2", "YCbCr-4:2:0; interlace", "sampling"),
    ] {
        let changed = HD.replace(from, to);
        assert_ne!(changed, HD, "{from}");
        let error = SessionDescription::parse(&video(&changed)).unwrap_err();
        assert_eq!(
            (error.line, error.parameter.as_str()),
            (9, parameter),
            "{to}: {error}"
        );
    }
}

#[test]
fn line_wrong_then_named() {
    let right = video(HD);
    for (from, to, line, parameter) in [
        ("v=0", "v=1", 1, "v"),
        ("v=0\n", "", 1, "v"),
        (
            "o=- 1 2 IN IP4 192.0.2.1",
            "o=- 1",
            2,
            "Origin sess-version",
        ),
        ("m=video 50020", "m=video 0", 5, "m"),
        ("m=video 50020", "m=video 99999", 5, "Media port"),
        ("RTP/AVP 96", "UDP 96", 5, "m"),
        ("RTP/AVP 96", "RTP/AVP 128", 5, "m"),
        ("fmtp:96", "fmtp:97", 9, "fmtp"),
        ("rtpmap:96", "rtpmap:97", 8, "rtpmap"),
        ("c=IN IP4 239.20.1.1/64\n", "", 5, "c"),
        ("239.20.1.1/64", "239.20.1/64", 6, "c"),
        ("239.20.1.1/64", "239.20.1.1/640", 6, "c"),
        ("239.20.1.1/64", "239.20.1.1/64/2", 6, "c"),
        ("c=IN IP4 239.20.1.1/64", "c=IN IP6 239.20.1.1", 6, "c"),
        ("c=IN IP4 239.20.1.1/64", "c=IN IP4 ff15::1", 6, "c"),
        ("c=IN IP4 239.20.1.1/64", "c=IN IP6 ff15::1/64", 6, "c"),
        ("c=IN IP4 239.20.1.1/64", "c=IN IP7 ff15::1", 6, "c"),
        ("incl IN IP4", "incl IN IP6", 7, "source-filter"),
        ("incl IN", "excl IN", 7, "source-filter"),
        (
            "239.20.1.1 192.0.2.1",
            "239.20.1.1 camera.example",
            7,
            "source-filter",
        ),
        ("239.20.1.1 192.0.2.1", "239.20.1.1", 7, "source-filter"),
        ("raw/90000", "raw/48000", 8, "rtpmap"),
        ("rtpmap:96", "rtpmap:x", 8, "rtpmap"),
        ("direct=0", "direct=x", 10, "mediaclk"),
        ("5F-6E:42", "5F:42", 11, "ts-refclk"),
        ("5F-6E:42", "5F-6E:256", 11, "ts-refclk"),
        ("5F-6E:42", "5F-6E:42:1", 11, "ts-refclk"),
    ] {
        let changed = right.replacen(from, to, 1);
        assert_ne!(changed, right, "{from}");
        let error = SessionDescription::parse(&changed).unwrap_err();
        assert_eq!(
            (error.line, error.parameter.as_str()),
            (line, parameter),
            "{to}: {error}"
        );
    }
}

#[test]
fn audio_and_data_wrong_then_named() {
    let audio = |rtpmap: &str, more: &str| {
        around(&format!(
            "m=audio 50030 RTP/AVP 97\nc=IN IP4 239.1.1.1/64\na=rtpmap:97 {rtpmap}\n{more}\n"
        ))
    };
    let data = |fmtp: &str| {
        around(&format!(
            "m=video 5 RTP/AVP 97\nc=IN IP4 239.1.1.1/64\na=rtpmap:97 smpte291/90000\na=fmtp:97 {fmtp}\n"
        ))
    };
    for (text, line, parameter) in [
        (audio("L24/0/2", ""), 7, "rtpmap"),
        (audio("L24/48000/0", ""), 7, "rtpmap"),
        (audio("L24/48000/2/1", ""), 7, "rtpmap"),
        (audio("L24", ""), 7, "rtpmap"),
        (audio("L24/48000/2", "a=ptime:x"), 8, "ptime"),
        (audio("L24/48000/2", "a=ptime:0"), 8, "ptime"),
        (
            audio("L24/48000/2", "a=fmtp:97 channel-order=SMPTE2110.(XX)"),
            8,
            "channel-order",
        ),
        (
            audio("L24/48000/2", "a=fmtp:97 channel-order=SMPTE2110.ST"),
            8,
            "channel-order",
        ),
        (data("DID_SDID={0x61}"), 8, "DID_SDID"),
        (data("DID_SDID={0x161,0x02}"), 8, "DID_SDID"),
        (data("DID_SDID=0x61,0x02"), 8, "DID_SDID"),
        (data("VPID_Code=256"), 8, "VPID_Code"),
        (data("TM=X"), 8, "TM"),
    ] {
        let error = SessionDescription::parse(&text).unwrap_err();
        assert_eq!(
            (error.line, error.parameter.as_str()),
            (line, parameter),
            "{error}"
        );
    }
}

#[test]
fn text_too_long_then_refused_unread() {
    let text = video(HD) + &"a=x\n".repeat(20_000);
    let error = SessionDescription::parse(&text).unwrap_err();
    assert!(matches!(error.fault, Fault::TooLong(_)), "{error}");
}
