//! The start of DPDK.

use std::fs;

use onair_dpdk::{Eal, EalConfig, Error, Hugepages, Port, PortConfig};
use onair_stage::in_own_process;

use crate::common;

#[test]
fn eal_with_an_unknown_argument_fails_once_and_for_all() {
    in_own_process!();
    let config = |extra: &[&str]| EalConfig {
        hugepages: Hugepages::Never,
        extra_args: extra.iter().map(|&text| text.to_owned()).collect(),
        ..EalConfig::default()
    };
    let error = Eal::init(&config(&["--no-such-option"])).unwrap_err();
    assert!(matches!(error, Error::Dpdk { .. }));
    assert!(error.to_string().contains("--no-such-option"), "{error}");
    assert!(matches!(
        Eal::init(&config(&[])),
        Err(Error::AlreadyInitialised)
    ));
}

#[test]
fn ports_of_known_drivers_then_no_others_are_loaded() {
    in_own_process!();
    let ring = "ring:x:a";
    let packet = "net_af_packet0,iface=lo";
    let config = EalConfig {
        hugepages: Hugepages::Never,
        memory_mb: 256,
        devices: Some(vec![ring.into(), packet.into()]),
        ..EalConfig::default()
    };
    let eal = Eal::init(&config).unwrap();
    let mapped = fs::read_to_string("/proc/self/maps").unwrap();
    let is_mapped = |driver: &str| mapped.contains(&format!("/librte_{driver}.so"));
    assert!(is_mapped("net_af_packet") && is_mapped("mempool_ring"));
    for other in ["net_af_xdp", "net_null", "net_mlx5", "crypto_openssl"] {
        assert!(!is_mapped(other), "{other}");
    }
    let open = |device| Port::open(&eal, &PortConfig::new("p", device));
    for device in [ring, packet] {
        open(device).unwrap().close().unwrap();
    }
    let refused = open("net_null0");
    assert!(matches!(refused, Err(Error::Dpdk { .. })), "{refused:?}");
    eal.cleanup().unwrap();
}

#[test]
fn eal_initialised_again_is_refused_and_the_first_works_on() {
    in_own_process!();
    let plain = EalConfig {
        hugepages: Hugepages::Never,
        ..EalConfig::default()
    };
    // Refused before DPDK is called, so these do not count.
    let nul = EalConfig {
        extra_args: vec!["--a\0b".into()],
        ..plain.clone()
    };
    assert!(matches!(Eal::init(&nul), Err(Error::Invalid { .. })));
    let too_much = EalConfig {
        hugepages: Hugepages::Require,
        memory_mb: u32::MAX,
        ..plain.clone()
    };
    assert!(matches!(Eal::init(&too_much), Err(Error::Hugepages { .. })));

    let affinity = rustix::thread::sched_getaffinity(None).unwrap();
    let eal = common::eal();
    assert_eq!(rustix::thread::sched_getaffinity(None).unwrap(), affinity);
    assert!(eal.version().starts_with("DPDK "));

    assert!(matches!(Eal::init(&plain), Err(Error::AlreadyInitialised)));
    onair_dpdk::Pool::new(&eal, "works", 64).unwrap();
    eal.cleanup().unwrap();
    assert!(matches!(Eal::init(&plain), Err(Error::AlreadyInitialised)));
}
