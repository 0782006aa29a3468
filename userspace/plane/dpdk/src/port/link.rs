//! Changes of a port to the kernel's interface beneath it, and their removal without DPDK.
//!
//! A killed process leaves its XDP program and promiscuous mode on the interface. A process that
//! stored the earlier state ([`Link::state`]) can restore it later ([`Link::restore`]), also from
//! another process.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    thread,
    time::{Duration, Instant},
};

use crate::Error;
use crate::device::{Device, DeviceClaim, XdpQueue};
use crate::kernel::namespace::{self, Namespace};
use crate::kernel::netlink::{Interface, Route};
use crate::port::claim::{self, Claim};

/// How long a dying process may keep its queue. The daemon has already waited for the process
/// itself.
const DYING: Duration = Duration::from_secs(2);
/// Pause between two looks at its queues.
const PAUSE: Duration = Duration::from_millis(50);

/// The interface of a device string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    device: String,
    netns: Option<String>,
    interface: String,
    queue: Option<XdpQueue>,
}

/// State of an interface, present or earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    /// The inode of its network namespace; the kernel may reuse it later.
    pub namespace: u64,
    /// The kernel's index in that namespace; not reused.
    pub index: u32,
    /// Whether it is promiscuous.
    pub promiscuous: bool,
    /// Ids of the XDP programs on it; not reused while the kernel runs.
    pub programs: Vec<u32>,
}

/// Changes made to an interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Ids of the removed XDP programs.
    pub programs: Vec<u32>,
    /// New value of promiscuous mode, if it changed.
    pub promiscuous: Option<bool>,
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRestored {
    /// The interface no longer exists, and its state is gone with it.
    Gone,
    /// Another OnAir uses the interface.
    InUse,
}

impl Link {
    /// The interface of a port's device; `None` if the device changes no interface.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn of(device: &str, netns: Option<&str>) -> Result<Option<Self>, Error> {
        let Device::Dpdk { xdp, .. } = device.parse()? else {
            return Ok(None);
        };
        let claim: DeviceClaim = device.parse()?;
        Ok(claim.interface.map(|interface| Self {
            device: device.to_owned(),
            netns: netns.map(str::to_owned),
            interface,
            queue: xdp,
        }))
    }

    /// The interface's name.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The present state; `None` if there is no such interface. Some system calls, in a thread of
    /// its own.
    ///
    /// # Errors
    /// [`Error::Namespace`], [`Error::Link`], [`Error::Thread`].
    pub fn state(&self) -> Result<Option<LinkState>, Error> {
        self.inside(|route| {
            let Some(found) = route.find(&self.interface)? else {
                return Ok(None);
            };
            Ok(Some(LinkState {
                namespace: namespace_inode()?,
                index: found.index,
                promiscuous: found.promiscuous,
                programs: found.programs.iter().map(|(_, id)| *id).collect(),
            }))
        })
    }

    /// Restores the state `before` a process, which is dead, opened its port. Of the XDP programs
    /// it removes only those in `ours`, or, if `ours` is `None` (the progress of the process is
    /// unknown), all that were not there before. Waits up to two seconds for the queue of a process
    /// that is still dying.
    ///
    /// # Errors
    /// As [`Link::state`], and [`Error::Claim`].
    pub fn restore(
        &self,
        before: &LinkState,
        ours: Option<&[u32]>,
    ) -> Result<Result<Restored, NotRestored>, Error> {
        // The name, and possibly the namespace, may be gone: then there is nothing to restore.
        if matches!(self.namespace(), Err(Error::Namespace { source, .. }) if source.kind() == io::ErrorKind::NotFound)
        {
            return Ok(Err(NotRestored::Gone));
        }
        let claimed = namespace::run(self.namespace()?.as_ref(), || match &self.queue {
            Some(queue) => Claim::on(queue, &self.device, DYING).map(|it| vec![it]),
            None => Ok(Vec::new()),
        })?;
        let claim = match claimed {
            Ok(claim) => claim,
            Err(Error::DeviceInUse { .. }) => return Ok(Err(NotRestored::InUse)),
            Err(error) => return Err(error),
        };
        let restored = self.inside(|route| {
            // A dying process gives its queues back one after the other.
            let began = Instant::now();
            while claim::others(&self.interface, &claim)? {
                if began.elapsed() >= DYING {
                    return Ok(Err(NotRestored::InUse));
                }
                thread::sleep(PAUSE);
            }
            self.put_back(route, before, ours)
        });
        drop(claim);
        restored
    }

    /// As [`Link::restore`], for a port of this process, whose claims stay: before it ends without
    /// closing its ports, or after it has closed them.
    ///
    /// # Errors
    /// As [`Link::state`].
    pub fn restore_own(
        &self,
        before: &LinkState,
        ours: &[u32],
    ) -> Result<Result<Restored, NotRestored>, Error> {
        self.inside(|route| self.put_back(route, before, Some(ours)))
    }

    fn put_back(
        &self,
        route: &Route,
        before: &LinkState,
        ours: Option<&[u32]>,
    ) -> io::Result<Result<Restored, NotRestored>> {
        let same = |found: &Interface| found.index == before.index;
        let Some(now) = route.find(&self.interface)?.filter(same) else {
            return Ok(Err(NotRestored::Gone));
        };
        if namespace_inode()? != before.namespace {
            return Ok(Err(NotRestored::Gone));
        }
        let mut restored = Restored::default();
        for (mode, id) in now.programs {
            let is_ours = match ours {
                Some(ours) => ours.contains(&id),
                None => !before.programs.contains(&id),
            };
            if is_ours && !before.programs.contains(&id) {
                match route.detach(now.index, mode) {
                    Ok(()) => restored.programs.push(id),
                    // It is a link's, and goes with its process.
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                    Err(error) => return Err(error),
                }
            }
        }
        if now.promiscuous != before.promiscuous {
            route.set_promiscuous(now.index, before.promiscuous)?;
            restored.promiscuous = Some(before.promiscuous);
        }
        Ok(Ok(restored))
    }

    fn namespace(&self) -> Result<Option<Namespace>, Error> {
        self.netns.as_deref().map(Namespace::open).transpose()
    }

    fn inside<T: Send>(
        &self,
        work: impl FnOnce(&Route) -> io::Result<T> + Send,
    ) -> Result<T, Error> {
        namespace::run(self.namespace()?.as_ref(), || work(&Route::open()?))?.map_err(|source| {
            Error::Link {
                interface: self.interface.clone(),
                source,
            }
        })
    }
}

fn namespace_inode() -> io::Result<u64> {
    Ok(fs::metadata("/proc/thread-self/ns/net")?.ino())
}
