//! Errors of DPDK are typed, and include DPDK's own text.

use onair_dpdk::{Error, Port, PortConfig};
use onair_stage::in_own_process;

use crate::common;

#[test]
fn port_of_a_device_that_cannot_be_says_why() {
    in_own_process!();
    let eal = common::eal();
    let open = |config: &PortConfig| Port::open(&eal, config).unwrap_err();

    for (device, says) in [
        ("net_af_xdp0,iface=oad-missing", "oad-missing"),
        ("net_af_packet0,iface=oad-missing", "No such device"),
        ("nosuchdriver0", "nosuchdriver0"),
        ("net_null0,nonsense=1", "net_null0"),
    ] {
        let error = open(&PortConfig::new("p", device));
        let text = error.to_string();
        let Error::Dpdk { code, log, .. } = error else {
            panic!("{text}")
        };
        assert!(code < 0);
        assert!(text.contains(device), "{text}");
        assert!(log.lines().iter().any(|line| line.contains(says)), "{text}");
    }

    let nowhere = PortConfig {
        netns: Some("oad-nowhere".into()),
        ..PortConfig::new("p", "net_null0")
    };
    assert!(matches!(open(&nowhere), Error::Namespace { name, .. } if name == "oad-nowhere"));

    let too_many = PortConfig {
        mbufs: 10_000_000,
        ..PortConfig::new("p", "net_null0")
    };
    let error = open(&too_many);
    assert!(
        matches!(error, Error::Dpdk { code, .. } if code == -libc::ENOMEM),
        "{error}"
    );

    assert!(matches!(
        open(&PortConfig::new("p", "ring:x")),
        Error::Invalid { .. }
    ));

    // No failed attempt left anything behind.
    let port = Port::open(&eal, &PortConfig::new("p", "net_null0")).unwrap();
    port.close().unwrap();
    eal.cleanup().unwrap();
}
