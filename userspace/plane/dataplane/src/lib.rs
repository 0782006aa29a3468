//! Ports, the pinned threads that poll them, and the session runtimes that those threads own while
//! a session runs.
//!
//! A [`Runtime`] moves to a poller with a [`Command`] and comes back with a [`PollerEvent`]: when
//! the control thread has it, no poller touches the session (witness 3). The packet path does not
//! allocate, lock, log, read a clock or make a system call. Sockets, requests, policy and session
//! state do not belong here.
#![forbid(unsafe_code)]

mod addresses;
mod clock;
mod config;
mod flow;
mod groups;
mod host;
mod messages;
mod plane;
mod poller;
mod port;
mod port_queues;
mod runtime;
mod sleeper;
mod stats;
mod transmit;

pub use addresses::PortAddresses;
pub use addresses::{Joined, KernelMembership, NotJoined};
pub use clock::{MediaClock, tai_minus_utc};
pub use config::{
    DataplaneConfig, DataplaneError, Idle, PollerSpec, PortInfo, PortJournal, PortSpec, Rest,
};
pub use flow::ReceivedFlow;
pub use flow::target::{FlowTarget, LegTarget, SwitchTime};
pub use groups::{GroupState, Joiner, REJOINS_AFTER};
pub use messages::command::{Command, PollerTask};
pub use messages::events::{EventReceiver, PollerEvent};
pub use plane::early::EarlyPorts;
pub use plane::placement::Placement;
pub use plane::{Dataplane, Summary};
pub use poller::manual::ManualPoller;
pub use poller::pulse::PulseChange;
pub use poller::thread_name;
pub use port::unclaimed::UnclaimedFlow;
pub use port_queues::PortQueues;
pub use runtime::Runtime;
pub use runtime::legs::SecondLeg;
pub use runtime::local::LocalConfig;
pub use runtime::receive::ReceiveConfig;
pub use runtime::refusal::{RuntimeError, StartRefusal};
pub use runtime::send::{FrameSource, SecondSend, SendConfig};
pub use runtime::tap::Tap;
pub use stats::{
    AttachmentSnapshot, FrameClock, JointSnapshot, LegSnapshot, PollerSnapshot, PortSnapshot,
    SessionSnapshot, SessionStats, Ssrc,
};
