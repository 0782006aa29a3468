//! Captures of other people's equipment, where their folder is given: each is received, and its figures are compared with
//! those that tshark finds.
//!
//! `expected.json` names the files as their publishers do: EBU's pi-list and NEOAdvancedTechnology's ST2110_pcap_zoo.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use onair_essence::Format;
use onair_essence::receive::{Depacketise as _, Run, Sink, UnitReport};
use onair_essence::survey::{CapturedPacket, Link};
use serde::Deserialize;

/// A stream of a capture.
#[derive(Deserialize)]
struct Expected {
    file: String,
    destination: SocketAddr,
    format: Format,
    payload_type: u8,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
struct Figures {
    ssrc: u32,
    packets: u64,
    lost: u64,
    first_sequence: u16,
    first_timestamp: u32,
    /// Frames, fields or blocks.
    units: u64,
    /// All but the first of ancillary data, amid which the receiver may have begun.
    complete: u64,
}

fn expected() -> Vec<Expected> {
    serde_json::from_str(include_str!("expected.json")).unwrap()
}

/// Counts units; has memory for one at a time, whatever they say.
struct Counter(u64);

impl Sink for Counter {
    type Slot = ();

    fn open(&mut self, _rtp_timestamp: u32) -> Option<()> {
        Some(())
    }

    fn write(&mut self, (): (), _offset: usize, _bytes: &[u8]) {}

    fn finish(&mut self, (): (), _report: &UnitReport) {
        self.0 += 1;
    }
}

/// The frames of a pcap file with little endian headers, and their times.
fn frames(file: &[u8]) -> Vec<(u64, &[u8])> {
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    let fraction_ns = match number(&file[..4]) {
        0xa1b2_3c4d => 1,
        0xa1b2_c3d4 => 1000,
        magic => panic!("no pcap with little endian headers: {magic:#x}"),
    };
    let mut rest = &file[24..];
    let mut frames = Vec::new();
    while let Some((header, behind)) = rest.split_first_chunk::<16>() {
        let [seconds, fraction, length] = [0, 4, 8].map(|at| number(&header[at..at + 4]));
        let (frame, next) = behind.split_at(length as usize);
        let at_ns = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * fraction_ns;
        frames.push((at_ns, frame));
        rest = next;
    }
    frames
}

fn received(stream: &Expected, frames: &[(u64, &[u8])]) -> Figures {
    let mut found = Figures::default();
    let mut receiver = stream
        .format
        .depacketiser(stream.payload_type, 1_000_000_000);
    let mut units = Counter(0);
    for (now_ns, frame) in frames {
        let captured = CapturedPacket::parse(Link::of_number(1).unwrap(), frame).unwrap();
        if captured.destination != stream.destination {
            continue;
        }
        if found.packets == 0 {
            found.ssrc = captured.rtp.ssrc;
            found.first_sequence = captured.rtp.sequence;
            found.first_timestamp = captured.rtp.timestamp;
        }
        found.packets += 1;
        let run = Run {
            packets: &[captured.datagram],
            now_ns: *now_ns,
        };
        receiver.push(&run, &mut units);
    }
    receiver.close(&mut units);
    let stats = receiver.stats();
    assert_eq!(stats.accepted, found.packets, "{}: {stats:?}", stream.file);
    (found.lost, found.units) = (stats.lost, units.0);
    found.complete = stats.units_complete;
    found
}

/// Files that are expected and not in the folder.
fn missing(folder: &Path, all: &[Expected]) -> Vec<String> {
    let mut missing: Vec<_> = all.iter().map(|it| it.file.clone()).collect();
    missing.retain(|file| !folder.join(file).is_file());
    missing.dedup();
    missing
}

#[test]
#[ignore = "ONAIR_CAPTURES names a folder of captures"]
fn captures_of_other_equipment_then_their_known_figures() {
    let folder = std::env::var_os("ONAIR_CAPTURES").map(PathBuf::from);
    let folder = folder.expect("ONAIR_CAPTURES names a folder");
    let all = expected();
    let missing = missing(&folder, &all);
    assert!(missing.is_empty(), "{} lacks {missing:?}", folder.display());
    let mut wrong = Vec::new();
    for stream in &all {
        let file = std::fs::read(folder.join(&stream.file)).unwrap();
        let found = received(stream, &frames(&file));
        if found != stream.figures {
            let (file, expected) = (&stream.file, &stream.figures);
            wrong.push(format!("{file}: {found:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn expected_captures_then_one_line_a_stream_none_elsewhere() {
    let all = expected();
    let mut streams = HashMap::new();
    for it in &all {
        let before = streams.insert((&it.file, it.destination), ());
        assert_eq!(before, None, "{} {}", it.file, it.destination);
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    assert_eq!(missing(&here, &all).len(), 7);
}
