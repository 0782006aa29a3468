//! Starts the parts of the daemon, in order.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use onair_archive::Unread;
use onair_dataplane::{Dataplane, DataplaneError, EarlyPorts, EventReceiver};
use onair_dpdk::Eal;
use onair_engine::clients::inspection::Finding;
use onair_engine::machine::RecorderEvent;
use onair_engine::persistence::{Archive, Store};
use onair_engine::services::Services;
use onair_ipc::guardian::Guardian;
use onair_ipc::life::OwnerDeathNotifier;
use onair_ipc::{membarrier, sys};
use onair_probe::{Events, KernelTypes, Probe};
use onair_settings::access::authority::Authority;
use onair_settings::access::peer::this_daemon;
use onair_settings::config::{Config, ms};
use onair_settings::diagnostics::chain;
use onair_shares::Owner;
use tokio::sync::mpsc::{self, Receiver, UnboundedReceiver};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_seqpacket::UnixSeqpacket;
use tokio_util::sync::CancellationToken;

use super::beside::{Beside, Sockets};
use super::parts::{
    register_control, register_handoff, register_recordings, register_reload, register_resources,
    register_sessions, register_takeover,
};
use super::plan::{self, dataplane_config, eal_config, roles};
use super::times::{StartPart, StartTimes};
use super::{Results, RunError, Started, Succession, system};
use crate::clients::file_guard::FileGuard;
use crate::clients::inspector::Inspector;
use crate::control::handle::ControlHandle;
use crate::control::inputs::Inbox;
use crate::control::thread::ControlThread;
use crate::control::{guardian, http};
use crate::converter::{BridgeConnection, Conversions, ConverterTask};
use crate::file_watch::FileWatch;
use crate::handoff::ShutdownHandoff;
use crate::persistence::{open_archive, open_store};
use crate::ptp::PtpWatch;
use crate::real_machine::{self, HostClock, RealMachine};
use crate::reclaimer::Reclaimer;
use crate::recorder::{Live, RecorderThreads};
use crate::resources::Resources;
use crate::shutdown::ShutdownCoordinator;
use crate::sockets::connections::{Connections, DescriptorRefusal};
use crate::sockets::socket_file::{SocketFile, resolve_group};
use crate::takeover::{HandOver, Inherited};
use crate::witness::mapping;
use crate::witness::probe::ProbeLink;

/// How long the arming of clients may take before a daemon takes over.
const ARMING: Duration = Duration::from_secs(2);
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

/// Starts everything, and registers how it ends. What does not need each other is started at the same time.
pub(super) fn start(
    config: Config,
    shutdown: &ShutdownCoordinator,
    times: &StartTimes,
    succession: Succession,
) -> Result<(Started, Results), RunError> {
    let Succession {
        predecessor,
        takeover,
    } = succession;
    // First: without it callers cannot be counted, and nothing has to be undone yet.
    if !membarrier::is_supported() {
        return Err(RunError::Membarrier);
    }
    // Before the first lease is taken: SIGIO would end the process.
    sys::ignore_sigio();
    let group = config.control.group.as_deref().map(resolve_group);
    let group = group.transpose()?;
    let roles = roles(&config.control, group)?;
    // These need nothing that the daemon before may still have.
    let mut probe = begin_probe(&config, times)?;
    let is_free = Eal::needs_nothing_scarce(&eal_config(&config)?);
    let begin_eal = || begin_eal(&config, times);
    let mut early = is_free.then(begin_eal).transpose()?;
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
    // Now, because the control thread must not stop for it.
    http::prepare();
    let (mut inherited, mut is_short) = (Inherited::default(), early.is_none());
    if let Some(predecessor) = predecessor {
        // Should one fail, the predecessor serves on.
        let loaded = probe.result();
        if let Some(probe) = loaded.0.probe() {
            let arm = || runtime.block_on(arm(probe, predecessor.clients()));
            times.of(StartPart::Probe, arm);
        }
        probe = Beside::done(loaded);
        let eal = early.take().map(Beside::result).transpose();
        let mut eal = eal.map_err(|error| Box::new(DataplaneError::Eal(error)))?;
        if let Some(eal) = &mut eal {
            is_short = eal.is_short();
            // Before it says that it is prepared: each unit is whole in this daemon or in the predecessor.
            eal.listen();
        }
        go_on(shutdown)?;
        let open_left = || {
            if let Some(eal) = &mut eal {
                eal.open_left();
            }
        };
        let wait = || predecessor.wait(shutdown, open_left);
        let handed = times
            .of(StartPart::Previous, wait)
            .map_err(system("cannot wait for the running daemon"))?;
        inherited = handed.ok_or(RunError::Interrupted)?;
        times.hand_over();
        if let Some(mut eal) = eal {
            // Nothing was handed over: the predecessor's interfaces must be undone, which these ports would not survive.
            if inherited.lock.is_none() {
                eal.close_taken();
            }
            early = Some(Beside::done(Ok(eal)));
        }
    }
    let (dir, timeout) = (&config.state.dir, ms(config.timeouts.previous_ms));
    let resources = match inherited.lock.take() {
        Some(lock) => Resources::inherit(dir, lock),
        None => times.of(StartPart::Previous, || {
            Resources::open(dir, timeout, |left| plan::is_served_by(&config, left))
        }),
    };
    let resources = Arc::new(resources?);
    // Before anything is created: also a start that fails ends with the shutdown, which undoes it.
    register_resources(shutdown, Arc::clone(&resources));
    if is_short {
        let alone = || inherited.ending().wait(timeout);
        let alone = times.of(StartPart::Previous, alone);
        alone.map_err(system("cannot wait for the end of the previous daemon"))?;
    }
    let files = begin_files(&config, shutdown, &resources, times)?;
    // After the previous daemon has released its devices.
    config.check_for_start()?;
    // In the journal before they are created: if this daemon is killed, the next one finds them.
    resources.register(plan::resources(&config))?;
    if resources.has_left() {
        let (own, ending) = (Arc::clone(&resources), inherited.ending());
        let undo = move || {
            // The kernel's refusal to wait was logged by the one that asked first.
            let _ = ending.wait(timeout);
            own.undo_left();
        };
        let thread = Builder::new().name("start-undo".into()).spawn(undo);
        thread.map_err(system("cannot start a thread"))?;
    }
    let memory = std::mem::take(&mut inherited.memory);
    // The sockets are taken first: a second daemon fails here, before it touches a port.
    let bind = || Sockets::bind(&config, group, &runtime, inherited);
    let sockets = times.of(StartPart::Sockets, bind)?;
    let hand_over = HandOver::new(&takeover, &resources, sockets.copies(&config)?);
    let hand_over = Arc::new(hand_over);
    register_takeover(shutdown, takeover.clone(), Arc::clone(&hand_over));
    // Not with the others: the ports, which come next, may hang.
    resources.note_sockets();
    go_on(shutdown)?;
    let eal = match early {
        Some(eal) => eal,
        None => begin_eal()?,
    };
    let ptp = start_ptp(&config, sockets.ptp)?;
    let connections = [
        Connections::new(config.limits.attach_share()),
        Connections::new(http::Limits::of(&config).share()),
    ];
    let results = Results::default();
    let begun = Begun {
        eal,
        probe,
        files,
        live: &results.recordings,
        times,
    };
    let (mut services, sources) = start_services(
        config,
        shutdown,
        &resources,
        ptp,
        connections.clone(),
        begun,
    )?;
    for (charge, files) in memory {
        let (now, pending) = (services.machine.now(), &mut services.pending_reclaim);
        if let Err(error) = pending.inherit(now, charge, files) {
            tracing::warn!(session = %charge.session, %error, "its certificate stays pending");
        }
    }
    let config = &services.config;
    shutdown.configure(config.shutdown, ms(config.timeouts.graceful_ms));
    let timeout = ms(config.timeouts.overload_ms);
    let (handle, actions) = ControlHandle::new(QUEUE, timeout);
    let (attach_sender, attach_actions) = mpsc::channel(QUEUE);
    let (commands, inbox_commands) = mpsc::unbounded_channel();
    register_reload(shutdown, handle.clone(), config.file.clone());
    let finish = config.recorder.finish();
    let (handoff, close) = (ShutdownHandoff::default(), CancellationToken::new());
    let guardian = guardian::start();
    let guardian_pid = guardian.as_ref().map(Guardian::pid);
    let control = ControlThread {
        runtime,
        descriptors,
        http: (sockets.http, sockets.http_file, handle),
        takeover: takeover.clone().watching(sources.watcher.clone()),
        metrics: sockets.metrics,
        attach: (sockets.attach, attach_sender),
        converter: sources.converter,
        probe: sources.watcher,
        authority: Authority::new(rustix::process::geteuid().as_raw(), roles),
        inbox: Inbox {
            actions,
            attach: attach_actions,
            pollers: sources.pollers,
            probe: sources.probe,
            guard: sources.guard,
            recorder: sources.recorder,
            findings: sources.findings,
            commands: inbox_commands,
        },
        services,
        unread: sources.unread,
        connections,
        handoff: handoff.clone(),
        shutdown: shutdown.clone(),
        close: close.clone(),
        guardian: (guardian, Resources::clone(&resources)),
    };
    let control = control.start();
    let control = control.map_err(system("cannot start the control thread"))?;
    // Clients are served meanwhile.
    guardian::note(&resources, guardian_pid);
    register_control(shutdown, control, close, hand_over);
    register_sessions(shutdown, commands.clone(), results.sessions.clone());
    register_recordings(shutdown, &results.recordings, finish);
    register_handoff(shutdown, &handoff, results.dataplane.clone(), takeover);
    Ok((Started { commands }, results))
}

/// The probe, and its events.
type Loaded = (ProbeLink, Option<Events>);

/// Loads what the daemon has in the kernel, beside the rest of the start.
fn begin_probe(config: &Config, times: &StartTimes) -> Result<Beside<Loaded>, RunError> {
    let (config, times) = (config.clone(), times.clone());
    Beside::begin("start-probe", move || {
        let types = times.of(StartPart::Types, || {
            // Without them each part says what it lacks.
            let types = KernelTypes::read().ok();
            mapping::prepare();
            types
        });
        let loaded = times.of(StartPart::Probe, || ProbeLink::start(&config));
        drop(types);
        loaded
    })
}

/// Watches the files of these processes before they attach, which takes the kernel some 10 ms each. What fails here
/// is said when they attach.
async fn arm(probe: &Probe, pids: Vec<u32>) {
    let mut arming = JoinSet::new();
    for pid in pids {
        let probe = probe.clone();
        arming.spawn(async move { probe.arm_for(Owner::root(pid)).await });
    }
    let all = async { while arming.join_next().await.is_some() {} };
    // The others are armed when they attach.
    let _ = timeout(ARMING, all).await;
}

/// Starts DPDK beside the rest of the start: it loads a hundred drivers, and measures its clock. Then does what it can
/// for the ports, which the daemon before may still have.
fn begin_eal(config: &Config, times: &StartTimes) -> Result<Beside<StartedEal>, RunError> {
    let (ports, times) = (plan::ports(config)?, times.clone());
    let config = eal_config(config)?;
    Beside::begin("start-dpdk", move || {
        let eal = times.of(StartPart::Dpdk, || Eal::init(&config))?;
        Ok(times.of(StartPart::Ports, || EarlyPorts::beside(eal, &ports)))
    })
}

type StartedEal = Result<EarlyPorts, onair_dpdk::Error>;

/// Work that runs beside the rest of the start.
struct Begun<'a> {
    eal: Beside<StartedEal>,
    probe: Beside<Loaded>,
    files: Beside<Result<OnDisk, RunError>>,
    live: &'a Live,
    times: &'a StartTimes,
}

/// Opens what is in the state directory, and takes the next incarnation, beside the rest of the start: it waits for
/// the disk.
fn begin_files(
    config: &Config,
    shutdown: &ShutdownCoordinator,
    resources: &Arc<Resources>,
    times: &StartTimes,
) -> Result<Beside<Result<OnDisk, RunError>>, RunError> {
    let (config, times) = (config.clone(), times.clone());
    let (shutdown, resources) = (shutdown.clone(), Arc::clone(resources));
    Beside::begin("start-files", move || {
        times.of(StartPart::Files, || {
            open_files(&config, &shutdown, &resources)
        })
    })
}

/// Both halves sync files, at the same time.
fn open_files(
    config: &Config,
    shutdown: &ShutdownCoordinator,
    resources: &Arc<Resources>,
) -> Result<OnDisk, RunError> {
    let threads = shutdown.threads();
    let certificates = {
        let (dir, retention) = (config.state.dir.clone(), config.state.retention());
        let (threads, resources) = (threads.clone(), Arc::clone(resources));
        let open = move || {
            let opened = open_archive(&dir, retention, &threads);
            let (archive, unread) =
                opened.map_err(system("cannot open the archive in state.dir"))?;
            let incarnation = resources.begin_incarnation(archive.newest_incarnation())?;
            Ok::<_, RunError>((archive, unread, incarnation))
        };
        Beside::begin("start-archive", open)?
    };
    let configured = config.sessions().expect("checked with the configuration");
    let store = open_store(&config.state.dir, configured, &this_daemon(0), threads)
        .map_err(system("cannot open the sessions in state.dir"))?;
    let (archive, unread, incarnation) = certificates.result()?;
    Ok(OnDisk {
        archive,
        unread,
        store,
        incarnation,
    })
}

/// Content of the state directory.
struct OnDisk {
    archive: Archive,
    /// Its certificates that are not read yet.
    unread: Unread,
    store: Store,
    incarnation: u32,
}

/// Events of the machine that the actor awaits.
struct Sources {
    pollers: EventReceiver,
    probe: Option<Events>,
    /// Arms clients, if it runs.
    watcher: Option<Probe>,
    guard: Option<OwnedFd>,
    recorder: UnboundedReceiver<RecorderEvent>,
    findings: UnboundedReceiver<Finding>,
    unread: Unread,
    converter: (ConverterTask, Receiver<(UnixSeqpacket, BridgeConnection)>),
}

/// Starts the dataplane, the probe and the helper threads.
fn start_services(
    config: Config,
    shutdown: &ShutdownCoordinator,
    resources: &Resources,
    ptp: PtpWatch,
    connections: [Connections; 2],
    begun: Begun<'_>,
) -> Result<(Services, Sources), RunError> {
    let Begun {
        eal,
        probe,
        files,
        live,
        times,
    } = begun;
    let threads = shutdown.threads();
    // These need nothing of DPDK, which starts meanwhile.
    let reclaimer = Reclaimer::start(threads).map_err(system("cannot start a thread"))?;
    let death_notifier = OwnerDeathNotifier::start()?;
    let mut inspector = Inspector::start().map_err(system("cannot start a thread"))?;
    let eal = eal.result().map_err(DataplaneError::Eal);
    let eal = eal.map_err(Box::new)?;
    go_on(shutdown)?;
    let dataplane = dataplane_config(&config, resources)?;
    let start = || Dataplane::start(eal, dataplane, threads).map_err(Box::new);
    let dataplane = times.of(StartPart::Ports, start)?;
    go_on(shutdown)?;
    resources.note();
    let (probe, probe_events) = probe.result();
    let OnDisk {
        archive,
        unread,
        store,
        incarnation,
    } = files.result()?;
    go_on(shutdown)?;
    let journal = resources.clone();
    let file_watch = FileWatch::start(config.file.as_deref(), move || journal.retry());
    let guard = FileGuard::new();
    let guard_fd = guard.fd().map(|fd| fd.try_clone_to_owned());
    let (recorder, recorder_events) = start_recorder(&config, shutdown, live)?;
    let cores = (0..config.poller.len()).filter_map(|it| dataplane.core(it));
    let (conversions, converter, bridges) = Conversions::new(cores.collect());
    let sources = Sources {
        pollers: dataplane.events(),
        watcher: probe.probe().cloned(),
        probe: probe_events,
        guard: guard_fd
            .transpose()
            .map_err(system("no descriptor is left"))?,
        recorder: recorder_events,
        findings: inspector.take_findings(),
        unread,
        converter: (converter, bridges),
    };
    let identity = real_machine::identity(incarnation, dataplane.dpdk_version());
    let machine = RealMachine {
        clock: HostClock::clocks(),
        dataplane,
        probe,
        death_notifier,
        resources: resources.clone(),
        file_watch: file_watch.map_err(system("cannot start a thread"))?,
        guard,
        inspector,
        ptp,
        reclaimer,
        connections,
        recorder,
        shutdown: shutdown.clone(),
        converter: conversions,
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

/// The recorder's threads, one of which scans the folder, and their events.
fn start_recorder(
    config: &Config,
    shutdown: &ShutdownCoordinator,
    live: &Live,
) -> Result<(RecorderThreads, UnboundedReceiver<RecorderEvent>), RunError> {
    let folder = config.recorder.folder(&config.state.dir);
    let threads = shutdown.threads().clone();
    let (recorder, events) = RecorderThreads::new(folder, live.clone(), threads);
    let started = recorder.look_through();
    started.map_err(system("cannot start a thread"))?;
    Ok((recorder, events))
}
