//! What can go wrong between OnAir and DPDK.

use std::{
    ffi::{CStr, c_int},
    io,
};

use crate::{LogTail, Port, ethdev::RX_SETUP};

/// A failure of DPDK, or of what has to be right before DPDK is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A second initialisation in one process, whether the first one succeeded
    /// or not: EAL keeps its options and parts of its state.
    #[error(
        "DPDK was initialised before in this process and can be initialised only once: restart the process"
    )]
    AlreadyInitialised,

    /// The program runs with another DPDK than it was built with.
    #[error("built for DPDK {built} but {running:?} is loaded: build again on this machine")]
    Version {
        /// Year and month of the headers.
        built: String,
        /// What the loaded library calls itself.
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
        "{free_mb} MB of hugepages are free and memory_mb = {needed_mb} are required: raise /proc/sys/vm/nr_hugepages, lower memory_mb, or set hugepages = \"auto\""
    )]
    Hugepages {
        /// The configured amount in MiB.
        needed_mb: u32,
        /// What the kernel has free, in MiB.
        free_mb: u64,
    },

    /// A configured value that DPDK is not even asked about.
    #[error("{what} {value:?} is not valid: {expected}")]
    Invalid {
        /// Which value.
        what: &'static str,
        /// The value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },

    /// DPDK refused; its own lines say why, for its return codes seldom do.
    #[error("cannot {operation} {subject}: {reason} (code {code}){log}")]
    Dpdk {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On what: a device string, a pool's name.
        subject: String,
        /// The return code, a negative errno in general.
        code: i32,
        /// DPDK's text for the code.
        reason: String,
        /// What DPDK and libxdp logged during the call.
        log: LogTail,
    },

    /// The pool lies in several pieces of memory, which the AF_XDP driver
    /// cannot use.
    #[error(
        "pool {name:?} of {mbufs} mbufs lies in {chunks} pieces of memory instead of 1: use fewer mbufs or more memory"
    )]
    PoolScattered {
        /// The pool's name.
        name: String,
        /// Its size in mbufs.
        mbufs: u32,
        /// In how many pieces it lies.
        chunks: u32,
    },

    /// Another port, of this process or another OnAir, has the device or its
    /// AF_XDP queue.
    #[error(
        "device {device:?} or its queue is in use by another port: give each port a device of its own, or stop the other daemon"
    )]
    DeviceInUse {
        /// The device string.
        device: String,
    },

    /// It cannot be made sure that nobody else uses the AF_XDP queue.
    #[error("cannot claim {device:?}: {source}")]
    Claim {
        /// The device string.
        device: String,
        /// The kernel's answer.
        source: io::Error,
    },

    /// The namespace does not exist or may not be entered.
    #[error("cannot enter network namespace {name:?}: {source}; `ip netns list` shows which exist")]
    Namespace {
        /// Its name under `/run/netns`.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },

    /// The kernel does not say what is on an interface, or does not change it.
    #[error("interface {interface:?}: {source}")]
    Link {
        /// Its name.
        interface: String,
        /// The kernel's answer.
        source: io::Error,
    },

    /// No thread could be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),

    /// Ports, pools or registered threads still exist.
    #[error("{users} ports, pools or registered threads still use DPDK: close them first")]
    InUse {
        /// How many.
        users: usize,
    },
}

impl Error {
    /// Whether it is what an AF_XDP queue that is still busy looks like; DPDK
    /// gives no code of its own for that.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Dpdk { operation, .. } if *operation == RX_SETUP)
    }

    pub(crate) fn dpdk(
        operation: &'static str,
        subject: impl Into<String>,
        code: c_int,
        log: LogTail,
    ) -> Self {
        // SAFETY: rte_strerror takes any number and returns a text that stays
        // valid at least until this thread's next call.
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

/// Why [`Port::close`] did not close, or not cleanly.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// A queue is still out, perhaps with a poller. The port is as it was.
    #[error("a queue of port {:?} is still in use: take it back from its poller first", .0.name())]
    QueuesInUse(Box<Port>),
    /// The port is closed, but a step of closing it failed.
    #[error(transparent)]
    Failed(Error),
}
