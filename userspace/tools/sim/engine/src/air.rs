//! Packets from the network: a source for each session that receives packets. It sends all the time, to some of the
//! addresses that its session may have, and now and then a packet is lost.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use onair_api::{NewSession, SessionSpec};
use onair_essence::send::Packetise as _;
use onair_essence::{Format, Packetiser};
use onair_sim_kernel::Random;
use onair_sim_machine::World;

use crate::cast::{self, CONVERTED};

/// Roles of sessions that receive packets.
const RECEIVERS: [usize; 4] = [0, 2, 6, 8];
/// Of its addresses, a source sends to the first of these.
const VARIANTS: u64 = 3;
/// Most units that a source sends at once: those before are lost.
const UNITS: u64 = 3;
/// Of so many packets one is lost.
const LOSSES: u64 = 24;
/// Bytes of a packet, at most.
const PACKET_BYTES: usize = 1_452;

/// One stream.
#[derive(Debug)]
struct Source {
    role: usize,
    format: Format,
    packetiser: Packetiser,
    payload_type: u8,
    /// The port, the address of the source, and that of the session, of each leg and variant.
    ways: Vec<(&'static str, SocketAddr, SocketAddr)>,
    /// The slot of its next unit.
    slot: u64,
    /// The number of its next packet.
    sequence: u32,
}

/// All streams of a life.
#[derive(Debug)]
pub(crate) struct Air {
    sources: Vec<Source>,
    random: Random,
    /// Units that lost a packet: the role, and the RTP timestamp.
    torn: BTreeSet<(usize, u32)>,
}

impl Air {
    pub(crate) fn new(seed: u64) -> Self {
        let sources = RECEIVERS.into_iter().filter_map(Source::new);
        Self {
            sources: sources.collect(),
            random: Random::new(seed ^ 0xa15e_ed00),
            torn: BTreeSet::new(),
        }
    }

    /// Packets that were sent until now arrive.
    pub(crate) fn arrive(&mut self, world: &mut World) {
        let now = world.tai_ns();
        for source in &mut self.sources {
            let end = source.packetiser.slot_at(now) + 1;
            let slots = source.slot.max(end.saturating_sub(UNITS))..end;
            source.slot = end;
            let of = (source.payload_type, 7);
            let sent = source.format.test_stream(of, source.sequence, slots);
            let sent = sent.expect("a format of packets");
            source.sequence = source
                .sequence
                .wrapping_add(u32::try_from(sent.len()).unwrap_or(0));
            let mut packets: Vec<_> = sent.into_iter().map(|(_, packet)| packet).collect();
            packets.retain(|packet| {
                let is_lost = self.random.below(LOSSES) == 0;
                if is_lost {
                    self.torn.insert((source.role, timestamp(packet)));
                }
                !is_lost
            });
            for (port, from, to) in &source.ways {
                world.deliver(port, (*from, *to), &packets);
            }
        }
    }

    /// Whether a packet of a unit was lost.
    pub(crate) fn is_torn(&self, role: usize, timestamp: u32) -> bool {
        self.torn.contains(&(role, timestamp))
    }
}

impl Source {
    fn new(role: usize) -> Option<Self> {
        let spec = of_packets(role)?;
        let mut ways = Vec::new();
        let from = |net: u8| SocketAddr::from(([10, 9, net, 9], 5004));
        for variant in 0..VARIANTS {
            let to: SocketAddr = cast::destination(role, variant).parse().ok()?;
            // One that another role has, too, is that one's.
            if to.to_string() != cast::destination(0, variant) || role == 0 {
                ways.push(("a", from(1), to));
            }
        }
        if let Some(second) = &spec.flow.second {
            ways.push(("c", from(3), second.destination));
        }
        Some(Self {
            role,
            packetiser: spec.format.packetiser(PACKET_BYTES).ok()?,
            format: spec.format,
            payload_type: spec.flow.payload_type,
            ways,
            slot: 0,
            sequence: 0,
        })
    }
}

fn of_packets(role: usize) -> Option<SessionSpec> {
    let new = match role {
        CONVERTED => return None,
        cast::ROLES.. => return cast::new_group(0, false).sessions.into_iter().next(),
        _ => cast::specification(role, 0, false),
    };
    match new {
        NewSession::Complete(spec) => Some(*spec),
        NewSession::Converted(_) => None,
    }
}

/// The RTP timestamp of a packet.
fn timestamp(packet: &[u8]) -> u32 {
    let bytes = packet.get(4..8).and_then(|it| it.try_into().ok());
    u32::from_be_bytes(bytes.unwrap_or_default())
}
