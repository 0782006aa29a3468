use super::*;
use crate::cli::{Cli, Noun};
use crate::command::session::SessionVerb;
use clap::Parser;
use onair_api::SessionSpec;

fn create(args: &str) -> Create {
    let args = ["onairctl", "session", "create"]
        .into_iter()
        .chain(args.split_whitespace());
    match Cli::try_parse_from(args).unwrap().noun {
        Noun::Session(SessionVerb::Create(create)) => *create,
        other => panic!("{other:?}"),
    }
}

/// The request body, and whether its rate is to be measured.
fn body(args: &str) -> Result<(Value, bool), Failure> {
    let create = create(args);
    match (&create.file, &create.from) {
        (Some(path), _) => Ok((read(path)?, false)),
        (None, Some(from)) => Ok((json!(create.converted(from)), false)),
        (None, None) if create.local => Ok((json!(create.of_clients()?), false)),
        (None, None) => {
            let port = create.port.clone().expect("--port");
            let (spec, lacks_rate) = create.spec(port)?;
            Ok((json!(NewSessionDocument::from(spec)), lacks_rate))
        }
    }
}

#[test]
fn create_few_flags_then_a_specification_that_holds() {
    let body = body(
        "cam1 --direction receive --port b --size 1280x720 --rate 60 --destination 10.77.0.2:5004",
    )
    .unwrap()
    .0;
    assert_eq!(
        body.to_string(),
        r#"{"name":"cam1","direction":"receive","port":"b","video":{"width":1280,"height":720,"frame_rate":"60","depth":10},"flow":{"destination":"10.77.0.2:5004"}}"#
    );
    serde_json::from_value::<SessionSpec>(body).unwrap();
}

#[test]
fn create_local_then_neither_port_nor_addresses() {
    let given = "mix --local --size 1280x720 --rate 50 --quota 2 --max-attachments 8";
    let body = body(given).unwrap().0;
    assert_eq!(
        body.to_string(),
        r#"{"name":"mix","direction":"local","video":{"width":1280,"height":720,"frame_rate":"50","depth":10},"quota":2,"max_attachments":8}"#
    );
    let spec: SessionSpec = serde_json::from_value(body).unwrap();
    assert!(spec.is_local());
    for more in [
        "--port a",
        "--destination 10.0.0.1:5004",
        "--direction send",
        "--pattern",
    ] {
        let args = format!("onairctl session create {given} {more}");
        assert!(
            Cli::try_parse_from(args.split_whitespace()).is_err(),
            "{more}"
        );
    }
}

#[test]
fn create_from_a_description_then_its_values_under_the_flags() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cam1.sdp");
    let text = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=x\nt=0 0\nm=video 5006 RTP/AVP 98\n\
        c=IN IP4 192.0.2.7\na=source-filter: incl IN IP4 192.0.2.7 192.0.2.1\n\
        a=rtpmap:98 raw/90000\na=fmtp:98 sampling=YCbCr-4:2:2; width=1280; height=720; \
        exactframerate=60000/1001; depth=10; colorimetry=BT709; PM=2110GPM; \
        SSN=ST2110-20:2017; TP=2110TPN; TROFF=700; CMAX=3; \n";
    fs::write(&path, text).unwrap();
    let given = format!("cam1 --port b --sdp {}", path.display());
    let spec: SessionSpec = serde_json::from_value(body(&given).unwrap().0).unwrap();
    assert_eq!(spec.format.to_string(), "1280x720 60000/1001 fps 10 bit");
    let timing = |spec: &SessionSpec| {
        let video = spec.format.video().unwrap();
        (video.sender_type, video.tr_offset_us, video.cmax)
    };
    let narrow = Some(onair_essence::video::SenderType::Narrow);
    assert_eq!(timing(&spec), (narrow, Some(700), Some(3)));
    assert_eq!(spec.flow.destination.to_string(), "192.0.2.7:5006");
    assert_eq!(spec.flow.source.unwrap().to_string(), "192.0.2.1");
    assert_eq!(
        (spec.direction, spec.flow.payload_type),
        (Direction::Receive, 98)
    );
    let other = format!("{given} --tr-offset 0 --cmax 4");
    let spec: SessionSpec = serde_json::from_value(body(&other).unwrap().0).unwrap();
    assert_eq!(timing(&spec), (narrow, Some(0), Some(4)));
    let more = format!("{given} --direction send --destination 10.0.0.2:7000 --payload-type 99");
    let spec: SessionSpec = serde_json::from_value(body(&more).unwrap().0).unwrap();
    assert_eq!(spec.flow.destination.to_string(), "10.0.0.2:7000");
    assert_eq!((spec.flow.source, spec.flow.payload_type), (None, 99));
    for (from, to, shown) in [
        ("depth=10", "depth=12", "1280x720 60000/1001 fps 12 bit"),
        (
            "depth=10",
            "depth=10; interlace",
            "1280x720 interlaced 60000/1001 fps 10 bit",
        ),
        (
            "YCbCr-4:2:2",
            "YCbCr-4:2:0",
            "1280x720 60000/1001 fps YCbCr-4:2:0 10 bit",
        ),
    ] {
        fs::write(&path, text.replace(from, to)).unwrap();
        let spec: SessionSpec = serde_json::from_value(body(&given).unwrap().0).unwrap();
        assert_eq!(spec.format.to_string(), shown);
    }
    for (from, to, told) in [
        ("height=720; ", "", "line 9: height: missing"),
        (
            "raw/90000",
            "H264/90000",
            "H264/90000 is not carried: only video (raw/90000, jxsv/90000)",
        ),
        (
            "192.0.2.7\n",
            "192.0.2.7/64/2\n",
            "several (the number behind the TTL)",
        ),
    ] {
        fs::write(&path, text.replace(from, to)).unwrap();
        let error = body(&given).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(error.code(), crate::failure::USAGE);
    }
}

#[test]
fn create_of_any_format_then_in_the_specification() {
    let flags = "t --direction send --port a --size 721x487 --rate 25 --destination 10.0.0.2:1 \
        --depth 16f --sampling RGB --scan interlaced --packing block --max-udp 8960 --sender-type narrow_linear --tr-offset 0 --cmax 4";
    let spec: SessionSpec = serde_json::from_value(body(flags).unwrap().0).unwrap();
    let shown = "721x487 interlaced 25/1 fps RGB 16f bit";
    assert_eq!(spec.format.to_string(), shown);
    let video = spec.format.video().unwrap();
    assert_eq!(
        (video.packing, video.max_udp),
        (onair_essence::video::Packing::Block, 8960)
    );
    let sender_type = video.sender_type;
    assert_eq!(
        sender_type,
        Some(onair_essence::video::SenderType::NarrowLinear)
    );
    assert_eq!((video.tr_offset_us, video.cmax), (Some(0), Some(4)));
}

#[test]
fn create_all_flags_then_all_in_the_specification() {
    let body = body("t --direction send --port a --size 64x32 --rate 30000/1001 --depth 8 --destination 10.0.0.2:1 --source-address 10.0.0.1:2 --payload-type 100 --pattern --quota 2 --max-attachments 3").unwrap().0;
    let spec: SessionSpec = serde_json::from_value(body).unwrap();
    assert_eq!(spec.source, Some(Source::Pattern));
    assert_eq!(
        (spec.quota, spec.max_attachments, spec.flow.payload_type),
        (2, 3, 100)
    );
    assert_eq!(spec.flow.source.unwrap().to_string(), "10.0.0.1:2");
}

#[test]
fn create_converted_then_only_what_it_has_itself() {
    let body = body("cam-v210 --from cam --layout v210 --quota 2 --persistent");
    assert_eq!(
        body.unwrap().0.to_string(),
        r#"{"name":"cam-v210","convert":{"from":"cam","layout":"v210"},"quota":2,"persistent":true}"#
    );
    for wrong in [
        "--from cam",
        "--layout v210",
        "--from cam --layout v210 --port b",
        "--from cam --layout v210 --sender-type narrow",
        "--from cam --layout v210 --tr-offset 0",
        "--from cam --layout v210 --cmax 4",
        "--file x.json --cmax 4",
    ] {
        let name = if wrong.contains("--file") { "" } else { "x" };
        let given = format!("onairctl session create {name} {wrong}");
        assert!(
            Cli::try_parse_from(given.split_whitespace()).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn create_frame_timeout_then_in_milliseconds() {
    let spec = |more: &str| {
        let given =
            "t --direction receive --port b --size 64x32 --rate 30 --destination 10.0.0.2:1";
        let body = body(&format!("{given} {more}")).unwrap().0;
        serde_json::from_value::<SessionSpec>(body)
            .unwrap()
            .frame_timeout_ms
    };
    assert_eq!(spec("--frame-timeout 1s"), Some(1_000));
    assert_eq!(spec(""), None);
}

#[test]
fn create_file_that_cannot_be_used_then_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.json");
    let error = body(&format!("--file {}", path.display())).unwrap_err();
    assert!(error.to_string().contains("cannot read"), "{error}");
    fs::write(&path, "{").unwrap();
    let error = body(&format!("--file {}", path.display())).unwrap_err();
    assert!(error.to_string().contains("not a JSON"), "{error}");
    assert_eq!(error.code(), crate::failure::USAGE);
}

#[test]
fn create_of_two_legs_then_flags_over_the_description() {
    let media = |mid: u8| {
        format!(
            "m=video 5004 RTP/AVP 96\nc=IN IP4 239.{mid}.0.1/32\na=source-filter: incl IN IP4 \
             239.{mid}.0.1 192.0.2.{mid}\na=rtpmap:96 raw/90000\na=fmtp:96 sampling=YCbCr-4:2:2; \
             width=1280; height=720; exactframerate=50; depth=10; colorimetry=BT709; PM=2110GPM; \
             SSN=ST2110-20:2017; TP=2110TPN; \na=mid:{mid}\n"
        )
    };
    let text = format!(
        "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=x\nt=0 0\na=group:DUP 1 2\n{}{}",
        media(1),
        media(2)
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cam1.sdp");
    fs::write(&path, text).unwrap();
    let spec = |flags: &str| -> SessionSpec {
        let given = format!("cam1 --port a --sdp {} {flags}", path.display());
        serde_json::from_value(body(&given).unwrap().0).unwrap()
    };
    assert_eq!(spec("").flow.second, None);
    let leg = spec("--second-port b --class b").flow.second.unwrap();
    assert_eq!(
        (leg.port.as_str(), leg.class.to_string()),
        ("b", "b".into())
    );
    assert_eq!(leg.destination.to_string(), "239.2.0.1:5004");
    assert_eq!(leg.source.unwrap().to_string(), "192.0.2.2");
    let other =
        "--second-port b --second-destination 239.9.0.1:6000 --second-source-address 192.0.2.9";
    let leg = spec(other).flow.second.unwrap();
    assert_eq!(leg.destination.to_string(), "239.9.0.1:6000");
    assert_eq!(leg.source.unwrap().to_string(), "192.0.2.9");
    let flags = "cam1 --port a --second-port b --direction receive --size 1280x720 --rate 50 \
        --destination 239.1.0.1:5004";
    let error = body(flags).unwrap_err();
    assert!(
        error.to_string().contains("--second-destination"),
        "{error}"
    );
}

#[test]
fn create_jpeg_xs_with_colours_then_the_spec_says_them() {
    let given = "xs1 --port b --direction receive --jpeg-xs 1920x1080@50 --codestream-bytes 312500 \
        --destination 10.77.0.2:5008 --codestream-colorimetry BT2100 --codestream-tcs HLG \
        --codestream-range FULL --codestream-pixel-aspect 12:11";
    let (body, _) = body(given).unwrap();
    let xs = &body["jpeg_xs"];
    let said = ["colorimetry", "transfer", "range", "pixel_aspect"].map(|it| xs[it].clone());
    assert_eq!(said, ["BT2100", "HLG", "FULL", "12:11"]);
    serde_json::from_value::<SessionSpec>(body).unwrap();
}

#[test]
fn create_of_legs_of_two_payload_types_then_each_has_its_own() {
    let types = |flags: &str| {
        let (body, _) = of_field("104-video-legs-pt", flags).unwrap();
        let has_both = flags.contains("--second-port");
        assert_eq!(body["notes"].is_null(), has_both, "{body}");
        let spec: SessionSpec = serde_json::from_value(body).unwrap();
        let types = spec.flow.payload_types();
        (types.first, types.second)
    };
    assert_eq!(types("--second-port b"), (96, 97));
    assert_eq!(types("--second-port b --payload-type 99"), (99, 97));
    assert_eq!(types("--second-port b --second-payload-type 98"), (96, 98));
    assert_eq!(types(""), (96, 96));
}

/// A description of `userspace/documents/sdp/tests/sdp/field`.
fn field(name: &str) -> String {
    let folder = "../../documents/sdp/tests/sdp/field";
    format!("{}/{folder}/{name}.sdp", env!("CARGO_MANIFEST_DIR"))
}

/// The body of a session of this description, and whether its rate is to be measured.
fn of_field(name: &str, flags: &str) -> Result<(Value, bool), String> {
    let flags = format!("cam1 --port a --sdp {} {flags}", field(name));
    body(&flags).map_err(|error| error.to_string())
}

/// The attributes of a description's first stream are in the body, or noted there.
fn assert_carried_or_noted(name: &str, body: &Value) {
    let (flow, text) = (&body["flow"], fs::read(field(name)).unwrap());
    let text = String::from_utf8_lossy(&text).into_owned();
    // Of UTF-16 this reader knows nothing.
    let Some(first) = text.find("m=") else { return };
    let end = text[first + 2..]
        .find("m=")
        .map_or(text.len(), |at| first + 2 + at);
    for line in text[..end].lines().map(str::trim) {
        let Some((parameter, value)) = line.strip_prefix("a=").and_then(|it| it.split_once(':'))
        else {
            continue;
        };
        let is_carried = match parameter {
            "ts-refclk" => !flow["reference_clock"].is_null(),
            "mediaclk" => value
                .to_lowercase()
                .strip_prefix("direct=")
                .is_some_and(|it| {
                    let offset = it.split(' ').next().unwrap();
                    flow["media_clock_offset"].as_u64() == offset.parse().ok()
                }),
            "source-filter" => !flow["source"].is_null() || !flow["sources"].is_null(),
            "ptime" | "framecount" => !body["audio"]["packet_time_us"].is_null(),
            "framerate" => !body["video"]["frame_rate"].is_null(),
            _ => true,
        };
        let notes = body["notes"].as_array().into_iter().flatten();
        let mut noted = notes.map(|it| it["parameter"].as_str().unwrap());
        // A leg that is not used is noted whole.
        let is_noted = noted.any(|it| it == parameter || it == "m" || it == "inactive");
        assert!(is_carried || is_noted, "{name}: {line} is lost: {body}");
    }
}

#[test]
fn create_from_each_field_description_then_a_valid_spec() {
    let folder = fs::read_dir(field("x").replace("x.sdp", "")).unwrap();
    let mut count = 0;
    for file in folder {
        let name = file.unwrap().path();
        let name = name.file_stem().unwrap().to_string_lossy();
        let (body, _) = match of_field(&name, "--second-port b") {
            Err(error) if error.contains("--second-destination") => of_field(&name, "").unwrap(),
            Err(error) if error.contains("name one with --media") => {
                let first = of_field(&name, "--media 1").unwrap();
                assert!(of_field(&name, "--media 99").is_err(), "{name}");
                first
            }
            other => match name.starts_with("refused-") {
                true => {
                    other.expect_err(&name);
                    continue;
                }
                false => other.unwrap_or_else(|error| panic!("{name}: {error}")),
            },
        };
        assert_carried_or_noted(&name, &body);
        let spec = serde_json::from_value::<SessionSpec>(body);
        let spec = spec.unwrap_or_else(|error| panic!("{name}: {error}"));
        let again = serde_json::to_value(&spec).unwrap();
        // Notes live in the session, and in what is stored of it.
        assert_eq!(serde_json::from_value::<SessionSpec>(again).unwrap(), spec);
        count += 1;
    }
    assert!(count > 30, "{count}");
}

#[test]
fn create_without_a_described_rate_then_by_flag_or_measured() {
    let (measured, lacks_rate) = of_field("004-evertz-anc-ttl-only", "--second-port b").unwrap();
    assert!(lacks_rate);
    assert_eq!(measured["notes"][0]["parameter"], "exactframerate");
    let (body, lacks_rate) = of_field("007-anc-vpid-flag", "--ancillary 25 --fields").unwrap();
    assert!(!lacks_rate);
    let expected = json!({"frame_rate": "25", "fields": true, "vpid": 133});
    assert_eq!(body["ancillary"], expected);
    let error = of_field("007-anc-vpid-flag", "--rate 25").unwrap_err();
    assert!(error.contains("is of ancillary"), "{error}");
    let error = of_field("007-anc-vpid-flag", "--direction send").unwrap_err();
    assert!(error.contains("give --ancillary RATE"), "{error}");
    // One that has a rate keeps it.
    assert!(of_field("107-ffmpeg-video", "--rate 25").is_ok());
    let error = of_field("107-ffmpeg-video", "--rate 50").unwrap_err();
    assert!(error.contains("the description has 25"), "{error}");
}

#[test]
fn create_from_several_streams_then_listed_and_chosen() {
    let error = of_field("079-two-audio-one-video", "").unwrap_err();
    for told in [
        "1, video ",
        "2, audio ",
        "3, ancillary ",
        "to 233.252.0.2:5006",
        "--media",
    ] {
        assert!(error.contains(told), "{told}: {error}");
    }
    let (body, _) = of_field("079-two-audio-one-video", "--media 2").unwrap();
    assert_eq!(body["flow"]["destination"], "233.252.0.2:5006");
    assert!(of_field("079-two-audio-one-video", "--media 0").is_err());
}
