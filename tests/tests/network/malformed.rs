//! Packets that no sender should send: counted by reason, and harmless.

use std::net::UdpSocket;

use anyhow::{Context as _, Result};
use onair_api::SessionCounters;
use onair_tests::{Control, Dice, Raster, Rig, WholeFlow, wait_for};

const OURS: &str = "10.77.0.2";
const RASTER: Raster = Raster::new(320, 180, 60, 8);
/// Two seconds of them.
const FRAMES: u32 = 120;
/// Packets that are sent before the test looks whether they have arrived.
const BATCH: usize = 100;

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

    /// Sends packets none of which is to be taken, and waits until each has been counted, or the kernel has dropped as many.
    fn send(&mut self, packets: &[Vec<u8>], flow: &mut WholeFlow) -> Result<()> {
        for packet in packets {
            self.socket.send(packet)?;
        }
        self.sent += packets.len() as u64;
        let mut counters = SessionCounters::default();
        wait_for("strange packets to be counted", 10, || {
            counters = self.control.show("in")?.counters;
            let counted = not_taken(&counters);
            Ok(counted >= self.sent || counted + flow.dropped()? >= self.sent)
        })
        .with_context(|| format!("{} sent: {counters:?}", self.sent))
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
        other_sender.send(&packets, &mut flow)?;
    }
    let dropped = flow.dropped()?;
    let counters = flow.finish()?;
    let (counted, sent) = (not_taken(&counters), other_sender.sent);
    assert!(
        counted <= sent && counted + dropped >= sent,
        "{counted} of {sent}, {dropped} dropped: {counters:?}"
    );
    assert!(counters.packets_malformed.len() >= 5, "{counters:?}");
    Ok(())
}
