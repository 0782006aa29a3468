//! The machine of the engine, as it is: data plane, kernel, processes, ptp4l, disk.

mod surroundings;

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_api::{ProbeMode, ProbeState, Problem, SessionId, Timestamp, Versions};
use onair_dataplane::Dataplane;
use onair_engine::clients::inspection::Inspection;
use onair_engine::clients::processes::Processes;
use onair_engine::clock::{Clock, Clocks};
use onair_engine::machine::{
    Charge, ClientAccess, Later, Machine, MemoryReturn, ProbeAccess, Recordings, Shutdown, Timing,
    Watching,
};
use onair_engine::services::Identity;
use onair_ipc::freshness::Freshness;
use onair_ipc::life::OwnerDeathNotifier;
use onair_ipc::memfd::Memfd;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::sys;
use onair_probe::{Probe, ProbeError, Proof, Waiter};
use onair_session::{RetiredMemory, Walk};
use onair_shares::Usage;

use crate::clients::file_guard::FileGuard;
use crate::clients::inspector::Inspector;
use crate::clients::threads::Proc;
use crate::converter::Conversions;
use crate::file_watch::FileWatch;
use crate::ptp::PtpWatch;
use crate::reclaimer::Reclaimer;
use crate::recorder::RecorderThreads;
use crate::resources::Resources;
use crate::shutdown::ShutdownCoordinator;
use crate::sockets::connections::Connections;
use crate::witness::mapping;
use crate::witness::probe::ProbeLink;

/// The clocks of this host.
#[derive(Debug)]
pub struct HostClock;

impl HostClock {
    /// As the engine has them.
    #[must_use]
    pub fn clocks() -> Clocks {
        Arc::new(Self)
    }
}

impl Clock for HostClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic_ns(&self) -> u64 {
        sys::monotonic_ns()
    }
}

/// The parts, as they were started.
#[derive(Debug)]
pub struct RealMachine {
    /// Its clocks.
    pub clock: Clocks,
    /// Ports and pollers.
    pub dataplane: Dataplane,
    /// The probe, or why it does not run.
    pub probe: ProbeLink,
    /// Tells clients that the daemon died.
    pub death_notifier: OwnerDeathNotifier,
    /// The journal of resources.
    pub resources: Resources,
    /// Watches the configuration file.
    pub file_watch: FileWatch,
    /// Detects clients that change their memory with system calls.
    pub guard: FileGuard,
    /// Helper threads that inspect client processes.
    pub inspector: Inspector,
    /// Asks ptp4l.
    pub ptp: PtpWatch,
    /// Unmaps memory.
    pub reclaimer: Reclaimer,
    /// The connections of both sockets.
    pub connections: [Connections; 2],
    /// The recorder's threads.
    pub recorder: RecorderThreads,
    /// Coordinates the daemon's shutdown.
    pub shutdown: ShutdownCoordinator,
    /// The process that converts.
    pub converter: Conversions,
}

impl RealMachine {
    fn running_probe(&self) -> Option<&Probe> {
        self.probe.probe()
    }
}

impl Timing for RealMachine {
    fn clock(&self) -> &Clocks {
        &self.clock
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn spawn(&self, work: Later<()>) {
        tokio::task::spawn_local(work);
    }

    fn sleep_until(&self, at: Instant) -> Later<()> {
        Box::pin(tokio::time::sleep_until(at.into()))
    }
}

impl Machine for RealMachine {
    fn dataplane(&self) -> &Dataplane {
        &self.dataplane
    }

    fn dataplane_mut(&mut self) -> &mut Dataplane {
        &mut self.dataplane
    }

    fn recordings(&self) -> &dyn Recordings {
        &self.recorder
    }

    fn shutdown(&self) -> &dyn Shutdown {
        &self.shutdown
    }
}

/// The identity of this process, as the kernel has it.
pub fn identity(incarnation: u32, dpdk: String) -> Identity {
    let read = |path: &str| {
        std::fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    Identity {
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

impl ProbeAccess for RealMachine {
    fn probe_state(&self) -> (ProbeState, Option<String>) {
        self.probe.state()
    }

    fn probe_mode(&self) -> ProbeMode {
        self.probe.mode()
    }

    fn set_probe_mode(&mut self, mode: ProbeMode) {
        self.probe.set_mode(mode);
    }

    fn canary_at(&self) -> Option<Timestamp> {
        self.probe.canary_at()
    }

    fn test_probe(&self) {
        self.probe.test();
    }

    fn check_probe(&self) -> Result<(), Problem> {
        self.probe.check()
    }

    fn waiters(&self, session: u64) -> Vec<Waiter> {
        self.probe.waiters(session)
    }

    fn blocked(&self, index: u32) -> Option<Result<u64, ProbeError>> {
        self.running_probe().map(|probe| probe.blocked(index))
    }

    fn walk(&self, sessions: &[SessionId]) -> Box<dyn Walk + '_> {
        Box::new(self.probe.walk(sessions))
    }

    fn register(
        &self,
        client: &Proof,
        session: u64,
        attachment: u64,
        index: u32,
    ) -> Result<(), ProbeError> {
        self.running_probe().map_or(Ok(()), |probe| {
            probe.register(client, session, attachment, index)
        })
    }

    fn unregister(&self, tgid: u32, session: u64, attachment: u64) -> Result<(), ProbeError> {
        self.running_probe()
            .map_or(Ok(()), |probe| probe.unregister(tgid, session, attachment))
    }

    fn watching(&self) -> Watching {
        match (self.running_probe(), self.probe.mode()) {
            (Some(_), ProbeMode::Required) => Watching::Required,
            (Some(_), ProbeMode::Preferred) => Watching::Preferred,
            _ => Watching::Off,
        }
    }

    fn probe_usage(&self) -> Vec<Usage> {
        let probe = self.running_probe().into_iter();
        probe.flat_map(Probe::usage).collect()
    }
}

impl ClientAccess for RealMachine {
    fn inspect(&self, inspection: Inspection) {
        self.inspector.ask(inspection);
    }

    fn inspections_due(&self) -> Option<Instant> {
        self.inspector.wake_at()
    }

    fn expire_inspections(&self, now: Instant) {
        self.inspector.expire(now);
    }

    fn processes(&self) -> &dyn Processes {
        &Proc
    }

    fn hang(&mut self, memory: &AttachmentMemory) -> Result<usize, String> {
        let place = self.death_notifier.hang(memory);
        place.map_err(|error| error.to_string())
    }

    fn unhang(&mut self, place: usize) {
        self.death_notifier.unhang(place);
    }

    fn guard(&mut self, file: BorrowedFd<'_>, owner: (u64, u64)) {
        self.guard.watch(file, owner);
    }

    fn touched(&mut self) -> Vec<(u64, u64)> {
        self.guard.touched()
    }

    fn guard_problem(&self) -> Option<String> {
        self.guard.problem().map(str::to_owned)
    }
}

impl MemoryReturn for RealMachine {
    fn is_sole(&self, file: &Memfd) -> io::Result<bool> {
        mapping::is_sole(file)
    }

    fn replace_pages(&self, of: &Arc<Freshness>) {
        self.reclaimer.replace_pages(Arc::clone(of));
    }

    fn give_back(&self, charge: Charge, memory: RetiredMemory) {
        self.reclaimer.give_back(charge, memory);
    }

    fn is_returning(&self, session: SessionId) -> bool {
        self.reclaimer.has(session)
    }

    fn when_returned(&self, session: SessionId) -> Later<()> {
        let returned = self.reclaimer.returned(session);
        // A thread that has died has returned what it could.
        Box::pin(async { returned.await.unwrap_or_default() })
    }

    fn returning(&self) -> Vec<(u32, u64)> {
        self.reclaimer.returning()
    }

    fn pinned(&self) -> Vec<(Charge, u64)> {
        self.reclaimer.pinned()
    }

    fn pinned_due(&self) -> Option<Instant> {
        self.reclaimer.wake_at()
    }

    fn ask_for_pinned(&mut self, now: Instant) {
        self.reclaimer.ask_again(now);
    }
}
