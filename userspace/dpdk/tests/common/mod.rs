//! What every test that initialises DPDK needs: it can be initialised once in
//! a process, so each such test is a file of its own.

use onair_dpdk::{Eal, EalConfig, Hugepages, Memory};

/// DPDK on 256 MiB of plain pages: no test needs hugepages.
pub(crate) fn eal() -> Eal {
    let config = EalConfig {
        hugepages: Hugepages::Never,
        memory_mb: 256,
        ..EalConfig::default()
    };
    let eal = Eal::init(&config).expect("one initialisation in each test file");
    assert_eq!(eal.memory(), Memory::Plain { memory_mb: 256 });
    eal
}
