//! An argument that EAL does not know.

use onair_dpdk::{Eal, EalConfig, Error, Hugepages};
use onair_stage::in_own_process;

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
