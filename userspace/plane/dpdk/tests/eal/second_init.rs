//! One initialisation in a process.

use onair_dpdk::{Eal, EalConfig, Error, Hugepages};
use onair_stage::in_own_process;

use crate::common;

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
