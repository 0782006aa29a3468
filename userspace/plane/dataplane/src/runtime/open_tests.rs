//! Units that clients have while they are received.

mod before;

use std::net::SocketAddr;

use onair_essence::legs::{Class, Leg};
use onair_essence::send::{PacketPlan as _, StreamHeader};
use onair_essence::video::st2110_20::{Packetiser, STANDARD_RTP_BYTES};
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_ipc::caller::{Deadline, OwnedLoan, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_net::datagram::Datagram;
use onair_net::ends::Ends;
use onair_session::Runtime as _;

use crate::flow::arrival::{Arrival, Packet};
use crate::flow::target::LegTarget;
use crate::runtime::legs::SecondLeg;
use crate::runtime::receive::ReceiveConfig;
use crate::runtime::test_client::{SESSION, TestClient};
use crate::runtime::{Runtime, RuntimeKind};

const ROW: usize = 800;
const QUOTA: u32 = 3;
const NOW: Deadline = Deadline::Now;

fn format(lines: u32) -> VideoFormat {
    VideoFormat::new(320, lines, Depth::Ten, FrameRate::new(60, 1).unwrap()).unwrap()
}

/// A receive session, one client, and a sender of frames of so many lines.
struct Rig {
    runtime: Runtime,
    packetiser: Packetiser,
    sequence: u32,
    now_ns: u64,
    test: TestClient,
}

impl Rig {
    /// The session's frames have 90 lines.
    fn sent(lines: u32) -> Self {
        Self::new(lines, None)
    }

    /// A session with two legs.
    fn of_two_legs() -> Self {
        let target = LegTarget {
            destination: SocketAddr::from(([10, 9, 1, 2], 5004)),
            sources: Vec::new(),
            source_port: 0,
            payload_type: 96,
        };
        let second = SecondLeg {
            port: "d".into(),
            target,
            mtu: 1500,
            class: Class::A,
        };
        Self::new(90, Some(second))
    }

    fn new(lines: u32, second: Option<SecondLeg>) -> Self {
        let address = SocketAddr::from(([10, 9, 0, 2], 5004));
        let config = ReceiveConfig {
            timeout_ns: 1_000_000_000,
            second,
            ..ReceiveConfig::of_one_leg("b", address, format(90))
        };
        let bytes = u32::try_from(format(90).frame_bytes()).unwrap();
        let frames = FrameMemory::create(Geometry::new(2 + QUOTA, bytes).unwrap(), true).unwrap();
        let test = TestClient::new(1, (false, false), QUOTA, format(90).into(), &frames);
        let mut runtime = Runtime::receive(SESSION, config, frames).unwrap();
        assert!(runtime.attach(Box::new(test.lender()), None).is_ok());
        Self {
            runtime,
            packetiser: Packetiser::new(format(lines), STANDARD_RTP_BYTES).unwrap(),
            sequence: 0,
            now_ns: 1,
            test,
        }
    }

    fn packets(&self) -> u32 {
        self.packetiser.packets()
    }

    /// The packets of a frame from one to another, by themselves or together.
    fn send(&mut self, timestamp: u32, packets: std::ops::Range<u32>, together: bool) {
        let stream = StreamHeader {
            payload_type: 96,
            timestamp,
            ssrc: 1,
        };
        let payloads: Vec<_> = packets
            .map(|index| {
                let packet = self.packetiser.packet(index).unwrap();
                let mut payload = vec![0; packet.bytes()];
                packet.write_headers(&stream, self.sequence, &mut payload);
                self.sequence += 1;
                payload
            })
            .collect();
        let address = SocketAddr::from(([10, 9, 0, 2], 5004));
        for payloads in payloads.chunks(if together { 32 } else { 1 }) {
            let packets = payloads.iter().map(|payload| Packet {
                datagram: Datagram {
                    ends: Ends::new(address, address),
                    payload,
                },
                frame: &[],
                at: 0,
            });
            let packets: Vec<_> = packets.collect();
            self.now_ns += 100_000;
            let arrival = Arrival::at(self.now_ns);
            self.runtime.packets(Leg::First, &packets, arrival);
        }
    }

    /// Packets of frame 0 on a leg, each byte of the picture being its own.
    fn send_on(&mut self, leg: Leg, packets: impl IntoIterator<Item = u32>) {
        let stream = StreamHeader {
            payload_type: 96,
            timestamp: 0,
            ssrc: 1,
        };
        for index in packets {
            let packet = self.packetiser.packet(index).unwrap();
            let mut payload = vec![0; packet.header_bytes()];
            packet.write_headers(&stream, index, &mut payload);
            payload.extend(packet.ranges().flatten().map(byte));
            let to = SocketAddr::from(([10, 9, leg as u8, 2], 5004));
            let packet = Packet {
                datagram: Datagram {
                    ends: Ends::new(to, to),
                    payload: &payload,
                },
                frame: &[],
                at: 0,
            };
            self.now_ns += 1_000;
            let arrival = Arrival::at(self.now_ns);
            self.runtime.packets(leg, &[packet], arrival);
        }
    }

    /// Bytes of the whole rows before this packet.
    fn rows_before(&self, packet: u32) -> u32 {
        let first = self
            .packetiser
            .packet(packet)
            .unwrap()
            .ranges()
            .next()
            .unwrap();
        u32::try_from(first.start / ROW * ROW).unwrap()
    }

    /// One turn of the poller without packets.
    fn turn(&mut self) {
        let RuntimeKind::Receive(receiver) = &mut self.runtime.kind else {
            panic!("it receives");
        };
        receiver.turn(self.now_ns);
    }

    fn take(&self, bytes: u32) -> OwnedLoan {
        self.test.client.take_open_owned(bytes, NOW, None).unwrap()
    }

    /// The client asks for frames that are received: there are none.
    fn ask(&self) {
        let none = self.test.client.take_open(1, NOW).map(|it| it.frame());
        assert_eq!(none, Err(Refusal::TimedOut));
    }
}

/// The byte at `at` in the sender's picture.
fn byte(at: usize) -> u8 {
    (at * 7 / 3).to_le_bytes()[0] | 1
}

/// The bytes that stand in a buffer, each of which is the sender's.
fn right(held: &OwnedLoan) -> u32 {
    let stand = held.open_bytes().unwrap();
    assert_eq!(held.bytes().len(), stand as usize);
    for (at, found) in held.bytes().iter().enumerate() {
        assert_eq!(*found, byte(at), "at {at}");
    }
    stand
}

#[test]
fn hole_of_one_leg_then_lines_wait_for_the_other_and_go_on() {
    for first in [Leg::First, Leg::Second] {
        let other = [Leg::Second, Leg::First][first as usize];
        let mut rig = Rig::of_two_legs();
        rig.ask();
        let all = rig.packets();
        // One lacks packet 8, the other 14.
        rig.send_on(first, (0..12).filter(|it| *it != 8));
        let held = rig.take(1);
        assert_eq!(right(&held), rig.rows_before(8), "{first:?}");
        rig.send_on(other, 0..8);
        assert_eq!(right(&held), rig.rows_before(8), "known before");
        rig.send_on(other, 8..9);
        assert_eq!(right(&held), rig.rows_before(12));
        rig.send_on(other, (9..18).filter(|it| *it != 14));
        assert_eq!(right(&held), rig.rows_before(14));
        rig.send_on(first, 12..all);
        assert_eq!(held.open_bytes(), None);
        assert!(held.meta().is_complete());
        assert!(
            held.bytes()
                .iter()
                .enumerate()
                .all(|(at, it)| *it == byte(at))
        );
    }
}

#[test]
fn hole_of_both_legs_then_no_line_from_it_on_stands() {
    const HOLE: u32 = 20;
    let mut rig = Rig::of_two_legs();
    rig.ask();
    let (all, before) = (rig.packets(), rig.rows_before(HOLE));
    rig.send_on(Leg::First, (0..HOLE + 5).filter(|it| *it != HOLE));
    let held = rig.take(1);
    assert_eq!(right(&held), before);
    rig.send_on(Leg::Second, (0..all).filter(|it| *it != HOLE));
    rig.send_on(Leg::First, HOLE + 5..all);
    assert_eq!(right(&held), before);
    // Neither leg brings it within their time: what is behind it goes on without it.
    rig.now_ns += 100_000_000;
    rig.turn();
    assert_eq!(right(&held), before);
    // Nor within the frame's.
    rig.now_ns += 1_000_000_000;
    rig.turn();
    assert_eq!(held.open_bytes(), None);
    let (meta, hole) = (held.meta(), rig.packetiser.packet(HOLE).unwrap());
    let hole = hole.ranges().next().unwrap();
    let missing = (meta.missing[0].offset, meta.bytes_missing);
    assert!(
        missing.0 >= before && missing.0 as usize <= hole.start,
        "{missing:?}"
    );
    assert!(
        (hole.len()..4 * ROW).contains(&(missing.1 as usize)),
        "{missing:?}"
    );
}

#[test]
fn unit_is_received_then_its_client_has_the_rows_that_came() {
    for together in [false, true] {
        let mut rig = Rig::sent(90);
        rig.ask();
        let (all, row) = (rig.packets(), 800);
        for timestamp in [0, 1500] {
            rig.send(timestamp, 0..all / 2, together);
            let held = rig.take(20 * row);
            let stand = held.open_bytes().unwrap();
            assert!(stand >= 20 * row && stand.is_multiple_of(row), "{stand}");
            assert_eq!(
                (held.meta().rtp_timestamp, held.bytes().len()),
                (timestamp, stand as usize)
            );
            assert!(!held.meta().is_complete());
            assert_eq!(
                rig.test.client.get(NOW),
                Err(Refusal::TimedOut),
                "not whole"
            );
            rig.send(timestamp, all / 2..all, together);
            assert_eq!(held.wait_bytes(90 * row, NOW, None), Ok(None));
            assert!(held.meta().is_complete());
            assert_eq!(held.meta().number, u64::from(timestamp > 0));
            held.put().unwrap();
        }
        assert_eq!(
            rig.test.client.take_open(1, NOW).map(|it| it.frame()),
            Err(Refusal::TimedOut)
        );
    }
}

#[test]
fn client_asks_amid_a_unit_then_the_next_one_comes_open() {
    let mut rig = Rig::sent(90);
    let all = rig.packets();
    rig.send(0, 0..all / 2, true);
    rig.ask();
    rig.send(0, all / 2..all, true);
    assert_eq!(
        rig.test.client.take_open(1, NOW).unwrap().open_bytes(),
        None
    );
    rig.send(1500, 0..all / 2, true);
    assert!(
        rig.test
            .client
            .take_open(1, NOW)
            .unwrap()
            .open_bytes()
            .is_some()
    );
}

#[test]
fn client_has_its_quota_then_a_unit_comes_whole_and_drops_none() {
    let mut rig = Rig::sent(90);
    rig.ask();
    let all = rig.packets();
    for number in 0..QUOTA {
        rig.send(1500 * number, 0..all, true);
    }
    let counters = |rig: &Rig| rig.runtime.stats().attachment(1).unwrap();
    rig.send(1500 * QUOTA, 0..all / 2, true);
    assert_eq!(counters(&rig).frames_dropped_slow, 0);
    rig.send(1500 * QUOTA, all / 2..all, true);
    assert_eq!(counters(&rig).frames_dropped_slow, 1);
    // The oldest went, and the newest came.
    let taken = [(); QUOTA as usize].map(|()| {
        let held = rig.take(1);
        (held.meta().number, held.open_bytes())
    });
    assert_eq!(taken, [1, 2, 3].map(|number| (number, None)));
}

#[test]
fn unit_of_a_larger_picture_then_its_end_says_all_is_missing() {
    // As many rows as the session has, and then some; each a packet.
    let mut rig = Rig::sent(120);
    rig.packetiser = Packetiser::new(format(120), 826).unwrap();
    assert_eq!(rig.packets(), 120);
    rig.ask();
    rig.send(0, 0..30, true);
    let held = rig.take(800);
    assert_eq!(held.open_bytes(), Some(30 * 800));
    // Its marker is refused, with the rows that the session has not: the next unit ends it.
    rig.send(0, 30..120, true);
    assert_eq!(held.open_bytes(), Some(90 * 800));
    rig.packetiser = Packetiser::new(format(90), 826).unwrap();
    rig.send(1500, 0..90, true);
    assert_eq!(held.open_bytes(), None);
    let meta = held.meta();
    assert_eq!((meta.missing[0].offset, meta.bytes_missing), (0, 90 * 800));
    // It took a number.
    assert_eq!(rig.take(800).meta().number, meta.number + 1);
}

#[test]
fn session_stops_amid_a_unit_then_what_is_held_has_ended() {
    let mut rig = Rig::sent(90);
    rig.ask();
    let all = rig.packets();
    rig.send(0, 0..all / 2, true);
    let held = rig.take(800);
    let stand = held.open_bytes().unwrap();
    rig.test.memory.stop();
    rig.runtime.quiesce(rig.now_ns);
    rig.runtime.settle();
    assert_eq!(held.wait_bytes(u32::MAX, NOW, None), Ok(None));
    let (meta, missing) = (held.meta(), 90 * 800 - stand);
    assert_eq!(
        (meta.missing[0].offset, meta.missing[0].len),
        (stand, missing)
    );
    assert_eq!(rig.runtime.lender_mut(1).unwrap().loaned(), 1);
    held.put().unwrap();
    rig.runtime.settle();
    assert_eq!(rig.runtime.lender_mut(1).unwrap().loaned(), 0);
}
