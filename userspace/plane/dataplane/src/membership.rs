//! A membership in a multicast group that the kernel joins.

use std::net::IpAddr;
use std::sync::Arc;

/// One membership: a group on a port, for one source or for any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelMembership {
    /// The port's name.
    pub port: String,
    /// The group.
    pub group: IpAddr,
    /// The source; `None` for any.
    pub source: Option<IpAddr>,
}

/// Whether the kernel joined, or why not.
pub type Joined = Result<(), NotJoined>;

/// Why the kernel did not join a group.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotJoined {
    /// It refused.
    #[error(transparent)]
    Refused(Arc<onair_dpdk::Error>),
    /// No thread can be started.
    #[error("no thread to join it: {0}")]
    NoThread(Arc<std::io::Error>),
    /// The thread panicked.
    #[error("the thread that joins groups has ended")]
    NoMoreThread,
}
