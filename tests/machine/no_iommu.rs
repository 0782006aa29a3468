//! PCI devices that no IOMMU isolates: refused, unless the operator accepts them. It needs the machine
//! without an IOMMU of `cargo xtask vm test no_iommu`.
#![forbid(unsafe_code)]

use anyhow::{Context as _, Result};
use onair_tests::pci::{die_and_go_on, end, pairs, refusal, rig, video};

#[test]
fn refused_with_what_to_do_and_used_where_the_file_allows_it() -> Result<()> {
    let pair = pairs("vfio-pci");
    // Without an IOMMU vfio-pci takes a device only in its unsafe mode, which a kernel may lack.
    assert!(pair.is_err(), "{pair:?}");
    let devices = pairs("uio_pci_generic")?.pop().context("no devices")?;
    let refused = refusal(&devices, false)?;
    for part in ["uses no IOMMU", "dpdk.without_iommu = true"] {
        assert!(refused.contains(part), "{refused}");
    }
    let mut rig = rig(&devices, true)?;
    let second = refusal(&devices, true)?;
    assert!(
        second.contains("another onaird uses PCI device"),
        "{second}"
    );
    end(video(&rig)?)?;
    die_and_go_on(&mut rig)?;
    rig.stop_daemon()?;
    Ok(())
}
