//! Exclusive claims on AF_XDP queues.
//!
//! If the driver cannot open a queue because it is in use, it removes the XDP program from the
//! interface when it gives up. The port that uses the queue then receives nothing, without an
//! error. So a port is opened only after a check that no OnAir, in this process or another, has the
//! queue.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with},
};

use crate::{Error, device::XdpQueue};

/// Pause between two attempts. Frames are lost meanwhile.
const PAUSE: Duration = Duration::from_millis(2);

/// The claims of this process.
static MINE: Mutex<BTreeSet<Key>> = Mutex::new(BTreeSet::new());

/// Inode of the network namespace, and the claim's name in it.
type Key = (u64, String);

/// Exclusive claims of a port, until this is dropped.
#[derive(Debug)]
pub(crate) enum Taken {
    Nothing,
    Queues(#[expect(dead_code, reason = "held, not read")] Vec<Claim>),
    /// The lock on a PCI device.
    Device(#[expect(dead_code, reason = "held, not read")] File),
}

/// The right to one AF_XDP queue, for as long as it lives.
///
/// For other processes it is an abstract Unix address, which belongs to the network namespace, as
/// interfaces do, and which ends with its process (unix(7), network_namespaces(7)).
#[derive(Debug)]
pub(crate) struct Claim {
    key: Key,
    _address: OwnedFd,
}

impl Claim {
    /// Claims a queue in the calling thread's namespace. Waits up to `timeout` for another process
    /// (a killed daemon keeps its sockets until the kernel has removed its probes), but not for
    /// this process.
    pub(crate) fn on(queue: &XdpQueue, device: &str, timeout: Duration) -> Result<Self, Error> {
        let in_use = || Error::DeviceInUse {
            device: device.to_owned(),
        };
        let failed = |error: Errno| Error::Claim {
            device: device.to_owned(),
            source: error.into(),
        };
        let namespace = fs::metadata("/proc/thread-self/ns/net")
            .map_err(|source| Error::Claim {
                device: device.to_owned(),
                source,
            })?
            .ino();
        let name = format!("onair/af_xdp/{}/{}", queue.interface, queue.start);
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).map_err(failed)?;
        let key = (namespace, name);
        // Also held during the wait: ports are opened one at a time.
        let mut mine = MINE.lock().unwrap_or_else(PoisonError::into_inner);
        if mine.contains(&key) {
            return Err(in_use());
        }
        let socket = socket_with(
            AddressFamily::UNIX,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(failed)?;
        let began = Instant::now();
        loop {
            match bind(&socket, &address) {
                Ok(()) => break,
                Err(Errno::ADDRINUSE) if began.elapsed() < timeout => thread::sleep(PAUSE),
                Err(Errno::ADDRINUSE) => return Err(in_use()),
                Err(error) => return Err(failed(error)),
            }
        }
        mine.insert(key.clone());
        Ok(Self {
            key,
            _address: socket,
        })
    }
}

/// Whether another owner, in this process or another, has a claim on a queue of `interface` in the
/// calling thread's namespace. `/proc/net/unix` lists abstract addresses (proc(5)).
pub(crate) fn others(interface: &str, own: &[Claim]) -> io::Result<bool> {
    let prefix = format!("@onair/af_xdp/{interface}/");
    let own: Vec<_> = own.iter().map(|it| format!("@{}", it.key.1)).collect();
    let text = fs::read("/proc/thread-self/net/unix")?;
    let text = String::from_utf8_lossy(&text);
    let mut addresses = text.lines().filter_map(|line| line.split(' ').next_back());
    Ok(addresses
        .any(|address| address.starts_with(&prefix) && !own.iter().any(|own| own == address)))
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut mine = MINE.lock().unwrap_or_else(PoisonError::into_inner);
        mine.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(start: &str) -> Result<Claim, Error> {
        let queue = XdpQueue {
            interface: format!("oad{}", std::process::id()),
            start: start.to_owned(),
        };
        Claim::on(&queue, "net_af_xdp0,…", Duration::ZERO)
    }

    #[test]
    fn claim_of_a_claimed_queue_is_refused_until_it_is_given_back() {
        let first = claim("0").unwrap();
        assert!(matches!(claim("0"), Err(Error::DeviceInUse { .. })));
        let other = claim("1").unwrap();
        drop(first);
        let mine = [claim("0").unwrap()];
        let interface = format!("oad{}", std::process::id());
        assert!(others(&interface, &mine).unwrap());
        assert!(!others("oad", &mine).unwrap());
        drop(other);
        assert!(!others(&interface, &mine).unwrap());
        assert!(others(&interface, &[]).unwrap());
    }
}
