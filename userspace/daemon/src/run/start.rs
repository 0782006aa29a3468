//! Starts the parts of the daemon, in order.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use onair_dataplane::{Dataplane, EventReceiver};
use onair_engine::clients::inspection::Finding;
use onair_engine::persistence::{Archive, Store};
use onair_engine::services::Services;
use onair_ipc::life::OwnerDeathNotifier;
use onair_ipc::{membarrier, sys};
use onair_probe::{Events, Probe};
use onair_settings::access::authority::Authority;
use onair_settings::access::peer::this_daemon;
use onair_settings::config::{self, Config};
use onair_settings::diagnostics::error_chain::chain;
use rustix::net::SocketType;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio_util::sync::CancellationToken;

use super::parts::{
    register_control, register_handoff, register_recordings, register_reload, register_resources,
    register_sessions,
};
use super::plan::{self, dataplane_config, roles};
use super::{Results, RunError, Started, system};
use crate::clients::file_guard::FileGuard;
use crate::clients::inspector::Inspector;
use crate::control::attach::Listener;
use crate::control::guardian;
use crate::control::handle::ControlHandle;
use crate::control::http;
use crate::control::inputs::Inbox;
use crate::control::metrics;
use crate::control::thread::ControlThread;
use crate::file_watch::FileWatch;
use crate::handoff::ShutdownHandoff;
use crate::persistence::{open_archive, open_store};
use crate::ptp::PtpWatch;
use crate::real_machine::{self, HostClock, RealMachine};
use crate::reclaimer::Reclaimer;
use crate::recorder::{Live, Recorder};
use crate::resources::Resources;
use crate::shutdown::ShutdownCoordinator;
use crate::sockets::connections::Connections;
use crate::sockets::refused_descriptors::DescriptorRefusal;
use crate::sockets::socket_file::{SocketFile, bind_datagram, bind_socket, resolve_group};
use crate::witness::mapping;
use crate::witness::probe::ProbeLink;

/// Maximum number of requests in the actor's queue.
const QUEUE: usize = 256;

/// Whether the start may continue: after a second signal it creates nothing more that would have to
/// be undone.
fn go_on(shutdown: &ShutdownCoordinator) -> Result<(), RunError> {
    if shutdown.is_forced() {
        return Err(RunError::Interrupted);
    }
    Ok(())
}

/// Starts everything, and registers how it ends.
pub(super) fn start(
    config: Config,
    shutdown: &ShutdownCoordinator,
) -> Result<(Started, Results), RunError> {
    if !membarrier::is_supported() {
        return Err(RunError::Membarrier);
    }
    sys::ignore_sigio();
    let group = config.control.group.as_deref().map(resolve_group);
    let group = group.transpose()?;
    let roles = roles(&config.control, group)?;
    let timeout = Duration::from_millis(config.timeouts.previous_ms);
    let resources = Arc::new(Resources::open(&config.state.dir, timeout)?);
    register_resources(shutdown, Arc::clone(&resources));
    // After the previous daemon has released its devices.
    config.check_for_start()?;
    let on_disk = open_files(&config, shutdown, &resources)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("cannot start the control thread's event loop"))?;
    let descriptors = DescriptorRefusal::start()
        .inspect_err(|error| {
            tracing::warn!(
                reason = chain(error),
                "this kernel does not refuse descriptors on the daemon's sockets: a hostile client can delay the \
                 control thread by sending sockets that linger"
            );
        })
        .ok();
    mapping::prepare();
    // The sockets are taken first: a second daemon fails here, before it touches a port.
    let sockets = Sockets::bind(&config, group, &runtime)?;
    resources.note_sockets()?;
    go_on(shutdown)?;
    let ptp = start_ptp(&config, sockets.ptp)?;
    let connections = [
        Connections::new(config.limits.attach_share()),
        Connections::new(http::Limits::of(&config).share()),
    ];
    let (services, sources) = start_services(config, shutdown, on_disk, ptp, connections.clone())?;
    let results = Results::default();
    let recorder = start_recorder(&services, shutdown, &results.recordings)?;
    let config = &services.config;
    shutdown.configure(config.shutdown, config::ms(config.timeouts.graceful_ms));
    let timeout = Duration::from_millis(config.timeouts.overload_ms);
    let (handle, actions) = ControlHandle::new(QUEUE, timeout);
    let (attach_sender, attach_actions) = mpsc::channel(QUEUE);
    let (commands, inbox_commands) = mpsc::unbounded_channel();
    register_reload(shutdown, handle.clone(), config.file.clone());
    let finish = config.recorder.finish();
    let (handoff, close) = (ShutdownHandoff::default(), CancellationToken::new());
    let control = ControlThread {
        runtime,
        descriptors,
        http: (sockets.http, sockets.http_file, handle),
        metrics: sockets.metrics,
        attach: (sockets.attach, attach_sender),
        probe: sources.watcher,
        authority: Authority::new(rustix::process::geteuid().as_raw(), roles),
        inbox: Inbox {
            actions,
            attach: attach_actions,
            pollers: sources.pollers,
            probe: sources.probe,
            guard: sources.guard,
            findings: sources.findings,
            commands: inbox_commands,
        },
        services,
        connections,
        recorder,
        handoff: handoff.clone(),
        shutdown: shutdown.clone(),
        close: close.clone(),
        guardian: (guardian::start(&resources), Resources::clone(&resources)),
    };
    let control = control.start();
    let control = control.map_err(system("cannot start the control thread"))?;
    register_control(shutdown, control, close);
    register_sessions(shutdown, commands.clone(), results.sessions.clone());
    register_recordings(shutdown, &results.recordings, finish);
    register_handoff(shutdown, &handoff, results.dataplane.clone());
    Ok((Started { commands }, results))
}

/// Opens what is in the state directory, and takes the next incarnation.
fn open_files(
    config: &Config,
    shutdown: &ShutdownCoordinator,
    resources: &Resources,
) -> Result<OnDisk, RunError> {
    let (dir, threads) = (&config.state.dir, shutdown.threads());
    let archive = open_archive(dir, config.state.retention(), threads)
        .map_err(system("cannot open the archive in state.dir"))?;
    go_on(shutdown)?;
    let incarnation = resources.begin_incarnation(archive.newest_incarnation())?;
    resources.register(plan::resources(config))?;
    let configured = config.sessions().expect("checked with the configuration");
    let store = open_store(dir, configured, &this_daemon(0), threads)
        .map_err(system("cannot open the sessions in state.dir"))?;
    go_on(shutdown)?;
    Ok(OnDisk {
        archive,
        store,
        incarnation,
        resources: resources.clone(),
    })
}

/// Content of the state directory.
struct OnDisk {
    archive: Archive,
    store: Store,
    incarnation: u32,
    resources: Resources,
}

/// The sockets that the daemon listens on.
struct Sockets {
    http: UnixListener,
    http_file: SocketFile,
    attach: Listener,
    metrics: Option<TcpListener>,
    /// For the answers of ptp4l.
    ptp: Option<(UnixDatagram, SocketFile)>,
}

impl Sockets {
    fn bind(config: &Config, group: Option<u32>, runtime: &Runtime) -> Result<Self, RunError> {
        let _inside = runtime.enter();
        let mode =
            |text: &str| u32::from_str_radix(text, 8).expect("checked with the configuration");
        let (control, attach) = (&config.control, &config.attach);
        let stream = SocketType::STREAM;
        let http = bind_socket(&control.socket, stream, mode(&control.mode), group)?;
        let attach = Listener::bind(&attach.socket, mode(&attach.mode), group)?;
        let metrics = config.metrics.listen.map(metrics::bind).transpose();
        let asks = config.clock.question().is_some();
        let ptp = asks.then(|| bind_datagram(&config.ptp_reply_socket()));
        Ok(Self {
            http: UnixListener::from_std(http.socket.into())
                .map_err(system("cannot poll the control socket"))?,
            http_file: http.file,
            attach,
            ptp: ptp.transpose()?,
            metrics: metrics.map_err(system("cannot listen on metrics.listen"))?,
        })
    }
}

/// What the actor awaits of the machine.
struct Sources {
    pollers: EventReceiver,
    probe: Option<Events>,
    /// Arms clients, if it runs.
    watcher: Option<Probe>,
    guard: Option<OwnedFd>,
    findings: UnboundedReceiver<Finding>,
}

/// Starts the dataplane, the probe and the helper threads.
fn start_services(
    config: Config,
    shutdown: &ShutdownCoordinator,
    on_disk: OnDisk,
    ptp: PtpWatch,
    connections: [Connections; 2],
) -> Result<(Services, Sources), RunError> {
    let OnDisk {
        archive,
        store,
        incarnation,
        resources,
    } = on_disk;
    let threads = shutdown.threads();
    let reclaimer = Reclaimer::start(threads).map_err(system("cannot start a thread"))?;
    let death_notifier = OwnerDeathNotifier::start()?;
    let mut inspector = Inspector::start().map_err(system("cannot start a thread"))?;
    let dataplane =
        Dataplane::start(dataplane_config(&config, &resources)?, threads).map_err(Box::new)?;
    go_on(shutdown)?;
    resources.note()?;
    let (probe, probe_events) = ProbeLink::start(&config);
    go_on(shutdown)?;
    let journal = resources.clone();
    let file_watch = FileWatch::start(config.file.as_deref(), move || journal.retry());
    let guard = FileGuard::new();
    let guard_fd = guard.fd().map(|fd| fd.try_clone_to_owned());
    let sources = Sources {
        pollers: dataplane.events(),
        watcher: probe.probe().cloned(),
        probe: probe_events,
        guard: guard_fd
            .transpose()
            .map_err(system("no descriptor is left"))?,
        findings: inspector.take_findings(),
    };
    let identity = real_machine::identity(incarnation, dataplane.dpdk_version());
    let machine = RealMachine {
        clock: HostClock::clocks(),
        dataplane,
        probe,
        death_notifier,
        resources,
        file_watch: file_watch.map_err(system("cannot start a thread"))?,
        guard,
        inspector,
        ptp,
        reclaimer,
        connections,
    };
    let services = Services::new(config, identity, Box::new(machine), archive, store);
    Ok((services, sources))
}

/// The thread that asks ptp4l, if it is to be asked.
fn start_ptp(
    config: &Config,
    socket: Option<(UnixDatagram, SocketFile)>,
) -> Result<PtpWatch, RunError> {
    match (config.clock.question(), socket) {
        (Some(question), Some((socket, file))) => PtpWatch::start(question, socket, file)
            .map_err(system("cannot start the thread that asks ptp4l")),
        _ => Ok(PtpWatch::off()),
    }
}

/// The recordings; a thread scans their folder.
fn start_recorder(
    services: &Services,
    shutdown: &ShutdownCoordinator,
    live: &Live,
) -> Result<Recorder, RunError> {
    let (config, incarnation) = (&services.config, services.identity.incarnation);
    let folder = config.recorder.folder(&config.state.dir);
    let threads = shutdown.threads().clone();
    let recorder = Recorder::new(folder, live.clone(), threads, incarnation);
    let started = recorder.look_through();
    started.map_err(system("cannot start a thread"))?;
    Ok(recorder)
}
