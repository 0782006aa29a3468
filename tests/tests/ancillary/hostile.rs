//! Packets that are lost, damaged, or made to do harm: sent through the kernel, one by one.

use std::net::UdpSocket;

use anyhow::{Context as _, Result};
use onair::Place;
use onair_essence::Essence as _;
use onair_essence::ancillary::AncillaryStream;
use onair_essence::ancillary::unit::{UNIT_BYTES, UnitWriter};
use onair_essence::send::{PacketPlan as _, Packetise as _, StreamHeader};
use onair_tests::{Rig, resolve, wait_for};

use super::{ancillary, attach, into_b, next};

/// RTP packets of so many units, each with five ANC packets in two of them.
fn packets(units: u32) -> Result<Vec<Vec<u8>>> {
    let stream = AncillaryStream::check(&ancillary("25", false))?;
    let mut packetiser = stream.send(1452)?;
    let mut buffer = vec![0; UNIT_BYTES];
    let mut all = Vec::new();
    for number in 0..units {
        let mut unit = UnitWriter::new(&mut buffer)?;
        for _ in 0..5 {
            unit.push(Place::default(), (0x61, 2), &[number.to_le_bytes()[0]; 255])?;
        }
        packetiser.begin(0, |at, out| {
            out.copy_from_slice(&buffer[at..at + out.len()])
        });
        for index in 0..packetiser.packets(0) {
            let packet = packetiser.packet(0, index).context("below the count")?;
            let header = StreamHeader {
                payload_type: 96,
                timestamp: number * 3600,
                ssrc: 7,
            };
            let mut bytes = vec![0; packet.bytes()];
            packet.write_headers(&header, 65_530 + number * 2 + index, &mut bytes);
            all.push(bytes);
        }
    }
    assert_eq!(all.len(), units as usize * 2);
    Ok(all)
}

fn socket(rig: &Rig) -> Result<UdpSocket> {
    resolve(rig.stage(), "10.77.0.2")?;
    let socket = rig.stage().inside(|| Ok(UdpSocket::bind("10.77.0.9:0")?))?;
    socket.connect("10.77.0.2:5004")?;
    Ok(socket)
}

#[test]
fn packets_lost_or_damaged_then_no_unit_passes_as_right() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    control.create(&into_b(&ancillary("25", false), 5004))?;
    let session = attach(&rig, "in")?;
    let socket = socket(&rig)?;
    for (at, mut packet) in packets(8)?.into_iter().enumerate() {
        match at {
            // The first and the last of a unit.
            4 | 9 => continue,
            // A bit of user data, of the first ANC packet.
            12 => packet[12 + 8 + 4 + 40] ^= 0x10,
            _ => {}
        }
        socket.send(&packet)?;
    }
    for number in 0..8u8 {
        let unit = next(&session)?;
        // What came before the first one is not known.
        let complete = !matches!(number, 0 | 2 | 4);
        let wrong = u32::from(number == 6);
        assert_eq!(
            (unit.complete, unit.wrong),
            (complete, wrong),
            "{number}: {unit:?}"
        );
        let right = unit.packets.iter().filter(|it| it.data == [number; 255]);
        let expected = match number {
            2 => 1,
            4 => 4,
            6 => 4,
            _ => 5,
        };
        assert_eq!(right.count(), expected, "{number}: {unit:?}");
    }
    let counters = control.show("in")?.counters;
    assert_eq!(counters.packets_lost, 2, "{counters:?}");
    let units = (counters.frames_complete, counters.frames_incomplete);
    assert_eq!(units, (5, 3), "{counters:?}");
    drop(session);
    control.end("in")?;
    Ok(())
}

#[test]
fn packets_hostile_then_refused_by_reason_and_others_kept() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    control.create(&into_b(&ancillary("25", false), 5004))?;
    let session = attach(&rig, "in")?;
    let socket = socket(&rig)?;
    let mut sent = 0;
    for (at, packet) in packets(16)?.iter().enumerate() {
        let mut hostile = packet.clone();
        match at % 8 {
            0 => hostile[0] = 0x40,
            1 => hostile.truncate(at % 12),
            2 => hostile[1] = 97,
            // Of another source, so that the unit is not touched: length, count and field that lie.
            kind => {
                hostile[8..12].copy_from_slice(&[1, 2, 3, 4]);
                match kind {
                    3 => hostile[14] = 0xff,
                    4 => hostile[16] = 200,
                    5 => hostile[17] = 0x40,
                    6 => hostile.truncate(40),
                    _ => hostile[12 + 8 + 5] = 0xff,
                }
            }
        }
        socket.send(&hostile)?;
        socket.send(packet)?;
        sent += 2;
    }
    for number in 0..16u8 {
        let unit = next(&session)?;
        assert_eq!((unit.complete, unit.wrong), (number > 0, 0), "{unit:?}");
        assert!(unit.packets.iter().all(|it| it.data == [number; 255]));
        assert_eq!(unit.packets.len(), 5);
    }
    wait_for("every packet to be counted", 20, || {
        Ok(control.show("in")?.counters.packets >= sent)
    })?;
    let view = control.show("in")?;
    let malformed = &view.counters.packets_malformed;
    for reason in [
        "truncated",
        "bad_version",
        "bad_payload_type",
        "bad_length",
        "bad_count",
        "bad_field",
    ] {
        assert!(malformed.contains_key(reason), "{reason}: {malformed:?}");
    }
    assert_eq!(view.counters.packets_lost, 0);
    drop(session);
    control.end("in")?;
    Ok(())
}
