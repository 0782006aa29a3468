//! Frames that are broken below RTP, or for no session: the flow beside them takes no harm.

use std::net::UdpSocket;

use anyhow::{Context as _, Result, ensure};
use onair_tests::network::packet::{
    ARP, IPV4, arp, cut, datagram, ethernet, ipv4, rtp, summed, with,
};
use onair_tests::{
    Control, Deadline, Dice, Raster, Rig, WholeFlow, Wire, dropped_by_kernel, output, resolve,
    until,
};

const OURS: &str = "10.77.0.2";
/// Frames of a flow of two seconds.
const FRAMES: u32 = 120;
/// Packets that are sent before the test looks whether they have arrived: few, so that the ring of a poller that a busy
/// machine holds up has room for the flow, too.
const BATCH: usize = 50;

/// Frames that are broken below RTP, or none of ours. None is a datagram for anybody.
fn strange_frames(ours: [u8; 6], theirs: [u8; 6]) -> Vec<Vec<u8>> {
    let right = rtp(&[[640, 3, 0]], 640);
    let udp = || datagram(right.len() + 8, &right);
    let mut packets = vec![
        summed(with(udp(), 0, 0x65)),
        summed(with(udp(), 0, 0x44)),
        summed(with(udp(), 0, 0x4f)),
        // Total length: beyond the end, and within the header.
        summed(with(udp(), 2, 0x05)),
        summed(with(with(udp(), 2, 0), 3, 19)),
        // A first fragment, a later one, a wrong checksum, another protocol.
        summed(with(udp(), 6, 0x20)),
        summed(with(udp(), 7, 0x10)),
        with(udp(), 10, 0x12),
        summed(with(udp(), 9, 132)),
        // UDP's own length: 7, 65535, and one more than there is.
        datagram(7, &right),
        datagram(0xffff, &right),
        datagram(right.len() + 9, &right),
        ipv4(&[1, 2, 3]),
        ipv4(&[]),
    ];
    packets.extend((0..28).map(|length| cut(udp(), length)));
    let mut frames: Vec<_> = packets
        .iter()
        .map(|packet| ethernet(ours, theirs, IPV4, packet))
        .collect();
    // ARP cut off and of other networks; VLAN, IPv6, nothing at all.
    let request = arp(1, theirs, [10, 77, 0, 9], [10, 77, 0, 2]);
    frames.extend((0..28).map(|length| ethernet(ours, theirs, ARP, &request[..length])));
    frames.push(ethernet(ours, theirs, ARP, &with(request, 1, 6)));
    for kind in [0x8100, 0x86dd, 0x88cc, 0x0000, 0x05dc, 0xffff] {
        frames.push(ethernet(ours, theirs, kind, &udp()));
    }
    frames
}

fn address(mac: &str) -> Result<[u8; 6]> {
    let bytes: Vec<_> = mac
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect::<Result<_, _>>()?;
    bytes.try_into().ok().with_context(|| mac.to_owned())
}

/// Sends frames on the wire, and a datagram to a port without a listener behind each batch of
/// them: when that is counted, they have been looked at.
struct Vandal {
    namespace: String,
    wire: Wire,
    behind: UdpSocket,
    control: Control,
    /// Datagrams without a listener before the test.
    before: u64,
    /// Those of the test.
    marks: u64,
}

impl Vandal {
    fn new(rig: &Rig) -> Result<Self> {
        let mut control = rig.control()?;
        let behind = rig.stage().inside(|| {
            let socket = UdpSocket::bind("10.77.0.9:0")?;
            socket.connect((OURS, 5999))?;
            Ok(socket)
        })?;
        let before = unclaimed(&mut control)?;
        Ok(Self {
            namespace: rig.stage().namespace().to_owned(),
            wire: Wire::open(rig.stage(), "va")?,
            behind,
            control,
            before,
            marks: 0,
        })
    }

    fn send(&mut self, frames: &[Vec<u8>]) -> Result<()> {
        for batch in frames.chunks(BATCH) {
            for frame in batch {
                self.wire.send(frame)?;
            }
            self.mark()?;
        }
        Ok(())
    }

    /// Packets for which a ring had no room.
    fn missed(&mut self) -> Result<u64> {
        dropped_by_kernel(&self.namespace, &mut self.control)
    }

    /// What a full ring misses is sent again, when no more is in it.
    fn mark(&mut self) -> Result<()> {
        let counted = unclaimed(&mut self.control)?;
        let deadline = Deadline::seconds(60);
        loop {
            let missed = self.missed()?;
            self.behind.send(b"behind")?;
            self.marks += 1;
            let mut is_looked_at = false;
            until("strange frames to be looked at", deadline, || {
                is_looked_at = unclaimed(&mut self.control)? > counted;
                let is_lost = self.missed()? > missed;
                Ok((is_looked_at || is_lost).then_some(()))
            })?;
            if is_looked_at {
                return Ok(());
            }
        }
    }
}

fn unclaimed(control: &mut Control) -> Result<u64> {
    let health = control.health()?;
    ensure!(health.ready, "{:?}", health.problems);
    Ok(health.dataplane.ports[0].rx_unclaimed)
}

#[test]
fn wire_broken_frames_and_an_arp_flood_then_the_flow_is_whole() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let mut flow = WholeFlow::start(&rig, Raster::SMALL, FRAMES, |_| {})?;
    flow.flows()?;
    let mut vandal = Vandal::new(&rig)?;
    let port = vandal.control.health()?.dataplane.ports.remove(0);
    let (ours, theirs) = (address(&port.mac)?, vandal.wire.mac()?);
    let frames = strange_frames(ours, theirs);
    let mut dice = Dice::new(0xdead_beef_cafe_f00d);
    let mut floods = 0;
    while floods < 20 || !flow.is_sent()? {
        vandal.send(&frames)?;
        // Requests for us and for others, answers without a request, of thousands of stations.
        let flood: Vec<_> = (0..1000_u16)
            .map(|number| {
                let [a, b] = number.to_be_bytes();
                let station = [2, 0xee, 0, 0, a, b];
                let sender = [10, 77, a + 1, b];
                let target = [10, 77, 0, if number % 3 == 0 { b } else { 2 }];
                let operation = if number % 5 == 0 { 2 } else { 1 };
                let message = arp(operation, station, sender, target);
                ethernet([0xff; 6], station, ARP, &message)
            })
            .collect();
        vandal.send(&flood)?;
        // The kernel sends these in fragments.
        for _ in 0..20 {
            let length = 1473 + dice.below(6000);
            vandal.behind.send(&dice.bytes(length))?;
        }
        vandal.mark()?;
        floods += 1;
    }
    let counters = flow.finish()?;
    assert!(counters.packets_malformed.is_empty(), "{counters:?}");
    let taken = unclaimed(&mut vandal.control)? - vandal.before;
    let lost = vandal.missed()?;
    assert!(
        taken <= vandal.marks && taken + lost >= vandal.marks,
        "something else was taken for a datagram: {taken} of {} marks, {lost} missed",
        vandal.marks
    );
    let after = vandal.control.health()?.dataplane.ports.remove(0);
    assert!(after.rx_packets - port.rx_packets > 20 * 1000, "{after:?}");
    // It still answers.
    output(
        "ip",
        &["-n", rig.stage().namespace(), "neigh", "flush", "dev", "va"],
    )?;
    assert_eq!(resolve(rig.stage(), OURS)?, port.mac);
    Ok(())
}
