//! Errors of this crate.

use std::{
    ffi::{CStr, c_int},
    io,
};

use crate::LogTail;

/// The step that fails if an AF_XDP queue is still busy.
pub(crate) const RX_SETUP: &str = "set up the receive queue of";

/// The step that fails while an interface still has the XDP program of a port that was just closed.
pub(crate) const ATTACH_GENERIC: &str = "attach an XDP program in generic mode to";

/// A failure of DPDK, or of a check before DPDK is called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A second initialisation in one process, whether or not the first one succeeded: EAL keeps
    /// its options and parts of its state.
    #[error(
        "DPDK was already initialised in this process and can be initialised only once: restart the process"
    )]
    AlreadyInitialised,

    /// The loaded DPDK differs from the one of the build.
    #[error("built for DPDK {built} but {running:?} is loaded: rebuild on this machine")]
    Version {
        /// Year and month of the headers.
        built: String,
        /// Version text of the loaded library.
        running: String,
    },

    /// `LIBXDP_SKIP_DISPATCHER` could not be set before `main`.
    #[error("{variable} is not set: start the process with {variable}=1")]
    Environment {
        /// The variable's name.
        variable: &'static str,
    },

    /// Too few free hugepages with [`Hugepages::Require`](crate::Hugepages::Require).
    #[error(
        "{free_mb} MB of hugepages are free, and memory_mb = {needed_mb} is required: raise /proc/sys/vm/nr_hugepages, lower memory_mb, or set hugepages = \"auto\""
    )]
    Hugepages {
        /// The configured amount in MiB.
        needed_mb: u32,
        /// Free hugepages, in MiB.
        free_mb: u64,
    },

    /// A configured value that is invalid before DPDK is called.
    #[error("{what} {value:?} is not valid: {expected}")]
    Invalid {
        /// Name of the value.
        what: &'static str,
        /// The value.
        value: String,
        /// Valid values.
        expected: &'static str,
    },

    /// DPDK refused. Its log lines give the cause, its return codes seldom do.
    #[error("cannot {operation} {subject}: {reason} (code {code}){log}")]
    Dpdk {
        /// The operation, as a verb.
        operation: &'static str,
        /// Its object: a device string, a pool's name.
        subject: String,
        /// The return code, in general a negative errno.
        code: i32,
        /// DPDK's text for the code.
        reason: String,
        /// DPDK's and libxdp's log lines during the call.
        log: LogTail,
    },

    /// The pool has several pieces of memory, which the AF_XDP driver cannot use.
    #[error(
        "pool {name:?} of {mbufs} mbufs lies in {chunks} pieces of memory instead of 1: use fewer mbufs or more memory"
    )]
    PoolScattered {
        /// The pool's name.
        name: String,
        /// Its size in mbufs.
        mbufs: u32,
        /// Number of pieces.
        chunks: u32,
    },

    /// The PCI device cannot be used.
    #[error(transparent)]
    Pci(#[from] PciError),

    /// The kernel did not join a multicast group.
    #[error("cannot join {group}: {source}")]
    Group {
        /// The group.
        group: std::net::IpAddr,
        /// The kernel's error.
        source: io::Error,
    },

    /// The network driver does not run XDP programs, and the port may not do without.
    #[error(
        "the driver of interface {interface} runs no XDP program: set xdp = \"auto\" or \"generic\" for the port, at the cost of processor time"
    )]
    NotNative {
        /// The interface.
        interface: String,
    },

    /// The interface takes the port's XDP program in neither mode.
    #[error(
        "interface {interface} takes the XDP program neither in its driver: {native}; nor in generic mode: {generic}"
    )]
    NeitherMode {
        /// The interface.
        interface: String,
        /// Why not in its driver.
        native: Box<Self>,
        /// Why not in generic mode.
        generic: Box<Self>,
    },

    /// Packets of the interface can be larger than the buffers of a port on AF_XDP.
    #[error(
        "interface {interface} has an MTU of {mtu} bytes, and a port on AF_XDP takes {most}, because a packet must fit a page: `ip link set {interface} mtu 1500`, or use the device through vfio-pci or AF_PACKET"
    )]
    Mtu {
        /// The interface.
        interface: String,
        /// Its MTU.
        mtu: u32,
        /// The largest that fits.
        most: u32,
    },

    /// The interface has another MTU than the port is to have.
    #[error(
        "interface {interface} has an MTU of {mtu} bytes, and the port's key mtu is {wanted}: `ip link set {interface} mtu {wanted}`, or leave the key out"
    )]
    OtherMtu {
        /// The interface.
        interface: String,
        /// Its MTU.
        mtu: u32,
        /// The port's.
        wanted: u16,
    },

    /// Another port, in this process or another OnAir, has the device or its AF_XDP queue.
    #[error(
        "device {device:?} or its queue is in use by another port: give each port a device of its own, or stop the other daemon"
    )]
    DeviceInUse {
        /// The device string.
        device: String,
    },

    /// A check that no other process uses the AF_XDP queue failed.
    #[error("cannot claim {device:?}: {source}")]
    Claim {
        /// The device string.
        device: String,
        /// The kernel's error.
        source: io::Error,
    },

    /// The namespace does not exist or must not be entered.
    #[error("cannot enter network namespace {name:?}: {source}; `ip netns list` shows which exist")]
    Namespace {
        /// Its name under `/run/netns`.
        name: String,
        /// The kernel's error.
        source: io::Error,
    },

    /// The kernel refused to describe or change an interface.
    #[error("interface {interface:?}: {source}")]
    Link {
        /// Its name.
        interface: String,
        /// The kernel's error.
        source: io::Error,
    },

    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),

    /// Ports, pools or registered threads still exist.
    #[error("{users} ports, pools or registered threads still use DPDK: close them first")]
    InUse {
        /// Number of users.
        users: usize,
    },
}

impl Error {
    /// Whether the error may be that of a busy AF_XDP queue; DPDK has no code for it.
    pub(crate) fn is_busy(&self) -> bool {
        let Self::Dpdk {
            operation, code, ..
        } = self
        else {
            return false;
        };
        *operation == RX_SETUP
            || *operation == ATTACH_GENERIC && [-libc::EBUSY, -libc::EEXIST].contains(code)
    }

    pub(crate) fn dpdk(
        operation: &'static str,
        subject: impl Into<String>,
        code: c_int,
        log: LogTail,
    ) -> Self {
        // SAFETY: rte_strerror takes any number and returns a text that stays valid at least until
        // this thread's next call.
        let reason = unsafe { CStr::from_ptr(dpdk_sys::rte_strerror(code.saturating_abs())) };
        Self::Dpdk {
            operation,
            subject: subject.into(),
            code,
            reason: reason.to_string_lossy().into_owned(),
            log,
        }
    }
}

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
