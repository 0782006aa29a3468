//! Starts the daemon, runs it, and shuts it down in order.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use onair_dpdk::EalConfig;
use onair_ipc::life::{LifeError, OwnerDeathNotifier};
use onair_ipc::sys;
use onair_types::{EventKind, ProbeMode, RecordingSummary, ShutdownPhase, ShutdownStatus};
use rustix::net::SocketType;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::archive::Archive;
use crate::authority::{Authority, Whom};
use crate::config::{self, Config, ConfigError, Role};
use crate::connections::Connections;
use crate::control::actor::{ActorCommand, ActorTask, Drain, Drained, Inbox};
use crate::control::attach::{self, Listener};
use crate::control::handle::ControlHandle;
use crate::control::http;
use crate::control::metrics;
use crate::control::thread::{ControlThread, RunningControl};
use crate::dataplane::{
    self, Dataplane, DataplaneConfig, DataplaneError, Idle, PollerSpec, PortSpec, Rest,
};
use crate::inspector::Inspector;
use crate::pending_reclaim::PendingReclaim;
use crate::recorder::{Live, Recorder};
use crate::resources::{Resource, ResourceError, Resources};
use crate::services::{HandoffCell, OnDisk, Services, ShutdownHandoff};
use crate::shutdown::{Cause, Limit, Report, ShutdownCoordinator, Waiting};
use crate::socket_file::{SocketError, bind_socket, resolve_group, resolve_user};
use crate::store::Store;
use crate::witness::probe::{ProbeLink, chain};

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

/// Order in which the parts end in phase 3, after the sockets: lowest first. Gaps are for
/// additions.
mod order {
    pub(super) const ARCHIVE: u8 = 10;
    pub(super) const STORE: u8 = 15;
    /// In parallel: each waits for other parts of the kernel, and neither needs the other.
    pub(super) const DATAPLANE: u8 = 20;
    pub(super) const PROBE: u8 = DATAPLANE;
    pub(super) const RECLAIMER: u8 = 40;
    pub(super) const CONTROL: u8 = 50;
    pub(super) const RESOURCES: u8 = 60;
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

/// The ports of each poller's thread, by the thread's name.
fn ports_by_poller(config: &Config) -> BTreeMap<String, Vec<String>> {
    let ports_of = |poller: &str| {
        let ports = config.port.iter().filter(|port| port.poller == poller);
        ports.map(|port| port.name.clone()).collect()
    };
    let pollers = config.poller.iter();
    let named = pollers.map(|it| (dataplane::thread_name(&it.name), ports_of(&it.name)));
    named.collect()
}

/// The roles that the configuration gives to users and groups.
fn roles(control: &config::Control, group: Option<u32>) -> Result<Vec<(Whom, Role)>, SocketError> {
    let group = group.map(|gid| (Whom::Group(gid), control.group_role));
    let mut roles: Vec<_> = group.into_iter().collect();
    for entry in &control.role {
        if let Some(user) = &entry.user {
            roles.push((Whom::User(resolve_user(user)?), entry.role));
        }
        if let Some(group) = &entry.group {
            roles.push((Whom::Group(resolve_group(group)?), entry.role));
        }
    }
    Ok(roles)
}

/// What the daemon will create in the kernel and on disk.
fn things(config: &Config) -> Vec<Resource> {
    let mut things = vec![
        Resource::socket_file(&config.control.socket),
        Resource::socket_file(&config.attach.socket),
    ];
    let ports = config.port.iter();
    things.extend(
        ports.filter_map(|port| Resource::port(&port.name, &port.device, port.netns.as_deref())),
    );
    let mut of_process = vec!["memory of DPDK and of sessions"];
    if config.probe.mode != ProbeMode::Off {
        of_process.push("BPF programs, maps and links");
    }
    things.extend(
        of_process
            .into_iter()
            .map(|what| Resource::OfProcess { what: what.into() }),
    );
    things
}

/// Ensures that nothing stays in the kernel or on disk, however the daemon ends, even if it cannot
/// start.
fn register_resources(shutdown: &ShutdownCoordinator, resources: Arc<Resources>) {
    shutdown.register_cleanup("kernel-visible resources", order::RESOURCES, move |_| {
        for forced in resources.release() {
            tracing::warn!(forced, "released by force");
        }
        Ok(())
    });
}

/// SIGHUP. The thread that runs tasks reads the file: reading may hang.
fn register_reload(
    shutdown: &ShutdownCoordinator,
    handle: ControlHandle,
    file: Option<std::path::PathBuf>,
) {
    shutdown.register_reload("configuration", move || {
        handle.reload_blocking(config::reload::load(file.as_deref()));
    });
}

fn register_control(
    shutdown: &ShutdownCoordinator,
    control: RunningControl,
    close: CancellationToken,
) {
    let RunningControl { thread, ended } = control;
    shutdown.register_server_shutdown("sockets", move |waiting| {
        close.cancel();
        hear(&ended, waiting)
    });
    shutdown.register_cleanup("control thread", order::CONTROL, move |_| {
        thread.join().map_err(|_| "it panicked".to_owned())
    });
}

/// Tells the clients; then the actor stops and destroys all sessions, and gives up at the graceful
/// timeout.
fn register_sessions(
    shutdown: &ShutdownCoordinator,
    orders: mpsc::UnboundedSender<ActorCommand>,
    result: HandoffCell<Drained>,
) {
    let announce = orders.clone();
    shutdown.register_shutdown_notification("clients", move || {
        // An actor that has ended has no clients.
        let _ = announce.send(ActorCommand::Announce);
    });
    let (dump, patience) = (orders.clone(), shutdown.config().handler());
    shutdown.register_dump("control", move || {
        let (reply, answer) = sync_channel(1);
        // An actor that has ended drops the command, and the reply with it.
        let _ = dump.send(ActorCommand::Dump(reply));
        answer
            .recv_timeout(patience)
            .unwrap_or_else(|error| format!("the control thread does not answer: {error}").into())
    });
    shutdown.on_progress(events(orders.clone()));
    let times = shutdown.clone();
    shutdown.register_shutdown_waiter("sessions", 50, Limit::Graceful, move |waiting| {
        let (reply, answer) = sync_channel(1);
        let order = ActorCommand::Drain(Drain {
            deadline: Instant::now() + times.graceful(),
            reply,
        });
        // An actor that has ended drops the command, and the reply with it.
        let _ = orders.send(order);
        result.put(hear(&answer, waiting)?);
        Ok(())
    });
}

/// Recordings take no more packets at once. They are finished in parallel with the sessions, whose
/// packets they get up to the last one; a disk that hangs delays nothing else.
fn register_recordings(shutdown: &ShutdownCoordinator, live: &Live, finish: Duration) {
    let cut = live.clone();
    shutdown.register_shutdown_notification("recordings cut", move || cut.cut());
    let live = live.clone();
    shutdown.register_shutdown_waiter("recordings", 50, finish, move |waiting| {
        live.finish_all(waiting)
    });
}

/// Publishes the progress of the shutdown to the event readers.
fn events(orders: mpsc::UnboundedSender<ActorCommand>) -> impl Fn(&ShutdownStatus) + Send + Sync {
    let last = Mutex::new(ShutdownPhase::Running);
    move |status| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = std::mem::replace(&mut *last, status.phase) != status.phase;
        let kind = if is_new {
            EventKind::ShutdownPhase {
                phase: status.phase,
                cause: status.cause.clone(),
            }
        } else {
            EventKind::ShutdownProgress {
                sessions: status.sessions,
                users: status.users,
            }
        };
        // An actor that has ended has no readers any more.
        let _ = orders.send(ActorCommand::Tell(kind));
    }
}

/// Ends the services that the actor owned.
fn register_handoff(
    shutdown: &ShutdownCoordinator,
    handoff: &ShutdownHandoff,
    result: HandoffCell<dataplane::Summary>,
) {
    const KEPT: &str = "the control thread has not released it";
    let archive = handoff.archive.clone();
    shutdown.register_cleanup("certificates", order::ARCHIVE, move |waiting| {
        archive.take().ok_or(KEPT)?.close(past(waiting))
    });
    let store = handoff.store.clone();
    shutdown.register_cleanup("persistent sessions", order::STORE, move |waiting| {
        store.take().ok_or(KEPT)?.close(past(waiting))
    });
    let dataplane = handoff.dataplane.clone();
    let threads = shutdown.threads().clone();
    shutdown.register_cleanup("pollers and ports", order::DATAPLANE, move |waiting| {
        let dataplane = dataplane.take().ok_or(KEPT)?;
        // Half of the time is left for the ports.
        let flushed = dataplane.flush(&threads, waiting.left() / 2);
        let is_port_lost = dataplane.has_lost_a_port();
        let summary = dataplane.shutdown();
        result.put(summary.map_err(|error| chain(&error))?);
        match flushed {
            Err(late) if is_port_lost => {
                tracing::warn!(%late, "an interface is gone; its unsent packets are lost");
                Ok(())
            }
            flushed => flushed.map_err(|late| format!("buffers that were not empty: {late}")),
        }
    });
    let probe = handoff.probe.clone();
    shutdown.register_cleanup("probe", order::PROBE, move |waiting| {
        let Some(closing) = probe.take().ok_or(KEPT)? else {
            return Ok(());
        };
        // Many links without `uprobe.multi` take longer than the time of any part.
        if !closing.wait(Instant::now() + waiting.left() / 2) {
            tracing::warn!("the kernel is still detaching the probe: the process ends after that");
        }
        Ok(())
    });
    let pending_reclaim = handoff.pending_reclaim.clone();
    shutdown.register_cleanup("reclaimer", order::RECLAIMER, move |waiting| {
        pending_reclaim.take().ok_or(KEPT)?.close(past(waiting))
    });
}

/// The control thread's message to a part that waits for it.
fn hear<T>(answer: &Receiver<T>, waiting: &Waiting) -> Result<T, String> {
    let patience = past(waiting).saturating_duration_since(Instant::now());
    let heard = answer.recv_timeout(patience);
    heard.map_err(|error| match error {
        RecvTimeoutError::Timeout => "the control thread does not answer".to_owned(),
        RecvTimeoutError::Disconnected => {
            "the control thread has ended, and its sessions with it".to_owned()
        }
    })
}

/// The time when a part gives up. The coordinator abandons the part at its deadline and reports
/// that with a separate status: this limit only prevents an abandoned part from waiting forever.
fn past(waiting: &Waiting) -> Instant {
    waiting.deadline() + waiting.left().max(Duration::from_secs(1))
}

fn dataplane_config(config: &Config) -> Result<DataplaneConfig, ConfigError> {
    let ports = config
        .port
        .iter()
        .map(|port| {
            Ok(PortSpec {
                name: port.name.clone(),
                device: port.device.clone(),
                netns: port.netns.clone(),
                address: port.ipv4()?,
                poller: config
                    .poller_of(port)
                    .expect("checked with the configuration"),
            })
        })
        .collect::<Result<_, ConfigError>>()?;
    let pollers = config
        .poller
        .iter()
        .map(|poller| PollerSpec {
            name: poller.name.clone(),
            core: poller.core,
            idle: match poller.idle {
                config::Idle::Adaptive => Idle::Adaptive,
                config::Idle::Busy => Idle::Busy,
            },
            rest: Rest {
                spin: Duration::from_micros(poller.spin_us),
                wake: Duration::from_micros(poller.wake_us),
                nap: Duration::from_micros(poller.nap_us),
            },
        })
        .collect();
    Ok(DataplaneConfig {
        eal: EalConfig {
            hugepages: match config.dpdk.hugepages {
                config::Hugepages::Auto => onair_dpdk::Hugepages::Auto,
                config::Hugepages::Require => onair_dpdk::Hugepages::Require,
                config::Hugepages::Never => onair_dpdk::Hugepages::Never,
            },
            memory_mb: config.dpdk.memory_mb,
            pci: config.dpdk.pci,
            extra_args: config.dpdk.extra_args.clone(),
        },
        ports,
        pollers,
        port_busy: config::ms(config.timeouts.port_busy_ms),
    })
}
