//! Queries of MLD as bytes, right and wrong, and the frames of a host's reports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use onair_net::ethernet::Mac;
use onair_net::igmp::{Filter, Host, IgmpReject, MLDV2_ROUTERS, Query, Version};
use onair_net::ipv6::{Ipv6Header, NEXT_HOP_BY_HOP, NEXT_ICMP};
use proptest::prelude::*;

const OWN: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const ALL: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff3e, 0, 0, 0, 0, 0, 0x8000, 1);
const SOURCE: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9);
const OPTIONS: [u8; 8] = [NEXT_ICMP, 0, 5, 2, 0, 0, 1, 0];

fn header(destination: Ipv6Addr) -> Ipv6Header {
    Ipv6Header {
        source: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xfe),
        destination,
        next_header: NEXT_ICMP,
        hop_limit: 1,
        dscp: 0,
    }
}

/// A packet with `body`, which gets the right checksum.
fn packet(inner: Ipv6Header, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body[2..4].fill(0);
    let sum = inner.checksum(&body);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    let outer = Ipv6Header {
        next_header: NEXT_HOP_BY_HOP,
        ..inner
    };
    [&outer.to_bytes(8 + body.len())[..], &OPTIONS, &body].concat()
}

fn v2(group: Ipv6Addr, sources: &[Ipv6Addr]) -> Vec<u8> {
    let mut body = vec![130, 0, 0, 0, 0x03, 0xe8, 0, 0];
    body.extend(group.octets());
    body.extend([0x03, 60, 0, u8::try_from(sources.len()).expect("a few")]);
    body.extend(sources.iter().flat_map(Ipv6Addr::octets));
    body
}

#[test]
fn query_of_each_version_then_its_values() {
    let general = packet(header(ALL), &v2(Ipv6Addr::UNSPECIFIED, &[]));
    let general = Query::parse_mld(&general, OWN).unwrap();
    assert_eq!((general.version, general.group), (Version::V3, None));
    assert_eq!((general.response_ms, general.robustness), (1_000, Some(3)));
    assert_eq!(general.interval_ms, Some(60_000));
    let asked = packet(header(GROUP), &v2(GROUP, &[SOURCE]));
    let asked = Query::parse_mld(&asked, OWN).unwrap();
    assert_eq!(asked.group, Some(IpAddr::from(GROUP)));
    assert_eq!(asked.sources[..], [IpAddr::from(SOURCE)]);
    let v1 = packet(header(OWN), &v2(GROUP, &[])[..24]);
    let v1 = Query::parse_mld(&v1, OWN).unwrap();
    assert_eq!((v1.version, v1.response_ms), (Version::V2, 1_000));
}

#[test]
fn query_damaged_or_not_from_the_link_then_refused_by_reason() {
    let body = v2(Ipv6Addr::UNSPECIFIED, &[]);
    let good = packet(header(ALL), &body);
    let change = |at: usize, value: u8| {
        let mut packet = good.clone();
        packet[at] = value;
        Query::parse_mld(&packet, OWN).unwrap_err()
    };
    assert_eq!(change(0, 0x40), IgmpReject::Ip);
    assert_eq!(change(6, 58), IgmpReject::Ip, "no options");
    assert_eq!(change(7, 2), IgmpReject::Ip, "hop limit");
    assert_eq!(change(45, 1), IgmpReject::Ip, "another alert");
    assert_eq!(change(48, 143), IgmpReject::Type(143));
    assert_eq!(change(52, 9), IgmpReject::Checksum);
    let refused = |header, body: &[u8]| Query::parse_mld(&packet(header, body), OWN).unwrap_err();
    let routed = Ipv6Header {
        source: SOURCE,
        ..header(ALL)
    };
    assert_eq!(refused(routed, &body), IgmpReject::Address);
    assert_eq!(refused(header(SOURCE), &body), IgmpReject::Address);
    assert_eq!(refused(header(ALL), &v2(SOURCE, &[])), IgmpReject::Address);
    let odd = refused(header(ALL), &body[..26]);
    assert_eq!(odd, IgmpReject::Truncated);
    let mut many = v2(GROUP, &[]);
    many[27] = 200;
    assert_eq!(refused(header(ALL), &many), IgmpReject::Truncated);
    for length in 0..good.len() {
        assert!(Query::parse_mld(&good[..length], OWN).is_err(), "{length}");
    }
}

#[test]
fn report_in_a_frame_then_router_alert_and_hop_limit_one() {
    let mut host = Host::new(1);
    let include = Filter::Include([IpAddr::from(SOURCE)].into());
    host.set(GROUP.into(), include, 0);
    let [report] = &host.turn(0)[..] else {
        panic!("one report");
    };
    let frame = report.to_frame(Mac([2, 0, 0, 0, 0, 1]), Ipv4Addr::UNSPECIFIED);
    assert_eq!(frame[..6], [0x33, 0x33, 0, 0, 0, 0x16]);
    let (ip, payload) = Ipv6Header::parse(&frame[14..]).unwrap();
    assert_eq!((ip.hop_limit, ip.next_header), (1, NEXT_HOP_BY_HOP));
    assert_eq!(
        (ip.source.to_string(), ip.destination),
        ("fe80::ff:fe00:1".into(), MLDV2_ROUTERS)
    );
    let (options, message) = payload.split_at(8);
    assert_eq!(options, OPTIONS);
    let inner = Ipv6Header {
        next_header: NEXT_ICMP,
        ..ip
    };
    assert_eq!(inner.checksum(message), 0);
    assert_eq!(
        (message[0], &message[6..12]),
        (143, &[0, 1, 5, 0, 0, 1][..])
    );
    assert_eq!(message[12..], [GROUP.octets(), SOURCE.octets()].concat());
}

#[test]
fn host_of_many_sources_then_reports_fit_the_smallest_link() {
    let mut host = Host::new(1);
    let sources = (0..200).map(|it| IpAddr::from(Ipv6Addr::from_bits(SOURCE.to_bits() + it)));
    host.set(GROUP.into(), Filter::Include(sources.collect()), 0);
    let reports = host.turn(0);
    let frames = reports
        .iter()
        .map(|it| it.to_frame(Mac([2; 6]), Ipv4Addr::UNSPECIFIED));
    assert!(frames.into_iter().all(|it| it.len() <= 14 + 1280));
    let records = reports.iter().map(|it| usize::from(it.message[11]));
    assert_eq!((reports.len(), records.sum::<usize>()), (3, 200));
}

#[test]
fn querier_of_the_first_version_then_reports_of_it() {
    let mut host = Host::new(1);
    let query = packet(header(ALL), &v2(Ipv6Addr::UNSPECIFIED, &[])[..24]);
    host.query(&Query::parse_mld(&query, OWN).unwrap(), 0);
    host.set(GROUP.into(), Filter::Any, 0);
    let joined = host.turn(0);
    assert_eq!(
        (joined[0].message[0], joined[0].destination),
        (131, GROUP.into())
    );
    host.set(GROUP.into(), Filter::NONE, 1);
    let left = host.turn(1);
    assert_eq!(left[0].message[0], 132);
    assert_eq!(left[0].message[8..], GROUP.octets());
}

proptest! {
    #[test]
    fn query_any_message_with_right_sums_then_the_host_survives(
        kind in prop_oneof![Just(130u8), any::<u8>()],
        rest in prop::collection::vec(any::<u8>(), 27..200),
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        to_group: bool,
    ) {
        let _ = Query::parse_mld(&bytes, OWN);
        let mut body = [&[kind][..], &rest].concat();
        if to_group {
            body[8..24].copy_from_slice(&GROUP.octets());
        }
        let mut host = Host::new(7);
        host.set(GROUP.into(), Filter::Any, 0);
        if let Ok(query) = Query::parse_mld(&packet(header(ALL), &body), OWN) {
            host.query(&query, 0);
        }
        host.turn(u64::MAX);
    }
}
