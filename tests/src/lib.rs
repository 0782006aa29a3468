//! The harness of the whole-system tests: real processes, real sockets, real packets.
//!
//! A test opens a [`Rig`] (a stage, a daemon on it, a connection to its control socket), lets
//! [`TestClient`]s use sessions from processes of their own, and compares what the daemon says with
//! what the kernel and the test clients say. Nothing here knows the daemon's insides: it is reached as
//! an operator and an application reach it.
//!
//! A helper that returns a `Result` fails if what it is called for does not happen, or not in time.
//!
//! Each test needs root, the packages of `cargo xtask setup --for test`, and the programs that
//! `cargo xtask test` builds first; it fails without them.
#![forbid(unsafe_code)]

pub mod browser;
mod clients;
mod ctl;
mod dice;
mod dropped;
mod ending;
pub mod kill;
pub mod network;
mod others;
pub mod pci;
pub mod plant;
mod process;
mod raw_client;
pub mod recordings;
mod relay;
mod rig;
pub mod storm;
pub mod two_networks;
pub mod wall;

pub use clients::breakpoints::Breakpoints;
pub use clients::client_files::ClientFiles;
pub use clients::follower::Follower;
pub use clients::other_protocol::other_protocol;
pub use clients::own_text::OwnText;
pub use clients::relayed_video::RelayedVideo;
pub use clients::seen::Seen;
pub use clients::user::User;
pub use clients::viewer::Viewer;
pub use clients::watched_session::{WatchedSession, balanced};
pub use ctl::{Ran, onairctl};
pub use dice::Dice;
pub use dropped::dropped_by_kernel;
pub use ending::{
    await_drain, ended_in_order, holding, in_order, of, shutdown_status, signal, unread,
};
pub use network::cable::ports_on_a_cable;
pub use network::echo::ping;
pub use network::flow::{FlowSender, raster};
pub use network::igmp_watch::{Igmp, IgmpWatch, frame_on};
pub use network::neighbour::resolve;
pub use network::switched::SwitchedNetwork;
pub use network::talker::{GROUP, Talker, member};
pub use network::trunk::{VLAN, no_trunk, trunk};
pub use network::whole_flow::WholeFlow;
pub use network::wire::Wire;
pub use onair_stage::{
    Answer, Backend, Config, Control, Daemon, Deadline, Disk, Http, Ice, MemoryLimit, Port,
    Prometheus, QUOTA, Raster, Running, Stage, TestClient, blocked, children, cpu_time, freeze,
    local, only_child, output, program, receive, send, threads, tids, until, wait_for,
};
pub use others::hostile_clock::{HostileClock, Hostility};
pub use others::linuxptp::Ptp4l;
pub use others::receiver::{Capture, GStreamerReceiver};
pub use others::sender::{GStreamer, Pixels, frame_hashes};
pub use others::service_manager::ServiceManager;
pub use process::errno::errno_name;
pub use process::footprint::{Footprint, bpf_objects, own_memory, still_there};
pub use process::frozen::Frozen;
pub use process::traced::{Call, Traced, in_this_order};
pub use raw_client::{RawClient, hello};
pub use relay::{Disturbance, Done, Relay};
pub use rig::Rig;

/// Each byte of the lines that `onair-client` fills of an open frame.
pub const FILLED: u8 = 0x42;
