//! What the demo, the tests and the bench put up on the machine, and take down again.
//!
//! Here live the [`Stage`] (a network namespace, veth pairs, hugepages, a folder, processes), the
//! record that lets the next run take down what a run killed with SIGKILL left behind, the
//! [`Snapshot`] that proves that nothing stayed, the [`Rig`] (a stage with a daemon on it), and the
//! handles on the processes that act on a stage. Of the product only `onair-api` and
//! `onair-certificate` are used, so that `xtask` can be built before the packages that the rest of the
//! product needs are installed.
#![forbid(unsafe_code)]

mod actor;
mod bpf;
mod cgroup;
mod command;
mod config;
mod control;
mod daemon;
mod disk;
mod folder;
mod http;
mod hugepages;
mod interrupt;
mod leftovers;
mod namespace;
mod oracle;
mod process;
mod programs;
mod prometheus;
mod record;
mod rig;
mod run;
mod runtime_folders;
mod snapshot;
mod spec;
mod stage;
mod sysctl;
mod test_client;
mod until;

pub use actor::Actor;
pub use cgroup::MemoryLimit;
pub use command::{output, run};
pub use config::{Backend, Config, MEMORY_MB, Port};
pub use control::Control;
pub use daemon::Daemon;
pub use disk::{Disk, Ice};
pub use http::{Answer, Http};
pub use interrupt::{Guard, guard};
pub use leftovers::{end_run, take_down_leftovers};
pub use namespace::{End, Veth};
pub use oracle::{FUTEX, FUTEX_WAITV, blocked, calls, children, cpu_time, threads, threads_named};
pub use process::{ProcessId, Running};
pub use programs::program;
pub use prometheus::Prometheus;
pub use rig::Rig;
pub use run::{RUN_VARIABLE, Run};
pub use snapshot::{Difference, Snapshot};
pub use spec::{QUOTA, Raster, receive, send};
pub use stage::Stage;
pub use test_client::{TestClient, freeze, only_child, tids};
pub use until::{Deadline, time_scale, until, wait_for};
