//! The XDP program of an interface, and who keeps it there: a link of this process.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::error::Error;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::{fmt, fs, io, thread};

use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray};
use aya::programs::Xdp;
use aya::{Ebpf, EbpfLoader};
use onair_ebpf::names::{COUNTS, PORT, QUERIES, TAKEN, UNCLAIMED};
use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

use crate::filter::link;
use crate::kernel::descriptor::program_info;
use crate::kernel::netlink::{Interface, Mode, Route};

/// `struct query` of `port.bpf.c`: when, and the packet.
pub(super) const QUERY_BYTES: usize = 88;

type Taken = HashMap<MapData, [u8; KEY_BYTES], u32>;

/// The programs of this process, by namespace and index of their interface: ports of one interface share one.
static HELD: Mutex<BTreeMap<(u64, u32), Weak<Held>>> = Mutex::new(BTreeMap::new());
pub(super) const KEY_BYTES: usize = 20;
pub(super) const FLOW_BYTES: usize = 24;

/// A program on an interface, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _link: OwnedFd,
    pub(super) maps: Maps,
    /// Flows of the process before, until it is known which are wanted.
    pub(super) inherited: Mutex<Vec<Key>>,
}

/// The maps that this process reads and writes.
pub(super) struct Maps {
    pub(super) taken: Mutex<Taken>,
    pub(super) unclaimed: HashMap<MapData, [u8; FLOW_BYTES], [u64; 3]>,
    pub(super) queries: Array<MapData, [u8; QUERY_BYTES]>,
    pub(super) counts: PerCpuArray<MapData, [u64; 4]>,
}

impl fmt::Debug for Maps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Maps")
    }
}

/// Puts the program on `interface` in this thread's namespace, in the place of one that another OnAir has left, if
/// `is_left` says so.
///
/// # Errors
/// `EBUSY`: another program is there, or a port of another process. Others: it is not loaded, or the mode is refused.
pub(crate) fn attach(
    interface: &str,
    mode: Mode,
    is_left: impl Fn() -> io::Result<bool>,
) -> io::Result<Arc<Held>> {
    let route = Route::open()?;
    let found = route.find(interface)?.ok_or(io::ErrorKind::NotFound)?;
    let place = (fs::metadata("/proc/thread-self/ns/net")?.ino(), found.index);
    let mut all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, held| held.strong_count() > 0);
    if let Some(held) = all.get(&place).and_then(Weak::upgrade) {
        return Ok(held);
    }
    let (program, maps) = load().map_err(io::Error::other)?;
    let mut inherited = Vec::new();
    let own = match link::attach(program.as_fd(), found.index, mode.flag()) {
        Err(error) if is_in_use(&error) && is_left()? => {
            let maps = &maps.taken;
            let keys = &mut inherited;
            take_over((&route, &found, mode), &program, (maps, keys))
        }
        done => done,
    }?;
    let held = Arc::new(Held {
        _link: own,
        maps,
        inherited: Mutex::new(inherited),
    });
    all.insert(place, Arc::downgrade(&held));
    Ok(held)
}

fn is_in_use(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ResourceBusy
}

/// Takes the place of the program of a process that has left its queues: the flows of that one stay taken.
fn take_over(
    (route, found, mode): (&Route, &Interface, Mode),
    program: &OwnedFd,
    (taken, inherited): (&Mutex<Taken>, &mut Vec<Key>),
) -> io::Result<OwnedFd> {
    let busy = || Err(Errno::BUSY.into());
    let [(mode_now, id)] = *found.programs else {
        return busy();
    };
    // Without the right to look (CAP_SYS_ADMIN) a port waits for the end of that process.
    let (Ok(before), Ok(link)) = (link::program(id), link::link_of(id)) else {
        return busy();
    };
    let (name, maps) = program_info(before.as_raw_fd());
    if name != PORT {
        return busy();
    }
    let Some(link) = link else {
        // libxdp's own, of a version before this program, or of a port without it.
        route.detach(found.index, mode_now)?;
        return link::attach(program.as_fd(), found.index, mode.flag());
    };
    if mode_now != mode {
        return busy();
    }
    let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    for key in maps.into_iter().filter_map(flows_of).flatten() {
        if taken.insert(key.0, 0, 0).is_ok() {
            inherited.push(key);
        }
    }
    link::replace(link.as_fd(), program.as_fd())?;
    Ok(link)
}

/// The flows in the map with this id, if it is that of what is taken.
fn flows_of(map: u32) -> Option<Vec<Key>> {
    let map = MapData::from_id(map).ok()?;
    if map.info().ok()?.name_as_str() != Some(TAKEN) {
        return None;
    }
    let map = Taken::try_from(Map::HashMap(map)).ok()?;
    let keys = map.keys().filter_map(Result::ok).map(Key);
    Some(keys.filter(Key::is_flow).collect())
}

fn load() -> Result<(OwnedFd, Maps), Box<dyn Error + Send + Sync>> {
    let mut ebpf = loader().load(onair_ebpf::port())?;
    let program: &mut Xdp = ebpf.program_mut(PORT).ok_or(PORT)?.try_into()?;
    program.load()?;
    let program = program.fd()?.as_fd().try_clone_to_owned()?;
    fn map<T: TryFrom<Map>>(ebpf: &mut Ebpf, name: &'static str) -> Result<T, &'static str> {
        let map = ebpf.take_map(name).ok_or(name)?;
        T::try_from(map).map_err(|_| name)
    }
    let maps = Maps {
        taken: Mutex::new(map(&mut ebpf, TAKEN)?),
        unclaimed: map(&mut ebpf, UNCLAIMED)?,
        queries: map(&mut ebpf, QUERIES)?,
        counts: map(&mut ebpf, COUNTS)?,
    };
    Ok((program, maps))
}

/// A loader without the kernel's types, which `EbpfLoader::new` of aya 0.14 reads where it can open files, for tens of
/// milliseconds. The program needs none.
fn loader() -> EbpfLoader<'static> {
    let made = thread::Builder::new().name("onair-loader".into());
    let made = made.spawn(|| {
        let refuse = SeccompAction::Errno(libc::EACCES.unsigned_abs());
        let rules = BTreeMap::from([(libc::SYS_openat, Vec::new())]);
        let filter = TargetArch::try_from(ARCH)
            .and_then(|arch| SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch))
            .and_then(BpfProgram::try_from);
        let filtered = filter.map(|filter| apply_filter(&filter));
        if !matches!(filtered, Ok(Ok(()))) {
            tracing::debug!(target: "dpdk", ?filtered, "the loader reads all types of the kernel");
        }
        EbpfLoader::new()
    });
    let made = made.ok().and_then(|thread| thread.join().ok());
    made.unwrap_or_default()
}

/// An address, a UDP port and a VLAN. Without a port, all that is for the address; without either, a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(pub(super) [u8; KEY_BYTES]);

impl Key {
    pub(super) fn flow(destination: SocketAddr, vlan: u16) -> Self {
        let address = match destination.ip() {
            IpAddr::V4(it) => it.to_ipv6_mapped(),
            IpAddr::V6(it) => it,
        };
        let mut key = [0; KEY_BYTES];
        key[..16].copy_from_slice(&address.octets());
        key[16..18].copy_from_slice(&destination.port().to_be_bytes());
        key[18..].copy_from_slice(&vlan.to_ne_bytes());
        Self(key)
    }

    pub(super) fn address(address: IpAddr, vlan: u16) -> Self {
        Self::flow(SocketAddr::new(address, 0), vlan)
    }

    pub(super) fn network(vlan: u16) -> Self {
        Self::address(Ipv6Addr::UNSPECIFIED.into(), vlan)
    }

    pub(super) fn is_flow(&self) -> bool {
        self.destination().port() != 0
    }

    pub(super) fn destination(&self) -> SocketAddr {
        let (address, rest) = self.0.split_first_chunk::<16>().expect("20 bytes");
        let address = Ipv6Addr::from(*address).to_canonical();
        SocketAddr::new(address, u16::from_be_bytes([rest[0], rest[1]]))
    }

    pub(super) fn vlan(&self) -> u16 {
        let [.., high, low] = self.0;
        u16::from_ne_bytes([high, low])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_of_either_family_then_its_destination_and_vlan_again() {
        for text in ["239.1.2.3:5004", "[ff3e::8000:1]:5004"] {
            let destination = text.parse().unwrap();
            let key = Key::flow(destination, 100);
            assert_eq!((key.destination(), key.vlan()), (destination, 100));
            assert!(key.is_flow() && !Key::address(destination.ip(), 100).is_flow());
        }
        assert!(!Key::network(0).is_flow());
    }
}
