//! Which of DPDK's drivers are loaded.
//!
//! EAL loads each driver of a directory that was compiled into it. Debian has 128 of them there, which take 26 ms of a
//! processor and 3 MiB; the ports of most hosts need two. EAL has no option against that: it leaves the directory out
//! only if there is none (`eal_plugins_init`, 22.11 to 24.11). So its own copy of the path is emptied, and the few
//! drivers are arguments.

use std::collections::BTreeSet;
use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::{ffi::OsStr, io, ptr, slice};

use crate::device::Device;

/// Drivers that no device names and each needs: buses and pools.
const ALWAYS: [&str; 2] = ["librte_bus_vdev", "librte_mempool_ring"];
/// Of what a device's name begins with.
const DRIVERS: [(&str, &str); 2] = [
    ("net_af_packet", "librte_net_af_packet"),
    ("net_af_xdp", "librte_net_af_xdp"),
];
/// The directory's name, before the version of the ABI.
const FOLDER: &[u8] = b"pmds-";

/// Why EAL loads all drivers.
#[derive(Debug, thiserror::Error)]
pub(super) enum AllLoaded {
    #[error("a device may be of any driver")]
    Other,
    #[error("this EAL names no directory of drivers, or more than one")]
    NoFolder,
    #[error("{} is missing", .0.display())]
    Missing(PathBuf),
    #[error("cannot change EAL's constants: {0}")]
    System(#[from] io::Error),
}

/// Has EAL load only what these devices need. Returns the drivers' files, for its arguments. Before EAL is initialised,
/// at most once.
pub(super) fn only_of(devices: &[String]) -> Result<Vec<PathBuf>, AllLoaded> {
    let drivers = drivers(devices).ok_or(AllLoaded::Other)?;
    let folder = Folder::of_eal().ok_or(AllLoaded::NoFolder)?;
    let files: Vec<_> = drivers.iter().map(|it| folder.file(it)).collect();
    if let Some(missing) = files.iter().find(|it| !it.is_file()) {
        return Err(AllLoaded::Missing(missing.clone()));
    }
    folder.hide()?;
    Ok(files)
}

/// `None`: one of the devices is on a bus, or of a driver that is not known here.
fn drivers(devices: &[String]) -> Option<BTreeSet<&'static str>> {
    let mut found = BTreeSet::from(ALWAYS);
    for device in devices {
        if let Device::Dpdk { name, .. } = device.parse().ok()? {
            let name = name.to_str().ok()?;
            let (_, driver) = DRIVERS.iter().find(|(kind, _)| name.starts_with(kind))?;
            found.insert(driver);
        }
    }
    Some(found)
}

/// EAL's directory of drivers, where EAL has its path.
struct Folder {
    at: *mut u8,
    path: PathBuf,
}

impl Folder {
    fn of_eal() -> Option<Self> {
        let mut constants: Vec<Range<usize>> = Vec::new();
        // SAFETY: `note` gets this vector, and only until the call returns.
        unsafe { libc::dl_iterate_phdr(Some(note), ptr::from_mut(&mut constants).cast()) };
        let mut folders = constants.into_iter().flat_map(|range| {
            let start = ptr::with_exposed_provenance_mut::<u8>(range.start);
            // SAFETY: a segment of a library that the program is linked to, which nothing writes.
            let bytes = unsafe { slice::from_raw_parts(start, range.len()) };
            folders(bytes).into_iter().map(move |at| Self {
                // SAFETY: inside the segment.
                at: unsafe { start.add(at.start) },
                path: Path::new(OsStr::from_bytes(&bytes[at])).to_owned(),
            })
        });
        folders.next().filter(|_| folders.next().is_none())
    }

    /// As EAL would name it: of its own ABI.
    fn file(&self, driver: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let abi = &name[FOLDER.len()..];
        self.path.join(format!("{driver}.so.{abi}"))
    }

    /// Empties EAL's path: in this process there is no such directory.
    fn hide(&self) -> io::Result<()> {
        let page = rustix::param::page_size();
        let start = self.at.map_addr(|it| it & !(page - 1)).cast();
        let protect = |protection| {
            // SAFETY: the page of a constant, which is readable before and after.
            match unsafe { libc::mprotect(start, page, protection) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        };
        protect(libc::PROT_READ | libc::PROT_WRITE)?;
        // SAFETY: writable now. Only `rte_eal_init` reads it, which has yet to be called. No slice of it is left.
        unsafe { self.at.write_volatile(0) };
        protect(libc::PROT_READ)
    }
}

/// Notes the constants of EAL's library: what is neither written nor executed.
unsafe extern "C" fn note(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    found: *mut c_void,
) -> c_int {
    // SAFETY: the linker passes a valid description, the caller its vector.
    let (info, found) = unsafe { (&*info, &mut *found.cast::<Vec<Range<usize>>>()) };
    if info.dlpi_name.is_null() {
        return 0;
    }
    // SAFETY: a C string for as long as the library is loaded.
    let name = unsafe { CStr::from_ptr(info.dlpi_name) };
    let name = Path::new(OsStr::from_bytes(name.to_bytes()));
    let is_eal = |it: &OsStr| it.as_bytes().starts_with(b"librte_eal.so");
    if !name.file_name().is_some_and(is_eal) {
        return 0;
    }
    // SAFETY: the library's program headers.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let is_constant =
        |it: &&libc::Elf64_Phdr| it.p_type == libc::PT_LOAD && it.p_flags == libc::PF_R;
    found.extend(headers.iter().filter(is_constant).filter_map(|it| {
        let start = usize::try_from(info.dlpi_addr + it.p_vaddr).ok()?;
        Some(start..start + usize::try_from(it.p_memsz).ok()?)
    }));
    0
}

/// Where `bytes` have an absolute path of a directory of drivers, as a string of its own.
fn folders(bytes: &[u8]) -> Vec<Range<usize>> {
    let found = bytes.windows(FOLDER.len()).enumerate();
    let found = found.filter(|(_, it)| *it == FOLDER);
    let strings = found.filter_map(|(at, _)| {
        let start = bytes[..at].iter().rposition(|it| *it == 0)? + 1;
        let end = at + bytes[at..].iter().position(|it| *it == 0)?;
        let is_last = !bytes[at..end].contains(&b'/');
        (bytes[start] == b'/' && bytes[at - 1] == b'/' && is_last).then_some(start..end)
    });
    strings.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_known_drivers_then_no_others_are_loaded() {
        let of = |devices: &[&str]| {
            let devices: Vec<_> = devices.iter().map(|&it| it.to_owned()).collect();
            drivers(&devices).map(|it| it.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(of(&["ring:x:a"]), Some(ALWAYS.to_vec()));
        let both = of(&["net_af_xdp0,iface=va", "net_af_packet1,iface=vb"]).unwrap();
        assert_eq!(both.len(), ALWAYS.len() + 2);
        for other in ["0000:3b:00.0", "net_tap0", "net_virtio_user0,path=x", ""] {
            assert_eq!(of(&["ring:x:a", other]), None, "{other}");
        }
    }

    #[test]
    fn folder_as_a_whole_string_then_found() {
        let text = b"\0A=/usr/dpdk/pmds-23.0\0/usr/dpdk/pmds-23.0\0/pmds-1/x\0pmds-2\0";
        let found: Vec<_> = folders(text).into_iter().map(|it| &text[it]).collect();
        assert_eq!(found, [b"/usr/dpdk/pmds-23.0"]);
        assert!(folders(b"\0/usr/dpdk/pmds-23.0").is_empty(), "no end");
    }
}
