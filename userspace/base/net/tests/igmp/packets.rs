//! Queries as bytes, right and wrong, and the frames of reports.

use std::net::{IpAddr, Ipv4Addr};

use onair_net::ethernet::Mac;
use onair_net::igmp::{Filter, Host, IgmpReject, Query, Version, is_igmp};
use onair_net::ipv4::checksum;
use proptest::prelude::*;

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const ALL: [u8; 4] = [224, 0, 0, 1];
const GROUP: [u8; 4] = [239, 1, 2, 3];

/// A query of a switch without address, with Router Alert; `body` is the message without its sum.
fn packet(destination: [u8; 4], body: &[u8]) -> Vec<u8> {
    let total = u8::try_from(24 + body.len()).expect("a short query");
    let mut packet = vec![0x46, 0xc0, 0, total, 0, 0, 0x40, 0, 1, 2, 0, 0, 0, 0, 0, 0];
    packet.extend(destination);
    packet.extend([0x94, 4, 0, 0]);
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut body = body.to_vec();
    let sum = checksum(&body);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    packet.extend(body);
    packet
}

fn v3(code: u8, group: [u8; 4], sources: &[[u8; 4]]) -> Vec<u8> {
    let mut body = vec![0x11, code, 0, 0];
    body.extend(group);
    body.extend([0x02, 125, 0, u8::try_from(sources.len()).expect("a few")]);
    body.extend(sources.concat());
    body
}

#[test]
fn query_of_each_version_then_its_values() {
    let general = Query::parse(&packet(ALL, &v3(100, [0; 4], &[])), OWN).unwrap();
    assert_eq!((general.version, general.group), (Version::V3, None));
    assert_eq!((general.response_ms, general.robustness), (10_000, Some(2)));
    assert_eq!(general.interval_ms, Some(125_000));
    let sources = [[10, 0, 0, 8], [10, 0, 0, 9]];
    let asked = Query::parse(&packet(GROUP, &v3(10, GROUP, &sources)), OWN).unwrap();
    assert_eq!(asked.group, Some(IpAddr::from(GROUP)));
    assert_eq!(asked.sources[..], sources.map(IpAddr::from));
    let v2 = Query::parse(&packet(ALL, &[0x11, 100, 0, 0, 0, 0, 0, 0]), OWN).unwrap();
    assert_eq!((v2.version, v2.response_ms), (Version::V2, 10_000));
    let v1 = Query::parse(&packet(ALL, &[0x11, 0, 0, 0, 0, 0, 0, 0]), OWN).unwrap();
    assert_eq!((v1.version, v1.response_ms), (Version::V1, 10_000));
}

#[test]
fn query_damaged_or_not_for_us_then_refused_by_reason() {
    let good = packet(ALL, &v3(100, [0; 4], &[]));
    let change = |at: usize, value: u8| {
        let mut packet = good.clone();
        packet[at] = value;
        Query::parse(&packet, OWN).unwrap_err()
    };
    assert_eq!(change(0, 0x66), IgmpReject::Ip);
    assert_eq!(change(0, 0x44), IgmpReject::Ip);
    assert_eq!(change(12, 9), IgmpReject::Checksum);
    assert_eq!(change(25, 9), IgmpReject::Checksum);
    assert_eq!(change(24, 0x22), IgmpReject::Type(0x22));
    let refused = |destination, body: &[u8]| Query::parse(&packet(destination, body), OWN);
    let elsewhere = refused([239, 9, 9, 9], &v3(100, GROUP, &[]));
    assert_eq!(elsewhere, Err(IgmpReject::Address));
    let no_group = refused(ALL, &v3(100, [10, 0, 0, 7], &[]));
    assert_eq!(no_group, Err(IgmpReject::Address));
    // RFC 3376 §7.1: 9 to 11 bytes are no version.
    let odd = refused(ALL, &[0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125]);
    assert_eq!(odd, Err(IgmpReject::Truncated));
    let mut more_sources_than_bytes = v3(100, GROUP, &[]);
    more_sources_than_bytes[11] = 200;
    assert_eq!(
        refused(GROUP, &more_sources_than_bytes),
        Err(IgmpReject::Truncated)
    );
    for length in 0..good.len() {
        assert!(Query::parse(&good[..length], OWN).is_err(), "{length}");
    }
}

#[test]
fn report_in_a_frame_then_router_alert_and_time_to_live_one() {
    let mut host = Host::new(1);
    let sources = [IpAddr::from([10, 0, 0, 9])].into();
    host.set(GROUP.into(), Filter::Include(sources), 0);
    let [report] = &host.turn(0)[..] else {
        panic!("one report");
    };
    let frame = report.to_frame(Mac([2, 0, 0, 0, 0, 1]), OWN);
    assert_eq!(frame[..6], [0x01, 0, 0x5e, 0, 0, 22]);
    let ip = &frame[14..];
    assert!(is_igmp(ip));
    assert_eq!((ip[0], ip[1], ip[8], ip[9]), (0x46, 0xc0, 1, 2));
    assert_eq!(
        (&ip[16..20], &ip[20..24]),
        (&[224, 0, 0, 22][..], &[0x94, 4, 0, 0][..])
    );
    assert_eq!((checksum(&ip[..24]), checksum(&ip[24..])), (0, 0));
    // ALLOW_NEW_SOURCES of one source.
    assert_eq!(ip[24..32], [0x22, 0, ip[26], ip[27], 0, 0, 0, 1]);
    assert_eq!(ip[32..], [5, 0, 0, 1, 239, 1, 2, 3, 10, 0, 0, 9]);
}

proptest! {
    #[test]
    fn query_any_bytes_then_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = Query::parse(&bytes, OWN);
        let _ = is_igmp(&bytes);
    }

    #[test]
    fn query_any_message_with_right_sums_then_the_host_survives(
        kind in prop_oneof![Just(0x11u8), any::<u8>()],
        rest in prop::collection::vec(any::<u8>(), 7..200),
        to_group: bool,
    ) {
        let body = [&[kind][..], &rest].concat();
        let destination = if to_group { [body[4], body[5], body[6], body[7]] } else { ALL };
        let mut host = Host::new(7);
        host.set(GROUP.into(), Filter::Any, 0);
        if let Ok(query) = Query::parse(&packet(destination, &body), OWN) {
            host.query(&query, 0);
            prop_assert!(query.response_ms <= 3_174_400);
        }
        host.turn(u64::MAX);
    }
}
