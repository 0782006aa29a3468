//! Starting the daemon, running it, and ending it in order.

use std::time::Duration;

use onair_api::ProbeMode;
use onair_dpdk::EalConfig;
use onair_ipc::life::{DeathBell, LifeError};
use onair_ipc::sys;
use rustix::net::SocketType;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::archive::Archive;
use crate::config::{self, Config, ConfigError};
use crate::control::action::ControlHandle;
use crate::control::actor::{Actor, Inbox};
use crate::control::attach::{self, Listener};
use crate::control::authority::Authority;
use crate::control::socket_file::{SocketError, bind_socket, resolve_group};
use crate::control::{http, metrics};
use crate::dataplane::{
    Dataplane, DataplaneConfig, DataplaneError, Idle, PollerSpec, PortSpec, Rest,
};
use crate::limbo::Limbo;
use crate::resources::{ResourceError, Resources, Thing};
use crate::services::Services;
use crate::witness::probe::ProbeLink;

/// Requests that may wait for the actor.
const QUEUE: usize = 256;

/// Why the daemon does not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration does not hold.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The kernel has no membarrier, without which callers cannot be counted.
    #[error("this kernel has no membarrier(GLOBAL_EXPEDITED): Linux 6.1 or later is needed")]
    Membarrier,
    /// Ports or pollers.
    #[error(transparent)]
    Dataplane(#[from] Box<DataplaneError>),
    /// A socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The state directory, or what has to be written down in it.
    #[error(transparent)]
    Resources(#[from] ResourceError),
    /// The death bell.
    #[error(transparent)]
    Life(#[from] LifeError),
    /// The kernel's word.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// Sessions were in use when the graceful time-out passed.
    #[error("sessions still in use were abandoned: {0}")]
    Abandoned(String),
}

fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> RunError {
    move |source| RunError::System { what, source }
}

/// Starts everything, serves until `shutdown` is true, and ends everything. `ready` is called when
/// both sockets listen.
///
/// # Errors
/// [`RunError`].
pub fn run(
    config: Config,
    shutdown: watch::Receiver<bool>,
    ready: impl FnOnce(),
) -> Result<(), RunError> {
    if !sys::membarrier_supported() {
        return Err(RunError::Membarrier);
    }
    sys::ignore_sigio();
    let group = match &config.control.group {
        Some(name) => Some(resolve_group(name)?),
        None => None,
    };
    let resources = Release(Resources::open(
        &config.state.dir,
        Duration::from_millis(config.timeouts.previous_ms),
    )?);
    let archive = Archive::open(&config.state.dir, config.state.retention())
        .map_err(system("cannot open the archive in state.dir"))?;
    let incarnation = resources
        .0
        .begin_incarnation(archive.newest_incarnation())?;
    resources.0.register(things(&config))?;
    let limbo = Limbo::open().map_err(system("cannot start a thread"))?;
    let bell = DeathBell::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("cannot start the control thread's event loop"))?;
    let (http_socket, listener, metrics_listener) = {
        // The sockets are taken first: a second daemon ends here, before it touches a port.
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
        (http, attach, metrics)
    };
    let dataplane = Dataplane::start(dataplane_config(&config)?).map_err(Box::new)?;
    resources.0.note()?;
    let (probe, events) = ProbeLink::start(&config);
    let authority = Authority {
        daemon_uid: rustix::process::geteuid().as_raw(),
        group,
    };
    let patience = Duration::from_millis(config.timeouts.overload_ms);
    let (handle, actions) = ControlHandle::new(QUEUE, patience);
    let (attach_sender, attach_actions) = mpsc::channel(QUEUE);
    let limits = attach::Limits::of(&config);
    let http_limits = http::Limits::of(&config);
    let metrics_limits = metrics::limits(&config);
    let services = Services::new(config, dataplane, probe, bell, archive, limbo, incarnation);
    let inbox = Inbox {
        actions,
        attach: attach_actions,
        probe: events,
        shutdown: shutdown.clone(),
    };
    let local = LocalSet::new();
    let (services, abandoned) = local.block_on(&runtime, async move {
        let std_socket = std::os::unix::net::UnixListener::from(http_socket.socket);
        let http_listener = tokio::net::UnixListener::from_std(std_socket)
            .map_err(system("cannot poll the control socket"))?;
        let (over, is_over) = watch::channel(false);
        let metrics = metrics_listener.map(|listener| {
            let serve = metrics::serve(
                listener,
                handle.clone(),
                metrics_limits,
                ended(is_over.clone()),
            );
            tokio::task::spawn_local(serve)
        });
        let http = tokio::task::spawn_local(http::serve(
            http_listener,
            handle,
            authority,
            http_limits,
            ended(is_over),
        ));
        let attach = tokio::task::spawn_local(listener.serve(attach_sender, authority, limits));
        ready();
        let outcome = Actor::new(services).run(inbox).await;
        attach.abort();
        // The HTTP task may have ended by itself: then nobody hears this.
        let _ = over.send(true);
        if let Err(error) = http.await {
            tracing::error!(%error, "the control socket's task failed");
        }
        if let Some(metrics) = metrics
            && let Err(error) = metrics.await
        {
            tracing::error!(%error, "the metrics socket's task failed");
        }
        drop(http_socket.file);
        outcome.map_err(system("the control thread's event loop failed"))
    })?;
    drop(local);
    let ended = end(services, &abandoned);
    drop(resources);
    ended
}

/// Sees to it that nothing stays in the kernel or on disk, whatever way the daemon ends.
struct Release(Resources);

impl Drop for Release {
    fn drop(&mut self) {
        for forced in self.0.release() {
            tracing::warn!(forced, "released by force");
        }
    }
}

/// What the daemon will put into the kernel and onto the disk.
fn things(config: &Config) -> Vec<Thing> {
    let mut things = vec![
        Thing::socket_file(&config.control.socket),
        Thing::socket_file(&config.attach.socket),
    ];
    let ports = config.port.iter();
    things.extend(
        ports.filter_map(|port| Thing::port(&port.name, &port.device, port.netns.as_deref())),
    );
    let mut of_process = vec!["memory of DPDK and of sessions"];
    if config.probe.mode != ProbeMode::Off {
        of_process.push("BPF programs, maps and links");
    }
    things.extend(
        of_process
            .into_iter()
            .map(|what| Thing::OfProcess { what: what.into() }),
    );
    things
}

fn end(services: Services, abandoned: &[String]) -> Result<(), RunError> {
    let Services {
        dataplane,
        probe,
        archive,
        ..
    } = services;
    archive.close();
    let summary = dataplane.shutdown().map_err(Box::new)?;
    tracing::info!(?summary, "ports are closed");
    drop(probe);
    if abandoned.is_empty() {
        Ok(())
    } else {
        Err(RunError::Abandoned(abandoned.join(", ")))
    }
}

async fn ended(mut over: watch::Receiver<bool>) {
    // A dropped sender is an end, too.
    let _ = over.wait_for(|over| *over).await;
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
