//! Arms one process: inspects it, watches its files, proves that its sites are armed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, sync_channel};

use onair_ebpf::sites::{ReadAt, Site};

use crate::clients::folder::Folder;
use crate::clients::site_checker::{CheckerParts, Listed, SiteChecker};
use crate::clients::sleepers::Bounds;
use crate::clients::text::SitePage;
use crate::error::{Blind, ProbeError};
use crate::threads::kernel::Command;
use onair_ebpf::process::{self, SitedFile};
use onair_shares::Owner;

/// A watched file, which a client executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedFile {
    /// Path in the process; for people, since it may be gone or lie in another mount namespace.
    pub path: String,
    /// Inode number, which each waiter from this file carries.
    pub inode: u64,
    /// Device number, as in stat.
    pub device: u64,
    /// GNU build id, hexadecimal.
    pub build_id: Option<String>,
    /// Its sites: at least one where a wait begins, and one where it ends.
    pub sites: Vec<Site>,
}

impl WatchedFile {
    fn of(file: &SitedFile) -> Self {
        Self {
            path: file.path.clone(),
            inode: file.key.inode,
            device: file.key.device,
            build_id: file.found.build_id.clone(),
            sites: file.found.sites.clone(),
        }
    }
}

/// An armed process.
#[derive(Debug)]
pub struct Armed {
    /// Files with sites that it executes, at least one.
    pub files: Vec<WatchedFile>,
    /// Checks at any time that it is still armed.
    pub checker: SiteChecker,
}

/// How later checks of an armed client work.
#[derive(Clone)]
pub(crate) struct LaterChecks {
    pub(crate) bounds: Bounds,
    pub(crate) listed: Arc<Listed>,
}

/// Progress of an arming, for the message of a time-out.
#[derive(Debug, Default)]
pub(crate) struct ArmingStep(AtomicUsize);

impl ArmingStep {
    const NAMES: [&str; 4] = [
        "waiting for its turn",
        "reading its mappings and files",
        "attaching to its sites",
        "reading its sites",
    ];

    pub(crate) fn set(&self, step: usize) {
        self.0.store(step, Ordering::Relaxed);
    }

    pub(crate) fn name(&self) -> &'static str {
        Self::NAMES
            .get(self.0.load(Ordering::Relaxed))
            .copied()
            .unwrap_or("unknown")
    }
}

/// Arms a process on the caller's thread, which may hang in each step.
pub(crate) fn arm(
    owner: Owner,
    kernel: &Sender<Command>,
    watch: &LaterChecks,
    step: &ArmingStep,
) -> Result<Armed, ProbeError> {
    step.set(1);
    let pid = owner.pid;
    let survey = process::survey(pid)?;
    let files = survey.files.iter().map(WatchedFile::of).collect();
    let sites = survey.files.iter().flat_map(|file| &file.sites);
    let addresses: Vec<u64> = sites.map(|site| site.address).collect();
    // The kernel reads these pages when it attaches. A file system that does not answer then blocks
    // this thread, and not the one that attaches for all clients.
    for &address in &addresses {
        let read = survey.memory.read_at(&mut [0], address);
        read.map_err(|source| ProbeError::Blind {
            pid,
            source: Blind::Unreadable {
                address,
                source: Arc::new(source),
            },
        })?;
    }
    let pages = survey.files.iter().map(SitePage::of);
    let pages: Vec<_> = pages
        .collect::<std::io::Result<_>>()
        .map_err(ProbeError::system("reading the pages with the sites"))?;
    let folder =
        Folder::open(pid).map_err(ProbeError::system("opening the client's /proc folder"))?;

    step.set(2);
    let (reply, answer) = sync_channel(1);
    kernel
        .send(Command::Watch {
            files: survey.files,
            owner,
            reply,
        })
        .map_err(|_| ProbeError::Closed)?;
    let holds = answer.recv().map_err(|_| ProbeError::Closed)??;

    step.set(3);
    let parts = CheckerParts {
        memory: survey.memory,
        folder,
        pages: pages.into_iter().flatten().collect(),
        addresses,
        holds,
        bounds: watch.bounds,
        listed: Arc::clone(&watch.listed),
    };
    let checker = SiteChecker::new(parts);
    checker
        .look()
        .map_err(|source| ProbeError::Blind { pid, source })?;
    Ok(Armed { files, checker })
}
