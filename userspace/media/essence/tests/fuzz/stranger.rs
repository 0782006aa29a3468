//! A stranger in the flow of each essence, and on either of two legs, who chooses all bytes and times.

use std::collections::BTreeMap;

use onair_essence::legs::{Class, Leg, Merge, MergeConfig, Onward as _, Receiving};
use onair_essence::receive::{Depacketise as _, ReceiveStats, Sink, UnitReport};
use onair_essence::rtp::RtpHeader;
use onair_essence::{Depacketiser, Format, FormatDocument, SentPacket};
use proptest::prelude::*;
use serde_json::json;

use super::CASES;

const TYPE: u8 = 96;
pub(crate) const SSRC: u32 = 7;
pub(crate) const TIMEOUT_NS: u64 = 100_000_000;
/// Bytes of the largest packet of either leg.
const PACKET_BYTES: usize = 1_472;

/// A stream of each essence, of small units.
pub(crate) fn formats() -> Vec<Format> {
    let documents = [
        json!({"video": {"width": 64, "height": 32, "frame_rate": "50/1", "depth": 10}}),
        json!({"video": {"width": 64, "height": 32, "frame_rate": "25/1", "depth": 10, "scan": "interlaced"}}),
        json!({"jpeg_xs": {"width": 64, "height": 32, "frame_rate": "50/1", "depth": 10, "bytes": 9_000}}),
        json!({"audio": {"coding": "L24", "sample_rate": 48_000, "channels": 2}}),
        json!({"ancillary": {"frame_rate": "50/1"}}),
    ];
    let document = |it| serde_json::from_value::<FormatDocument>(it).unwrap();
    documents
        .map(|it| Format::try_from(document(it)).unwrap())
        .into()
}

/// The packets of the stream's units from a slot on, with the time of each.
pub(crate) fn sent(format: &Format, units: u64) -> Vec<SentPacket> {
    let slots = 1_000..1_000 + units;
    format.test_stream((TYPE, SSRC), 65_500, slots).unwrap()
}

/// The memory of a session, and how its units ended.
#[derive(Default)]
pub(crate) struct Units {
    bytes: usize,
    open: BTreeMap<usize, u32>,
    opened: usize,
    pub(crate) complete: Vec<u32>,
    finished: usize,
}

impl Sink for Units {
    type Slot = usize;

    fn open(&mut self, rtp_timestamp: u32) -> Option<usize> {
        self.opened += 1;
        assert!(self.open.len() < 2);
        self.open.insert(self.opened, rtp_timestamp);
        Some(self.opened)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        assert!(self.open.contains_key(&slot) && offset + bytes.len() <= self.bytes);
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        assert_eq!(self.open.remove(&slot), Some(report.rtp_timestamp));
        self.finished += 1;
        self.complete
            .extend(report.complete.then_some(report.rtp_timestamp));
    }
}

pub(crate) struct Session {
    receiver: Depacketiser<usize>,
    merge: Option<Merge>,
    units: Units,
}

impl Session {
    pub(crate) fn new(format: &Format, has_legs: bool) -> Self {
        let merge = has_legs.then(|| {
            Merge::new(&MergeConfig {
                payload_types: TYPE.into(),
                clock_hz: format.clock_hz(),
                bytes_per_second: format.bytes_per_second(),
                period_ns: format.period_ns(1),
                packets_a_second: format.packets_a_second(),
                packet_bytes: PACKET_BYTES,
                class: Class::A,
                silence_ns: TIMEOUT_NS,
            })
        });
        Self {
            receiver: format.depacketiser(TYPE, TIMEOUT_NS),
            merge,
            units: Units {
                bytes: format.unit_bytes(),
                ..Units::default()
            },
        }
    }

    /// A turn of a poller with these packets.
    pub(crate) fn turn(&mut self, leg: Leg, packets: &[&[u8]], now_ns: u64) {
        let Self {
            receiver,
            merge,
            units,
        } = self;
        let mut take = Receiving {
            receiver,
            sink: units,
            now_ns,
        };
        match merge {
            None => take.pass(packets),
            Some(merge) => {
                merge.push(leg, packets, now_ns, &mut take);
                merge.expire(now_ns, &mut take);
                // A poller without anything due sleeps.
                assert!(merge.deadline().is_none_or(|it| it > now_ns));
            }
        }
        receiver.expire(now_ns, units);
        assert!(receiver.deadline().is_none_or(|it| it > now_ns));
    }

    /// Packets that each leg lost, and both together.
    pub(crate) fn lost_of_legs(&self) -> Vec<u64> {
        let merge = self.merge.iter();
        let lost = |it: &Merge| {
            let [first, second] = Leg::BOTH.map(|leg| it.leg(leg).lost);
            [first, second, it.joint().lost]
        };
        merge.flat_map(lost).collect()
    }

    pub(crate) fn end(mut self) -> (ReceiveStats, Units) {
        self.receiver.close(&mut self.units);
        let stats = *self.receiver.stats();
        let refused = stats.malformed.total() + stats.other_ssrc_packets + stats.duplicate;
        let counted = stats.accepted + refused + stats.late + stats.no_buffer;
        assert_eq!(counted, stats.packets, "{stats:?}");
        assert!(stats.lost_arrived <= stats.lost, "{stats:?}");
        assert!(self.units.open.is_empty());
        (stats, self.units)
    }
}

/// A packet with other fields.
pub(crate) fn forged(packet: &[u8], numbers: i32, ticks: i32, ssrc: u32) -> Vec<u8> {
    let (rtp, _) = RtpHeader::parse_start(packet).unwrap();
    let [.., high, low] = numbers.to_be_bytes();
    let header = RtpHeader {
        sequence: rtp.sequence.wrapping_add(u16::from_be_bytes([high, low])),
        timestamp: rtp.timestamp.wrapping_add(ticks.cast_unsigned()),
        ssrc,
        ..rtp
    };
    let mut packet = packet.to_vec();
    packet[..12].copy_from_slice(&header.to_bytes());
    packet
}

/// Units of a second.
pub(crate) fn a_second(format: &Format) -> u64 {
    format.units_in_1000_s() / 1_000
}

#[test]
fn one_packet_a_second_ahead_once_a_unit_then_no_unit_suffers() {
    for format in formats() {
        for has_legs in [false, true] {
            for (numbers, ticks) in [(1, 1), (0, 1), (20, 1), (30_000, 0), (2_000, 1), (3, 0)] {
                let mut session = Session::new(&format, has_legs);
                let (units, hz) = (
                    2 * a_second(&format),
                    i32::try_from(format.clock_hz()).unwrap(),
                );
                let packets = sent(&format, units);
                for (at, (now_ns, packet)) in packets.iter().enumerate() {
                    session.turn(Leg::First, &[packet], *now_ns);
                    if at % 40 == 39 {
                        let odd = forged(packet, numbers + 1, ticks * hz, SSRC);
                        session.turn(Leg::First, &[&odd], *now_ns);
                    }
                    if has_legs {
                        session.turn(Leg::Second, &[packet], *now_ns);
                    }
                }
                let (stats, done) = session.end();
                let of = format!("{format}, {has_legs}, {numbers}, {ticks}: {stats:?}");
                if (numbers, ticks) == (3, 0) {
                    // It takes the place of another, or of none.
                    assert!(done.complete.len() as u64 * 2 > units, "{of}");
                    continue;
                }
                assert!(
                    done.complete.len() as u64 + 1 >= units,
                    "{} of {units}: {of}",
                    done.complete.len()
                );
                assert_eq!(stats.restarts, 0, "{of}");
                assert!(stats.lost <= 1, "{of}");
            }
        }
    }
}

/// Two that agree move the stream. It is followed again after the time-out, when enough of its packets agree in merge and
/// essence.
#[test]
fn two_packets_a_second_ahead_then_the_stream_goes_on_soon() {
    for format in formats() {
        for (has_legs, numbers) in [
            (false, -300),
            (false, 2),
            (false, 2_000),
            (true, -300),
            (true, 2),
        ] {
            let mut session = Session::new(&format, has_legs);
            let units = 3 * a_second(&format);
            let packets = sent(&format, units);
            let hz = i32::try_from(format.clock_hz()).unwrap();
            for (at, (now_ns, packet)) in packets.iter().enumerate() {
                session.turn(Leg::First, &[packet], *now_ns);
                if at == packets.len() / 10 {
                    for step in 0..2 {
                        let odd = forged(packet, numbers + step, hz, SSRC);
                        session.turn(Leg::First, &[&odd], *now_ns);
                    }
                }
                if has_legs {
                    session.turn(Leg::Second, &[packet], *now_ns);
                }
            }
            let (stats, done) = session.end();
            let agreed = 36 * units / packets.len() as u64;
            let least = units - a_second(&format) / 5 - agreed - 4;
            let complete = done.complete.len() as u64;
            assert!(
                complete >= least,
                "{complete} of {units}, {least}: {format}, {has_legs}, {numbers}: {stats:?}"
            );
        }
    }
}

#[test]
fn numbers_ahead_in_a_unit_then_later_units_do_not_suffer() {
    for format in formats() {
        let mut session = Session::new(&format, false);
        let units = 2 * a_second(&format);
        let packets = sent(&format, units);
        for (at, (now_ns, packet)) in packets.iter().enumerate() {
            session.turn(Leg::First, &[packet], *now_ns);
            for ahead in (0..60).filter(|_| at == packets.len() / 10) {
                let odd = forged(packet, 1 + 15 * ahead, 0, SSRC);
                session.turn(Leg::First, &[&odd], *now_ns);
            }
        }
        let (stats, done) = session.end();
        let complete = done.complete.len() as u64;
        assert!(
            complete + 4 >= units,
            "{complete} of {units}: {format}: {stats:?}"
        );
    }
}

/// Most packets that count as lost, of these that came in so many nanoseconds: as many as came, or as the format can send;
/// and some at the start.
fn most_lost(format: &Format, came: u64, ns: u64) -> u64 {
    came + format.packets_a_second() * ns / 1_000_000_000 * 9 / 8 + 1_100
}

#[test]
fn numbers_far_ahead_again_then_no_more_lost_than_sent() {
    for format in formats() {
        for has_legs in [false, true] {
            for (numbers, ticks) in [(900, 0), (3_400, 0), (3_400, 1_800), (30_000, 90_000)] {
                let mut session = Session::new(&format, has_legs);
                let packets = sent(&format, 4 * a_second(&format));
                for (at, (now_ns, packet)) in (1..).zip(&packets) {
                    session.turn(Leg::First, &[packet], *now_ns);
                    for step in 1..3 {
                        let odd = forged(packet, numbers * at + step, ticks * at, SSRC);
                        session.turn(Leg::First, &[&odd], *now_ns);
                    }
                    if has_legs {
                        session.turn(Leg::Second, &[packet], *now_ns);
                    }
                }
                let ns = packets.last().unwrap().0 - packets[0].0;
                let came = 3 * packets.len() as u64;
                let legs = session.lost_of_legs();
                let (stats, _) = session.end();
                let most = most_lost(&format, came, ns);
                assert!(
                    legs.iter().chain([&stats.lost]).all(|it| *it <= most),
                    "{format}, {numbers}, {ticks}: {legs:?} of {came}, {most}: {stats:?}"
                );
            }
        }
    }
}

/// Formats whose units have many packets.
pub(crate) fn large_formats() -> Vec<Format> {
    let documents = [
        json!({"video": {"width": 320, "height": 180, "frame_rate": "50/1", "depth": 10}}),
        json!({"jpeg_xs": {"width": 320, "height": 180, "frame_rate": "50/1", "depth": 10, "bytes": 90_000}}),
        json!({"jpeg_xs": {
            "width": 320, "height": 180, "frame_rate": "50/1", "depth": 10, "bytes": 90_000, "packet_mode": "slice",
        }}),
    ];
    let document = |it| serde_json::from_value::<FormatDocument>(it).unwrap();
    documents
        .map(|it| Format::try_from(document(it)).unwrap())
        .into()
}

/// 50 times a second one packet, or two, of the unit that is being sent, with numbers that others will have.
#[test]
fn numbers_of_others_in_each_unit_then_no_unit_suffers() {
    let mut random = 1u64;
    let mut below = |limit: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i32::try_from((random >> 33) % limit).unwrap()
    };
    for format in formats().into_iter().chain(large_formats()) {
        let units = 3 * a_second(&format);
        let packets = sent(&format, units);
        let cases = [(1, 1, 1), (1, 8, 1), (1, 30, 1), (30, 900, 1), (1, 30, 2)];
        for (has_legs, (first, more, times)) in [false, true]
            .into_iter()
            .flat_map(|it| cases.map(|case| (it, case)))
        {
            let mut session = Session::new(&format, has_legs);
            let mut strange_ns = packets[0].0 + 500_000_000;
            for (now_ns, packet) in &packets {
                session.turn(Leg::First, &[packet], *now_ns);
                while strange_ns < *now_ns {
                    strange_ns += 20_000_000;
                    let numbers = first + below(more);
                    for step in 0..times {
                        let odd = forged(packet, numbers + step, 0, SSRC);
                        session.turn(Leg::First, &[&odd], *now_ns);
                    }
                }
                if has_legs {
                    session.turn(Leg::Second, &[packet], *now_ns);
                }
            }
            let (stats, done) = session.end();
            // A packet of ancillary data shows its place by nothing else.
            let most = match format {
                Format::Ancillary(_) => units * 4 / 5,
                _ => 0,
            };
            let complete = done.complete.len() as u64;
            assert!(
                complete + 1 + most >= units,
                "{format}, {has_legs}, {first}, {more}, {times}: {complete} of {units}: {stats:?}"
            );
        }
    }
}

/// Each is like none before it, and no two agree.
#[test]
fn packets_of_any_time_ahead_then_most_units_are_whole() {
    let mut random = 1u64;
    let mut below = |limit: i32| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i32::try_from((random >> 33) % u64::from(limit.unsigned_abs())).unwrap()
    };
    for format in formats() {
        let hz = i32::try_from(format.clock_hz()).unwrap();
        let units = 3 * a_second(&format);
        // Numbers and ticks that they are ahead by, the time from one to the next, and how many units suffer.
        let cases = [
            ([1, 20], [0, hz * 11 / 10], 5_000_000, units / 4),
            ([1, 1], [hz / 100, 1], 20_000_000, 3),
        ];
        for (numbers, ticks, step_ns, most) in cases {
            let mut session = Session::new(&format, false);
            let packets = sent(&format, units);
            let mut strange_ns = packets[0].0 + 500_000_000;
            for (now_ns, packet) in &packets {
                session.turn(Leg::First, &[packet], *now_ns);
                while strange_ns < *now_ns {
                    strange_ns += step_ns;
                    let [numbers, ticks] = [numbers, ticks].map(|[at, more]| at + below(more));
                    let odd = forged(packet, numbers, ticks, SSRC);
                    session.turn(Leg::First, &[&odd], *now_ns);
                }
            }
            let (stats, done) = session.end();
            let complete = done.complete.len() as u64;
            assert!(
                complete + most >= units,
                "{format}, {numbers:?}, {ticks:?}: {complete} of {units}: {stats:?}"
            );
        }
    }
}

#[test]
fn source_a_packet_then_the_stream_is_followed_and_kept() {
    for format in formats() {
        for has_legs in [false, true] {
            let mut session = Session::new(&format, has_legs);
            let units = 2 * a_second(&format);
            let packets = sent(&format, units);
            let begins = packets.len() / 2;
            for (at, (now_ns, packet)) in packets.iter().enumerate() {
                // Each has a source of its own, and is as near to the stream as it can be.
                let source = SSRC + 1 + u32::try_from(at).unwrap();
                session.turn(Leg::First, &[&forged(packet, 1, 0, source)], *now_ns);
                if at >= begins {
                    session.turn(Leg::First, &[packet], *now_ns);
                    if has_legs {
                        session.turn(Leg::Second, &[packet], *now_ns);
                    }
                }
            }
            let (stats, done) = session.end();
            let complete = done.complete.len() as u64;
            // A source that is not the first needs a second packet, in merge and essence.
            let late = 3 + u64::from(has_legs);
            assert!(
                complete + late >= units / 2,
                "{complete} of {units}: {format}, {has_legs}: {stats:?}"
            );
            assert_eq!(stats.restarts, 1, "{format}, {has_legs}: {stats:?}");
        }
    }
}

#[test]
fn unit_a_packet_then_a_few_a_period_at_most() {
    for format in formats() {
        for step in [1, -1, 500, 2_000, 90_000] {
            let mut session = Session::new(&format, false);
            let packets = sent(&format, 2);
            let (start_ns, first) = &packets[0];
            // A second of 20,000 packets, each of another time.
            for at in 0..20_000 {
                let packet = forged(first, at, at.wrapping_mul(step), SSRC);
                session.turn(
                    Leg::First,
                    &[&packet],
                    start_ns + u64::from(at.cast_unsigned()) * 50_000,
                );
            }
            let (stats, done) = session.end();
            let most = 4 * a_second(&format) + 70;
            let incomplete = done.finished - done.complete.len();
            assert!(
                incomplete as u64 <= most,
                "{format}, {step}: {incomplete}, {stats:?}"
            );
        }
    }
}

#[test]
fn stream_jumps_a_second_then_no_unit_is_lost_by_it() {
    for format in formats() {
        for has_legs in [false, true] {
            let mut session = Session::new(&format, has_legs);
            let hz = i32::try_from(format.clock_hz()).unwrap();
            let units = a_second(&format);
            let packets = sent(&format, units);
            let half = packets
                .iter()
                .position(|it| it.0 > packets[0].0 + 500_000_000)
                .unwrap();
            for (at, (now_ns, packet)) in packets.iter().enumerate() {
                let ticks = if at < half { 0 } else { hz };
                let packet = forged(packet, 0, ticks, SSRC);
                session.turn(Leg::First, &[&packet], *now_ns);
                if has_legs {
                    session.turn(Leg::Second, &[&packet], *now_ns);
                }
            }
            let (stats, done) = session.end();
            let complete = done.complete.len() as u64;
            // The first may have begun before; the one amid which it jumps is two halves.
            assert!(
                complete + 3 >= units,
                "{format}, {has_legs}: {complete} of {units}, {stats:?}"
            );
            assert_eq!(stats.astray, 0, "{format}: {stats:?}");
        }
    }
}

/// The network delays each packet by up to 32 ms, and keeps their order on a leg.
#[test]
fn stream_with_jitter_then_all_is_whole_and_nothing_lost() {
    let mut random = 1u64;
    for format in formats().into_iter().chain(large_formats()) {
        for has_legs in [false, true] {
            let mut session = Session::new(&format, has_legs);
            let units = 2 * a_second(&format);
            let packets = sent(&format, units);
            let mut coming = Vec::new();
            for leg in Leg::BOTH.into_iter().take(1 + usize::from(has_legs)) {
                let mut last_ns = 0;
                for (sent_ns, packet) in &packets {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    last_ns = last_ns.max(sent_ns + (random >> 33) % 32_000_000);
                    coming.push((last_ns, leg, packet));
                }
            }
            coming.sort_by_key(|it| it.0);
            for (now_ns, leg, packet) in coming {
                session.turn(leg, &[packet], now_ns);
            }
            let legs = session.lost_of_legs();
            let (stats, done) = session.end();
            let of = format!("{format}, {has_legs}: {legs:?}, {stats:?}");
            // Before the first, a packet may have been sent.
            assert!(done.complete.len() as u64 + 1 >= units, "{of}");
            let odd = stats.lost + stats.late + stats.astray + stats.reordered + stats.restarts;
            assert_eq!((odd, legs.iter().sum()), (0, 0u64), "{of}");
        }
    }
}

/// What the stranger sends beside packet `at` of the stream.
#[derive(Debug, Clone)]
struct Strange {
    at: prop::sample::Index,
    like: prop::sample::Index,
    leg: bool,
    numbers: i32,
    ticks: i32,
    ssrc: u32,
    bytes: Option<usize>,
    damage: Vec<(prop::sample::Index, u8)>,
    times: usize,
}

fn strange() -> impl Strategy<Value = Strange> {
    let numbers = prop_oneof![
        -30..30i32,
        -2_000..2_000i32,
        any::<i16>().prop_map(i32::from)
    ];
    let ticks = prop_oneof![
        Just(0),
        -2..3i32,
        -5_000..5_000i32,
        -90_000..90_000i32,
        any::<i32>()
    ];
    let ssrc = prop_oneof![6 => Just(SSRC), 1 => 8..10u32];
    let bytes = prop::option::of(prop_oneof![0..60usize, 1_400..9_300usize]);
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    let index = any::<prop::sample::Index>;
    let where_ = (index(), index(), any::<bool>());
    (where_, (numbers, ticks, ssrc), bytes, damage, 1..40usize).prop_map(
        |((at, like, leg), (numbers, ticks, ssrc), bytes, damage, times)| Strange {
            at,
            like,
            leg,
            numbers,
            ticks,
            ssrc,
            bytes,
            damage,
            times,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(CASES / 8),
        ..ProptestConfig::default()
    })]

    /// All is counted once and within bounds, each turn ends, and the units that end are bounded by the time.
    #[test]
    fn stranger_sends_anything_at_any_time_then_bounded(
        which in 0..5usize, has_legs: bool, all in prop::collection::vec(strange(), 0..60), pause in 0..400_000_000u64,
    ) {
        let format = &formats()[which];
        let packets = sent(format, a_second(format) / 5 + 2);
        let mut session = Session::new(format, has_legs);
        let mut all = all;
        all.sort_by_key(|it| it.at.index(packets.len()));
        let mut next = all.iter().peekable();
        let mut later_ns = 0;
        for (at, (now_ns, packet)) in packets.iter().enumerate() {
            let now_ns = now_ns + later_ns;
            while let Some(it) = next.next_if(|it| it.at.index(packets.len()) == at) {
                let like = &packets[it.like.index(packets.len())].1;
                let burst: Vec<_> = (0..it.times).map(|step| {
                    let step = i32::try_from(step).unwrap();
                    let mut bytes = forged(like, it.numbers.wrapping_add(step), it.ticks.wrapping_mul(step + 1), it.ssrc);
                    for (at, to) in &it.damage {
                        let at = at.index(bytes.len());
                        bytes[at] = *to;
                    }
                    bytes.resize(it.bytes.unwrap_or(bytes.len()), 0);
                    bytes
                }).collect();
                let leg = if it.leg { Leg::First } else { Leg::Second };
                for burst in burst.chunks(32) {
                    let burst: Vec<_> = burst.iter().map(Vec::as_slice).collect();
                    session.turn(leg, &burst, now_ns);
                }
            }
            if at == packets.len() / 2 {
                later_ns += pause;
            }
            session.turn(Leg::First, &[packet], now_ns);
            if has_legs {
                session.turn(Leg::Second, &[packet], now_ns);
            }
        }
        let ns = packets.last().unwrap().0 + pause - packets[0].0;
        let came = packets.len() + all.iter().map(|it| it.times).sum::<usize>();
        let legs = session.lost_of_legs();
        let (stats, done) = session.end();
        let most = most_lost(format, came as u64, ns);
        prop_assert!(legs.iter().chain([&stats.lost]).all(|it| *it <= most), "{legs:?}, {most}: {stats:?}");
        let seconds = ns as f64 / 1e9;
        let most = 4.0 * (seconds + 1.1) * a_second(format) as f64 + 70.0;
        prop_assert!(((done.finished - done.complete.len()) as f64) < most, "{}", done.finished);
    }
}
