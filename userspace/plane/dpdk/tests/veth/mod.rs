//! A veth pair in the test's own network namespace, and traffic over it.

mod af_xdp;
mod af_xdp_killed;
mod child;
mod link_restored;

use std::time::{Duration, Instant};

use onair_dpdk::{Burst, Eal, Port, PortConfig, RxQueue, TxQueue};
use onair_stage::{Stage, output};

pub(crate) const LENGTH: usize = 1400;
/// Time limit for events that are due at once, on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// A namespace with a veth pair `va`, `vb`.
pub(crate) struct Veth {
    pub(crate) namespace: String,
    _stage: Stage,
}

impl Veth {
    pub(crate) fn new() -> Self {
        let stage = Stage::open("dpdk").unwrap();
        stage.veth(&onair_stage::Veth::bare("va", "vb")).unwrap();
        Self {
            namespace: stage.namespace().to_owned(),
            _stage: stage,
        }
    }

    pub(crate) fn ip(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.namespace];
        all.extend(arguments.split(' '));
        output("ip", &all).unwrap()
    }

    /// The state without a port: no XDP program, not promiscuous.
    pub(crate) fn assert_clean(&self) {
        let shown = self.ip("-details link show");
        assert!(!shown.contains("xdp"), "{shown}");
        assert!(!shown.contains("promiscuity 1"), "{shown}");
    }

    pub(crate) fn open(&self, eal: &Eal) -> (Port, Port) {
        open(eal, &self.namespace)
    }
}

/// An AF_XDP port on one end of the pair.
pub(crate) fn config(namespace: &str, end: &str) -> PortConfig {
    PortConfig {
        netns: Some(namespace.to_owned()),
        ..PortConfig::new(end, format!("net_af_xdp_{end},iface=v{end}"))
    }
}

pub(crate) fn open(eal: &Eal, namespace: &str) -> (Port, Port) {
    let a = Port::open(eal, &config(namespace, "a")).unwrap();
    let b = Port::open(eal, &config(namespace, "b")).unwrap();
    (a, b)
}

pub(crate) fn fill(bytes: &mut [u8], from: [u8; 6], to: [u8; 6], number: u32) {
    bytes[..6].copy_from_slice(&to);
    bytes[6..12].copy_from_slice(&from);
    // For local experiments (IEEE 802, 9.2.3).
    bytes[12..14].copy_from_slice(&[0x88, 0xb5]);
    bytes[14..18].copy_from_slice(&number.to_be_bytes());
    bytes[18..].fill(number.to_le_bytes()[0]);
}

/// Sends `count` packets from one port to the other and checks every one.
pub(crate) fn exchange(from: (&mut TxQueue, [u8; 6]), to: (&mut RxQueue, [u8; 6]), count: u32) {
    let (mut out, mut arrived) = (Burst::with_limit(64), Burst::with_limit(64));
    let (mut made, mut seen) = (0u32, 0u32);
    let mut expected = vec![0; LENGTH];
    let started = Instant::now();
    while seen < count {
        assert!(
            started.elapsed() < DEADLINE,
            "{seen} of {made} packets arrived"
        );
        while out.room() > 0 && made < count {
            let Some(mut mbuf) = from.0.alloc() else {
                break;
            };
            fill(mbuf.append(LENGTH).unwrap(), from.1, to.1, made);
            out.push(mbuf).unwrap();
            made += 1;
        }
        from.0.burst(&mut out);
        while to.0.burst(&mut arrived) > 0 {
            for mbuf in &*arrived {
                fill(&mut expected, from.1, to.1, seen);
                assert!(mbuf.data() == expected, "packet {seen}: {:?}", mbuf.data());
                seen += 1;
            }
            arrived.clear();
        }
    }
    assert!(out.is_empty());
}
