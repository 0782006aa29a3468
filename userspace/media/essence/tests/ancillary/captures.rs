//! Ancillary data of other people's equipment, where the folder is given.

use std::path::Path;

use onair_essence::ancillary::AncillaryMonitor;
use onair_essence::ancillary::unit::Unit;
use onair_essence::measure::Measure as _;
use onair_essence::receive::Depacketise as _;
use onair_essence::survey::{CapturedPacket, Link};

use crate::rig::Receiving;

/// File, RTP packets, ANC packets, units.
const FILES: [(&str, u64, u64, usize); 4] = [
    ("misc_anc_2110-40", 1799, 5397, 1799),
    ("ST2110-40_ancillary_data", 1000, 750, 251),
    ("anc_with_timecode+CC+AFD", 199, 149, 50),
    ("empty_data_but_valid", 50, 0, 50),
];

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
fn ancillary_data_of_real_equipment_then_its_known_figures() {
    let folder = std::env::var_os("ONAIR_CAPTURES").expect("ONAIR_CAPTURES names a folder");
    for (name, packets, anc_packets, units) in FILES {
        let path = Path::new(&folder).join(format!("{name}.pcap"));
        let file = std::fs::read(&path).unwrap();
        let mut receiving = Receiving::new(false);
        let mut monitor = AncillaryMonitor::default();
        for frame in frames(&file) {
            let captured = CapturedPacket::parse(Link::of_number(1).unwrap(), frame).unwrap();
            let rtp = captured.rtp;
            monitor.packet(1, None, &rtp, captured.payload);
            receiving.push(&[[&rtp.to_bytes()[..], captured.payload].concat()]);
        }
        receiving.close();
        let counts = monitor.document(1).unwrap();
        eprintln!("{name}: {counts:?}");
        assert_eq!(counts.anc_packets, anc_packets, "{name}");
        assert_eq!(
            (counts.wrong_parity, counts.wrong_checksum),
            (0, 0),
            "{name}"
        );
        let stats = receiving.receiver.stats();
        assert_eq!(
            (stats.packets, stats.accepted, stats.lost),
            (packets, packets, 0),
            "{name}"
        );
        let done = &receiving.units.done;
        assert_eq!(done.len(), units, "{name}");
        let complete = done.iter().filter(|(report, _)| report.complete).count();
        assert!(complete + 2 >= units, "{name}: {complete} complete");
        let all = done
            .iter()
            .map(|(_, it)| u64::from(Unit::parse(it).unwrap().packets()));
        assert_eq!(all.sum::<u64>(), anc_packets, "{name}");
    }
}
