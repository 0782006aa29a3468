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

mod breakpoints;
mod cable;
mod client_files;
mod ctl;
mod dice;
mod echo;
mod ending;
mod errno;
mod flow;
mod footprint;
mod frozen;
mod hanging_file;
mod hostile_clock;
mod igmp_watch;
pub mod kill;
mod linuxptp;
mod neighbour;
mod own_text;
pub mod packet;
pub mod pcapng;
pub mod pci;
mod plant;
mod raw_client;
mod receiver;
pub mod recorded;
mod relay;
mod relayed_video;
mod rig;
mod seen;
mod sender;
mod service_manager;
pub mod storm;
mod talker;
mod traced;
mod trunk;
mod user;
mod viewer;
mod watched_session;
mod whole_flow;
mod wire;

pub use breakpoints::Breakpoints;
pub use cable::ports_on_a_cable;
pub use client_files::ClientFiles;
pub use ctl::{Ran, onairctl};
pub use dice::Dice;
pub use echo::ping;
pub use ending::{
    await_drain, ended_in_order, holding, in_order, of, shutdown_status, signal, unread,
};
pub use errno::errno_name;
pub use flow::{FlowSender, raster};
pub use footprint::{Footprint, bpf_objects, own_memory, still_there};
pub use frozen::Frozen;
pub use hanging_file::HangingFile;
pub use hostile_clock::{HostileClock, Hostility};
pub use igmp_watch::{Igmp, IgmpWatch, frame_on};
pub use linuxptp::Ptp4l;
pub use neighbour::resolve;
pub use onair_stage::{
    Answer, Backend, Config, Control, Daemon, Deadline, Disk, Http, Ice, MemoryLimit, Port,
    Prometheus, QUOTA, Raster, Running, Stage, TestClient, blocked, children, cpu_time, freeze,
    only_child, output, program, receive, send, threads, tids, until, wait_for,
};
pub use own_text::OwnText;
pub use plant::Plant;
pub use raw_client::{RawClient, hello};
pub use receiver::{Capture, GStreamerReceiver};
pub use relay::{Disturbance, Done, Relay};
pub use relayed_video::RelayedVideo;
pub use rig::{Destroying, Rig};
pub use seen::Seen;
pub use sender::{GStreamer, Pixels, frame_hashes};
pub use service_manager::ServiceManager;
pub use talker::{GROUP, Talker, member};
pub use traced::{Call, Traced, in_this_order};
pub use trunk::{VLAN, no_trunk, trunk};
pub use user::User;
pub use viewer::Viewer;
pub use watched_session::{WatchedSession, balanced};
pub use whole_flow::WholeFlow;
pub use wire::Wire;
