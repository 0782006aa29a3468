//! The programs of the sites, loaded again for links with many sites (`uprobe.multi`).
//!
//! If each site has its own link, dropping costs 0.1 s a link, one after the other: the kernel
//! waits for several grace periods with a lock held. One link for a file's sites costs a quarter of
//! that, and links are dropped in parallel. aya 0.14 cannot load such programs: its parser prepares
//! the instructions, and this module makes the system calls.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use aya::Ebpf;
use aya::maps::{Map, MapData};
use aya_obj::Object;
use onair_ebpf::sites::{Site, SiteKind};
use onair_ipc::sys::bpf;

use crate::error::Unlinked;
use crate::programs::instructions::{program, sections};
use crate::programs::types::KernelTypes;

/// The programs of both kinds of sites.
#[derive(Debug)]
pub(crate) struct Multi {
    begin: OwnedFd,
    end: OwnedFd,
}

impl Multi {
    /// Loads them, with the maps that `ebpf` still has.
    ///
    /// # Errors
    /// [`Unlinked`], also if the kernel is older than 6.6.
    pub(crate) fn load(ebpf: &Ebpf) -> Result<Self, Unlinked> {
        let descriptors: HashMap<&str, RawFd> = ebpf
            .maps()
            .filter_map(|(name, map)| Some((name, data(map)?.fd().as_fd().as_raw_fd())))
            .collect();
        let mut object = Object::parse(onair_ebpf::object())?;
        object.relocate_btf(KernelTypes::read()?.btf())?;
        let maps = std::mem::take(&mut object.maps);
        let made = maps.iter().filter_map(|(name, map)| {
            let descriptor = descriptors.get(name.as_str())?;
            Some((name.as_str(), *descriptor, map))
        });
        let text = sections(&object);
        object.relocate_maps(made, &text)?;
        object.relocate_calls(&text)?;
        let load = |kind: SiteKind| {
            let name = kind.name();
            let (license, instructions) = program(&object, name)?;
            Ok::<_, Unlinked>(bpf::load_uprobe(name, license, &instructions)?)
        };
        let multi = Self {
            begin: load(SiteKind::WaitBegin)?,
            end: load(SiteKind::WaitEnd)?,
        };
        if bpf::links_uprobes(multi.begin.as_fd())? {
            Ok(multi)
        } else {
            Err(Unlinked::Kernel)
        }
    }

    /// Links for all `sites` of the file at `path`, one for each kind: all or none.
    ///
    /// # Errors
    /// The kernel's errors.
    pub(crate) fn attach(
        &self,
        path: &str,
        sites: &[Site],
        cookie: u64,
    ) -> std::io::Result<Vec<OwnedFd>> {
        let path = CString::new(path)?;
        let mut links = Vec::with_capacity(2);
        for (kind, program) in [
            (SiteKind::WaitBegin, &self.begin),
            (SiteKind::WaitEnd, &self.end),
        ] {
            let own = sites.iter().filter(|site| site.kind == kind);
            let own: Vec<_> = own.map(|site| (site.offset, cookie)).collect();
            if !own.is_empty() {
                links.push(bpf::attach_uprobes(program.as_fd(), &path, &own)?);
            }
        }
        Ok(links)
    }
}

/// A map of a kind that the programs use.
fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data) | Map::HashMap(data) | Map::RingBuf(data) | Map::Unsupported(data) => {
            Some(data)
        }
        _ => None,
    }
}
