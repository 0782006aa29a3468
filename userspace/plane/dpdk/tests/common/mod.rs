//! Common part of the tests that initialise DPDK: it can be initialised once in a process, so each
//! such test is its own file.

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
