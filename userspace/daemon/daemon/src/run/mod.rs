//! Starts the daemon, runs it, and shuts it down in order.

mod beside;
mod demo_folder;
mod parts;
mod plan;
mod start;
pub mod summary;
mod times;

use std::collections::BTreeMap;

use onair_api::RecordingSummary;
use onair_dataplane::DataplaneError;
use onair_engine::inputs::{ActorCommand, ActorTask, Drained};
use onair_engine::services::Services;
use onair_ipc::life::LifeError;
use onair_ipc::sys;
use onair_settings::config::{Config, ConfigError};
use tokio::sync::mpsc;

pub use self::demo_folder::remove_demo_folder;
use self::plan::ports_by_poller;
use self::start::start;
use self::times::StartTimes;
use crate::handoff::HandoffCell;
use crate::process::grace_periods::ShortGracePeriods;
use crate::recorder::Live;
use crate::resources::ResourceError;
use crate::shutdown::{Cause, Report, ShutdownCoordinator};
use crate::sockets::socket_file::SocketError;
use crate::takeover::{Predecessor, Takeover};

/// Why the daemon did not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The kernel has no membarrier, without which callers cannot be counted.
    #[error("this kernel has no membarrier(GLOBAL_EXPEDITED): Linux 6.1 or later is needed")]
    Membarrier,
    /// A port or a poller failed.
    #[error(transparent)]
    Dataplane(#[from] Box<DataplaneError>),
    /// A socket failed.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The state directory, or a file in it, failed.
    #[error(transparent)]
    Resources(#[from] ResourceError),
    /// The owner-death notifier failed.
    #[error(transparent)]
    Life(#[from] LifeError),
    /// A second signal arrived during the start.
    #[error("a second signal ended the start")]
    Interrupted,
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// The operation that failed.
        what: &'static str,
        /// The kernel's error.
        source: std::io::Error,
    },
}

fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> RunError {
    move |source| RunError::System { what, source }
}

/// How the daemon ended.
#[derive(Debug)]
pub struct RunOutcome {
    /// Whether the start finished; else a second signal ended it.
    pub is_started: bool,
    /// The phases and the parts.
    pub report: Report,
    /// The sessions; `None` if the actor did not finish.
    pub sessions: Option<Drained>,
    /// Pollers and ports; `None` if they did not finish.
    pub dataplane: Option<onair_dataplane::Summary>,
    /// Recordings that ran when the shutdown began.
    pub recordings: Vec<RecordingSummary>,
    /// The ports of each poller's thread, by the thread's name.
    pub pollers: BTreeMap<String, Vec<String>>,
}

/// A daemon that has been started.
#[derive(Clone, Debug)]
pub struct Started {
    commands: mpsc::UnboundedSender<ActorCommand>,
}

impl Started {
    /// Makes the control thread run `task` between two of its turns, with access to all services:
    /// tests use it to make parts of the daemon fail. Lost once the sessions have ended.
    pub fn on_the_control_thread(&self, task: impl FnOnce(&mut Services) + Send + 'static) {
        // If the control thread has ended, the task is lost.
        let _ = self.commands.send(ActorCommand::Run(ActorTask::new(task)));
    }
}

/// The daemons before and after this one.
#[derive(Debug)]
pub struct Succession {
    /// The daemon whose place this one takes, if there is one.
    pub predecessor: Option<Predecessor>,
    /// Starts the daemon that takes this one's place.
    pub takeover: Takeover,
}

/// Where the parts put their results.
#[derive(Default)]
struct Results {
    sessions: HandoffCell<Drained>,
    dataplane: HandoffCell<onair_dataplane::Summary>,
    recordings: Live,
}

/// Starts everything, serves until the shutdown begins, and ends everything. Calls `ready` when
/// both sockets listen. The calling thread does nothing but the shutdown, so that no part can delay
/// it. After a second signal, a start that hangs is abandoned, and what it had registered until
/// then is ended.
///
/// # Errors
/// [`RunError`] if the daemon cannot start; what had been started is ended then. The outcome has
/// the result in every other case.
pub fn run(
    config: Config,
    shutdown: &ShutdownCoordinator,
    succession: Succession,
    ready: impl FnOnce(&Started),
) -> Result<RunOutcome, RunError> {
    let (own, times) = (shutdown.clone(), StartTimes::begin());
    let short = ShortGracePeriods::begin(&config.state.dir, config.state.expedite_rcu);
    let pollers = ports_by_poller(&config);
    let clock = times.clone();
    let start = shutdown.run_start(move || start(config, &own, &clock, succession));
    let (started, results) = match start.map_err(system("cannot start a thread"))? {
        Some(Ok(started)) => started,
        None | Some(Err(RunError::Interrupted)) => {
            return Ok(RunOutcome {
                is_started: false,
                report: shutdown.run(),
                sessions: None,
                dataplane: None,
                recordings: Vec::new(),
                pollers,
            });
        }
        Some(Err(error)) => {
            shutdown.begin(Cause::StartFailed);
            shutdown.run();
            return Err(error);
        }
    };
    times.log();
    ready(&started);
    drop(short);
    // What the start alone needed.
    sys::trim_heap();
    let report = shutdown.run();
    Ok(RunOutcome {
        is_started: true,
        report,
        sessions: results.sessions.take(),
        dataplane: results.dataplane.take(),
        recordings: results.recordings.summaries(),
        pollers,
    })
}
