//! Why a PCI device cannot be used.

/// Why DPDK cannot use a PCI device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PciError {
    /// No device has the address.
    #[error("there is no PCI device {0}: `lspci -D` lists them")]
    Missing(String),
    /// The kernel, not a program, has the device.
    #[error(
        "the kernel's driver {driver} has PCI device {address}: bind it with `dpdk-devbind.py --bind=vfio-pci {address}`, or keep the driver and use AF_XDP (device = \"net_af_xdp0,iface=…\")"
    )]
    OfTheKernel {
        /// The device.
        address: String,
        /// Its driver, or `none`.
        driver: String,
    },
    /// It is bound to vfio-pci, and the machine has no IOMMU that isolates it.
    #[error(
        "no IOMMU isolates PCI device {0}: switch the IOMMU on in the firmware and on the kernel's command line (intel_iommu=on or amd_iommu=on), or keep the kernel's driver and use AF_XDP"
    )]
    NoIommu(String),
    /// It is bound to a driver that uses no IOMMU.
    #[error(
        "PCI device {address} is bound to {driver}, which uses no IOMMU: so it could write to all memory: switch the IOMMU on, and bind it with `dpdk-devbind.py --bind=vfio-pci {address}`"
    )]
    Uio {
        /// The device.
        address: String,
        /// Its driver.
        driver: String,
    },
    /// Another daemon uses it.
    #[error("another onaird uses PCI device {0}: stop it, or give each daemon devices of its own")]
    Claimed(String),
    /// Another process has opened the IOMMU group.
    #[error(
        "another process uses PCI device {address} or a device of its IOMMU group {group}: `fuser -v /dev/vfio/{group}` names it"
    )]
    InUse {
        /// The device.
        address: String,
        /// Its group.
        group: String,
    },
}
