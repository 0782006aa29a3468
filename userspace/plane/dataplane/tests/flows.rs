//! Several flows on one wire, their packets mixed one by one: each finds its own session.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use onair_dataplane::{
    Command, ManualPoller, PortAddresses, PortInfo, ReceiveConfig, Runtime, SessionStats,
};
use onair_dpdk::{Burst, Eal, EalConfig, Hugepages, Port, PortConfig, TxQueue};
use onair_essence::send::{PacketPlan as _, StreamHeader};
use onair_essence::video::st2110_20::{Packetiser, STANDARD_RTP_BYTES};
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_net::datagram::{self, FlowHeader};
use onair_net::ethernet::Mac;
use onair_workers::ThreadRegistry;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const FIRST_PORT: u16 = 5004;
/// Flows with a session; one more has no session.
const LISTENED: u16 = 3;
const FRAMES: u32 = 3;
const BURST: usize = 32;
/// Packets that a poller takes in one turn.
const A_TURN: usize = 256;

fn format() -> VideoFormat {
    VideoFormat::new(320, 180, Depth::Ten, FrameRate::new(60, 1).unwrap()).unwrap()
}

/// What a flow's packets carry all through one of its frames.
fn filling(flow: u16, frame: u32) -> u8 {
    u8::try_from(u32::from(flow) * FRAMES + frame + 1).unwrap()
}

/// One sender: packet for packet of all its frames.
struct Flow {
    number: u16,
    next: u32,
}

impl Flow {
    fn has_more(&self, packetiser: &Packetiser) -> bool {
        self.next < FRAMES * packetiser.packets()
    }

    /// Writes the next packet into a burst.
    fn write(&mut self, packetiser: &Packetiser, tx: &mut TxQueue, burst: &mut Burst) {
        let frame = self.next / packetiser.packets();
        let packet = packetiser.packet(self.next % packetiser.packets()).unwrap();
        let flow = FlowHeader {
            source_mac: Mac([2, 0, 0, 0, 0, 1]),
            destination_mac: Mac([2, 0, 0, 0, 0, 2]),
            source: SocketAddr::from(([10, 9, 0, 1], 5000)),
            destination: SocketAddr::from((ADDRESS, FIRST_PORT + self.number)),
            ttl: datagram::TTL,
            dscp: datagram::DSCP,
        };
        let stream = StreamHeader {
            payload_type: 96,
            timestamp: frame * 1_500,
            ssrc: 1,
        };
        let mut mbuf = tx.alloc().unwrap();
        let bytes = datagram::HEADER_BYTES + packet.bytes();
        let bytes = mbuf.append(bytes).unwrap();
        flow.write(0, bytes);
        let rtp = &mut bytes[datagram::HEADER_BYTES..];
        let headers = packet.write_headers(&stream, self.next, rtp);
        rtp[headers..].fill(filling(self.number, frame));
        burst.push(mbuf).map_err(drop).unwrap();
        self.next += 1;
    }
}

struct Session {
    stats: Arc<SessionStats>,
    frames: FrameMemory,
}

fn session(flow: u16) -> (Session, Box<Runtime>) {
    let geometry = Geometry::new(FRAMES + 1, u32::try_from(format().frame_bytes()).unwrap());
    let frames = FrameMemory::create(geometry.unwrap(), true).unwrap();
    let destination = SocketAddr::from((ADDRESS, FIRST_PORT + flow));
    let config = ReceiveConfig::of_one_leg("b", destination, format());
    let runtime = Runtime::receive(u64::from(flow) + 1, config, frames.clone()).unwrap();
    let stats = Arc::clone(runtime.stats());
    (Session { stats, frames }, Box::new(runtime))
}

#[test]
fn flows_mixed_in_every_burst_then_each_session_has_its_packets() {
    let eal = Eal::init(&EalConfig {
        hugepages: Hugepages::Never,
        memory_mb: 64,
        ..EalConfig::default()
    })
    .unwrap();
    let port = |end: &str| {
        let mut config = PortConfig::new(end.to_owned(), format!("ring:mixed:{end}"));
        config.mbufs = 2_048;
        Port::open(&eal, &config).unwrap()
    };
    let (near, far) = (port("a"), port("b"));
    let mut tx = near.tx_queue(0).unwrap();
    let addresses = PortAddresses::of_ipv4(ADDRESS, 24);
    let info = PortInfo::without_device("b", far.mac(), addresses);
    let threads = ThreadRegistry::default();
    let queues = (info, far.rx_queue(0).unwrap(), far.tx_queue(0).unwrap());
    let mut poller = ManualPoller::new(vec![queues], &threads).unwrap();
    let mut sessions = Vec::new();
    for flow in 0..LISTENED {
        let (session, runtime) = session(flow);
        poller.send(Command::Start(runtime)).unwrap();
        sessions.push(session);
    }
    poller.turn();
    assert!(poller.events().pop().is_none(), "each has started");

    let packetiser = Packetiser::new(format(), STANDARD_RTP_BYTES).unwrap();
    let mut flows: Vec<_> = (0..=LISTENED)
        .map(|number| Flow { number, next: 0 })
        .collect();
    let each = u64::from(FRAMES * packetiser.packets());
    // Fixed, and without a pattern that bursts could fall in with.
    let mut dice: u32 = 1;
    let mut waiting = 0;
    let mut burst = Burst::with_limit(BURST);
    while !flows.is_empty() {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let at = (dice >> 16) as usize % flows.len();
        flows[at].write(&packetiser, &mut tx, &mut burst);
        if !flows[at].has_more(&packetiser) {
            flows.swap_remove(at);
        }
        if burst.room() == 0 || flows.is_empty() {
            waiting += burst.len();
            tx.burst(&mut burst);
            assert!(burst.is_empty(), "the ring is full");
        }
        if waiting + BURST > A_TURN || flows.is_empty() {
            poller.turn();
            waiting = 0;
        }
    }

    assert_eq!(poller.packets(), each * (u64::from(LISTENED) + 1));
    for (flow, session) in (0..).zip(&sessions) {
        let counted = session.stats.snapshot();
        assert_eq!(
            (counted.packets, counted.packets_accepted),
            (each, each),
            "flow {flow}"
        );
        assert_eq!(counted.frames_complete, u64::from(FRAMES), "flow {flow}");
        // Without clients the first place is filled again and again.
        let mut bytes = vec![0; format().frame_bytes()];
        session.frames.read(0, 0, &mut bytes);
        let last = filling(flow, FRAMES - 1);
        let other = bytes.iter().find(|byte| **byte != last);
        assert_eq!(other, None, "flow {flow}");
    }
}
