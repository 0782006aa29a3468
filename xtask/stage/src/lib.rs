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
mod cleanup;
mod daemon;
mod machine;
mod own_process;
mod process;
mod programs;
mod stage;
mod test_client;
mod until;

pub use actor::Actor;
pub use cleanup::leftovers::{end_run, take_down_leftovers};
pub use cleanup::run::{Guard, guard, is_interrupted};
pub use cleanup::run::{RUN_VARIABLE, Run};
pub use cleanup::snapshot::{Difference, Snapshot};
pub use daemon::Daemon;
pub use daemon::config::{Backend, Config, MEMORY_MB, Port};
pub use daemon::control::{Control, is_converter};
pub use daemon::http::{Answer, Http};
pub use daemon::prometheus::Prometheus;
pub use daemon::rig::Rig;
pub use daemon::spec::{OfVideo, QUOTA, Raster, local, receive, send, video_timing};
pub use machine::cgroup::MemoryLimit;
pub use machine::command::{output, run};
pub use machine::disk::{Disk, Ice};
pub use machine::namespace::{End, Veth};
pub use machine::oracle::{
    FUTEX, FUTEX_WAITV, blocked, calls, children, cpu_time, threads, threads_named,
};
pub use own_process::{in_own_process, is_own_process, this_test};
pub use process::{ProcessId, Running};
pub use programs::program;
pub use stage::Stage;
pub use test_client::{TestClient, freeze, only_child, tids};
pub use until::{Deadline, time_scale, until, wait_for};
