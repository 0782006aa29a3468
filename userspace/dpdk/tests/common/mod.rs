//! What every test that initialises DPDK needs: it can be initialised once in
//! a process, so each such test is a file of its own.

use onair_dpdk::{Eal, EalConfig, Hugepages, Memory};

/// DPDK on 256 MiB of plain pages: no test needs hugepages.
pub(crate) fn eal() -> Eal {
    let eal = Eal::init(&EalConfig {
        hugepages: Hugepages::Never,
        memory_mb: 256,
        ..EalConfig::default()
    })
    .unwrap();
    assert_eq!(eal.memory(), Memory::Plain { memory_mb: 256 });
    eal
}
