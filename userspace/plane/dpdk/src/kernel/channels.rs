//! How many queues a network driver has for AF_XDP (`ETHTOOL_GCHANNELS`, linux/ethtool.h).

use rustix::{
    ioctl::{Opcode, Updater, ioctl},
    net::{AddressFamily, SocketFlags, SocketType, socket_with},
};

/// `struct ethtool_channels`.
#[repr(C)]
#[derive(Default)]
struct Channels {
    cmd: u32,
    max_rx: u32,
    max_tx: u32,
    max_other: u32,
    max_combined: u32,
    rx_count: u32,
    tx_count: u32,
    other_count: u32,
    combined_count: u32,
}

/// `struct ifreq` with a pointer.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    data: *mut Channels,
    rest: [u64; 2],
}

/// Pairs of queues of `interface` in the calling thread's namespace, as DPDK's driver counts them:
/// combined channels, which `ethtool --set-channels` changes; 1 if there are none, as on a veth.
pub(crate) fn count(interface: &str) -> u16 {
    read(interface).map_or(1, |found| {
        u16::try_from(found.combined_count)
            .unwrap_or(u16::MAX)
            .max(1)
    })
}

fn read(interface: &str) -> Option<Channels> {
    /// `linux/sockios.h` and `linux/ethtool.h`.
    const SIOCETHTOOL: Opcode = 0x8946;
    const ETHTOOL_GCHANNELS: u32 = 0x3c;
    let mut channels = Channels {
        cmd: ETHTOOL_GCHANNELS,
        ..Channels::default()
    };
    let mut request = Request {
        name: [0; libc::IFNAMSIZ],
        data: &raw mut channels,
        rest: [0; 2],
    };
    let name = interface.as_bytes();
    // The last byte stays 0.
    let room = request.name.get_mut(..name.len().min(libc::IFNAMSIZ - 1))?;
    if room.len() < name.len() {
        return None;
    }
    room.copy_from_slice(name);
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    );
    // SAFETY: SIOCETHTOOL reads the name and writes the structure behind the pointer, which lives
    // until the call returns.
    let done = unsafe { ioctl(socket.ok()?, Updater::<SIOCETHTOOL, _>::new(&mut request)) };
    done.ok().map(|()| channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_of_an_unknown_or_missing_interface_is_one() {
        for interface in ["lo", "onair-none", "a name that is longer than any", ""] {
            assert_eq!(count(interface), 1, "{interface}");
        }
    }
}
