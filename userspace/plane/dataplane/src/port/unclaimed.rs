//! The flows that arrive at a port and that no running session claims: a small table of one poller, which the
//! control thread reads.
//!
//! A packet of any sender costs a search of [`FLOWS`] numbers. A full table takes one new flow a
//! millisecond at most, in the place of the one that had the fewest packets of late: packets to ever new
//! addresses replace each other, and not a flow that lasts.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use onair_essence::rtp::RtpHeader;

use crate::flow::map::FlowHasher;
use crate::stats::Counter;

/// Flows of one poller at one port.
pub(crate) const FLOWS: usize = 64;
/// Between two new flows of a full table.
const ADMIT_NS: u64 = 1_000_000;
/// Up to 31 packets.
const LET_PASS_SHIFT: u32 = 27;
/// After which time a packet counts half for its flow's place.
const HALF_LIFE_NS: u64 = 1_000_000_000;
/// After this pause a flow begins anew.
const PAUSE_NS: u64 = 10_000_000_000;
/// How often a reader looks at an entry that changes.
const TRIES: usize = 8;

/// Packets of one destination and payload type that no running session claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnclaimedFlow {
    /// Their destination.
    pub destination: SocketAddr,
    /// Their payload type; `None` if they are not RTP.
    pub payload_type: Option<u8>,
    /// When the first came, after a pause of 10 s or longer: `CLOCK_MONOTONIC`, ns.
    pub first_ns: u64,
    /// When the last came.
    pub last_ns: u64,
    /// How many came since the first.
    pub packets: u64,
}

/// The payload type of an RTP packet. `None` of anything else, RTCP included (RFC 5761 §4).
pub(crate) fn payload_type(datagram: &[u8]) -> Option<u8> {
    const RTCP: std::ops::RangeInclusive<u8> = 192..=223;
    let (header, _) = RtpHeader::parse_start(datagram).ok()?;
    let is_rtcp = datagram.get(1).is_some_and(|byte| RTCP.contains(byte));
    (!is_rtcp).then_some(header.payload_type)
}

/// A destination and a payload type in three numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Key([u64; 3]);

const IS_IPV6: u64 = 1 << 32;
const NOT_RTP: u8 = 0xff;

impl Key {
    fn new(destination: SocketAddr, payload_type: Option<u8>) -> Self {
        let rest = u64::from(destination.port()) << 8 | u64::from(payload_type.unwrap_or(NOT_RTP));
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
        match destination {
            SocketAddr::V4(it) => Self([0, it.ip().to_bits().into(), rest]),
            SocketAddr::V6(it) => {
                let bits = it.ip().to_bits();
                Self([half(bits >> 64), half(bits), rest | IS_IPV6])
            }
        }
    }

    fn destination(self) -> SocketAddr {
        let Self([high, low, rest]) = self;
        let [.., port_high, port_low, _] = rest.to_be_bytes();
        let port = u16::from_be_bytes([port_high, port_low]);
        if rest & IS_IPV6 != 0 {
            let ip = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
            return SocketAddr::from((ip, port));
        }
        let [_, _, _, _, a, b, c, d] = low.to_be_bytes();
        SocketAddr::from(([a, b, c, d], port))
    }

    fn payload_type(self) -> Option<u8> {
        let [.., last] = self.0[2].to_be_bytes();
        Some(last).filter(|it| *it != NOT_RTP)
    }

    /// 32 bits of the key's hash, in which most keys differ.
    fn tag(self) -> u32 {
        use std::hash::Hasher as _;
        let mut hasher = FlowHasher::default();
        self.0.iter().for_each(|word| hasher.write_u64(*word));
        u32::try_from(hasher.finish() >> 32).expect("the upper half of 64 bits")
    }
}

/// An entry as the control thread sees it.
#[derive(Debug, Default)]
struct Entry {
    /// 0: none was ever here. Odd: it changes.
    version: AtomicU64,
    key: [Counter; 3],
    first_ns: Counter,
    last_ns: Counter,
    packets: Counter,
}

impl Entry {
    /// The poller: another flow, or the same after a pause.
    fn begin(&self, key: Key, now_ns: u64, packets: u64) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        // SYNC: unclaimed. Release: a reader that sees what follows sees the odd version.
        fence(Ordering::Release);
        for (to, from) in self.key.iter().zip(key.0) {
            to.set(from);
        }
        self.first_ns.set(now_ns);
        self.last_ns.set(now_ns);
        self.packets.set(packets);
        // SYNC: unclaimed. Release: a reader that sees the version sees what was written before.
        self.version.store(version + 2, Ordering::Release);
    }

    /// The control thread: the flow; `None` if there is none, or if it changes all the time.
    fn read(&self) -> Option<UnclaimedFlow> {
        for _ in 0..TRIES {
            // SYNC: unclaimed. Acquire: the other side of `begin`.
            let version = self.version.load(Ordering::Acquire);
            if version == 0 {
                return None;
            }
            let key = Key(self.key.each_ref().map(Counter::get));
            let flow = UnclaimedFlow {
                destination: key.destination(),
                payload_type: key.payload_type(),
                first_ns: self.first_ns.get(),
                last_ns: self.last_ns.get(),
                packets: self.packets.get(),
            };
            // SYNC: unclaimed. Acquire: a version that is the same was so all the time.
            fence(Ordering::Acquire);
            let is_whole =
                version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version;
            if is_whole {
                return Some(flow);
            }
        }
        None
    }
}

/// The control thread's side of the table.
#[derive(Debug)]
pub(crate) struct UnclaimedFlows(Box<[Entry; FLOWS]>);

impl Default for UnclaimedFlows {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| Entry::default())))
    }
}

impl UnclaimedFlows {
    pub(crate) fn read(&self) -> impl Iterator<Item = UnclaimedFlow> {
        self.0.iter().filter_map(Entry::read)
    }
}

/// The flows of several pollers as one list, the one with the most packets first.
pub(crate) fn joined(all: impl IntoIterator<Item = UnclaimedFlow>) -> Vec<UnclaimedFlow> {
    let mut joined = Vec::<UnclaimedFlow>::new();
    for flow in all {
        let is_same = |it: &&mut UnclaimedFlow| {
            (it.destination, it.payload_type) == (flow.destination, flow.payload_type)
        };
        match joined.iter_mut().find(is_same) {
            Some(known) => {
                known.first_ns = known.first_ns.min(flow.first_ns);
                known.last_ns = known.last_ns.max(flow.last_ns);
                known.packets += flow.packets;
            }
            None => joined.push(flow),
        }
    }
    joined.sort_by_key(|it| (std::cmp::Reverse(it.packets), it.destination));
    joined
}

/// The poller's side.
#[derive(Debug)]
pub(crate) struct UnclaimedTable {
    shared: Arc<UnclaimedFlows>,
    tags: [u32; FLOWS],
    keys: [Key; FLOWS],
    /// Packets of late.
    weights: [u32; FLOWS],
    used: usize,
    /// Where the last packet was.
    last: usize,
    /// Where the search for the lightest begins: behind the newest, so that equals go in the order in which they came.
    hand: usize,
    /// When a full table takes a new flow again, and how many packets of new ones it lets pass then: a pattern of
    /// packets must not keep one out.
    admits_ns: u64,
    lets_pass: u32,
    dice: u32,
    halves_ns: u64,
}

impl UnclaimedTable {
    pub(crate) fn new(shared: Arc<UnclaimedFlows>) -> Self {
        Self {
            shared,
            tags: [0; FLOWS],
            keys: [Key::default(); FLOWS],
            weights: [0; FLOWS],
            used: 0,
            last: 0,
            hand: 0,
            admits_ns: 0,
            lets_pass: 0,
            dice: 0,
            halves_ns: 0,
        }
    }

    /// Counts `packets` of one flow.
    pub(crate) fn note(
        &mut self,
        destination: SocketAddr,
        payload_type: Option<u8>,
        packets: u32,
        now_ns: u64,
    ) {
        let key = Key::new(destination, payload_type);
        self.fade(now_ns);
        match self.find(key) {
            Some(at) => self.count(at, packets, now_ns),
            None => self.admit(key, packets, now_ns),
        }
    }

    fn find(&mut self, key: Key) -> Option<usize> {
        if self.used > 0 && self.keys[self.last] == key {
            return Some(self.last);
        }
        let tag = key.tag();
        let mut known = self.tags[..self.used].iter().zip(&self.keys);
        let at = known.position(|(other, of)| *other == tag && *of == key)?;
        self.last = at;
        Some(at)
    }

    fn count(&mut self, at: usize, packets: u32, now_ns: u64) {
        self.weights[at] = self.weights[at].saturating_add(packets);
        let entry = &self.shared.0[at];
        if now_ns.saturating_sub(entry.last_ns.get()) > PAUSE_NS {
            entry.begin(self.keys[at], now_ns, packets.into());
            return;
        }
        entry.last_ns.set(now_ns);
        entry.packets.add(packets.into());
    }

    fn admit(&mut self, key: Key, packets: u32, now_ns: u64) {
        let at = if self.used < FLOWS {
            self.used += 1;
            self.used - 1
        } else if now_ns < self.admits_ns {
            return;
        } else if let Some(fewer) = self.lets_pass.checked_sub(1) {
            self.lets_pass = fewer;
            return;
        } else {
            // Knuth's numbers.
            self.dice = self
                .dice
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            self.lets_pass = self.dice >> LET_PASS_SHIFT;
            self.admits_ns = now_ns + ADMIT_NS;
            let order = (self.hand..FLOWS).chain(0..self.hand);
            // Of several the first.
            let lightest = order.min_by_key(|at| self.weights[*at]);
            lightest.expect("the table is full")
        };
        self.tags[at] = key.tag();
        self.keys[at] = key;
        self.weights[at] = packets;
        self.hand = (at + 1) % FLOWS;
        self.last = at;
        self.shared.0[at].begin(key, now_ns, packets.into());
    }

    /// Lets what came earlier count less.
    fn fade(&mut self, now_ns: u64) {
        if now_ns < self.halves_ns {
            return;
        }
        let lives = 1 + (now_ns - self.halves_ns) / HALF_LIFE_NS;
        self.halves_ns = now_ns + HALF_LIFE_NS;
        let lives = u32::try_from(lives).unwrap_or(u32::MAX);
        for weight in &mut self.weights {
            *weight = weight.checked_shr(lives).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn table() -> (UnclaimedTable, Arc<UnclaimedFlows>) {
        let shared = Arc::new(UnclaimedFlows::default());
        (UnclaimedTable::new(Arc::clone(&shared)), shared)
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn stranger(number: u32) -> SocketAddr {
        SocketAddr::from((number.to_be_bytes(), 9))
    }

    fn find(shared: &UnclaimedFlows, destination: SocketAddr) -> Option<UnclaimedFlow> {
        shared.read().find(|it| it.destination == destination)
    }

    #[test]
    fn flows_of_both_families_are_named_with_their_times_and_counts() {
        let (mut table, shared) = table();
        assert_eq!(shared.read().count(), 0);
        let four = address("233.252.0.9:5006");
        let six = address("[ff3e::8000:1]:5006");
        let mapped = address("[::ffff:233.252.0.9]:5006");
        for destination in [four, six, mapped] {
            table.note(destination, Some(96), 3, 5 * MS);
        }
        table.note(four, Some(97), 1, 6 * MS);
        table.note(four, None, 1, 6 * MS);
        table.note(four, Some(96), 2, 7 * MS);
        let expected = UnclaimedFlow {
            destination: four,
            payload_type: Some(96),
            first_ns: 5 * MS,
            last_ns: 7 * MS,
            packets: 5,
        };
        let found: Vec<_> = shared.read().collect();
        assert_eq!(found.len(), 5);
        assert_eq!(found[0], expected);
        assert_eq!((found[1].destination, found[1].packets), (six, 3));
        assert_eq!(found[2].destination, mapped);
        assert_eq!(found[4].payload_type, None);

        let later = 7 * MS + PAUSE_NS + 1;
        table.note(four, Some(96), 1, later);
        let again = find(&shared, four).unwrap();
        assert_eq!((again.first_ns, again.packets), (later, 1));
    }

    #[test]
    fn flow_that_lasts_is_named_among_packets_to_ever_new_addresses() {
        let steady = address("233.252.0.9:5006");
        for (a_second, strangers_a_packet) in [(1_000, 100), (60, 500)] {
            let (mut table, shared) = table();
            let (mut now_ns, mut number) = (0, 0);
            let pause = 1_000_000_000 / a_second;
            // The strangers first.
            let mut strangers = |table: &mut UnclaimedTable, now_ns: &mut u64| {
                for _ in 0..strangers_a_packet {
                    number += 1;
                    *now_ns += pause / strangers_a_packet;
                    table.note(stranger(number), Some(96), 1, *now_ns);
                }
            };
            let mut named_after = None;
            for packet in 0..30 * a_second {
                strangers(&mut table, &mut now_ns);
                table.note(steady, Some(96), 1, now_ns);
                let is_named = find(&shared, steady).is_some_and(|it| it.packets > 10);
                match named_after {
                    None if is_named => named_after = Some(packet),
                    Some(since) if packet > since + 2 * a_second => break,
                    Some(_) => assert!(is_named, "forgotten at {packet}"),
                    None => {}
                }
            }
            assert!(
                named_after.is_some(),
                "{a_second} a second, {strangers_a_packet} strangers a packet"
            );
        }
    }

    #[test]
    fn flow_that_ended_makes_room_for_another() {
        let (mut table, shared) = table();
        for number in 0..64 {
            table.note(stranger(number), None, 1_000_000, 0);
        }
        let new = address("[fd00::1]:5004");
        let named = (1..60).find(|second| {
            for ms in 0..20 {
                table.note(new, Some(96), 1, second * 1_000 * MS + ms * MS);
                // It is not alone.
                table.note(stranger(1_000), None, 1, second * 1_000 * MS + ms * MS);
            }
            find(&shared, new).is_some_and(|it| it.packets > 5)
        });
        assert!(named.is_some_and(|second| second < 30), "{named:?}");
    }

    #[test]
    fn pollers_flows_are_joined_and_sorted() {
        let flow = |last: u8, payload_type, first_ns, packets| UnclaimedFlow {
            destination: SocketAddr::from(([239, 0, 0, last], 5004)),
            payload_type,
            first_ns,
            last_ns: first_ns + 5,
            packets,
        };
        let all = [
            flow(1, Some(96), 10, 3),
            flow(2, Some(96), 7, 6),
            flow(1, Some(96), 4, 4),
            flow(1, None, 1, 1),
        ];
        let expected = UnclaimedFlow {
            last_ns: 15,
            ..flow(1, Some(96), 4, 7)
        };
        let joined = joined(all);
        assert_eq!(joined, [expected, all[1], all[3]]);
    }

    #[test]
    fn payload_type_of_rtp_alone() {
        let mut packet = [0; 12];
        packet[0] = 0x80;
        for (second, expected) in [
            (96, Some(96)),
            (0xe0, Some(96)),
            (33, Some(33)),
            (200, None),
        ] {
            packet[1] = second;
            assert_eq!(payload_type(&packet), expected);
        }
        assert_eq!(payload_type(&packet[..11]), None);
        assert_eq!(payload_type(&[0x40; 40]), None);
        assert_eq!(payload_type(&[]), None);
    }

    #[test]
    fn reader_never_sees_half_of_a_flow() {
        let (mut table, shared) = table();
        let writer = thread::spawn(move || {
            for number in 0..500_000u64 {
                let last = u16::try_from(number % 60_000).unwrap();
                let ip = Ipv6Addr::new(last, last, last, last, last, last, last, last);
                table.note(SocketAddr::from((ip, last)), None, 1, number * ADMIT_NS);
            }
        });
        let mut seen = 0u64;
        while !writer.is_finished() || seen == 0 {
            for flow in shared.read() {
                let SocketAddr::V6(it) = flow.destination else {
                    panic!("{flow:?}");
                };
                let port = it.port();
                assert!(
                    it.ip().segments().iter().all(|part| *part == port),
                    "{flow:?}"
                );
                seen += 1;
            }
        }
        writer.join().unwrap();
    }

    proptest! {
        #[test]
        fn any_packets_then_each_flow_once_and_no_packet_too_many(
            packets in prop::collection::vec((0u32..200, 0u64..3_000_000, 1u32..33), 1..2_000),
        ) {
            let (mut table, shared) = table();
            let (mut now_ns, mut sent) = (0, [0u64; 200]);
            for (number, pause, count) in packets {
                now_ns += pause;
                table.note(stranger(number), Some(96), count, now_ns);
                sent[usize::try_from(number).unwrap()] += u64::from(count);
            }
            let found: Vec<_> = shared.read().collect();
            prop_assert!(found.len() <= FLOWS);
            prop_assert_eq!(joined(found.clone()).len(), found.len());
            for flow in found {
                let number = u32::from_be_bytes(match flow.destination.ip() {
                    std::net::IpAddr::V4(it) => it.octets(),
                    std::net::IpAddr::V6(_) => unreachable!(),
                });
                prop_assert!(flow.packets <= sent[usize::try_from(number).unwrap()]);
                prop_assert!(flow.first_ns <= flow.last_ns && flow.last_ns <= now_ns);
            }
        }
    }
}
