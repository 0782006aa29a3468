//! Ports, the pinned threads that poll them, and the session runtimes that those threads own while
//! a session runs.
//!
//! A [`Runtime`] moves to a poller with a [`Command`] and comes back with a [`PollerEvent`]: when
//! the control thread has it, no poller touches the session (witness 3). The packet path does not
//! allocate, lock, log, read a clock or make a system call. Sockets, requests, policy and session
//! state do not belong here.
#![forbid(unsafe_code)]

mod attachment;
mod clock;
mod closing;
mod command;
mod config;
mod converter;
mod converters;
mod demux;
mod events;
mod feed;
mod feeds;
mod flow;
mod groups;
mod hand_over;
mod idle;
mod inbox;
mod kernel_groups;
mod manual;
mod membership;
mod neighbour;
mod packet;
mod placement;
mod plane;
mod poller;
mod port;
mod port_queues;
mod priority;
mod queries;
mod receive;
mod refusal;
mod reopening;
mod runtime;
mod send;
mod sessions;
mod sleeper;
mod slot;
mod stats;
mod survey;
mod tap;
mod target;
mod timing;
mod transmit;
mod vlan;

pub use clock::{MediaClock, tai_minus_utc};
pub use command::{Command, PollerTask};
pub use config::{
    DataplaneConfig, DataplaneError, Idle, PollerSpec, PortInfo, PortJournal, PortSpec, Rest,
};
pub use converter::ConvertConfig;
pub use events::{EventReceiver, PollerEvent};
pub use feed::{ConverterFeed, FeedHandle, Intake};
pub use flow::{ReceivedFlow, SourceFilter};
pub use groups::{GroupState, Joiner};
pub use manual::ManualPoller;
pub use membership::{Joined, KernelMembership, NotJoined};
pub use placement::Placement;
pub use plane::{Dataplane, Summary};
pub use poller::thread_name;
pub use port_queues::PortQueues;
pub use receive::ReceiveConfig;
pub use refusal::{RuntimeError, StartRefusal};
pub use runtime::Runtime;
pub use send::{FrameSource, SendConfig};
pub use stats::{
    AttachmentSnapshot, FrameClock, PollerSnapshot, PortSnapshot, Sender, SessionSnapshot,
    SessionStats, Ssrc,
};
pub use tap::Tap;
pub use target::FlowTarget;
