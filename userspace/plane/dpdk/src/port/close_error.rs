//! Why a port did not close.

use crate::{Error, Port};

/// Why [`Port::close`] failed, or closed with an error.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// A queue is still taken, possibly by a poller. The port is unchanged.
    #[error("a queue of port {:?} is still in use: take it back from its poller first", .0.name())]
    QueuesInUse(Box<Port>),
    /// The port is closed, but a step of closing it failed.
    #[error(transparent)]
    Failed(Error),
}
