//! What every session needs of the daemon, in one place that the actor owns.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use onair_ipc::life::OwnerDeathNotifier;
use onair_probe::{Closing, SiteKind};
use onair_types::{
    EventKind, PortHealth, Probe as ProbeDocument, ProbeState, Reload, Timestamp, Versions,
    WatchedFile, WatchedSite,
};

use crate::archive::Archive;
use crate::brake::Brake;
use crate::config::Config;
use crate::connections::Connections;
use crate::dataplane::{Command, Dataplane, EventReceiver, PollerEvent, PortInfo};
use crate::events::Hub;
use crate::file_guard::FileGuard;
use crate::inspector::Inspector;
use crate::pending_reclaim::PendingReclaim;
use crate::store::Store;
use crate::waking::Waking;
use crate::witness::probe::ProbeLink;

/// Who this daemon is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The high half of every session id that it gives out: Unix seconds at its start, or more.
    pub incarnation: u32,
    /// The kernel's boot id.
    pub boot_id: String,
    /// What runs.
    pub versions: Versions,
    /// When it started.
    pub started_at: Timestamp,
}

impl Identity {
    /// Reads the rest of it from the kernel.
    pub fn of_this_process(incarnation: u32, dpdk: String) -> Self {
        let read = |path: &str| {
            std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        Self {
            incarnation,
            boot_id: read("/proc/sys/kernel/random/boot_id"),
            versions: Versions {
                onaird: env!("CARGO_PKG_VERSION").into(),
                dpdk,
                kernel: read("/proc/sys/kernel/osrelease"),
            },
            started_at: Timestamp::now(),
        }
    }
}

/// What was found in the state directory.
#[derive(Debug)]
pub struct OnDisk {
    /// Certificates.
    pub archive: Archive,
    /// Sessions that come back.
    pub store: Store,
    /// See [`Identity::incarnation`].
    pub incarnation: u32,
}

/// The parts.
#[derive(Debug)]
pub struct Services {
    /// Configuration.
    pub config: Config,
    /// Identity.
    pub identity: Identity,
    /// Ports and pollers.
    pub dataplane: Dataplane,
    /// The probe.
    pub probe: ProbeLink,
    /// What tells clients that the daemon died.
    pub bell: OwnerDeathNotifier,
    /// Certificates.
    pub archive: Archive,
    /// Sessions that come back.
    pub store: Store,
    /// Those that should have come back and did not, and why.
    pub missing: Vec<String>,
    /// What came of the last reload.
    pub last_reload: Option<Reload>,
    /// Memory that waits for W4.
    pub pending_reclaim: PendingReclaim,
    /// Who works on its memory with system calls.
    pub guard: FileGuard,
    /// Helper threads that look at client processes.
    pub inspector: Inspector,
    /// Makes steps of the control thread slow, in tests.
    pub brake: Brake,
    /// Sleepers to be woken.
    pub waking: Waking,
    /// What the pollers say.
    pub events: EventReceiver,
    /// Who is told what happens.
    pub hub: Hub,
    /// The connections of both sockets, for health.
    pub connections: Vec<Connections>,
    probe_told: (ProbeState, Option<String>),
    outbox: VecDeque<(usize, Command)>,
    dead: HashSet<usize>,
    gone: HashSet<String>,
    bounced: Vec<Command>,
}

impl Services {
    /// Puts the parts together.
    pub fn new(
        config: Config,
        dataplane: Dataplane,
        probe: ProbeLink,
        bell: OwnerDeathNotifier,
        on_disk: OnDisk,
        pending_reclaim: PendingReclaim,
        inspector: Inspector,
    ) -> Self {
        let OnDisk {
            archive,
            store,
            incarnation,
        } = on_disk;
        let identity = Identity::of_this_process(incarnation, dataplane.dpdk_version());
        // So that operators always get a connection.
        let readers = (config.limits.http_connections / 4).max(1);
        Self {
            config,
            hub: Hub::new(identity.incarnation, readers),
            probe_told: probe.state(),
            identity,
            events: dataplane.events(),
            dataplane,
            probe,
            bell,
            archive,
            store,
            connections: Vec::new(),
            missing: Vec::new(),
            last_reload: None,
            pending_reclaim,
            guard: FileGuard::new(),
            inspector,
            brake: Brake::default(),
            waking: Waking::default(),
            outbox: VecDeque::new(),
            dead: HashSet::new(),
            gone: HashSet::new(),
            bounced: Vec::new(),
        }
    }

    /// Sends a command to a poller, behind those that found its queue full.
    pub fn command(&mut self, poller: usize, command: Command) {
        self.outbox.push_back((poller, command));
        self.flush();
    }

    /// Sends what waits. Returns whether everything is sent, and nothing has bounced.
    pub fn flush(&mut self) -> bool {
        while let Some((poller, command)) = self.outbox.pop_front() {
            match self.dataplane.send(poller, command) {
                Ok(()) => {}
                // Nobody will ever take it; its sessions come back by themselves.
                Err(rejected) if self.dead.contains(&poller) => {
                    if matches!(rejected, Command::Start(_) | Command::Attach { .. }) {
                        self.bounced.push(rejected);
                    }
                }
                Err(rejected) => {
                    self.outbox.push_front((poller, rejected));
                    return false;
                }
            }
        }
        self.bounced.is_empty()
    }

    /// Sessions and attachments that were on their way to a poller that died.
    pub fn take_bounced(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.bounced)
    }

    /// Whether a poller works.
    pub fn is_alive(&self, poller: usize) -> bool {
        !self.dead.contains(&poller)
    }

    /// Whether the interface under a port is gone.
    pub fn is_gone(&self, port: &str) -> bool {
        self.gone.contains(port)
    }

    /// Logs and remembers what concerns no session.
    pub fn report(&mut self, event: &PollerEvent) {
        match event {
            PollerEvent::Died { poller, message } => {
                tracing::error!(poller, message, "a poller died: its sessions are stopped");
                self.dead.insert(*poller);
                let poller = self.config.poller.get(*poller);
                let died = EventKind::PollerDied {
                    poller: poller.map(|it| it.name.clone()).unwrap_or_default(),
                    message: message.clone(),
                };
                self.hub.tell(None, died);
            }
            PollerEvent::PortGone { port } => {
                tracing::error!(port, "the interface under a port is gone");
                self.gone.insert(port.clone());
                self.hub
                    .tell(None, EventKind::PortGone { port: port.clone() });
            }
            other => tracing::warn!(?other, "unexpected word of a poller"),
        }
    }

    /// Tells whether the probe sees, if that has changed since it was last told.
    pub fn tell_probe_state(&mut self) {
        let now = self.probe.state();
        if now == self.probe_told {
            return;
        }
        let (state, reason) = now.clone();
        self.probe_told = now;
        self.hub.tell(None, EventKind::ProbeState { state, reason });
    }

    /// A port as the API shows it.
    pub fn port_health(&self, port: &PortInfo, problems: &mut Vec<String>) -> PortHealth {
        if self.gone.contains(&port.name) {
            problems.push(format!(
                "the interface under port {} is gone: restore it and restart the daemon",
                port.name
            ));
        }
        let counted = self.dataplane.port_counters(&port.name).unwrap_or_default();
        let driver = self.dataplane.port_stats(&port.name);
        let missed = driver.map_or(0, |stats| {
            let xdp = stats.xdp.map_or(0, |xdp| xdp.rx_ring_full + xdp.rx_dropped);
            stats.rx_missed + stats.rx_no_mbuf + xdp
        });
        let [a, b, c, d, e, f] = port.mac;
        PortHealth {
            name: port.name.clone(),
            device: port.device.clone(),
            backend: backend(&port.driver),
            address: format!("{}/{}", port.address.0, port.address.1),
            mac: format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"),
            link_up: !self.gone.contains(&port.name),
            poller: self.config.poller[port.poller].name.clone(),
            rx_packets: counted.rx_packets,
            tx_packets: counted.tx_packets,
            rx_missed: missed,
            rx_unclaimed: counted.rx_no_session,
        }
    }

    /// The probe as the API shows it, with these files.
    pub fn probe_document(&self, files: Vec<WatchedFile>) -> ProbeDocument {
        let (state, reason) = self.probe.state();
        ProbeDocument {
            mode: self.probe.mode(),
            state,
            reason,
            canary_at: self.probe.canary_at(),
            files,
        }
    }
}

/// A part that is left for the daemon's end, until that comes for it.
#[derive(Debug)]
pub struct HandoffCell<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for HandoffCell<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for HandoffCell<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> HandoffCell<T> {
    /// Leaves it.
    pub fn put(&self, part: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(part);
    }

    /// Comes for it; `None` if it was not left.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What the actor leaves when it has ended, part by part.
#[derive(Clone, Debug, Default)]
pub struct ShutdownHandoff {
    /// Ports and pollers.
    pub dataplane: HandoffCell<Dataplane>,
    /// The probe, of which the kernel lets go; `None` if there was none.
    pub probe: HandoffCell<Option<Closing>>,
    /// Certificates.
    pub archive: HandoffCell<Archive>,
    /// Sessions that come back.
    pub store: HandoffCell<Store>,
    /// Memory that waits for W4.
    pub pending_reclaim: HandoffCell<PendingReclaim>,
}

impl ShutdownHandoff {
    /// Takes the parts apart. Those that have nothing to end are dropped, but the hub: what happens from
    /// now on is still to be told.
    pub fn put(&self, services: Services) -> Hub {
        // The slowest to end, and no session needs it any more.
        self.probe.put(services.probe.begin_close());
        self.dataplane.put(services.dataplane);
        self.archive.put(services.archive);
        self.store.put(services.store);
        self.pending_reclaim.put(services.pending_reclaim);
        services.hub
    }
}

/// DPDK's driver name as people say it.
fn backend(driver: &str) -> String {
    driver.strip_prefix("net_").unwrap_or(driver).to_owned()
}

/// A watched file as the API shows it.
pub fn file_document(file: &onair_probe::WatchedFile) -> WatchedFile {
    let sites = file.sites.iter().map(|site| WatchedSite {
        name: match site.kind {
            SiteKind::WaitBegin => "onair:wait_begin".into(),
            SiteKind::WaitEnd => "onair:wait_end".into(),
        },
        file_offset: site.offset,
    });
    WatchedFile {
        path: file.path.clone(),
        device: file.device,
        inode: file.inode,
        build_id: file.build_id.clone(),
        sites: sites.collect(),
    }
}
