//! Fields and segments on the wire.

use onair_essence::video::pattern;
use onair_essence::video::st2110_20::Segments;
use onair_essence::video::{Depth, FrameRate, Packing, Sampling, Scan, VideoFormat, VideoStream};

use super::tests::{AHEAD_NS, START_NS, config, port, rtp, run};
use super::*;
use crate::transmit::tests::Wire;

fn format(scan: Scan) -> VideoFormat {
    let rate = FrameRate::new(30_000, 1001).unwrap();
    VideoFormat::of((320, 19), (Sampling::YCbCr422, Depth::Ten), scan, rate).unwrap()
}

/// The wire after `buffers` buffers of the pattern.
fn sent(scan: Scan, packing: Packing, buffers: u64) -> Wire {
    let config = SendConfig {
        format: Format::Video(VideoStream {
            packing,
            ..format(scan).into()
        }),
        ..config(FrameSource::Pattern)
    };
    let mut sender = Sender::new(config, Arc::new(SessionStats::new(2))).unwrap();
    sender.resume(&port(), START_NS);
    let mut wire = Wire::default();
    run(&mut sender, &mut wire, buffers);
    wire
}

/// Timestamp, field bit and bytes of each buffer that the packets make, and its markers.
fn buffers(wire: &Wire, scan: Scan) -> Vec<(u32, bool, Vec<u8>, u32)> {
    let format = format(scan);
    let mut found: Vec<(u32, bool, Vec<u8>, u32)> = Vec::new();
    for packet in &wire.packets {
        let (header, payload) = rtp(packet);
        let segments = Segments::parse(payload, &format).unwrap();
        let field = segments.field();
        if found.last().is_none_or(|it| it.0 != header.timestamp) {
            let rows = format.rows(field);
            let bytes = vec![0; rows * format.line_bytes()];
            found.push((header.timestamp, field, bytes, 0));
        }
        let (_, _, bytes, markers) = found.last_mut().unwrap();
        *markers += u32::from(header.marker);
        for segment in segments {
            bytes[segment.offset..][..segment.bytes.len()].copy_from_slice(segment.bytes);
        }
    }
    found
}

#[test]
fn fields_then_in_turn_each_in_a_slot_of_its_parity_and_time() {
    for packing in [Packing::General, Packing::Block] {
        let found = buffers(&sent(Scan::Interlaced, packing, 9), Scan::Interlaced);
        assert_eq!(found.len(), 9);
        // Half of a frame's time is 1501.5 ticks: the second field's timestamp is rounded down.
        // Half of the default offset.
        let offset_ns = 33_366_666 * 20 / 525 / 2;
        let earliest_ns = u128::from(START_NS + AHEAD_NS + LEAD_NS - offset_ns);
        let slot = earliest_ns * 60_000 / 1_001_000_000_000 + 1;
        let first_field = slot + slot % 2;
        for (number, (timestamp, field, bytes, markers)) in (0..).zip(&found) {
            assert_eq!(pattern::verify(bytes), Ok(number));
            assert_eq!((*field, *markers), (number % 2 == 1, 1));
            let ticks = (first_field + u128::from(number)) * 90_000 * 1001 / 60_000;
            assert_eq!(u128::from(*timestamp), ticks % (1 << 32), "field {number}");
        }
    }
}

#[test]
fn segments_then_one_time_two_markers_and_a_whole_frame() {
    let wire = sent(Scan::Psf, Packing::General, 5);
    let found = buffers(&wire, Scan::Psf);
    assert_eq!(found.len(), 5);
    for (number, (_, _, bytes, markers)) in (0..).zip(&found) {
        assert_eq!(pattern::verify(bytes), Ok(number));
        assert_eq!(*markers, 2);
    }
    for pair in found.windows(2) {
        assert_eq!(pair[1].0.wrapping_sub(pair[0].0), 3003);
    }
}

#[test]
fn datagrams_too_large_for_the_port_then_refused_with_advice() {
    let rate = FrameRate::new(25, 1).unwrap();
    let format = VideoFormat::new(1920, 1080, Depth::Ten, rate).unwrap();
    let new = |max_udp, mtu| {
        let config = SendConfig {
            mtu,
            format: Format::Video(VideoStream {
                max_udp,
                ..format.into()
            }),
            ..config(FrameSource::Pattern)
        };
        Sender::new(config, Arc::new(SessionStats::new(2)))
    };
    for (max_udp, mtu) in [(2000, 2019), (8960, 8979), (8960, 1500)] {
        let error = new(max_udp, mtu).unwrap_err().to_string();
        let (needed, most) = (max_udp + 20, mtu - 20);
        for told in [
            format!("IP packets of {needed}, and port a has an MTU of {mtu}"),
            format!("lower max_udp to {most}"),
        ] {
            assert!(error.contains(&told), "{error}");
        }
    }
    // RTP header, extended sequence number, one SRD header.
    let payload_bytes =
        |sender: Sender| sender.packetiser.packet(0, 0).unwrap().bytes() - (12 + 2 + 6);
    assert_eq!(payload_bytes(new(2000, 2020).unwrap()), 1965);
    assert!(new(8960, 8980).is_ok());
    // Up to the standard size, packets are as large as the port allows.
    assert_eq!(payload_bytes(new(1460, 1400).unwrap()), 1345);
}
