use super::*;
use crate::cli::{Cli, Noun};
use crate::command::session::Verb;
use clap::Parser;
use onair_api::SessionSpec;

fn create(args: &str) -> Create {
    let args = ["onairctl", "session", "create"]
        .into_iter()
        .chain(args.split_whitespace());
    match Cli::try_parse_from(args).unwrap().noun {
        Noun::Session(Verb::Create(create)) => *create,
        other => panic!("{other:?}"),
    }
}

#[test]
fn create_few_flags_then_a_specification_that_holds() {
    let body = create(
        "cam1 --direction receive --port b --size 1280x720 --rate 60 --destination 10.77.0.2:5004",
    )
    .body()
    .unwrap();
    assert_eq!(
        body.to_string(),
        r#"{"name":"cam1","direction":"receive","port":"b","video":{"width":1280,"height":720,"frame_rate":"60","depth":10},"flow":{"destination":"10.77.0.2:5004"}}"#
    );
    serde_json::from_value::<SessionSpec>(body).unwrap();
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
    let spec: SessionSpec = serde_json::from_value(create(&given).body().unwrap()).unwrap();
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
        (onair_api::Direction::Receive, 98)
    );
    let other = format!("{given} --tr-offset 0 --cmax 4");
    let spec: SessionSpec = serde_json::from_value(create(&other).body().unwrap()).unwrap();
    assert_eq!(timing(&spec), (narrow, Some(0), Some(4)));
    let more = format!("{given} --direction send --destination 10.0.0.2:7000 --payload-type 99");
    let spec: SessionSpec = serde_json::from_value(create(&more).body().unwrap()).unwrap();
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
        let spec: SessionSpec = serde_json::from_value(create(&given).body().unwrap()).unwrap();
        assert_eq!(spec.format.to_string(), shown);
    }
    for (from, to, told) in [
        ("height=720; ", "", "line 9: height: missing"),
        (
            "depth=10",
            "depth=10; MAXUDP=9000",
            "MAXUDP=9000 is not carried",
        ),
        (
            "raw/90000",
            "H264/90000",
            "no video (raw/90000, jxsv/90000)",
        ),
    ] {
        fs::write(&path, text.replace(from, to)).unwrap();
        let error = create(&given).body().unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(error.code(), crate::failure::USAGE);
    }
}

#[test]
fn create_of_any_format_then_in_the_specification() {
    let flags = "t --direction send --port a --size 721x487 --rate 25 --destination 10.0.0.2:1 \
        --depth 16f --sampling RGB --scan interlaced --packing block --max-udp 8960 --sender-type narrow_linear --tr-offset 0 --cmax 4";
    let spec: SessionSpec = serde_json::from_value(create(flags).body().unwrap()).unwrap();
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
    let body = create("t --direction send --port a --size 64x32 --rate 30000/1001 --depth 8 --destination 10.0.0.2:1 --source-address 10.0.0.1:2 --payload-type 100 --pattern --quota 2 --max-attachments 3").body().unwrap();
    let spec: SessionSpec = serde_json::from_value(body).unwrap();
    assert_eq!(spec.source, Some(onair_api::Source::Pattern));
    assert_eq!(
        (spec.quota, spec.max_attachments, spec.flow.payload_type),
        (2, 3, 100)
    );
    assert_eq!(spec.flow.source.unwrap().to_string(), "10.0.0.1:2");
}

#[test]
fn create_converted_then_only_what_it_has_itself() {
    let body = create("cam-v210 --from cam --layout v210 --quota 2 --persistent").body();
    assert_eq!(
        body.unwrap().to_string(),
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
        let body = create(&format!("{given} {more}")).body().unwrap();
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
    let error = create(&format!("--file {}", path.display()))
        .body()
        .unwrap_err();
    assert!(error.to_string().contains("cannot read"), "{error}");
    fs::write(&path, "{").unwrap();
    let error = create(&format!("--file {}", path.display()))
        .body()
        .unwrap_err();
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
        serde_json::from_value(create(&given).body().unwrap()).unwrap()
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
    let error = create(flags).body().unwrap_err();
    assert!(
        error.to_string().contains("--second-destination"),
        "{error}"
    );
}
