//! Drivers of DPDK that no port needs. Needs root.

use std::fs;

use onair_dpdk::{Eal, EalConfig, Error, Hugepages, Port, PortConfig};
use onair_stage::in_own_process;

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
