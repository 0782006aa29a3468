//! Each parser of what comes from the network, on packets of others that were damaged in any way.
//!
//! `corpus/frames` has Ethernet frames: of Linux (ARP, ICMP, and the IGMP of its bridge and of a member) and
//! of GStreamer (`rtpvrawpay`), some with a tag put in, and ancillary data and JPEG XS as our own packetisers make them; `corpus/audio` has
//! RTP of GStreamer, `corpus/ptp` answers of ptp4l; `stranger` sends whole streams of its own. A file is hex
//! digits. Each input that a run finds is kept there as `found-….hex`. `PROPTEST_CASES=1000000` runs longer.
#![expect(clippy::unwrap_used, reason = "clippy does not take helpers for tests")]

mod audio;
mod refused;
mod stranger;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use onair_essence::ancillary::rfc8331::Payload;
use onair_essence::ancillary::unit::{MOST_WORDS, UNIT_BYTES, Unit, UnitWriter};
use onair_essence::jpeg_xs::codestream::UnitHeader;
use onair_essence::jpeg_xs::rfc9134::PayloadHeader;
use onair_essence::rtp::RtpHeader;
use onair_essence::survey::{CapturedPacket, Link};
use onair_essence::video::st2110_20::Segments;
use onair_essence::video::{Depth, FrameRate, Sampling, Scan, VideoFormat};
use onair_net::arp::ArpMessage;
use onair_net::datagram::Datagram;
use onair_net::ethernet::{ETHERTYPE_ARP, EthernetHeader, HEADER_BYTES, Mac};
use onair_net::igmp::{Filter, Host, Query, is_igmp};
use onair_net::ipv6::{Ipv6Header, NEXT_ICMP};
use onair_net::ndp::NeighbourMessage;
use onair_net::vlan::{self, TAG_BYTES, Vlan};
use onair_net::{icmp, ipv4, ipv6};
use onair_ptp::Reply;
use proptest::prelude::*;
use proptest::sample::Index;

/// At least so many cases: a second or two.
const CASES: u32 = 2_048;
const OWN: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const OWN_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 2);

/// Name and bytes of each file.
fn corpus(folder: &str) -> Vec<(String, Vec<u8>)> {
    let path = format!("{}/tests/fuzz/corpus/{folder}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let digits: Vec<_> = fs::read(file.path()).unwrap();
            let digits: Vec<_> = digits.into_iter().filter(u8::is_ascii_hexdigit).collect();
            let bytes = digits.chunks(2).map(|two| {
                let two = std::str::from_utf8(two).unwrap();
                u8::from_str_radix(two, 16).unwrap()
            });
            (file.file_name().into_string().unwrap(), bytes.collect())
        })
        .collect();
    files.sort();
    files
}

#[derive(Debug, Clone)]
enum Damage {
    Byte(Index, u8),
    Bit(Index, u8),
    /// A length, a count or an offset.
    Number(Index, u16),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// The end of another packet.
    Splice(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    let number = prop::sample::select(vec![
        0, 1, 7, 8, 20, 0x7f, 0xff, 0x100, 0x7fff, 0x8000, 0xffff,
    ]);
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, to)| Damage::Byte(at, to)),
        (at(), 0u8..8).prop_map(|(at, bit)| Damage::Bit(at, bit)),
        (at(), number).prop_map(|(at, to)| Damage::Number(at, to)),
        at().prop_map(Damage::Cut),
        (at(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at(), 1usize..20).prop_map(|(at, bytes)| Damage::Remove(at, bytes)),
        (at(), at()).prop_map(|(other, at)| Damage::Splice(other, at)),
    ]
}

/// A packet of the folder, damaged.
fn damaged(folder: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let seeds: Vec<_> = corpus(folder).into_iter().map(|it| it.1).collect();
    let all = seeds.clone();
    let how = prop::collection::vec(damage(), 0..6);
    (prop::sample::select(seeds), how).prop_map(move |(mut bytes, how)| {
        for damage in how {
            apply(&mut bytes, damage, &all);
        }
        bytes
    })
}

fn apply(bytes: &mut Vec<u8>, damage: Damage, all: &[Vec<u8>]) {
    if bytes.is_empty() {
        return;
    }
    let place = |at: Index| at.index(bytes.len());
    match damage {
        Damage::Byte(at, to) => {
            let at = place(at);
            bytes[at] = to;
        }
        Damage::Bit(at, bit) => {
            let at = place(at);
            bytes[at] ^= 1 << bit;
        }
        Damage::Number(at, to) => {
            let at = place(at);
            let end = bytes.len().min(at + 2);
            bytes[at..end].copy_from_slice(&to.to_be_bytes()[..end - at]);
        }
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Damage::Insert(at, more) => {
            let at = place(at);
            bytes.splice(at..at, more);
        }
        Damage::Remove(at, count) => {
            let at = place(at);
            let end = bytes.len().min(at + count);
            bytes.drain(at..end);
        }
        Damage::Splice(other, at) => {
            let other = &all[other.index(all.len())];
            let at = at.index(bytes.len().min(other.len()));
            bytes.truncate(at);
            bytes.extend(&other[at..]);
        }
    }
}

/// Corrects the checksum of an ICMPv6 message, also behind hop-by-hop options.
fn mend_icmpv6(frame: &mut [u8]) {
    let packet = frame.get_mut(HEADER_BYTES..).unwrap_or_default();
    let Ok((ip, payload)) = Ipv6Header::parse(packet) else {
        return;
    };
    let inner = Ipv6Header {
        next_header: NEXT_ICMP,
        ..ip
    };
    let options = match (ip.next_header, payload) {
        (NEXT_ICMP, _) => 0,
        (_, &[_, units, ..]) => 8 * (1 + usize::from(units)),
        _ => return,
    };
    let (start, end) = (
        ipv6::HEADER_BYTES + options,
        ipv6::HEADER_BYTES + payload.len(),
    );
    if let Some(message) = packet.get_mut(start..end).filter(|it| it.len() >= 4) {
        message[2..4].fill(0);
        let sum = inner.checksum(message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
}

/// The rest of a frame behind its header, and behind its tag.
fn take_frame(frame: &[u8]) {
    let id = vlan::id_of(frame);
    assert!(id.is_none_or(|id| id < 4096));
    let Ok((header, payload)) = EthernetHeader::parse(frame) else {
        assert!(frame.len() < HEADER_BYTES);
        return;
    };
    assert_eq!(header.to_bytes(), frame[..HEADER_BYTES]);
    assert_eq!(payload, &frame[HEADER_BYTES..]);
    let mut tagged = [&[0; TAG_BYTES], frame].concat();
    let tag = Vlan {
        id: 7,
        priority: None,
    };
    tag.tag(&mut tagged);
    assert_eq!(vlan::id_of(&tagged), Some(7));
    assert_eq!(tagged[..12], frame[..12]);
    assert_eq!(tagged[12 + TAG_BYTES..], frame[12..]);

    for link in (0..300).filter_map(Link::of_number) {
        let _ = CapturedPacket::parse(link, frame);
    }
    let datagram = Datagram::of_frame(frame);
    assert!(datagram.is_none_or(|it| it.payload.len() + 42 <= frame.len()));
    for packet in [Some(payload), payload.get(TAG_BYTES..)]
        .into_iter()
        .flatten()
    {
        take_packet(packet);
    }
}

fn take_packet(packet: &[u8]) {
    if let Ok(message) = ArpMessage::parse(packet) {
        let reply = message.reply_from(Mac([2; 6])).to_frame();
        let again = EthernetHeader::parse(&reply).unwrap();
        assert_eq!(again.0.ethertype, ETHERTYPE_ARP);
        assert!(ArpMessage::parse(again.1).is_ok());
    }
    let mut reply = [0; 1500];
    if let Some(bytes) = icmp::echo_reply(packet, &mut reply) {
        assert!(bytes <= packet.len());
        assert_eq!(ipv4::checksum(&reply[..bytes]), 0);
    }
    let _ = is_igmp(packet);
    if let Ok(query) = Query::parse(packet, OWN) {
        let mut host = Host::new(7);
        host.set(IpAddr::from([239, 1, 2, 3]), Filter::Any, 0);
        host.query(&query, 0);
        host.turn(u64::MAX);
    }
    if let Ok(query) = Query::parse_mld(packet, OWN_IPV6) {
        let mut host = Host::new(7);
        let group: IpAddr = "ff3e::8000:1".parse().unwrap();
        host.set(group, Filter::Any, 0);
        host.query(&query, 0);
        host.turn(u64::MAX);
    }
    if let Ok(message) = NeighbourMessage::parse(packet) {
        let answer = message.advertisement_from(Mac([2; 6]));
        let frame = answer.to_frame(Mac([2; 6]), Mac([4; 6]));
        assert!(NeighbourMessage::parse(&frame[HEADER_BYTES..]).is_ok());
    }
    if let Ok(datagram) = Datagram::parse(packet) {
        assert!(datagram.payload.len() + 28 <= packet.len());
        take_rtp(datagram.payload);
    }
}

fn take_rtp(packet: &[u8]) {
    let Ok((_, payload)) = RtpHeader::parse(packet) else {
        return;
    };
    assert!(payload.len() + 12 <= packet.len());
    take_ancillary(payload);
    take_jpeg_xs(payload);
    let rate = FrameRate::new(25, 1).unwrap();
    for (depth, scan) in [
        (Depth::Eight, Scan::Progressive),
        (Depth::Ten, Scan::Progressive),
        (Depth::Ten, Scan::Interlaced),
        (Depth::Eight, Scan::Psf),
    ] {
        let samples = (Sampling::YCbCr422, depth);
        let format = VideoFormat::of((64, 32), samples, scan, rate).unwrap();
        let Ok(segments) = Segments::parse(payload, &format) else {
            continue;
        };
        for segment in segments {
            assert!(segment.offset + segment.bytes.len() <= format.frame_bytes());
        }
    }
}

/// Each ANC packet has the words that it says, and goes into a unit.
fn take_ancillary(payload: &[u8]) {
    let Ok(payload) = Payload::parse(payload) else {
        return;
    };
    assert_eq!(payload.iter().count(), usize::from(payload.packets));
    let mut buffer = vec![0; UNIT_BYTES];
    let mut unit = UnitWriter::new(&mut buffer).unwrap();
    for packet in &payload {
        let record = packet.record();
        let data: Vec<_> = packet.data().map(|word| word.to_le_bytes()[0]).collect();
        assert!(data.len() <= MOST_WORDS && usize::from(record.count & 0xff) == data.len());
        let is_room = unit.push(record.place, packet.kind(), &data);
        assert!(is_room.is_ok() || payload.packets > 100);
    }
    assert!(Unit::parse(&buffer).is_ok());
}

/// The header is written as it was, and that of a unit is within it.
fn take_jpeg_xs(payload: &[u8]) {
    let Ok((header, data)) = PayloadHeader::parse(payload) else {
        return;
    };
    assert_eq!([&header.to_bytes()[..], data].concat(), payload);
    if let Ok(unit) = UnitHeader::parse(data) {
        assert!(unit.boxes.bytes < data.len() && !unit.components.is_empty());
        assert!(unit.unit_bytes().is_none_or(|it| it > unit.boxes.bytes));
    }
}

#[test]
fn corpus_as_it_came_then_each_parser_takes_its_packets() {
    let (mut seen, mut kinds) = (0, [0; 9]);
    for (name, frame) in corpus("frames") {
        take_frame(&frame);
        let (_, payload) = EthernetHeader::parse(&frame).unwrap();
        let kind = match name.split('-').next() {
            Some("arp") => ArpMessage::parse(payload).is_ok().then_some(0),
            Some("icmp") => Some(1),
            Some("igmp") => is_igmp(payload).then_some(2),
            Some("mld") => Query::parse_mld(payload, OWN_IPV6).is_ok().then_some(7),
            Some("ndp") => NeighbourMessage::parse(payload).is_ok().then_some(8),
            Some("rtp") => {
                let datagram = Datagram::parse(payload).unwrap();
                RtpHeader::parse(datagram.payload).is_ok().then_some(3)
            }
            Some("ancillary") => {
                let datagram = Datagram::parse(payload).unwrap();
                let (_, payload) = RtpHeader::parse(datagram.payload).unwrap();
                Payload::parse(payload).is_ok().then_some(5)
            }
            Some("jpeg") => {
                let datagram = Datagram::parse(payload).unwrap();
                let (_, payload) = RtpHeader::parse(datagram.payload).unwrap();
                let (header, data) = PayloadHeader::parse(payload).unwrap();
                let is_read = header.place() != 0 || UnitHeader::parse(data).is_ok();
                is_read.then_some(6)
            }
            Some("vlan") => vlan::id_of(&frame).map(|_| 4),
            // An input that was found.
            _ => continue,
        };
        kinds[kind.unwrap_or_else(|| panic!("{name} is refused"))] += 1;
        seen += 1;
    }
    assert!(seen >= 12 && !kinds.contains(&0), "{kinds:?}");
    let answers = corpus("ptp");
    assert!(answers.len() >= 7);
    for (name, answer) in answers {
        assert!(Reply::parse(&answer).is_ok(), "{name} is refused");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(CASES),
        ..ProptestConfig::default()
    })]

    #[test]
    fn frame_damaged_in_any_way_then_each_layer_refuses_or_reads_it(
        frame in damaged("frames"),
    ) {
        take_frame(&frame);
        // Also where a layer begins elsewhere.
        take_packet(&frame);
        take_rtp(&frame);
    }

    #[test]
    fn packet_damaged_with_right_sums_then_no_read_beyond_its_end(
        mut frame in damaged("frames"),
    ) {
        // Otherwise the checksum of IPv4 hides the rest.
        if let Some(header) = frame.get_mut(HEADER_BYTES..HEADER_BYTES + 20) {
            header[10..12].fill(0);
            let sum = ipv4::checksum(header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        mend_icmpv6(&mut frame);
        take_frame(&frame);
    }

    #[test]
    fn answer_of_ptp4l_damaged_in_any_way_then_refused_or_read(answer in damaged("ptp")) {
        let _ = Reply::parse(&answer);
    }
}
