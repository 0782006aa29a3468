//! Packets that no sender should send: counted by reason, and harmless.

use std::collections::BTreeMap;
use std::net::UdpSocket;

use anyhow::{Context as _, Result};
use onair_api::SessionCounters;
use onair_tests::network::packet::{rtp, with};
use onair_tests::{Control, Dice, Raster, Rig, WholeFlow, output, receive, resolve, wait_for};

const OURS: &str = "10.77.0.2";
const RASTER: Raster = Raster::new(320, 180, 60, 8);
/// Two seconds of them.
const FRAMES: u32 = 120;
/// Packets that are sent before the test looks whether they have arrived.
const BATCH: usize = 200;

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
    let mut flow = WholeFlow::start(&rig, RASTER, FRAMES, |spec| {
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
