//! Starts the daemon, runs it, and shuts it down in order.

mod parts;
mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use onair_ipc::life::{LifeError, OwnerDeathNotifier};
use onair_ipc::sys;
use onair_types::RecordingSummary;
use rustix::net::SocketType;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::parts::{
    register_control, register_handoff, register_recordings, register_reload, register_resources,
    register_sessions,
};
use self::plan::{dataplane_config, ports_by_poller, roles, things};
use crate::archive::Archive;
use crate::authority::Authority;
use crate::config::{self, Config, ConfigError};
use crate::connections::Connections;
use crate::control::actor::{ActorCommand, ActorTask, Drained, Inbox};
use crate::control::attach::{self, Listener};
use crate::control::handle::ControlHandle;
use crate::control::http;
use crate::control::metrics;
use crate::control::thread::ControlThread;
use crate::dataplane::{self, Dataplane, DataplaneError};
use crate::inspector::Inspector;
use crate::pending_reclaim::PendingReclaim;
use crate::recorder::{Live, Recorder};
use crate::resources::{ResourceError, Resources};
use crate::services::{HandoffCell, OnDisk, Services, ShutdownHandoff};
use crate::shutdown::{Cause, Report, ShutdownCoordinator};
use crate::socket_file::{SocketError, bind_socket, resolve_group};
use crate::store::Store;
use crate::witness::probe::ProbeLink;

/// Maximum number of requests in the actor's queue.
const QUEUE: usize = 256;

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
        /// What was tried.
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
pub struct Outcome {
    /// Whether the start finished; else a second signal ended it.
    pub is_started: bool,
    /// The phases and the parts.
    pub report: Report,
    /// The sessions; `None` if the actor did not finish.
    pub sessions: Option<Drained>,
    /// Pollers and ports; `None` if they did not finish.
    pub dataplane: Option<dataplane::Summary>,
    /// Recordings that ran when the shutdown began.
    pub recordings: Vec<RecordingSummary>,
    /// The ports of each poller's thread, by the thread's name.
    pub pollers: BTreeMap<String, Vec<String>>,
}

/// A daemon that has been started.
#[derive(Clone, Debug)]
pub struct Started {
    orders: mpsc::UnboundedSender<ActorCommand>,
}

impl Started {
    /// Makes the control thread run `task` between two of its turns, with access to all services:
    /// tests use it to make parts of the daemon fail. Lost once the sessions have ended.
    pub fn on_the_control_thread(&self, task: impl FnOnce(&mut Services) + Send + 'static) {
        // If the control thread has ended, the task is lost.
        let _ = self.orders.send(ActorCommand::Run(ActorTask::new(task)));
    }
}

/// Where the parts put their results.
#[derive(Default)]
struct Results {
    sessions: HandoffCell<Drained>,
    dataplane: HandoffCell<dataplane::Summary>,
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
    ready: impl FnOnce(&Started),
) -> Result<Outcome, RunError> {
    let own = shutdown.clone();
    let pollers = ports_by_poller(&config);
    let start = shutdown.run_start(move || start(config, &own));
    let (started, results) = match start.map_err(system("cannot start a thread"))? {
        Some(Ok(started)) => started,
        None | Some(Err(RunError::Interrupted)) => {
            return Ok(Outcome {
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
    ready(&started);
    let report = shutdown.run();
    Ok(Outcome {
        is_started: true,
        report,
        sessions: results.sessions.take(),
        dataplane: results.dataplane.take(),
        recordings: results.recordings.summaries(),
        pollers,
    })
}

/// Whether the start may continue: after a second signal it creates nothing more that would have to
/// be undone.
fn go_on(shutdown: &ShutdownCoordinator) -> Result<(), RunError> {
    if shutdown.is_forced() {
        return Err(RunError::Interrupted);
    }
    Ok(())
}

fn start(config: Config, shutdown: &ShutdownCoordinator) -> Result<(Started, Results), RunError> {
    if !sys::membarrier_supported() {
        return Err(RunError::Membarrier);
    }
    sys::ignore_sigio();
    config.check_for_start()?;
    let group = config.control.group.as_deref().map(resolve_group);
    let group = group.transpose()?;
    let roles = roles(&config.control, group)?;
    let threads = shutdown.threads();
    let patience = Duration::from_millis(config.timeouts.previous_ms);
    let resources = Arc::new(Resources::open(&config.state.dir, patience)?);
    register_resources(shutdown, Arc::clone(&resources));
    let archive = Archive::open(&config.state.dir, config.state.retention(), threads)
        .map_err(system("cannot open the archive in state.dir"))?;
    go_on(shutdown)?;
    let incarnation = resources.begin_incarnation(archive.newest_incarnation())?;
    resources.register(things(&config))?;
    let store = Store::open(&config.state.dir, threads)
        .map_err(system("cannot open the sessions in state.dir"))?;
    go_on(shutdown)?;
    let pending_reclaim = PendingReclaim::open(threads).map_err(system("cannot start a thread"))?;
    let bell = OwnerDeathNotifier::start()?;
    let inspector = Inspector::start().map_err(system("cannot start a thread"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("cannot start the control thread's event loop"))?;
    let (http_listener, http_file, listener, metrics) = {
        // The sockets are taken first: a second daemon fails here, before it touches a port.
        let _inside = runtime.enter();
        let mode =
            |text: &str| u32::from_str_radix(text, 8).expect("checked with the configuration");
        let http = bind_socket(
            &config.control.socket,
            SocketType::STREAM,
            mode(&config.control.mode),
            group,
            |_| Ok(()),
        )?;
        let attach = Listener::bind(&config.attach.socket, mode(&config.attach.mode), group)?;
        let metrics = config.metrics.listen.map(metrics::bind).transpose();
        let metrics = metrics.map_err(system("cannot listen on metrics.listen"))?;
        let http_listener = tokio::net::UnixListener::from_std(http.socket.into())
            .map_err(system("cannot poll the control socket"))?;
        (http_listener, http.file, attach, metrics)
    };
    resources.note_sockets()?;
    go_on(shutdown)?;
    let dataplane = Dataplane::start(dataplane_config(&config)?, threads).map_err(Box::new)?;
    go_on(shutdown)?;
    resources.note()?;
    let (probe, events) = ProbeLink::start(&config);
    go_on(shutdown)?;
    let daemon_uid = rustix::process::geteuid().as_raw();
    let authority = Authority::new(daemon_uid, roles);
    let patience = Duration::from_millis(config.timeouts.overload_ms);
    shutdown.configure(config.shutdown, config::ms(config.timeouts.graceful_ms));
    let (handle, actions) = ControlHandle::new(QUEUE, patience);
    let (attach_sender, attach_actions) = mpsc::channel(QUEUE);
    let (orders, inbox_orders) = mpsc::unbounded_channel();
    let limits = attach::Limits::of(&config);
    let attach_connections = Connections::new(config.limits.attach_share());
    let http_limits = http::Limits::of(&config);
    let http_connections = Connections::new(http_limits.share());
    let connections = vec![attach_connections.clone(), http_connections.clone()];
    let metrics_limits = metrics::limits(&config);
    register_reload(shutdown, handle.clone(), config.file.clone());
    let on_disk = OnDisk {
        archive,
        store,
        incarnation,
    };
    let results = Results::default();
    let recorder = Recorder::new(
        config.recorder.folder(&config.state.dir),
        results.recordings.clone(),
        shutdown.threads().clone(),
        incarnation,
    );
    recorder
        .look_through()
        .map_err(system("cannot start a thread"))?;
    let finish = config.recorder.finish();
    let (handoff, close) = (ShutdownHandoff::default(), CancellationToken::new());
    let mut services = Services::new(
        config,
        dataplane,
        probe,
        bell,
        on_disk,
        pending_reclaim,
        inspector,
    );
    services.connections = connections;
    let control = ControlThread {
        runtime,
        http: (http_listener, http_file, handle, http_limits),
        http_connections,
        metrics: metrics.map(|listener| (listener, metrics_limits)),
        attach: (listener, attach_sender, limits),
        attach_connections,
        authority,
        inbox: Inbox {
            actions,
            attach: attach_actions,
            probe: events,
            orders: inbox_orders,
        },
        services,
        recorder,
        handoff: handoff.clone(),
        shutdown: shutdown.clone(),
        close: close.clone(),
    };
    let control = control
        .start()
        .map_err(system("cannot start the control thread"))?;
    let started = Started {
        orders: orders.clone(),
    };
    register_control(shutdown, control, close);
    register_sessions(shutdown, orders, results.sessions.clone());
    register_recordings(shutdown, &results.recordings, finish);
    register_handoff(shutdown, &handoff, results.dataplane.clone());
    Ok((started, results))
}
