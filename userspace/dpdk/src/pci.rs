//! PCI devices, as the kernel shows them in `/sys/bus/pci/devices`
//! (Documentation/ABI/testing/sysfs-bus-pci).

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

/// Kernel drivers that leave a device to a program. A driver of [`BIFURCATED`] keeps it as well.
const FOR_PROGRAMS: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];
/// Kernel drivers beside which DPDK's works (DPDK, Linux Drivers, Bifurcated Driver).
const BIFURCATED: [&str; 3] = ["mlx5_core", "mlx4_core", "mana"];

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
        "PCI device {0} has no IOMMU group: switch the IOMMU on in the firmware and on the kernel's command line (intel_iommu=on or amd_iommu=on), or keep the kernel's driver and use AF_XDP"
    )]
    NoIommu(String),
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

/// A device, by its address with the domain: `0000:3b:00.0`.
#[derive(Debug, Clone)]
pub struct PciDevice {
    address: String,
    folder: PathBuf,
}

impl PciDevice {
    /// The device if `name` is a PCI address with its domain. It need not exist.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::below(Path::new("/sys/bus/pci/devices"), name)
    }

    fn below(devices: &Path, name: &str) -> Option<Self> {
        let (domain, rest) = name.split_once(':')?;
        let (bus, rest) = rest.split_once(':')?;
        let (device, function) = rest.split_once('.')?;
        let is_hex = |text: &str, length| {
            text.len() == length && text.bytes().all(|letter| letter.is_ascii_hexdigit())
        };
        let is_address =
            is_hex(domain, 4) && is_hex(bus, 2) && is_hex(device, 2) && is_hex(function, 1);
        is_address.then(|| Self {
            address: name.to_owned(),
            folder: devices.join(name.to_ascii_lowercase()),
        })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether DPDK can open it now.
    ///
    /// # Errors
    /// [`PciError`].
    pub fn check(&self) -> Result<(), PciError> {
        if !self.folder.exists() {
            return Err(PciError::Missing(self.address.clone()));
        }
        let driver = self.target("driver").unwrap_or_else(|| "none".to_owned());
        if BIFURCATED.contains(&driver.as_str()) {
            return Ok(());
        }
        if !FOR_PROGRAMS.contains(&driver.as_str()) {
            return Err(PciError::OfTheKernel {
                address: self.address.clone(),
                driver,
            });
        }
        if driver != FOR_PROGRAMS[0] {
            return Ok(());
        }
        let Some(group) = self.target("iommu_group") else {
            return Err(PciError::NoIommu(self.address.clone()));
        };
        // A group has one owner at a time (Documentation/driver-api/vfio.rst). Other errors are
        // DPDK's to report.
        match File::options()
            .read(true)
            .write(true)
            .open(Path::new("/dev/vfio").join(&group))
        {
            Err(error) if is_busy(&error) => Err(PciError::InUse {
                address: self.address.clone(),
                group,
            }),
            _ => Ok(()),
        }
    }

    /// The last part of where a link in its folder points.
    fn target(&self, link: &str) -> Option<String> {
        let target = fs::read_link(self.folder.join(link)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }
}

fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::BUSY.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const NAME: &str = "0000:3B:00.0";

    /// What is said of a device with these links.
    fn checked(links: &[(&str, &str)]) -> Result<(), PciError> {
        let devices = tempfile::tempdir().unwrap();
        let folder = devices.path().join(NAME.to_ascii_lowercase());
        fs::create_dir(&folder).unwrap();
        for (link, target) in links {
            symlink(target, folder.join(link)).unwrap();
        }
        PciDevice::below(devices.path(), NAME).unwrap().check()
    }

    #[test]
    fn only_addresses_with_a_domain_are_devices() {
        for name in ["0000:3b:00.0", "10de:FF:1f.7"] {
            assert_eq!(PciDevice::of(name).unwrap().address(), name);
        }
        for name in [
            "",
            "3b:00.0",
            "0000:3b:00",
            "ring:x:a",
            "0000:3b:0.0",
            "net_af_xdp0",
        ] {
            assert!(PciDevice::of(name).is_none(), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_device_is_told() {
        let missing = PciDevice::below(Path::new("/nowhere"), NAME).unwrap();
        assert_eq!(missing.check(), Err(PciError::Missing(NAME.into())));
        let driver = |name: &'static str| ("driver", name);
        let of_kernel = |driver: &str| {
            Err(PciError::OfTheKernel {
                address: NAME.into(),
                driver: driver.into(),
            })
        };
        assert_eq!(checked(&[]), of_kernel("none"));
        assert_eq!(checked(&[driver("/drivers/e1000e")]), of_kernel("e1000e"));
        let vfio = driver("/drivers/vfio-pci");
        assert_eq!(checked(&[vfio]), Err(PciError::NoIommu(NAME.into())));
        assert_eq!(checked(&[vfio, ("iommu_group", "/groups/none")]), Ok(()));
        assert_eq!(checked(&[driver("/drivers/mlx5_core")]), Ok(()));
        assert_eq!(checked(&[driver("/drivers/uio_pci_generic")]), Ok(()));
    }
}
