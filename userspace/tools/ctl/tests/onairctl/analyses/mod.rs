//! Captures made by hand, and others' captures if `ONAIR_CAPTURES` names a folder of them.

mod contents;
mod page;

use std::path::{Path, PathBuf};
use std::{env, fs};

use onair_essence::rtp::RtpHeader;
use onair_essence::video::Scan;
use onair_essence::video::st2110_20::SrdHeader;
use onair_essence::video::st2110_21::{Reads, Schedule, Stream};
use onair_net::datagram::FlowHeader;
use onair_net::ethernet::Mac;
use serde_json::Value;

use crate::support::{Ran, onairctl, ran};

/// Packets of a frame of the made stream: 1080 lines, 25 frames a second.
const PACKETS: u32 = 20;
const FRAME: u64 = 1_790_000_000 * 25;
/// Its pause after a frame is too short for the guess.
const GAPPED: &str = "--schedule gapped";

/// How a capture file is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Written {
    Pcap { nanos: bool, big: bool },
    Pcapng { big: bool },
}

impl Written {
    pub(crate) const ALL: [Self; 6] = [
        Self::Pcap {
            nanos: true,
            big: false,
        },
        Self::Pcap {
            nanos: true,
            big: true,
        },
        Self::Pcap {
            nanos: false,
            big: false,
        },
        Self::Pcap {
            nanos: false,
            big: true,
        },
        Self::Pcapng { big: false },
        Self::Pcapng { big: true },
    ];

    pub(crate) fn file(self, frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let big = match self {
            Self::Pcap { big, .. } | Self::Pcapng { big } => big,
        };
        let long = |value: u32| {
            if big {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let short = |value: u16| {
            if big {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let bytes_of = |frame: &[u8]| u32::try_from(frame.len()).unwrap();
        let mut file = Vec::new();
        if let Self::Pcap { nanos, .. } = self {
            file.extend(long(if nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }));
            file.extend([short(2), short(4)].concat());
            file.extend([long(0), long(0), long(65_535), long(1)].concat());
            for (at_ns, frame) in frames {
                let (second, rest) = (at_ns / 1_000_000_000, at_ns % 1_000_000_000);
                let rest = if nanos { rest } else { rest / 1000 };
                let [second, rest] = [second, rest].map(|it| u32::try_from(it).unwrap());
                let bytes = bytes_of(frame);
                file.extend([long(second), long(rest), long(bytes), long(bytes)].concat());
                file.extend(frame);
            }
            return file;
        }
        let mut block = |kind: u32, mut body: Vec<u8>| {
            body.resize(body.len().next_multiple_of(4), 0);
            let bytes = long(u32::try_from(body.len() + 12).unwrap());
            file.extend([&long(kind)[..], &bytes, &body, &bytes].concat());
        };
        let version = [&long(0x1a2b_3c4d)[..], &short(1), &short(0), &[0xff; 8]];
        block(0x0a0d_0d0a, version.concat());
        // Ethernet, if_tsresol 10^-9.
        let resolution: &[&[u8]] = &[&short(9), &short(1), &[9, 0, 0, 0], &long(0)];
        let interface = [
            &short(1)[..],
            &short(0),
            &long(65_535),
            &resolution.concat(),
        ];
        block(1, interface.concat());
        for (at_ns, frame) in frames {
            let time = [(at_ns >> 32), at_ns & 0xffff_ffff].map(|it| u32::try_from(it).unwrap());
            let bytes = bytes_of(frame);
            let head = [
                long(0),
                long(time[0]),
                long(time[1]),
                long(bytes),
                long(bytes),
            ];
            block(6, [&head.concat()[..], frame].concat());
        }
        file
    }
}

/// A UDP frame to `239.1.2.3:5004`.
fn udp(payload: &[u8]) -> Vec<u8> {
    let flow = FlowHeader {
        source_mac: Mac([2; 6]),
        destination_mac: Mac([4; 6]),
        source: "10.0.0.1:5000".parse().unwrap(),
        destination: "239.1.2.3:5004".parse().unwrap(),
        ttl: 64,
        dscp: 34,
    };
    flow.to_frame(1, payload)
}

/// Frames of progressive video.
fn video(frames: u64) -> Vec<(u64, Vec<u8>)> {
    video_of(Scan::Progressive, frames)
}

/// Frames of video, each packet 1 to 2 µs after its read time. Two segments have one timestamp.
fn video_of(scan: Scan, frames: u64) -> Vec<(u64, Vec<u8>)> {
    let units: u32 = if scan == Scan::Psf { 2 } else { 1 };
    let of_unit = PACKETS / units;
    let schedule = Schedule::new(&Stream {
        height: 1080,
        scan,
        rate: (25, 1),
        packets: of_unit,
        reads: Reads::Gapped,
        offset_ns: None,
        max_udp: None,
    });
    let schedule = schedule.unwrap();
    let packet = |frame: u64, packet: u32| {
        let number = u32::try_from(frame).unwrap() * PACKETS + packet;
        let (unit, index) = (packet / of_unit, packet % of_unit);
        let rtp = RtpHeader {
            marker: index + 1 == of_unit,
            payload_type: 96,
            sequence: u16::try_from((65_500 + number) & 0xffff).unwrap(),
            timestamp: u32::try_from(((FRAME + frame) * 3600) & 0xffff_ffff).unwrap(),
            ssrc: 0x1234,
        };
        // Two packets of 960 pixels, 4:2:2 in 10 bits, of each line; the last line is that of the raster.
        let row = SrdHeader {
            length: 2400,
            field: unit == 1,
            line: u16::try_from(1080 / units - 1 - (of_unit - 1 - index) / 2).unwrap(),
            continuation: false,
            pixel: u16::try_from(packet % 2 * 960).unwrap(),
        };
        let payload = [&rtp.to_bytes()[..], &[0, 0], &row.to_bytes(), &[7; 2400]].concat();
        let unit = (FRAME + frame) * u64::from(units) + u64::from(unit);
        let at_ns = schedule.read_ns(unit, index) / 1000 * 1000 + 2000;
        (at_ns, udp(&payload))
    };
    let frames = 0..frames;
    frames
        .flat_map(|frame| (0..PACKETS).map(move |it| packet(frame, it)))
        .collect()
}

fn analyze(path: &Path, options: &str) -> Ran {
    ran(onairctl(&format!("--json analyze {options}")).arg(path))
}

fn analyzed(folder: &tempfile::TempDir, file: &[u8], options: &str) -> Value {
    let path = folder.path().join("capture");
    fs::write(&path, file).unwrap();
    let ran = analyze(&path, options);
    assert_eq!(ran.code, 0, "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn analysis_of_each_file_format_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for written in Written::ALL {
        let document = analyzed(&folder, &written.file(&video(10)), GAPPED);
        assert_eq!(document["file"]["frames"], 200, "{written:?}");
        assert_eq!(document["file"]["damage"], Value::Null);
        let flow = &document["flows"][0];
        assert_eq!(document["flows"].as_array().unwrap().len(), 1);
        assert_eq!(flow["destination"], "239.1.2.3:5004");
        assert_eq!(
            (&flow["ssrc"], &flow["payload_type"]),
            (&0x1234.into(), &96.into())
        );
        assert_eq!(flow["essence"], "video");
        assert_eq!((&flow["packets"], &flow["lost"]), (&200.into(), &0.into()));
        assert_eq!(flow["timestamp_steps"][0]["value"], 3600);
        let video = &flow["video"];
        assert_eq!(video["frame_rate"], "25/1");
        assert_eq!(
            (&video["width"], &video["height"]),
            (&1920.into(), &1080.into())
        );
        assert_eq!(flow["clock"], "tai");
        let timing = &flow["timing"];
        assert_eq!(
            (&timing["packets"], &timing["units"]),
            (&20.into(), &9.into())
        );
        let vrx = &timing["vrx"]["histogram"];
        assert_eq!(vrx[0]["level"], 0, "{written:?}: {vrx}");
        assert_eq!(
            (&vrx[0]["packets"], &vrx[0]["percent"]),
            (&180.into(), &100.0.into())
        );
        assert_eq!(timing["cinst"]["histogram"][0]["packets"], 200);
        assert_eq!(timing["rtp_offset_ticks"]["max"], 0);
    }
}

#[test]
fn analysis_names_losses_copies_and_what_is_no_stream() {
    let folder = tempfile::tempdir().unwrap();
    let mut frames = video(10);
    frames.remove(30);
    let copy = frames[70].clone();
    frames.insert(71, copy);
    let at_ns = frames[0].0;
    let mut tagged = frames[99].1.clone();
    tagged.splice(12..12, [0x81, 0, 0, 9]);
    frames.extend((0..3).map(|_| (at_ns, tagged.clone())));
    frames.push((at_ns, vec![0; 60]));
    frames.push((at_ns, udp(b"no RTP at all")));
    let document = analyzed(&folder, &Written::ALL[0].file(&frames), "");
    let others = &document["file"]["not_analyzed"];
    assert_eq!(
        (&others["other_protocol"], &others["other_udp"]),
        (&1.into(), &1.into())
    );
    let flow = &document["flows"][0];
    assert_eq!(
        (&flow["lost"], &flow["gaps"], &flow["duplicates"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(document["flows"][1]["vlan"], 9);
    assert_eq!(document["flows"][1]["duplicates"], 2);

    let other = analyzed(
        &folder,
        &Written::ALL[0].file(&frames),
        "--flow 239.1.2.3:5006",
    );
    assert_eq!(other["flows"].as_array().unwrap().len(), 0);
    assert_eq!(other["file"]["not_analyzed"]["other_flow"], 203);
}

#[test]
fn analysis_with_options_or_a_description_guesses_less() {
    let folder = tempfile::tempdir().unwrap();
    let file = Written::ALL[0].file(&video(10));
    let guessed = |document: &Value| document["flows"][0]["video"]["guessed"].to_string();
    let plain = analyzed(&folder, &file, "");
    let all = r#"["scan","height","rate","packets","schedule"]"#;
    assert_eq!(guessed(&plain), all);
    let options = "--height 1080 --rate 25 --packets 20 --schedule gapped --tr-offset 1000";
    let with_options = analyzed(&folder, &file, options);
    assert_eq!(guessed(&with_options), r#"["scan"]"#);
    assert_eq!(
        with_options["flows"][0]["timing"]["tr_offset_ns"],
        1_000_000.0
    );

    let description = folder.path().join("flow.sdp");
    let text = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\n\
        c=IN IP4 239.1.2.3/64\r\na=rtpmap:96 raw/90000\r\n\
        a=fmtp:96 sampling=YCbCr-4:2:2; width=1920; height=1080; exactframerate=25; depth=10; \
        TCS=SDR; colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017; TP=2110TPN\r\n";
    fs::write(&description, text).unwrap();
    let described = analyzed(&folder, &file, &format!("--sdp {}", description.display()));
    assert_eq!(guessed(&described), r#"["packets"]"#);
    assert_eq!(described["flows"][0]["essence_is_guess"], false);
    assert_eq!(
        described["flows"][0]["video"]["described_sender"],
        "2110TPN"
    );
}

#[test]
fn segments_then_their_one_timestamp_is_no_offset() {
    let folder = tempfile::tempdir().unwrap();
    let file = Written::ALL[0].file(&video_of(Scan::Psf, 10));
    let document = analyzed(&folder, &file, GAPPED);
    let flow = &document["flows"][0];
    let video = &flow["video"];
    assert_eq!(
        (&video["interlaced"], &video["segmented"]),
        (&true.into(), &true.into())
    );
    assert_eq!(video["frame_rate"], "25/1");
    assert_eq!(flow["content"], Value::Null);
    let offset = &flow["timing"]["rtp_offset_ticks"];
    assert_eq!((&offset["min"], &offset["max"]), (&0.into(), &0.into()));
    assert_eq!(flow["timing"]["verdict"]["compliance"], "narrow");
}

#[test]
fn capture_of_another_clock_is_told_and_can_be_corrected() {
    let folder = tempfile::tempdir().unwrap();
    let mut frames = video(10);
    for (at_ns, _) in &mut frames {
        *at_ns -= 37_000_000_000;
    }
    let file = Written::Pcapng { big: false }.file(&frames);
    let document = analyzed(&folder, &file, "");
    assert_eq!(document["flows"][0]["clock"], "utc");
    assert_eq!(document["flows"][0]["timing"]["vrx_is_judged"], false);
    let corrected = analyzed(&folder, &file, &format!("{GAPPED} --tai-offset 37"));
    assert_eq!(corrected["flows"][0]["clock"], "tai");
    assert_eq!(corrected["flows"][0]["timing"]["vrx"]["max"], 0);
    let table = ran(onairctl(&format!("analyze {GAPPED}")).arg(folder.path().join("capture")));
    assert!(table.out.contains("give --tai-offset 37"), "{}", table.out);
    assert!(
        table.out.contains("narrow (by Cinst alone)"),
        "{}",
        table.out
    );
}

#[test]
fn cut_file_is_analyzed_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    for written in Written::ALL {
        let file = written.file(&video(10));
        let document = analyzed(&folder, &file[..file.len() - 100], "");
        assert_eq!(document["file"]["frames"], 199, "{written:?}");
        let damage = document["file"]["damage"].as_str().unwrap();
        assert!(damage.contains("ends within a record"), "{damage}");
    }
    // A record that claims 4 GB.
    let mut file = Written::ALL[0].file(&video(10));
    let record = file.len() - 2462 - 8;
    file[record..record + 4].fill(0xff);
    let document = analyzed(&folder, &file, "");
    assert_eq!(document["file"]["frames"], 199);
    assert!(
        document["file"]["damage"].is_string(),
        "{}",
        document["file"]
    );
}

#[test]
fn what_is_no_capture_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    for (bytes, advice) in [
        (&b""[..], "it is empty"),
        (b"\x1f\x8b\x08\x00rest", "gunzip"),
        (
            b"MZ, no capture at all, but some text",
            "neither pcap nor pcapng",
        ),
    ] {
        fs::write(&path, bytes).unwrap();
        let ran = analyze(&path, "");
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(advice), "{ran:?}");
    }
    assert_eq!(analyze(folder.path(), "").code, 2);
    assert_eq!(analyze(&folder.path().join("none"), "").code, 2);
    let empty = analyzed(&folder, &Written::ALL[0].file(&[]), "");
    assert_eq!(empty["flows"].as_array().unwrap().len(), 0);
}

#[test]
#[ignore = "ONAIR_CAPTURES names a folder of captures"]
fn captures_of_other_equipment_are_read_to_their_end() {
    let folder = env::var_os("ONAIR_CAPTURES").map(PathBuf::from);
    let folder = folder.expect("ONAIR_CAPTURES names a folder of captures");
    let files = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_capture = |path: &PathBuf| {
        path.extension()
            .is_some_and(|it| it == "pcap" || it == "pcapng")
    };
    let captures: Vec<_> = files.filter(is_capture).collect();
    assert!(!captures.is_empty(), "no capture in {}", folder.display());
    for path in captures {
        let ran = analyze(&path, "");
        assert_eq!(ran.code, 0, "{}: {ran:?}", path.display());
        let document: Value = serde_json::from_str(&ran.out).unwrap();
        let flows = document["flows"].as_array().unwrap();
        let packets: u64 = flows
            .iter()
            .map(|flow| flow["packets"].as_u64().unwrap())
            .sum();
        let others = document["file"]["not_analyzed"]
            .as_object()
            .unwrap()
            .values();
        let others: u64 = others.map(|it| it.as_u64().unwrap()).sum();
        assert_eq!(
            document["file"]["frames"],
            packets + others,
            "{}",
            path.display()
        );
        for flow in flows {
            assert_ne!(flow["essence"], "unknown", "{}: {flow}", path.display());
        }
    }
}
