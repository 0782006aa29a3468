//! Packets that no sender should send: counted by reason, and harmless.

use std::collections::BTreeMap;
use std::net::UdpSocket;

use anyhow::{Context as _, Result};
use onair_api::SessionCounters;
use onair_tests::network::packet::{cut, rtp, with};
use onair_tests::{Control, Dice, Raster, Rig, WholeFlow, output, receive, resolve, wait_for};

const OURS: &str = "10.77.0.2";
const RASTER: Raster = Raster::new(320, 180, 60, 8);
/// Five seconds of them.
const FRAMES: u32 = 300;
/// Packets that are sent before the test looks whether they have arrived.
const BATCH: usize = 200;

/// Each kind of malformed packet, with the reason that is counted.
fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    const MORE: u16 = 1 << 15;
    let right = || rtp(&[[8, 3, 4]], 8);
    let mut list = vec![
        ("bad_version", with(right(), 0, 0x00)),
        ("bad_version", with(right(), 0, 0x40)),
        ("bad_version", with(right(), 0, 0xc0)),
        ("bad_payload_type", with(right(), 1, 97)),
        ("bad_payload_type", with(right(), 1, 0)),
        // Fifteen contributing sources, an extension, a run: all beyond the end.
        ("truncated", with(right(), 0, 0x8f)),
        ("truncated", with(right(), 0, 0x90)),
        ("truncated", rtp(&[], 0)),
        ("truncated", rtp(&[[0, 3, 4 | MORE]], 0)),
        // Padding of nothing, and of more than there is.
        ("bad_padding", with(with(right(), 0, 0xa0), 27, 0)),
        ("bad_padding", with(with(right(), 0, 0xa0), 27, 200)),
        ("too_many_srds", rtp(&[[4, 3, 4 | MORE]; 40], 160)),
        ("interlaced", rtp(&[[8, 3 | MORE, 4]], 8)),
        ("bad_srd_range", rtp(&[[8, 180, 0]], 8)),
        ("bad_srd_range", rtp(&[[8, 0x7fff, 0]], 8)),
        ("bad_srd_range", rtp(&[[8, 0, 318]], 8)),
        ("bad_srd_range", rtp(&[[8, 0, 0x7ffe]], 8)),
        ("bad_pgroup_alignment", rtp(&[[8, 3, 5]], 8)),
        ("bad_pgroup_alignment", rtp(&[[7, 3, 4]], 7)),
        ("bad_length", rtp(&[[8, 3, 4]], 7)),
        ("bad_length", rtp(&[[8, 3, 4]], 9)),
        ("bad_length", rtp(&[[640, 3, 0]], 0)),
    ];
    list.extend((0..20).map(|length| ("truncated", cut(right(), length))));
    list
}

fn not_taken(counters: &SessionCounters) -> u64 {
    counters.packets_malformed.values().sum()
}

/// A sender of any bytes.
struct ClientFiles {
    socket: UdpSocket,
    control: Control,
    sent: u64,
}

impl ClientFiles {
    fn of(rig: &Rig, address: &str) -> Result<Self> {
        let socket = rig.stage().inside(|| {
            let socket = UdpSocket::bind((address, 0))?;
            socket.connect((OURS, WholeFlow::UDP))?;
            Ok(socket)
        })?;
        Ok(Self {
            socket,
            control: rig.control()?,
            sent: 0,
        })
    }

    /// Sends packets none of which is to be taken, and waits until each has been counted.
    fn send(&mut self, packets: &[Vec<u8>]) -> Result<()> {
        for batch in packets.chunks(BATCH) {
            for packet in batch {
                self.socket.send(packet)?;
            }
            self.sent += batch.len() as u64;
            let mut counters = SessionCounters::default();
            wait_for("strange packets to be counted", 10, || {
                counters = self.control.show("in")?.counters;
                Ok(not_taken(&counters) >= self.sent)
            })
            .with_context(|| format!("{} sent: {counters:?}", self.sent))?;
        }
        Ok(())
    }
}

#[test]
fn rtp_malformed_in_each_way_then_counted_and_the_flow_is_whole() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let mut flow = WholeFlow::start(&rig, RASTER, FRAMES, |_| {})?;
    flow.flows()?;
    let mut other_sender = ClientFiles::of(&rig, "10.77.0.9")?;
    let list = malformed();
    let packets: Vec<_> = list.iter().map(|(_, packet)| packet.clone()).collect();
    let mut rounds = 0;
    while !flow.is_sent()? {
        other_sender.send(&packets)?;
        rounds += 1;
    }
    let counters = flow.finish()?;
    let mut expected = BTreeMap::new();
    for (reason, _) in list {
        *expected.entry(reason.to_owned()).or_insert(0) += rounds;
    }
    assert!(rounds > 10, "{rounds} rounds");
    assert_eq!(counters.packets_malformed, expected);
    Ok(())
}

#[test]
fn rtp_twenty_thousand_random_packets_then_the_flow_is_whole() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let mut flow = WholeFlow::start(&rig, RASTER, FRAMES, |_| {})?;
    flow.flows()?;
    let mut other_sender = ClientFiles::of(&rig, "10.77.0.9")?;
    let mut dice = Dice::new(0x2545_f491_4f6c_dd1d);
    while other_sender.sent < 20_000 || !flow.is_sent()? {
        let packets: Vec<_> = (0..BATCH)
            .map(|number| {
                let length = dice.below(1473);
                let mut packet = dice.bytes(length);
                // Half of them as far as a right header takes them.
                if number % 2 == 0 && length >= 2 {
                    packet[..2].copy_from_slice(&[0x80, 96]);
                }
                packet
            })
            .collect();
        other_sender.send(&packets)?;
    }
    let counters = flow.finish()?;
    assert_eq!(not_taken(&counters), other_sender.sent, "{counters:?}");
    assert!(counters.packets_malformed.len() >= 5, "{counters:?}");
    Ok(())
}

#[test]
fn rtp_from_another_source_than_the_sessions_then_not_taken() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let namespace = rig.stage().namespace();
    let another = "10.77.0.8";
    output(
        "ip",
        &[
            "-n",
            namespace,
            "address",
            "add",
            "10.77.0.8/24",
            "dev",
            "va",
        ],
    )?;
    let mut flow = WholeFlow::start(&rig, RASTER, FRAMES / 2, |spec| {
        spec.flow.source = Some("10.77.0.9".into());
    })?;
    flow.flows()?;
    let mut other_sender = ClientFiles::of(&rig, another)?;
    let packets: Vec<_> = (0..180).map(|line| rtp(&[[640, line, 0]], 640)).collect();
    while !flow.is_sent()? {
        other_sender.send(&packets)?;
    }
    let counters = flow.finish()?;
    let expected = BTreeMap::from([("wrong_source".to_owned(), other_sender.sent)]);
    assert_eq!(counters.packets_malformed, expected);
    Ok(())
}

#[test]
fn rtp_packets_with_changed_bytes_then_counted_and_next_whole() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    resolve(rig.stage(), OURS)?;
    control.create(&receive("in", RASTER, WholeFlow::UDP))?;
    let socket = ClientFiles::of(&rig, "10.77.0.9")?.socket;
    let mut dice = Dice::new(0x9e37_79b9_7f4a_7c15);
    let mut sent = 0;
    for batch in 0_u16..100 {
        for line in 0..200_u16 {
            let mut packet = rtp(&[[640, line % 180, 0]], 640);
            packet[2..4].copy_from_slice(&(batch * 200 + line).to_be_bytes());
            packet[5..7].copy_from_slice(&batch.to_be_bytes());
            for _ in 0..dice.below(4) {
                // Mostly among the headers.
                let end = if dice.below(4) == 0 { 660 } else { 20 };
                let at = dice.below(end);
                packet[at] = dice.byte();
            }
            packet.truncate(packet.len() - dice.below(2) * dice.below(660));
            socket.send(&packet)?;
            sent += 1;
        }
        wait_for("changed packets to be counted", 10, || {
            Ok(control.show("in")?.counters.packets >= sent)
        })?;
    }
    let counters = control.end("in")?.frames;
    assert_eq!(counters.packets, sent, "{counters:?}");
    assert!(counters.packets_malformed.len() >= 7, "{counters:?}");
    WholeFlow::start(&rig, RASTER, 60, |_| {})?.finish()?;
    Ok(())
}

#[test]
fn frame_held_up_for_long_then_whole_in_the_patient_session() -> Result<()> {
    const PATIENT: u16 = 5_002;
    let raster = Raster::new(16, 2, 60, 8);
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    resolve(rig.stage(), OURS)?;
    control.create(&receive("in", raster, WholeFlow::UDP))?;
    let mut patient = receive("patient", raster, PATIENT);
    patient.frame_timeout_ms = Some(10_000);
    control.create(&patient)?;
    let socket = ClientFiles::of(&rig, "10.77.0.9")?.socket;
    let both = |packet: &[u8]| -> Result<()> {
        socket.send_to(packet, (OURS, PATIENT))?;
        socket.send_to(packet, (OURS, WholeFlow::UDP))?;
        Ok(())
    };
    both(&rtp(&[[32, 0, 0]], 32))?;
    wait_for("the half frame to be closed", 10, || {
        Ok(control.show("in")?.counters.frames_incomplete == 1)
    })?;
    let marked = with(rtp(&[[32, 1, 0]], 32), 1, 0x80 | 96);
    both(&with(marked, 3, 2))?;
    wait_for("the rest to be late", 10, || {
        Ok(control.show("in")?.counters.packets_late == 1)
    })?;
    wait_for("the whole frame", 10, || {
        Ok(control.show("patient")?.counters.frames_complete == 1)
    })?;
    let counters = control.show("patient")?.counters;
    assert_eq!((counters.frames_incomplete, counters.packets_late), (0, 0));
    Ok(())
}
