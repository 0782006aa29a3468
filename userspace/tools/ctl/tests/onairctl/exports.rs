//! Exports of recordings made by the recorder, and of captures made by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use onair_api::RecordingEnd;
use onair_essence::send::{PacketPlan as _, StreamHeader};
use onair_essence::video::st2110_20::{Packetiser, STANDARD_RTP_BYTES};
use onair_essence::video::{Depth, FrameRate, Packing, Sampling, Scan, VideoFormat};
use onair_net::datagram::FlowHeader;
use onair_net::ethernet::Mac;
use onair_record::{Recording, SessionLabel, Spec};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::analyses::Written;
use crate::support::{Ran, all_in, onairctl, ran};

pub(crate) const AT_NS: u64 = 1_700_000_000_000_000_000;

/// A captured packet, and when it came.
pub(crate) type Packet = (u64, Vec<u8>);

fn format(bits: u8, scan: Scan) -> VideoFormat {
    let rate = FrameRate::new(30_000, 1001).unwrap();
    let depth = Depth::from_bits(bits.into(), false).unwrap();
    VideoFormat::of((64, 18), (Sampling::YCbCr422, depth), scan, rate).unwrap()
}

/// A source of frames whose bytes no code of the product makes.
struct Talker {
    format: VideoFormat,
    dice: u64,
    number: u64,
    sequence: u32,
}

impl Talker {
    fn new(format: VideoFormat) -> Self {
        Self {
            format,
            dice: 0x9e37_79b9_7f4a_7c15,
            number: 0,
            sequence: 65_500,
        }
    }

    fn line(&mut self) -> Vec<u8> {
        let bytes = 0..self.format.line_bytes();
        bytes
            .map(|_| {
                self.dice ^= self.dice << 13;
                self.dice ^= self.dice >> 7;
                self.dice ^= self.dice << 17;
                self.dice.to_le_bytes()[3]
            })
            .collect()
    }

    /// The lines of the next frame, and its packets.
    fn frame(&mut self) -> (Vec<u8>, Vec<Packet>) {
        let lines: Vec<_> = (0..self.format.height()).map(|_| self.line()).collect();
        let of = |from, step| -> Vec<u8> {
            lines
                .iter()
                .skip(from)
                .step_by(step)
                .flatten()
                .copied()
                .collect()
        };
        let mut packets = Vec::new();
        if self.format.scan() == Scan::Interlaced {
            self.buffer(&of(0, 2), false, &mut packets);
            self.buffer(&of(1, 2), true, &mut packets);
        } else {
            self.buffer(&of(0, 1), false, &mut packets);
        }
        self.number += 1;
        (lines.concat(), packets)
    }

    fn buffer(&mut self, pgroups: &[u8], second: bool, packets: &mut Vec<Packet>) {
        let (packing, bytes) = (Packing::General, STANDARD_RTP_BYTES);
        let packetiser = Packetiser::of(self.format, second, packing, bytes).unwrap();
        let half = u64::from(second) * 1501;
        let stamp = u32::try_from(self.number * 3003 + half).unwrap();
        let header = StreamHeader {
            payload_type: 96,
            timestamp: stamp.wrapping_sub(4000),
            ssrc: 7,
        };
        let flow = FlowHeader {
            source_mac: Mac([2; 6]),
            destination_mac: Mac([4; 6]),
            source: "10.0.0.1:5000".parse().unwrap(),
            destination: "239.1.2.3:5004".parse().unwrap(),
            ttl: 64,
            dscp: 34,
        };
        for index in 0..packetiser.packets() {
            let packet = packetiser.packet(index).unwrap();
            let mut bytes = Vec::with_capacity(packet.bytes());
            let mut headers = vec![0; packet.header_bytes()];
            packet.write_headers(&header, self.sequence, &mut headers);
            bytes.extend(&headers);
            packet.ranges().for_each(|it| bytes.extend(&pgroups[it]));
            let frame = flow.to_frame(1, &bytes);
            packets.push((AT_NS + u64::from(stamp) * 11_111, frame));
            self.sequence += 1;
        }
    }
}

/// The planes of a frame, taken out of its lines bit by bit.
fn planes(bits: usize, lines: &[u8]) -> Vec<u8> {
    let sample = |number: usize| {
        (number * bits..(number + 1) * bits).fold(0u16, |word, at| {
            word << 1 | u16::from(lines[at / 8] >> (7 - at % 8) & 1)
        })
    };
    let count = lines.len() * 8 / bits;
    let of = |wanted: &[usize]| -> Vec<u16> {
        let places = (0..count).filter(|at| wanted.contains(&(at % 4)));
        places.map(sample).collect()
    };
    let all = [of(&[1, 3]), of(&[0]), of(&[2])].concat();
    let bytes = if bits == 8 { 1 } else { 2 };
    all.into_iter()
        .flat_map(|it| it.to_le_bytes().into_iter().take(bytes))
        .collect()
}

/// The Y4M file of these frames, of which nothing is said.
fn y4m(bits: usize, scan: Scan, frames: &[Vec<u8>]) -> Vec<u8> {
    y4m_as(("0:0", ""), bits, scan, frames)
}

/// With what is said of the pixels' shape and the range.
fn y4m_as((aspect, range): (&str, &str), bits: usize, scan: Scan, frames: &[Vec<u8>]) -> Vec<u8> {
    let layout = match bits {
        8 => "C422",
        _ => "C422p10 XYSCSS=422P10",
    };
    let order = if scan == Scan::Interlaced { "It" } else { "Ip" };
    let head = format!("YUV4MPEG2 W64 H18 F30000:1001 {order} A{aspect} {layout}{range}\n");
    let mut file = head.into_bytes();
    for frame in frames {
        file.extend(b"FRAME\n");
        file.extend(planes(bits, frame));
    }
    file
}

fn session(bits: u8, scan: Scan) -> Value {
    json!({"name": "cam1", "direction": "receive", "port": "a",
        "video": {"width": 64, "height": 18, "frame_rate": "30000/1001", "depth": bits, "scan": scan},
        "flow": {"destination": "239.1.2.3:5004"}})
}

/// Records packets as the daemon does, as `take`.
pub(crate) fn recorded(
    folder: &Path,
    session: Value,
    packets: &[Packet],
    change: impl FnOnce(&mut Spec),
) {
    let mut spec = Spec::new(folder, "take".parse().unwrap());
    spec.ring_bytes = 4 << 20;
    spec.min_free_bytes = 0;
    spec.session = Some(SessionLabel {
        id: "1".into(),
        name: "cam1".into(),
        spec: session,
    });
    change(&mut spec);
    let recording = Recording::start(spec).unwrap();
    let mut producer = recording.producer("a (onair-p0)").unwrap();
    for (at_ns, bytes) in packets {
        let wire = u32::try_from(bytes.len()).unwrap();
        assert!(producer.offer(*at_ns, wire, bytes));
    }
    let soon = Instant::now() + Duration::from_secs(30);
    recording.finish(RecordingEnd::Stopped, soon).unwrap();
}

/// A recording of some frames, and their lines.
fn take(bits: u8, scan: Scan) -> (TempDir, Vec<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let mut talker = Talker::new(format(bits, scan));
    let frames: Vec<_> = (0..6).map(|_| talker.frame()).collect();
    let (lines, packets): (Vec<_>, Vec<_>) = frames.into_iter().unzip();
    recorded(
        folder.path(),
        session(bits, scan),
        &packets.concat(),
        |_| {},
    );
    (folder, lines)
}

fn run(folder: &TempDir, arguments: &str) -> Ran {
    let mut command = onairctl(&format!("export {arguments}"));
    ran(command.current_dir(folder.path()))
}

fn exported(folder: &TempDir, arguments: &str) -> Value {
    let ran = run(folder, &format!("{arguments} --json"));
    assert_eq!((ran.code, &*ran.err), (0, ""), "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}

fn names(folder: &TempDir) -> Vec<String> {
    let files = fs::read_dir(folder.path()).unwrap();
    let names = files.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn export_of_8_and_10_bits_of_any_scan_then_the_samples_sent() {
    for bits in [8, 10] {
        for scan in [Scan::Progressive, Scan::Interlaced, Scan::Psf] {
            let (folder, lines) = take(bits, scan);
            let bits = usize::from(bits);
            let document = exported(&folder, "take.json --format y4m");
            let expected = y4m(bits, scan, &lines);
            assert!(
                fs::read(folder.path().join("take.y4m")).unwrap() == expected,
                "{bits} {scan}"
            );
            assert_eq!(document["frames"], 6);
            assert_eq!(document["incomplete_frames"], 0);
            assert_eq!(document["bytes"], expected.len());
            exported(&folder, "take.pcapng -f raw");
            let expected: Vec<u8> = lines.iter().flat_map(|it| planes(bits, it)).collect();
            assert!(
                fs::read(folder.path().join("take.yuv")).unwrap() == expected,
                "{bits} {scan}"
            );
        }
    }
}

#[test]
fn export_of_several_files_then_in_order_or_of_one_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut talker = Talker::new(format(8, Scan::Progressive));
    let frames: Vec<_> = (0..90).map(|_| talker.frame()).collect();
    let (lines, packets): (Vec<_>, Vec<_>) = frames.into_iter().unzip();
    let session = session(8, Scan::Progressive);
    recorded(folder.path(), session, &packets.concat(), |spec| {
        spec.split_size = Some(64 * 1024);
    });
    let document = exported(&folder, ". --format y4m");
    assert_eq!(document["files"].as_array().unwrap().len(), 5, "{document}");
    let whole = y4m(8, Scan::Progressive, &lines);
    assert!(fs::read(folder.path().join("take.y4m")).unwrap() == whole);
    let document = exported(&folder, "take.0001.pcapng --format y4m");
    let count = usize::try_from(document["frames"].as_u64().unwrap()).unwrap();
    let part = y4m(8, Scan::Progressive, &lines[..count]);
    assert!((1..90).contains(&count));
    let other = folder.path().join("take.2026.pcapng");
    fs::copy(folder.path().join("take.0001.pcapng"), other).unwrap();
    let ran = run(&folder, "take.2026.pcapng -f raw");
    all_in(&ran.err, &["take.2026.pcapng has no manifest beside it"]);
    assert!(fs::read(folder.path().join("take.0001.y4m")).unwrap() == part);
}

#[test]
fn export_of_frames_with_losses_then_left_out_and_counted() {
    for scan in [Scan::Progressive, Scan::Interlaced] {
        let folder = tempfile::tempdir().unwrap();
        let mut talker = Talker::new(format(8, scan));
        let (mut whole, mut packets) = (Vec::new(), Vec::new());
        for number in 0..6 {
            let (lines, mut its) = talker.frame();
            match number {
                2 => drop(its.remove(0)),
                // Of interlaced video, one of the second field.
                4 => drop(its.remove(its.len() - 2)),
                _ => whole.push(lines),
            }
            // A packet again, and something else.
            its.push(its[0].clone());
            its.push((AT_NS, vec![0xff; 60]));
            packets.extend(its);
        }
        recorded(folder.path(), session(8, scan), &packets, |_| {});
        let ran = run(&folder, "take.json --format y4m --json");
        assert_eq!(ran.code, 7, "{ran:?}");
        all_in(&ran.err, &["2 packets did not come"]);
        let document: Value = serde_json::from_str(&ran.out).unwrap();
        assert!(fs::read(folder.path().join("take.y4m")).unwrap() == y4m(8, scan, &whole));
        assert_eq!(
            (&document["frames"], &document["incomplete_frames"]),
            (&4.into(), &2.into())
        );
        assert_eq!(document["packets_of_no_frame"], 12, "{document}");
        let left_out = document["left_out"].as_array().unwrap();
        let indices: Vec<_> = left_out.iter().map(|it| it["index"].clone()).collect();
        assert_eq!(indices, [2, 4]);
        assert!(
            left_out
                .iter()
                .all(|it| it["bytes_missing"].as_u64() > Some(0))
        );
        let text = run(&folder, "take.json --format y4m --force");
        all_in(
            &text.out,
            &["take.y4m", "yuv422p", "4 (2 incomplete frames left out"],
        );
    }
}

#[test]
fn export_of_a_damaged_file_then_what_is_before_and_a_warning() {
    let (folder, lines) = take(10, Scan::Progressive);
    let file = folder.path().join("take.pcapng");
    let bytes = fs::read(&file).unwrap();
    let mut counts = Vec::new();
    for end in (0..bytes.len()).step_by(977) {
        fs::write(&file, &bytes[..end]).unwrap();
        let ran = run(&folder, "take.json --format y4m --force --json");
        let shown = folder.path().join("take.y4m");
        if ran.code == 2 || ran.code == 1 {
            assert!(!ran.err.contains("panicked"), "{end}: {ran:?}");
            assert!(!shown.exists(), "{end}");
            continue;
        }
        let document: Value = serde_json::from_str(&ran.out).unwrap();
        let count = usize::try_from(document["frames"].as_u64().unwrap()).unwrap();
        let expected = y4m(10, Scan::Progressive, &lines[..count]);
        assert!(fs::read(&shown).unwrap() == expected, "{end}");
        if ran.code == 7 {
            assert!(ran.err.contains("the rest is not exported"), "{ran:?}");
            assert!(document["files"][0]["damage"].is_string(), "{document}");
        }
        counts.push(count);
        fs::remove_file(&shown).unwrap();
    }
    assert!(counts.is_sorted() && counts.last() > Some(&3), "{counts:?}");
    let mut damaged = bytes;
    let middle = damaged.len() / 2;
    damaged[middle..].fill(0xff);
    fs::write(&file, damaged).unwrap();
    let ran = run(&folder, "take.json --format y4m");
    assert_eq!(ran.code, 7, "{ran:?}");
    all_in(
        &ran.err,
        &["warning", "take.pcapng", "the rest is not exported"],
    );
}

#[test]
fn export_of_cut_packets_then_said_and_nothing_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut talker = Talker::new(format(8, Scan::Progressive));
    let session = session(8, Scan::Progressive);
    recorded(folder.path(), session, &talker.frame().1, |spec| {
        spec.snap_length = 96
    });
    let ran = run(&folder, "take.json --format y4m");
    assert_eq!(ran.code, 1, "{ran:?}");
    all_in(
        &ran.err,
        &[
            "no complete frame",
            "packets captured in part",
            "nothing was written",
        ],
    );
    assert_eq!(names(&folder), ["take.json", "take.pcapng"]);
}

#[test]
fn export_of_a_capture_with_sdp_then_only_the_described_stream() {
    let folder = tempfile::tempdir().unwrap();
    let mut talker = Talker::new(format(10, Scan::Interlaced));
    let (lines, mut packets) = talker.frame();
    let media = |destination: &str| {
        format!(
            "m=video 5004 RTP/AVP 96\r\nc=IN IP4 {destination}/64\r\na=rtpmap:96 raw/90000\r\n\
             a=fmtp:96 sampling=YCbCr-4:2:2; width=64; height=18; exactframerate=30000/1001; \
             interlace; depth=10; TCS=SDR; colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017; TP=2110TPN\r\n"
        )
    };
    let head = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=x\r\nt=0 0\r\n";
    let sdp = |name: &str, all: &[String]| {
        fs::write(folder.path().join(name), head.to_owned() + &all.concat()).unwrap();
    };
    sdp("one.sdp", &[media("239.1.2.3")]);
    sdp("two.sdp", &[media("239.9.9.9"), media("239.1.2.3")]);
    // The same packets to another destination.
    let others = packets.clone().into_iter().map(|(at, mut bytes)| {
        bytes[31..34].fill(9);
        (at, bytes)
    });
    packets.extend(others.collect::<Vec<_>>());
    for (at, written) in Written::ALL.into_iter().enumerate() {
        fs::write(folder.path().join("cap.pcap"), written.file(&packets)).unwrap();
        for more in ["--sdp one.sdp", "--sdp two.sdp --flow 239.1.2.3:5004"] {
            let document = exported(
                &folder,
                &format!("cap.pcap {more} -f y4m -o out{at}.y4m --force"),
            );
            let bytes = fs::read(folder.path().join(format!("out{at}.y4m"))).unwrap();
            assert!(
                bytes
                    == y4m_as(
                        ("1:1", " XCOLORRANGE=LIMITED"),
                        10,
                        Scan::Interlaced,
                        std::slice::from_ref(&lines)
                    ),
                "{document}"
            );
            assert_eq!(document["content"]["scan"], "interlaced");
        }
    }
    for (arguments, said) in [
        ("cap.pcap -f raw", "no manifest beside it"),
        (
            "cap.pcap -f raw --sdp two.sdp",
            "name its destination with --flow",
        ),
        (
            "cap.pcap -f raw --sdp one.sdp --flow 239.9.9.9:1",
            "describes no stream to 239.9.9.9:1",
        ),
        ("cap.pcap -f raw --sdp nix.sdp", "cannot read nix.sdp"),
        ("one.sdp -f raw --sdp one.sdp", "neither pcap nor pcapng"),
    ] {
        let ran = run(&folder, arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        all_in(&ran.err, &[said]);
    }
}

#[test]
fn export_to_standard_output_then_the_file_and_nothing_else() {
    let (folder, lines) = take(8, Scan::Progressive);
    let mut command = onairctl("export take.json --format y4m --output - --json");
    let done = command.current_dir(folder.path()).output().unwrap();
    assert!(done.stdout == y4m(8, Scan::Progressive, &lines));
    let document: Value = serde_json::from_slice(&done.stderr).unwrap();
    assert_eq!(document["frames"], 6);
    assert_eq!(names(&folder), ["take.json", "take.pcapng"]);
}

#[test]
fn export_over_a_file_then_refused_unless_forced() {
    let (folder, _) = take(8, Scan::Progressive);
    let there = folder.path().join("take.y4m");
    fs::write(&there, "mine").unwrap();
    let ran = run(&folder, "take.json --format y4m");
    assert_eq!(ran.code, 2);
    all_in(&ran.err, &["take.y4m already exists", "--force"]);
    assert_eq!(fs::read(&there).unwrap(), b"mine");
    let ran = run(
        &folder,
        "take.json --format y4m --output take.pcapng --force",
    );
    all_in(&ran.err, &["one of the files to be exported"]);
    let part = folder.path().join("other.y4m.part");
    fs::write(&part, "another's").unwrap();
    let ran = run(&folder, "take.json --format y4m --output other.y4m");
    all_in(&ran.err, &["other.y4m.part exists", "--force"]);
    let ran = run(&folder, "take.json --format y4m --output nix/other.y4m");
    assert_eq!(ran.code, 1, "{ran:?}");
    all_in(&ran.err, &["cannot write nix/other.y4m.part"]);
    assert_eq!(run(&folder, "take.json --format y4m --force").code, 0);
    assert!(fs::read(&there).unwrap().starts_with(b"YUV4MPEG2"));
}

#[test]
fn export_of_a_manifest_that_does_not_do_then_refused_by_reason() {
    let (folder, _) = take(8, Scan::Progressive);
    let manifest: Value =
        serde_json::from_slice(&fs::read(folder.path().join("take.json")).unwrap()).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut manifest = manifest.clone();
        change(&mut manifest);
        fs::write(folder.path().join("take.json"), manifest.to_string()).unwrap();
        let ran = run(&folder, "take.json --format y4m");
        assert!([1, 2].contains(&ran.code), "{ran:?}");
        ran.err
    };
    for (said, change) in [
        (
            "has not ended",
            &(|it: &mut Value| it["stage"] = "recording".into()) as &dyn Fn(&mut Value),
        ),
        ("unknown variant `y4m`", &|it| it["format"] = "y4m".into()),
        ("describe the stream with --sdp", &|it| {
            it["session"] = Value::Null
        }),
        ("invalid session format", &|it| {
            it["session"]["spec"]["video"]["depth"] = 9.into()
        }),
        ("is no manifest", &|it| *it = json!([])),
        ("cannot read gone.pcapng", &|it| {
            it["files"][0]["name"] = "gone.pcapng".into()
        }),
        ("export raw", &|it| {
            it["session"]["spec"]["video"]["sampling"] = "RGB".into()
        }),
    ] {
        let text = changed(change);
        all_in(&text, &[said]);
    }
    let here = PathBuf::from(folder.path());
    fs::write(here.join("other.json"), "{}").unwrap();
    all_in(
        &run(&folder, ". --format raw").err,
        &["several recordings", "other.json, take.json"],
    );
    fs::create_dir(here.join("empty")).unwrap();
    all_in(
        &run(&folder, "empty --format raw").err,
        &["has no manifest"],
    );
    all_in(
        &run(&folder, "nix.json --format raw").err,
        &["cannot read nix.json"],
    );
}
