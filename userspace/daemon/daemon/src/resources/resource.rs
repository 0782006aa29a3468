//! One resource that the kernel or the disk keeps for the daemon, and how another process undoes
//! it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use onair_dpdk::{Link, LinkState, NotRestored, PortConfig, Restored};
use serde::{Deserialize, Serialize};

use crate::sockets::socket_file;

/// A resource. Write it to the journal before it is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Resource {
    /// File of a listening socket.
    SocketFile {
        /// Path of the file.
        path: PathBuf,
        /// Device and inode; `None` until they are known.
        identity: Option<(u64, u64)>,
    },
    /// Objects of a port on its interface.
    Port {
        /// The port's name.
        name: String,
        /// The port's DPDK device string.
        device: String,
        /// Network namespace of the interface.
        netns: Option<String>,
        /// State of the interface before.
        before: Before,
        /// Ids of the XDP programs that the port attached; `None` until they are known.
        programs: Option<Vec<u32>>,
    },
    /// Objects that the kernel takes back at the end of the process, and not before.
    OfProcess {
        /// Description.
        what: String,
    },
}

/// State of an interface before a port was opened on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    namespace: u64,
    index: u32,
    promiscuous: bool,
    programs: Vec<u32>,
}

impl From<LinkState> for Before {
    fn from(state: LinkState) -> Self {
        Self {
            namespace: state.namespace,
            index: state.index,
            promiscuous: state.promiscuous,
            programs: state.programs,
        }
    }
}

impl From<&Before> for LinkState {
    fn from(before: &Before) -> Self {
        Self {
            namespace: before.namespace,
            index: before.index,
            promiscuous: before.promiscuous,
            programs: before.programs.clone(),
        }
    }
}

impl Resource {
    /// File of a socket that will be bound at `path`.
    pub fn socket_file(path: &Path) -> Self {
        Self::SocketFile {
            path: path.to_owned(),
            identity: None,
        }
    }

    /// Objects of a port on its interface, before it is opened; `None` if it has no interface or cannot be opened.
    /// Opening the port reports that error.
    pub fn port(name: &str, device: &str, netns: Option<&str>) -> Option<Self> {
        let link = Link::of(device, netns).ok()??;
        let before = link.state().ok()??;
        Some(Self::Port {
            name: name.to_owned(),
            device: device.to_owned(),
            netns: netns.map(str::to_owned),
            before: before.into(),
            programs: None,
        })
    }

    /// Name in the log.
    pub fn name(&self) -> String {
        match self {
            Self::SocketFile { path, .. } => format!("socket {}", path.display()),
            Self::Port { name, .. } => format!("port {name}"),
            Self::OfProcess { what } => what.clone(),
        }
    }

    /// Whether a daemon leaves it as it is to another one that takes over: sockets that go with their listeners, and
    /// the kernel's interfaces.
    pub fn stays(&self) -> bool {
        match self {
            Self::SocketFile { .. } => true,
            Self::Port { name, device, .. } => PortConfig::new(name, device).leaves_interface(),
            Self::OfProcess { .. } => false,
        }
    }

    /// Whether it is a port of this device on a kernel's interface: another daemon's port finds there what it needs.
    pub fn serves(&self, of_device: &str, in_netns: Option<&str>) -> bool {
        let is_it = |device: &str, netns: Option<&str>| (device, netns) == (of_device, in_netns);
        match self {
            Self::Port { device, netns, .. } => is_it(device, netns.as_deref()) && self.stays(),
            Self::SocketFile { .. } | Self::OfProcess { .. } => false,
        }
    }

    /// Whether this resource is in the place of `old`, which a daemon before left. On an interface it takes over the
    /// state from before that daemon.
    pub fn replaces(&mut self, old: &Self) -> bool {
        match (self, old) {
            (Self::Port { before, .. }, Self::Port { before: first, .. })
                if (before.namespace, before.index) == (first.namespace, first.index) =>
            {
                *before = first.clone();
                true
            }
            (Self::SocketFile { path, .. }, Self::SocketFile { path: old, .. }) => path == old,
            _ => false,
        }
    }

    /// Records the identity of the created resource, to recognise it later.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn note(&mut self) -> Result<(), onair_dpdk::Error> {
        match self {
            Self::SocketFile { path, identity } => *identity = identity_of(path),
            Self::Port {
                device,
                netns,
                before,
                programs,
                ..
            } => {
                let link = Link::of(device, netns.as_deref())?;
                let state = link.map(|link| link.state()).transpose()?;
                let mut now = state
                    .flatten()
                    .map(|state| state.programs)
                    .unwrap_or_default();
                now.retain(|id| !before.programs.contains(id));
                *programs = Some(now);
            }
            Self::OfProcess { .. } => {}
        }
        Ok(())
    }

    /// Undoes a resource of a dead daemon. Returns what was undone; `None` if there was nothing.
    ///
    /// # Errors
    /// Why the resource remains.
    pub fn undo(&self) -> Result<Option<String>, UndoError> {
        match self {
            Self::SocketFile { path, .. } => match socket_file::remove_stale(path) {
                Ok(true) => Ok(Some(self.name())),
                Ok(false) => Ok(None),
                // It belongs to another daemon now, or to another program.
                Err(
                    socket_file::SocketError::InUse(_) | socket_file::SocketError::NotASocket(_),
                ) => Ok(None),
                Err(error) => Err(error.into()),
            },
            Self::Port {
                device,
                netns,
                before,
                programs,
                ..
            } => restore(device, netns.as_deref(), |link| {
                link.restore(&before.into(), programs.as_deref())
            }),
            Self::OfProcess { .. } => Ok(None),
        }
    }

    /// Undoes by force what remains of this process's own resource, released before or not.
    ///
    /// # Errors
    /// Why the resource remains.
    pub fn force(&self) -> Result<Option<String>, UndoError> {
        match self {
            Self::SocketFile { path, identity }
                if identity.is_some() && identity_of(path) == *identity =>
            {
                onair_disk::remove(&onair_disk::RealDisk, path)?;
                Ok(Some(self.name()))
            }
            Self::Port {
                device,
                netns,
                before,
                programs,
                ..
            } => restore(device, netns.as_deref(), |link| {
                link.restore_own(&before.into(), programs.as_deref().unwrap_or_default())
            }),
            Self::SocketFile { .. } | Self::OfProcess { .. } => Ok(None),
        }
    }
}

/// Device and inode of the file at `path`.
fn identity_of(path: &Path) -> Option<(u64, u64)> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}

/// Why a resource remains.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// The interface.
    #[error(transparent)]
    Port(#[from] onair_dpdk::Error),
    /// The file of a socket.
    #[error(transparent)]
    Socket(#[from] socket_file::SocketError),
    /// The system refuses.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

/// Puts an interface back with `restore`; says what was undone, if anything was.
fn restore(
    device: &str,
    netns: Option<&str>,
    restore: impl FnOnce(&Link) -> Result<Result<Restored, NotRestored>, onair_dpdk::Error>,
) -> Result<Option<String>, UndoError> {
    let Some(link) = Link::of(device, netns)? else {
        return Ok(None);
    };
    let restored = match restore(&link)? {
        Ok(restored) => restored,
        Err(NotRestored::Gone) => return Ok(None),
        Err(NotRestored::InUse) => {
            tracing::info!(
                interface = link.interface(),
                "interface left unchanged: another OnAir uses it"
            );
            return Ok(None);
        }
    };
    let programs = restored.programs.iter();
    let mut undone: Vec<String> = programs.map(|id| format!("XDP program {id}")).collect();
    undone.extend(restored.promiscuous.map(|on| {
        let on = if on { " (put back on)" } else { "" };
        format!("promiscuous mode{on}")
    }));
    let namespace = netns.map_or(String::new(), |netns| format!(" in namespace {netns}"));
    let on = link.interface();
    Ok((!undone.is_empty()).then(|| format!("{} on {on}{namespace}", undone.join(" and "))))
}
