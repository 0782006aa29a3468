//! Common part of the tests that initialise DPDK: it can be initialised once in a process, so each
//! such test has its own.

use onair_dpdk::{Eal, EalConfig, Hugepages, Memory};
use onair_stage::is_own_process;

/// DPDK on 256 MiB of plain pages: no test needs hugepages.
pub(crate) fn eal() -> Eal {
    assert!(is_own_process(), "the test lacks `in_own_process!()`");
    let config = EalConfig {
        hugepages: Hugepages::Never,
        memory_mb: 256,
        ..EalConfig::default()
    };
    let eal = Eal::init(&config).expect("one initialisation in each test");
    assert_eq!(eal.memory(), Memory::Plain { memory_mb: 256 });
    eal
}
