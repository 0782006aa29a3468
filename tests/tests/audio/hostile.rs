//! Packets that are lost, doubled, or made to do harm: sent through the kernel, one by one.

use std::net::UdpSocket;

use anyhow::{Context as _, Result};
use onair::{Coding, Status, Timeout};
use onair_essence::audio::{BlockPacketiser, Tone};
use onair_essence::send::{PacketPlan as _, Packetise as _, StreamHeader, TestSignal as _};
use onair_tests::{Rig, resolve, wait_for};

use super::{attach, audio, format, into_b, next};

/// RTP packets of so many blocks of L24, 48 kHz, two channels.
fn packets(blocks: u32) -> Result<Vec<Vec<u8>>> {
    let format = format(&audio(Coding::L24, 48_000, 2));
    let packetiser = BlockPacketiser::new(&format, 1452)?;
    let mut tone = Tone::new(&format);
    let mut all = Vec::new();
    for block in 0..blocks {
        for index in 0..10 {
            let packet = packetiser.packet(0, index).context("below the count")?;
            let stream = StreamHeader {
                payload_type: 96,
                timestamp: block * 480,
                ssrc: 7,
            };
            let mut bytes = vec![0; packet.bytes()];
            // The sequence number turns over.
            let headers = packet.write_headers(&stream, 65_500 + block * 10 + index, &mut bytes);
            tone.fill(&packet, &mut bytes[headers..]);
            all.push(bytes);
        }
        tone.finish();
    }
    Ok(all)
}

fn socket(rig: &Rig) -> Result<UdpSocket> {
    resolve(rig.stage(), "10.77.0.2")?;
    let socket = rig.stage().inside(|| Ok(UdpSocket::bind("10.77.0.9:0")?))?;
    socket.connect("10.77.0.2:5004")?;
    Ok(socket)
}

#[test]
fn packets_lost_then_silence_at_their_samples() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    control.create(&into_b(&audio(Coding::L24, 48_000, 2), 5004))?;
    let session = attach(&rig, "in")?;
    let socket = socket(&rig)?;
    let all = packets(8)?;
    let is_lost = |at: usize| at == 13 || (26..31).contains(&at) || (52..54).contains(&at);
    for (_, packet) in all.iter().enumerate().filter(|(at, _)| !is_lost(*at)) {
        socket.send(packet)?;
    }
    for block in 0..8 {
        let buffer = session.buffer_get(Timeout::millis(20_000))?;
        let mut silent = Vec::new();
        if let Status::Incomplete(what) = buffer.status() {
            silent.extend(what.lines());
        }
        let expected = match block {
            1 => Some(144..192),
            2 => Some(288..480),
            3 => Some(0..48),
            5 => Some(96..192),
            _ => None,
        };
        assert_eq!(silent, Vec::from_iter(expected), "block {block}");
        for (index, samples) in buffer.chunks(288).enumerate() {
            let at = block * 10 + index;
            match is_lost(at) {
                true => assert_eq!(samples, [0; 288]),
                false => assert_eq!(samples, &all[at][12..]),
            }
        }
    }
    let counters = control.show("in")?.counters;
    assert_eq!(counters.packets_lost, 8, "{counters:?}");
    let units = (counters.frames_complete, counters.frames_incomplete);
    assert_eq!(units, (4, 4), "{counters:?}");
    drop(session);
    control.end("in")?;
    Ok(())
}

#[test]
fn packets_hostile_then_refused_by_reason_and_samples_stay() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    let audio = audio(Coding::L24, 48_000, 2);
    control.create(&into_b(&audio, 5004))?;
    let session = attach(&rig, "in")?;
    let socket = socket(&rig)?;
    let all = packets(20)?;
    let mut sent = 0;
    for (at, packet) in all.iter().enumerate() {
        let mut hostile = packet.clone();
        match at % 8 {
            0 => hostile[0] = 0x40,
            1 => hostile.truncate(at % 30),
            2 => hostile.extend([1; 6]),
            3 => hostile[1] = 97,
            4 => hostile[7] ^= 0x55,
            5 => hostile[8..12].copy_from_slice(&[1, 2, 3, 4]),
            // Half a minute ahead, in number and time.
            6 => {
                let (number, ticks) = (30_000_u16, 30_000 * 48);
                let sequence = u16::from_be_bytes([packet[2], packet[3]]).wrapping_add(number);
                hostile[2..4].copy_from_slice(&sequence.to_be_bytes());
                let timestamp = u32::try_from(at)? * 48 + ticks;
                hostile[4..8].copy_from_slice(&timestamp.to_be_bytes());
            }
            // Padding longer than the payload.
            _ => {
                hostile[0] |= 0x20;
                *hostile.last_mut().context("it has bytes")? = 255;
                hostile.truncate(200);
                hostile.push(255);
            }
        }
        socket.send(packet)?;
        socket.send(&hostile)?;
        sent += 2;
    }
    let tone = Tone::new(&format(&audio));
    for number in 0..20 {
        let block = next(&session)?;
        assert!(block.complete, "{block:?}");
        assert_eq!(tone.verify(&block.bytes)?, number * 480);
    }
    wait_for("every packet to be counted", 20, || {
        Ok(control.show("in")?.counters.packets >= sent)
    })?;
    let view = control.show("in")?;
    let malformed = &view.counters.packets_malformed;
    for reason in [
        "truncated",
        "bad_version",
        "bad_length",
        "bad_payload_type",
        "bad_timestamp",
        "bad_padding",
    ] {
        assert!(malformed.contains_key(reason), "{reason}: {malformed:?}");
    }
    assert_eq!(view.counters.packets_lost, 0);
    drop(session);
    control.end("in")?;
    Ok(())
}
