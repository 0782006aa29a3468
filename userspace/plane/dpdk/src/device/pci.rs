//! PCI devices, as the kernel shows them in `/sys/bus/pci/devices`
//! (Documentation/ABI/testing/sysfs-bus-pci).

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use crate::PciError;

/// The kernel driver that leaves a device to a program, behind an IOMMU.
const VFIO: &str = "vfio-pci";
/// Kernel drivers that leave a device to a program without an IOMMU (Documentation/driver-api/uio-howto.rst).
const UIO: [&str; 2] = ["uio_pci_generic", "igb_uio"];
/// Kernel drivers beside which DPDK's works (DPDK, Linux Drivers, Bifurcated Driver).
const BIFURCATED: [&str; 3] = ["mlx5_core", "mlx4_core", "mana"];

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

    /// Whether DPDK can open it now, behind an IOMMU.
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
        let address = self.address.clone();
        if UIO.contains(&driver.as_str()) {
            return Err(PciError::Uio { address, driver });
        }
        if driver != VFIO {
            return Err(PciError::OfTheKernel { address, driver });
        }
        let group = self.target("iommu_group");
        // VFIO makes groups of its own for devices without an IOMMU, if it was told to.
        let is_isolated = |group: &String| {
            let unsafe_group = Path::new("/dev/vfio").join(format!("noiommu-{group}"));
            !unsafe_group.exists()
        };
        let Some(group) = group.filter(is_isolated) else {
            return Err(PciError::NoIommu(address));
        };
        // A group has one owner at a time (Documentation/driver-api/vfio.rst). Other errors are
        // DPDK's to report.
        match File::options()
            .read(true)
            .write(true)
            .open(Path::new("/dev/vfio").join(&group))
        {
            Err(error) if is_busy(&error) => Err(PciError::InUse { address, group }),
            _ => Ok(()),
        }
    }

    /// Takes the device for this process, until the result is dropped: a lock on its configuration
    /// space (flock(2)), which only OnAir looks at.
    pub(crate) fn claim(&self) -> Result<Option<File>, PciError> {
        // Without the file opening the port reports that there is no device.
        let Ok(space) = File::open(self.folder.join("config")) else {
            return Ok(None);
        };
        match flock(&space, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Err(PciError::Claimed(self.address.clone())),
            _ => Ok(Some(space)),
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

    /// Checks a device that has these links.
    fn checked(links: &[(&str, &str)]) -> Result<(), PciError> {
        let devices = tempfile::tempdir().unwrap();
        let folder = devices.path().join(NAME.to_ascii_lowercase());
        fs::create_dir(&folder).unwrap();
        for (link, target) in links {
            symlink(target, folder.join(link)).unwrap();
        }
        let device = PciDevice::below(devices.path(), NAME).unwrap();
        device.check()
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
    fn device_is_claimed_once_until_it_is_let_go() {
        let devices = tempfile::tempdir().unwrap();
        let folder = devices.path().join(NAME.to_ascii_lowercase());
        fs::create_dir(&folder).unwrap();
        let device = PciDevice::below(devices.path(), NAME).unwrap();
        assert!(device.claim().unwrap().is_none());
        fs::write(folder.join("config"), "").unwrap();
        let claim = device.claim().unwrap();
        assert!(claim.is_some());
        assert_eq!(device.claim().unwrap_err(), PciError::Claimed(NAME.into()));
        drop(claim);
        assert!(device.claim().unwrap().is_some());
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
        let uio = [driver("/drivers/uio_pci_generic")];
        let refused = PciError::Uio {
            address: NAME.into(),
            driver: "uio_pci_generic".into(),
        };
        assert_eq!(checked(&uio), Err(refused));
    }
}
