//! JPEG XS of other people's equipment, where the folder is given.

use std::path::Path;

use onair_essence::Essence as _;
use onair_essence::measure::Measure as _;
use onair_essence::receive::Depacketise as _;
use onair_essence::survey::{CapturedPacket, Link};
use serde_json::json;

use crate::rig::{Receiving, stream};

/// The frames of a pcap file with little endian headers.
fn frames(file: &[u8]) -> Vec<&[u8]> {
    let mut rest = &file[24..];
    let mut frames = Vec::new();
    while let Some((header, behind)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes(header[8..12].try_into().unwrap());
        let (frame, next) = behind.split_at(length as usize);
        frames.push(frame);
        rest = next;
    }
    frames
}

#[test]
#[ignore = "ONAIR_CAPTURES names a folder of captures"]
fn jpeg_xs_of_real_equipment_then_its_known_figures() {
    let folder = std::env::var_os("ONAIR_CAPTURES").expect("ONAIR_CAPTURES names a folder");
    let file = std::fs::read(Path::new(&folder).join("125mbps-JPEGXS.pcap")).unwrap();
    let stream = stream(&json!({
        "scan": "interlaced", "bytes": 300_000, "profile": "Main444.12", "level": "4k-2", "sublevel": "Sublev6bpp",
    }));
    let mut receiving = Receiving::new(&stream);
    receiving.receiver.set_payload_types(100.into());
    let mut monitor = stream.monitor().unwrap();
    let mut sent = Vec::new();
    for frame in frames(&file) {
        let captured = CapturedPacket::parse(Link::of_number(1).unwrap(), frame).unwrap();
        let rtp = captured.rtp;
        monitor.packet(receiving.now_ns, None, &rtp, captured.payload);
        receiving.push(&[[&rtp.to_bytes()[..], captured.payload].concat()]);
        sent.extend_from_slice(&captured.payload[4..]);
    }
    receiving.close();
    let stats = receiving.receiver.stats();
    assert_eq!((stats.packets, stats.accepted, stats.lost), (1085, 1085, 0));
    assert_eq!((stats.units_complete, stats.malformed.total()), (5, 0));
    let done = &receiving.units.done;
    assert!(
        done.iter()
            .all(|(report, unit)| report.complete && unit.len() == 259_264)
    );
    let received: Vec<_> = done.iter().flat_map(|it| it.1.clone()).collect();
    let mismatches = received.iter().zip(&sent).filter(|(a, b)| a != b).count();
    assert_eq!((received.len(), mismatches), (sent.len(), 0));
    let timing = monitor.document(receiving.now_ns).unwrap();
    assert_eq!((timing.unit_bytes, timing.unit_packets), (259_264, 217));
    assert!(timing.is_constant(), "{timing:?}");
    // Its boxes say 8 bits, its codestream 10.
    assert_eq!(timing.units_of_other_boxes, 5);
}
