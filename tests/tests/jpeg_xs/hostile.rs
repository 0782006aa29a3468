//! Packets that are lost, and streams that contradict their description: sent through the kernel, one by one.

use std::net::UdpSocket;

use anyhow::{Context as _, Result};
use onair_api::SessionProblemKind;
use onair_essence::Essence as _;
use onair_essence::jpeg_xs::JpegXsDocument;
use onair_essence::send::{PacketPlan as _, Packetise as _, StreamHeader};
use onair_tests::{Deadline, Rig, resolve, until, wait_for};
use serde_json::json;

use super::{attach, into_b, jpeg_xs, next, pattern, stream};

/// RTP packets of so many units.
pub(crate) fn packets(document: &JpegXsDocument, units: u32) -> Result<Vec<Vec<Vec<u8>>>> {
    let mut packetiser = stream(document).send(1452)?;
    let pattern = pattern(document);
    let mut unit = vec![0; document.bytes as usize];
    let (mut all, mut sequence) = (Vec::new(), 65_500);
    for number in 0..units {
        pattern.unit(number.into(), 0, &mut unit);
        packetiser.begin(0, |at, out| out.copy_from_slice(&unit[at..at + out.len()]));
        let mut of_unit = Vec::new();
        for index in 0..packetiser.packets(0) {
            let packet = packetiser.packet(0, index).context("below the count")?;
            let header = StreamHeader {
                payload_type: 96,
                timestamp: number * 3600,
                ssrc: 7,
            };
            let mut bytes = vec![0; packet.bytes()];
            let start = packet.write_headers(&header, sequence, &mut bytes);
            packet.for_each_range(|range| bytes[start..].copy_from_slice(&unit[range]));
            sequence += 1;
            of_unit.push(bytes);
        }
        all.push(of_unit);
    }
    Ok(all)
}

/// Sends to UDP port 5004 of port `b`.
pub(crate) fn socket(rig: &Rig) -> Result<UdpSocket> {
    resolve(rig.stage(), "10.77.0.2")?;
    let socket = rig.stage().inside(|| Ok(UdpSocket::bind("10.77.0.9:0")?))?;
    socket.connect("10.77.0.2:5004")?;
    Ok(socket)
}

#[test]
fn packets_lost_then_named_and_no_unit_passes_as_right() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let document = jpeg_xs(&json!({}));
    let mut control = rig.control()?;
    control.create(&into_b(&document, 5004))?;
    let session = attach(&rig, "in")?;
    let socket = socket(&rig)?;
    for (number, unit) in packets(&document, 8)?.into_iter().enumerate() {
        for (at, mut packet) in unit.into_iter().enumerate() {
            match (number, at) {
                // Two in the middle; the first; a flag that contradicts.
                (2, 10 | 11) | (4, 0) => continue,
                (6, 5) => packet[12] ^= 0x40,
                _ => {}
            }
            socket.send(&packet)?;
        }
    }
    let pattern = pattern(&document);
    for number in 0..8 {
        let unit = next(&session)?;
        let is_whole = !matches!(number, 2 | 4 | 6);
        assert_eq!(
            unit.complete, is_whole,
            "{number}: {} missing",
            unit.missing
        );
        let mut sent = vec![0; document.bytes as usize];
        pattern.unit(number, 0, &mut sent);
        assert_eq!(unit.bytes == sent, is_whole, "{number}");
        let missing = match number {
            2 => 2 * 1436,
            4 | 6 => 1436,
            _ => 0,
        };
        assert_eq!(unit.missing, missing, "{number}");
    }
    let counters = control.show("in")?.counters;
    assert_eq!(counters.packets_lost, 3, "{counters:?}");
    assert_eq!(
        counters.packets_malformed.get("other_mode"),
        Some(&1),
        "{counters:?}"
    );
    let units = (counters.frames_complete, counters.frames_incomplete);
    assert_eq!(units, (5, 3), "{counters:?}");
    drop(session);
    control.end("in")?;
    Ok(())
}

#[test]
fn stream_that_contradicts_the_session_then_named_never_right() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let socket = socket(&rig)?;
    let mut control = rig.control()?;
    for (session, reason) in [
        (json!({"width": 1920}), "other_raster"),
        (json!({"depth": 8}), "other_samples"),
        (json!({"profile": "High444.12"}), "other_profile"),
        (json!({"sublevel": "Sublev6bpp"}), "other_level"),
        (json!({"packet_mode": "slice"}), "other_mode"),
    ] {
        control.create(&into_b(&jpeg_xs(&session), 5004))?;
        let units = packets(&jpeg_xs(&json!({})), 500)?;
        let (first, rest) = units.split_at(10);
        let sent: usize = first.iter().map(Vec::len).sum();
        for packet in first.iter().flatten() {
            socket.send(packet)?;
        }
        wait_for("every packet to be counted", 20, || {
            Ok(control.show("in")?.counters.packets >= sent as u64)
        })?;
        let counters = control.show("in")?.counters;
        assert_eq!(counters.frames_complete, 0, "{reason}: {counters:?}");
        let named = counters.packets_malformed.get(reason).copied();
        assert!(named >= Some(9), "{reason}: {counters:?}");
        // A stream goes on: a burst is no fault.
        let mut rest = rest.iter();
        let problem = until("wrong_format", Deadline::seconds(30), || {
            for packet in rest.next().into_iter().flatten() {
                socket.send(packet)?;
            }
            let mut problems = control.show("in")?.problems.into_iter();
            Ok(problems.find(|it| it.problem == SessionProblemKind::WrongFormat))
        })?;
        assert!(problem.detail.contains("JPEG XS"), "{reason}: {problem:?}");
        control.end("in")?;
    }
    Ok(())
}
