//! What a router believes after the reports that it got (RFC 3376 §6.4, without its timers).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use onair_net::igmp::{Filter, IGMPV3_ROUTERS, MembershipReport};
use onair_net::ipv4::checksum;

#[derive(Debug, Default)]
pub(crate) struct Router {
    any: BTreeSet<IpAddr>,
    sources: BTreeMap<IpAddr, BTreeSet<IpAddr>>,
}

fn address(bytes: &[u8]) -> IpAddr {
    let bytes: [u8; 4] = bytes.try_into().expect("four bytes");
    bytes.into()
}

impl Router {
    pub(crate) fn receive(&mut self, report: &MembershipReport) {
        let message = &report.message;
        assert_eq!(checksum(message), 0);
        assert_eq!(
            (message[0], report.destination),
            (0x22, IpAddr::V4(IGMPV3_ROUTERS))
        );
        assert!(message.len() <= 1500 - 24);
        let mut rest = &message[8..];
        for _ in 0..u16::from_be_bytes([message[6], message[7]]) {
            let count = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            let sources = rest[8..8 + 4 * count].chunks(4).map(address).collect();
            self.record(rest[0], address(&rest[4..8]), sources);
            rest = &rest[8 + 4 * count..];
        }
        assert!(rest.is_empty());
    }

    fn record(&mut self, kind: u8, group: IpAddr, sources: BTreeSet<IpAddr>) {
        let known = self.sources.entry(group).or_default();
        match kind {
            1 | 5 => known.extend(sources),
            2 | 4 => {
                assert!(sources.is_empty());
                self.any.insert(group);
                known.clear();
            }
            3 => {
                self.any.remove(&group);
                *known = sources;
            }
            6 => known.retain(|source| !sources.contains(source)),
            other => panic!("record type {other}"),
        }
    }

    pub(crate) fn filter(&self, group: IpAddr) -> Filter {
        if self.any.contains(&group) {
            return Filter::Any;
        }
        let sources = self.sources.get(&group);
        Filter::Include(sources.cloned().unwrap_or_default())
    }
}
