//! Captures of packets over IPv6.

use onair_net::datagram::{FlowHeader, HEADER_BYTES};
use onair_net::ethernet::Mac;

use super::{GAPPED, Written, analyzed, video};

#[test]
fn capture_of_ipv6_then_its_flow_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let over_ipv6 = |(at_ns, frame): (u64, Vec<u8>)| {
        let flow = FlowHeader {
            source_mac: Mac([2; 6]),
            destination_mac: Mac([0x33, 0x33, 0x80, 0, 0, 1]),
            source: "[fd00::1]:5000".parse().unwrap(),
            destination: "[ff3e::8000:1]:5004".parse().unwrap(),
            ttl: 64,
            dscp: 34,
        };
        (at_ns, flow.to_frame(1, &frame[HEADER_BYTES..]))
    };
    let frames: Vec<_> = video(10).into_iter().map(over_ipv6).collect();
    let file = Written::ALL[0].file(&frames);
    let only = format!("{GAPPED} --flow [ff3e::8000:1]:5004");
    let document = analyzed(&folder, &file, &only);
    let flow = &document["flows"][0];
    assert_eq!(flow["source"], "[fd00::1]:5000", "{document}");
    assert_eq!(flow["destination"], "[ff3e::8000:1]:5004");
    assert_eq!(flow["essence"], "video");
    let plain = analyzed(&folder, &Written::ALL[0].file(&video(10)), GAPPED);
    assert_eq!(flow["timing"], plain["flows"][0]["timing"]);
}
