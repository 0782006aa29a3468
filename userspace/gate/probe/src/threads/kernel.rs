//! The thread that owns programs and links, and the one that drops links.
//!
//! Attaching takes 5–16 ms and takes the memory lock of every process that maps the file. Detaching
//! takes 24 ms a link, or 40–75 ms for four in parallel. If each site has its own link, it takes
//! 90–145 ms a site, one after the other (all measured on Linux 6.18).

use std::any::Any;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use aya::Ebpf;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLink, UProbeScope};
use onair_ebpf::process::{FileKey, SitedFile};
use onair_ebpf::sites::Site;
use onair_shares::Owner;

use crate::clients::attached::{Attached, Hold, Known};
use crate::error::{ProbeError, classify};
use crate::programs::load::{PROGRAM_COUNT, site_program};
use crate::programs::maps::locked;
use crate::programs::multi::Multi;
use crate::threads::modified::{ModifiedFiles, spawn};

/// Links dropped in parallel.
const SIDE_BY_SIDE: usize = 16;

/// Commands to the thread.
pub(crate) enum Command {
    /// Watch these files, or report why not. Holds come in the order of the files.
    Watch {
        files: Vec<SitedFile>,
        owner: Owner,
        reply: SyncSender<Result<Vec<Hold>, ProbeError>>,
    },
    /// The contents of a file changed: its sites may have moved.
    Modified(FileKey),
    /// Run this.
    Run(Box<dyn FnOnce() + Send>),
    /// Detach everything, unload, run this, and end.
    Close(Box<dyn FnOnce() + Send>),
}

/// The watched files. Other threads read them, too: hold the lock only for a read.
pub(crate) type AttachedTable = Arc<Mutex<Attached<Link>>>;

/// Keeps sites watched until it is dropped.
#[expect(dead_code, reason = "they are only dropped")]
pub(crate) enum Link {
    One(UProbeLink),
    Many(OwnedFd),
}

/// State of the thread that others may read without a command.
#[derive(Debug, Default)]
pub(crate) struct KernelStatus {
    counts: Mutex<Counts>,
}

/// Numbers of the kernel objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) programs: usize,
    pub(crate) files: usize,
    pub(crate) links: usize,
    pub(crate) detaching: usize,
    /// Whether a file's sites share one link for each kind.
    pub(crate) shared_links: bool,
    /// Current work of the thread, and its start.
    pub(crate) doing: Option<(String, Instant)>,
    /// Its panic message.
    pub(crate) panic: Option<String>,
}

impl KernelStatus {
    pub(crate) fn get(&self) -> Counts {
        locked(&self.counts).clone()
    }

    fn set(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut locked(&self.counts));
    }
}

/// Starts the thread.
pub(crate) fn start(
    ebpf: Ebpf,
    multi: Option<Multi>,
    attached: AttachedTable,
    status: Arc<KernelStatus>,
) -> Result<Sender<Command>, ProbeError> {
    let (commands, inbox) = channel();
    let (links, leaving) = channel();
    let reaper = spawn("onair-detach", {
        let status = Arc::clone(&status);
        move || drop_links(&leaving, &status)
    })?;
    let on_change = commands.clone();
    // A closed probe needs no news.
    let on_change = move |key| drop(on_change.send(Command::Modified(key)));
    let modified = ModifiedFiles::start(on_change)
        .inspect_err(|error| tracing::warn!(%error, "files changed in place will not be noticed"))
        .ok();
    status.set(|counts| {
        counts.programs = PROGRAM_COUNT;
        counts.shared_links = multi.is_some();
    });
    let kernel = Kernel {
        ebpf,
        multi,
        attached,
        links,
        modified,
        status,
    };
    spawn("onair-probe", move || kernel.run(&inbox, reaper))?;
    Ok(commands)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    text.or(owned).unwrap_or("no message").to_owned()
}

struct Kernel {
    ebpf: Ebpf,
    /// Without it, each site gets its own link.
    multi: Option<Multi>,
    attached: AttachedTable,
    links: Sender<Vec<Link>>,
    modified: Option<ModifiedFiles>,
    status: Arc<KernelStatus>,
}

impl Kernel {
    fn run(mut self, inbox: &Receiver<Command>, reaper: JoinHandle<()>) {
        while let Ok(command) = inbox.recv() {
            if let Command::Close(done) = command {
                self.unload(reaper);
                done();
                return;
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.handle(command))) {
                // Set before anything is dropped: from here on the probe is blind.
                self.status
                    .set(|counts| counts.panic = Some(message(&*panic)));
                break;
            }
        }
        self.unload(reaper);
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Watch {
                files,
                owner,
                reply,
            } => {
                let holds = files.into_iter().map(|file| self.watch(file, owner));
                let holds = holds.collect();
                self.publish();
                // After the deadline the requester no longer waits; the holds are dropped.
                let _ = reply.send(holds);
            }
            Command::Modified(key) => {
                let links = locked(&self.attached).remove(key);
                self.detach(links);
                self.publish();
            }
            Command::Run(task) => task(),
            // The end is handled before.
            Command::Close(_) => {}
        }
    }

    fn watch(&mut self, file: SitedFile, owner: Owner) -> Result<Hold, ProbeError> {
        let known = locked(&self.attached).known(file.key, &file.found.sites, owner);
        match known {
            Known::Watched(hold) => return Ok(hold),
            Known::Changed => {
                let links = locked(&self.attached).remove(file.key);
                self.detach(links);
                return Err(ProbeError::FileChanged { path: file.path });
            }
            Known::New => {}
        }
        let evicted = locked(&self.attached).make_room(file.found.sites.len(), owner)?;
        self.detach(evicted);
        self.status
            .set(|counts| counts.doing = Some((file.path.clone(), Instant::now())));
        let attached = self.attach_all(&file);
        self.status.set(|counts| counts.doing = None);
        let links = attached?;
        if let Some(modified) = &self.modified {
            modified.add(&file.file, file.key);
        }
        Ok(locked(&self.attached).insert(file.key, file.found.sites, links, owner))
    }

    fn attach_all(&mut self, file: &SitedFile) -> Result<Vec<Link>, ProbeError> {
        // The descriptor that was read: the path may name another file by now.
        let path = format!("/proc/self/fd/{}", file.file.as_raw_fd());
        if let Some(multi) = &self.multi {
            let links = multi.attach(&path, &file.found.sites, file.key.inode);
            let links = links.map_err(|error| refused(file, None, error))?;
            return Ok(links.into_iter().map(Link::Many).collect());
        }
        let mut links = Vec::with_capacity(file.found.sites.len());
        for &site in &file.found.sites {
            match self.attach(file, &path, site) {
                Ok(link) => links.push(Link::One(link)),
                Err(error) => {
                    self.detach(links);
                    return Err(error);
                }
            }
        }
        Ok(links)
    }

    fn attach(
        &mut self,
        file: &SitedFile,
        path: &str,
        site: Site,
    ) -> Result<UProbeLink, ProbeError> {
        let point = UProbeAttachPoint {
            location: UProbeAttachLocation::AbsoluteOffset(site.offset),
            cookie: Some(file.key.inode),
        };
        let program = site_program(&mut self.ebpf, site.kind.name())?;
        program
            .attach(point, path, UProbeScope::AllProcesses)
            .and_then(|link| program.take_link(link))
            .map_err(|error| refused(file, Some(site), error))
    }

    fn detach(&self, links: Vec<Link>) {
        if links.is_empty() {
            return;
        }
        self.status.set(|counts| counts.detaching += links.len());
        // The other end lives until this one is dropped.
        let _ = self.links.send(links);
    }

    fn publish(&self) {
        let attached = locked(&self.attached);
        let (files, links) = (attached.file_count(), attached.site_count());
        drop(attached);
        self.status
            .set(|counts| (counts.files, counts.links) = (files, links));
    }

    /// Returns when the kernel has dropped everything.
    fn unload(self, reaper: JoinHandle<()>) {
        let links = locked(&self.attached).clear();
        self.detach(links);
        self.publish();
        let Self {
            ebpf,
            multi,
            links,
            modified,
            status,
            ..
        } = self;
        // Linked programs stay until their links are gone.
        drop((links, modified, multi, ebpf));
        // The panicking thread has reported its panic.
        let _ = reaper.join();
        status.set(|counts| counts.programs = 0);
    }
}

fn refused(
    file: &SitedFile,
    site: Option<Site>,
    error: impl std::error::Error + Send + Sync + 'static,
) -> ProbeError {
    classify("watching a probe site", error, |source| {
        ProbeError::Attach {
            path: file.path.clone(),
            offset: site
                .or(file.found.sites.first().copied())
                .map_or(0, |site| site.offset),
            source: Box::new(source),
        }
    })
}

/// Drops links in parallel: they wait in the kernel for the same grace periods.
fn drop_links(leaving: &Receiver<Vec<Link>>, status: &KernelStatus) {
    let end = |link: Link| {
        drop(link);
        status.set(|counts| counts.detaching -= 1);
    };
    while let Ok(mut links) = leaving.recv() {
        while !links.is_empty() {
            let rest = links.split_off(links.len().min(SIDE_BY_SIDE));
            thread::scope(|scope| {
                for link in std::mem::replace(&mut links, rest) {
                    let spawned = thread::Builder::new()
                        .name("onair-detach".to_owned())
                        .spawn_scoped(scope, move || end(link));
                    // Without a thread the link is dropped here, with the closure that owned it.
                    if spawned.is_err() {
                        status.set(|counts| counts.detaching -= 1);
                    }
                }
            });
        }
    }
}
