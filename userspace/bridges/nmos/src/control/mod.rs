//! IS-12: the sessions' monitors as objects of MS-05-02, which controllers read and follow over a WebSocket.
//!
//! [`Device`] is the device model: a tree of objects, whose classes `standard.model` lists. It
//! does no I/O. [`Control`] keeps it up to date and tells what changed, a socket serves one controller.
//!
//! ```text
//! 1 root ── 2 DeviceManager
//!        ├─ 3 ClassManager
//!        ├─ 4 receivers ── one NcReceiverMonitor for each receiver, its role is the session's name
//!        └─ 5 senders ──── one NcSenderMonitor for each sender
//! ```
//!
//! Labels and settings of controllers live as long as this process, as all that controllers stage does.

mod catalogue;
mod device;
mod element;
mod failure;
mod follow;
mod message;
mod methods;
mod object;
mod routes;
mod socket;

use follow::Follower;
use object::Object;

pub use device::{Change, Device};
pub use element::ElementId;
pub use failure::Failure;
pub use follow::Control;
pub use routes::{SocketLimits, router};
