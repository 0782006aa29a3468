//! The handle through which the daemon uses the probe.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use aya::maps::{MapData, MapError, RingBuf};
use onair_ebpf::layout::Stat;
use onair_ebpf::names;
use onair_ebpf::process::SurveyError;
use onair_shares::{Owner, Usage};
use tokio::sync::oneshot;

use crate::canary::{self, Proof};
use crate::clients::attached::Attached;
use crate::clients::reading::{self, Reading};
use crate::clients::registry::Registry;
use crate::clients::site_checker::Listed;
use crate::clients::sleepers::Bounds;
use crate::config::ProbeConfig;
use crate::error::{Blind, ProbeError};
use crate::events::Events;
use crate::health::Health;
use crate::programs::load::{PROGRAM_COUNT, load};
use crate::programs::maps::{Maps, locked};
use crate::threads::arm::{Armed, ArmingStep, LaterChecks, arm};
use crate::threads::kernel::{self, AttachedTable, Command, KernelStatus};
use crate::threads::supervisor::Supervisor;

/// A running probe. Clones share it; dropping the last one ends it in the background.
#[derive(Clone)]
pub struct Probe {
    shared: Arc<ProbeParts>,
}

struct ProbeParts {
    config: ProbeConfig,
    maps: Arc<Maps>,
    registry: Mutex<Registry>,
    ring: Mutex<Option<RingBuf<MapData>>>,
    status: Arc<KernelStatus>,
    attached: AttachedTable,
    kernel: Sender<Command>,
    supervisor: Supervisor,
    own: Mutex<Own>,
}

impl Drop for ProbeParts {
    fn drop(&mut self) {
        // No thread waits for the end; a closed probe has already ended.
        let _ = self.kernel.send(Command::Close(Box::new(|| {})));
    }
}

/// This process as its own client.
struct Own {
    token: u64,
    armed: Option<Armed>,
    blind: Option<Blind>,
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl Probe {
    /// Loads the programs, arms this process's own sites and checks its own canary. Blocks for some
    /// tens of milliseconds.
    ///
    /// # Errors
    /// [`ProbeError::NotPermitted`] without the privileges, [`ProbeError::NoBtf`] on a kernel
    /// without type information, [`ProbeError::OwnSites`] or [`ProbeError::Blind`] when this
    /// process does not see itself.
    pub fn start(config: ProbeConfig) -> Result<Self, ProbeError> {
        let loaded = load(&config)?;
        let maps = Arc::new(loaded.maps);
        let ring = RingBuf::try_from(loaded.events).map_err(ProbeError::map(names::EVENTS))?;
        let status = Arc::new(KernelStatus::default());
        let attached = Attached::new(config.files(), config.sites());
        let attached = Arc::new(Mutex::new(attached));
        let kernel = kernel::start(
            loaded.ebpf,
            loaded.multi,
            Arc::clone(&attached),
            Arc::clone(&status),
        )?;
        let watch = LaterChecks {
            bounds: Bounds {
                threads: config.max_threads,
                time: config.look_time,
            },
            listed: listed(&maps),
        };
        let work = {
            let kernel = kernel.clone();
            Arc::new(move |owner, step: &ArmingStep| arm(owner, &kernel, &watch, step))
        };
        let supervisor = Supervisor::start(work, config.arm_deadline, config.looks())?;
        let own = Own {
            token: canary::challenge(&maps)?,
            armed: None,
            blind: None,
        };
        let shared = ProbeParts {
            config,
            maps,
            registry: Mutex::default(),
            ring: Mutex::new(Some(ring)),
            status,
            attached,
            kernel,
            supervisor,
            own: Mutex::new(own),
        };
        let probe = Self {
            shared: Arc::new(shared),
        };
        probe.arm_own_site()?;
        Ok(probe)
    }

    fn arm_own_site(&self) -> Result<(), ProbeError> {
        let pid = std::process::id();
        let (reply, answer) = channel();
        self.shared.supervisor.arm(
            Owner::root(pid),
            Box::new(move |result| {
                let _ = reply.send(result);
            }),
        );
        let armed =
            answer
                .recv()
                .unwrap_or(Err(ProbeError::Closed))
                .map_err(|error| match error {
                    ProbeError::Process(SurveyError::NoSites { .. }) => {
                        ProbeError::OwnSites(Box::new(error))
                    }
                    error => error,
                })?;
        locked(&self.shared.own).armed = Some(armed);
        self.self_test()
            .map_err(|source| ProbeError::Blind { pid, source })
    }

    /// Watches every file with sites that a process executes, and proves that its sites are armed,
    /// as for a process of root.
    ///
    /// # Errors
    /// As [`Probe::arm_for`].
    pub async fn arm(&self, pid: u32) -> Result<Armed, ProbeError> {
        self.arm_for(Owner::root(pid)).await
    }

    /// Watches every file with sites that a process executes, and proves that its sites are armed.
    /// The places count for the process's user.
    ///
    /// The pid is in this process's pid namespace. The caller must check afterwards, by a pidfd,
    /// that it still is the intended process. None of the work runs on the caller's thread;
    /// dropping the future releases what was armed.
    ///
    /// # Errors
    /// [`ProbeError::Deadline`] if the check of the process or the attaching did not return in
    /// time, [`ProbeError::Process`], [`ProbeError::Full`], and others, see their messages.
    pub async fn arm_for(&self, owner: Owner) -> Result<Armed, ProbeError> {
        let (reply, answer) = oneshot::channel();
        self.shared.supervisor.arm(
            owner,
            Box::new(move |result| {
                let _ = reply.send(result);
            }),
        );
        answer.await.unwrap_or(Err(ProbeError::Closed))
    }

    /// The processes that are armed now, this one among them.
    #[must_use]
    pub fn processes(&self) -> BTreeSet<u32> {
        locked(&self.shared.attached).processes()
    }

    /// A random token for a client to pass through its site.
    ///
    /// # Errors
    /// [`ProbeError::NoRoom`] if too many tokens are unanswered.
    pub fn challenge(&self) -> Result<u64, ProbeError> {
        canary::challenge(&self.shared.maps)
    }

    /// The first thread that passed the token through a site. Disarms the token if there is one.
    ///
    /// # Errors
    /// [`ProbeError::Map`] when the map cannot be read.
    pub fn proof(&self, token: u64) -> Result<Option<Proof>, ProbeError> {
        canary::proof(&self.shared.maps, token)
    }

    /// Disarms an unanswered token.
    ///
    /// # Errors
    /// [`ProbeError::Map`] when the map cannot be written.
    pub fn forget_challenge(&self, token: u64) -> Result<(), ProbeError> {
        canary::forget(&self.shared.maps, token)
    }

    /// Counts the waits of a process in a session from now on, at `index` (below 1024, one per live
    /// session), and reports its thread exits and execs as events. If the process has another
    /// attachment to the session, which has hung up and is not settled yet, both stay registered.
    ///
    /// # Errors
    /// [`ProbeError::Registered`] twice for one attachment, [`ProbeError::IndexTaken`] while
    /// another session uses the index, [`ProbeError::IndexRange`], [`ProbeError::NoRoom`].
    pub fn register(
        &self,
        proof: &Proof,
        session: u64,
        attachment: u64,
        index: u32,
    ) -> Result<(), ProbeError> {
        let shared = &*self.shared;
        locked(&shared.registry).register(&shared.maps, proof, session, attachment, index)
    }

    /// Counts no new waits under an attachment of a process; those inside stay counted until they leave.
    /// `tgid` as in the [`Proof`]. No error if it is not registered.
    ///
    /// # Errors
    /// [`ProbeError::Map`] when a map cannot be written.
    pub fn unregister(&self, tgid: u32, session: u64, attachment: u64) -> Result<(), ProbeError> {
        let shared = &*self.shared;
        locked(&shared.registry).unregister(&shared.maps, tgid, session, attachment)
    }

    /// Blocked callers of a session.
    ///
    /// # Errors
    /// [`ProbeError::Map`] when a map cannot be read.
    pub fn reading(&self, session: u64) -> Result<Reading, ProbeError> {
        let mut readings = self.readings(&[session])?;
        Ok(readings
            .remove(&session)
            .expect("the session was asked for"))
    }

    /// The counts of several sessions, without the list. One whose counts contradict each other is left out.
    ///
    /// # Errors
    /// [`ProbeError::Map`] when a map cannot be read.
    pub fn counts(&self, sessions: &[u64]) -> Result<BTreeMap<u64, Reading>, ProbeError> {
        let shared = &*self.shared;
        reading::counts(&shared.maps, &locked(&shared.registry), sessions)
    }

    /// The same of several sessions, from one walk of the kernel's list: as many readings.
    ///
    /// # Errors
    /// [`ProbeError::Map`] when a map cannot be read.
    pub fn readings(&self, sessions: &[u64]) -> Result<BTreeMap<u64, Reading>, ProbeError> {
        let shared = &*self.shared;
        reading::read(&shared.maps, &locked(&shared.registry), sessions)
    }

    /// Passes a canary through this process's own site, on the caller's thread (a few µs).
    ///
    /// # Errors
    /// [`Blind::Canary`] if the programs did not report it.
    pub fn self_test(&self) -> Result<(), Blind> {
        let shared = &*self.shared;
        let mut own = locked(&shared.own);
        let result = canary::test(&shared.maps, own.token, shared.config.own_site);
        own.blind = result.as_ref().err().cloned();
        result
    }

    /// The programs' own count of blocked callers at a session's index, without their names.
    ///
    /// # Errors
    /// [`ProbeError::Map`] when the map cannot be read.
    pub fn blocked(&self, index: u32) -> Result<u64, ProbeError> {
        let blocked = self.shared.maps.blocked(index);
        blocked.map_err(ProbeError::map(names::BLOCKED))
    }

    /// Whether it sees, as far as it can tell without reading every waiter.
    ///
    /// # Errors
    /// The first cause that is found.
    pub fn state(&self) -> Result<(), Blind> {
        let shared = &*self.shared;
        let counts = shared.status.get();
        if let Some(message) = counts.panic {
            return Err(Blind::Panicked(message));
        }
        if counts.programs < PROGRAM_COUNT {
            return Err(Blind::Closed);
        }
        if let Some(blind) = &locked(&shared.own).blind {
            return Err(blind.clone());
        }
        // One map stands for all: it is an array, and a read takes one system call.
        shared
            .maps
            .stat(Stat::Begin)
            .map_err(Blind::map(names::STATS))?;
        match counts.doing {
            Some((path, since)) if since.elapsed() > shared.config.slow => Err(Blind::Attaching {
                path,
                took: since.elapsed(),
            }),
            _ => Ok(()),
        }
    }

    fn stats(&self) -> Result<Vec<(&'static str, u64)>, MapError> {
        let maps = &self.shared.maps;
        Stat::ALL
            .into_iter()
            .map(|stat| maps.stat(stat).map(|value| (stat.name(), value)))
            .collect()
    }

    /// State and numbers. Reads every waiter: for a display, not for a loop.
    pub fn health(&self) -> Health {
        let shared = &*self.shared;
        let counts = shared.status.get();
        let maps = &shared.maps;
        let waiters = maps.waiter_count().map_err(Blind::map(names::WAITERS));
        let lost = locked(&shared.registry).lost(maps);
        let lost = lost.map_err(Blind::map(names::ATTACHMENTS));
        let read = waiters.and_then(|waiters| Ok((waiters, lost?)));
        let state = self.state().and(read.clone().map(drop));
        let (waiters, lost) = read.unwrap_or_default();
        Health {
            state,
            programs: counts.programs,
            links: counts.links,
            detaching: counts.detaching,
            shared_links: counts.shared_links,
            files: counts.files,
            waiters,
            ring_overruns: maps.stat(Stat::RingFull).unwrap_or_default(),
            stats: self.stats().unwrap_or_default(),
            lost,
        }
    }

    /// Use of each limit that users share: files, sites, checks.
    pub fn usage(&self) -> [Usage; 3] {
        let [files, sites] = locked(&self.shared.attached).usage();
        [files, sites, self.shared.supervisor.usage()]
    }

    /// Runs a closure on the thread that owns the programs, between two commands. If it panics, the
    /// thread dies and the probe is blind.
    pub fn on_its_thread(&self, task: impl FnOnce() + Send + 'static) {
        // A closed probe has no thread.
        let _ = self.shared.kernel.send(Command::Run(Box::new(task)));
    }

    /// The ring of events; `None` after the first call: there is one reader.
    pub fn events(&self) -> Option<Events> {
        let ring = locked(&self.shared.ring).take()?;
        Some(Events::new(ring, Arc::clone(&self.shared.maps)))
    }

    /// Detaches everything and unloads the programs; returns when the kernel has dropped them,
    /// after some 0.05 s (without shared links 0.1 s a site). Afterwards arming fails and the
    /// self-test is blind. Without this call the kernel does the same at the end of the process.
    pub async fn close(&self) {
        let (reply, done) = oneshot::channel();
        self.unload(move || {
            // The requester may have gone.
            let _ = reply.send(());
        });
        // Another clone has closed it meanwhile.
        let _ = done.await;
    }

    /// As [`Self::close`], without waiting.
    pub fn begin_close(&self) -> Closing {
        let (reply, done) = channel();
        self.unload(move || {
            // The requester may have gone.
            let _ = reply.send(());
        });
        Closing(done)
    }

    fn unload(&self, done: impl FnOnce() + Send + 'static) {
        locked(&self.shared.own).armed = None;
        // Without the thread `done` is dropped, and the waiting thread sees that.
        let _ = self.shared.kernel.send(Command::Close(Box::new(done)));
    }
}

/// A probe that is closing.
#[derive(Debug)]
pub struct Closing(Receiver<()>);

impl Closing {
    /// Waits for the end. Returns whether it came by `deadline`; if not, the closing continues.
    pub fn wait(self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        // Without its thread it was closed before.
        self.0.recv_timeout(left) != Err(RecvTimeoutError::Timeout)
    }
}

/// Reads the blocked threads of a session from the kernel's map.
fn listed(maps: &Arc<Maps>) -> Arc<Listed> {
    let maps = Arc::clone(maps);
    Arc::new(move |session| {
        let waiters = maps.waiters(&[session]);
        let waiters = waiters.map_err(Blind::map(names::WAITERS))?;
        Ok(waiters.iter().map(|it| it.ns_tid).collect())
    })
}
