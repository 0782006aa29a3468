//! Lives of a daemon's state directory: the real archive and store on a simulated disk, on which the
//! daemon dies and starts again. A seed is a life.
//!
//! | file | noun |
//! |---|---|
//! | `platter` | the disk and the page cache: what a power cut leaves |
//! | `device` | its operations, their faults, and the daemon's death at one |
//! | `plan` | what operators do, and what happens to disk and daemon |
//! | `scene` | what outlives the daemon in a life |
//! | `promises` | the oracle: what operators were told, and what a restart must find |
//! | `daemon` | the control thread's state: real cores, archive and store |
//! | `deeds`, `service` | what operators ask of it; its start, turns and end |
//! | `writer` | the threads that write |
//! | `certificate` | certificates from the cores' evidence |
//! | `life` | one life |

mod certificate;
mod daemon;
mod deeds;
mod device;
mod life;
mod plan;
mod platter;
mod promises;
mod scene;
mod service;
mod writer;

pub(crate) use self::life::live;
pub(crate) use self::plan::DiskPlan;

/// The state directory.
const STATE: &str = "/state";
