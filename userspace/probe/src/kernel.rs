//! The thread that owns programs and links, and the one that drops links.
//!
//! Attaching takes 5–16 ms and takes the memory lock of every process that
//! maps the file; detaching takes 90–145 ms a site (both seen on Linux 6.18).

use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use aya::Ebpf;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLink, UProbeScope};
use onair_ebpf::sites::Site;
use tokio::sync::oneshot;

use crate::attached::{Attached, Hold, Known, Limit};
use crate::error::{ProbeError, classify};
use crate::load::{PROGRAM_COUNT, site_program};
use crate::maps::locked;
use crate::modified::ModifiedFiles;
use onair_ebpf::process::{FileKey, SitedFile};

/// What the thread is asked for.
pub(crate) enum Command {
    /// Watch these files, or say why not. Holds come in the order of the files.
    Watch {
        files: Vec<SitedFile>,
        reply: SyncSender<Result<Vec<Hold>, ProbeError>>,
    },
    /// The contents of a file changed: its sites may be anywhere by now.
    Modified(FileKey),
    /// Detach everything, unload, and end.
    Close(oneshot::Sender<()>),
}

/// What others may know of the thread without asking it.
#[derive(Debug, Default)]
pub(crate) struct Status {
    counts: Mutex<Counts>,
}

/// Numbers of what the kernel holds for us.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) programs: usize,
    pub(crate) files: usize,
    pub(crate) links: usize,
    pub(crate) detaching: usize,
    /// What the thread does now, and since when.
    pub(crate) doing: Option<(String, Instant)>,
}

impl Status {
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
    max_files: usize,
    max_links: usize,
    status: Arc<Status>,
) -> Result<Sender<Command>, ProbeError> {
    let (commands, inbox) = channel();
    let (links, leaving) = channel();
    let reaper = spawn("onair-detach", {
        let status = Arc::clone(&status);
        move || drop_links(&leaving, &status)
    })?;
    let modified = ModifiedFiles::start(commands.clone())
        .inspect_err(|error| tracing::warn!(%error, "files changed in place will not be noticed"))
        .ok();
    status.set(|counts| counts.programs = PROGRAM_COUNT);
    let kernel = Kernel {
        ebpf,
        attached: Attached::new(max_files, max_links),
        links,
        modified,
        status,
    };
    spawn("onair-probe", move || kernel.run(&inbox, reaper))?;
    Ok(commands)
}

pub(crate) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, ProbeError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(ProbeError::system("starting a thread of the probe"))
}

struct Kernel {
    ebpf: Ebpf,
    attached: Attached<UProbeLink>,
    links: Sender<Vec<UProbeLink>>,
    modified: Option<ModifiedFiles>,
    status: Arc<Status>,
}

impl Kernel {
    fn run(mut self, inbox: &Receiver<Command>, reaper: JoinHandle<()>) {
        while let Ok(command) = inbox.recv() {
            match command {
                Command::Watch { files, reply } => {
                    let holds = files.into_iter().map(|file| self.watch(file)).collect();
                    self.publish();
                    // Nobody waits any more when the deadline has passed; the holds are dropped.
                    let _ = reply.send(holds);
                }
                Command::Modified(key) => {
                    let links = self.attached.remove(key);
                    self.detach(links);
                    self.publish();
                }
                Command::Close(reply) => {
                    self.unload(reaper);
                    let _ = reply.send(());
                    return;
                }
            }
        }
        self.unload(reaper);
    }

    fn watch(&mut self, file: SitedFile) -> Result<Hold, ProbeError> {
        match self.attached.known(file.key, &file.found.sites) {
            Known::Watched(hold) => return Ok(hold),
            Known::Changed => {
                let links = self.attached.remove(file.key);
                self.detach(links);
                return Err(ProbeError::FileChanged { path: file.path });
            }
            Known::New => {}
        }
        let evicted =
            self.attached
                .make_room(file.found.sites.len())
                .map_err(|limit| match limit {
                    Limit::Files => ProbeError::Full {
                        what: "files",
                        limit: self.attached.max_files(),
                    },
                    Limit::Links => ProbeError::Full {
                        what: "sites",
                        limit: self.attached.max_links(),
                    },
                })?;
        self.detach(evicted);
        self.status
            .set(|counts| counts.doing = Some((file.path.clone(), Instant::now())));
        let attached = self.attach_all(&file);
        self.status.set(|counts| counts.doing = None);
        let links = attached?;
        if let Some(modified) = &self.modified {
            modified.add(&file.file, file.key);
        }
        Ok(self.attached.insert(file.key, file.found.sites, links))
    }

    fn attach_all(&mut self, file: &SitedFile) -> Result<Vec<UProbeLink>, ProbeError> {
        let mut links = Vec::with_capacity(file.found.sites.len());
        for &site in &file.found.sites {
            match self.attach(file, site) {
                Ok(link) => links.push(link),
                Err(error) => {
                    self.detach(links);
                    return Err(error);
                }
            }
        }
        Ok(links)
    }

    fn attach(&mut self, file: &SitedFile, site: Site) -> Result<UProbeLink, ProbeError> {
        // The descriptor that was read: a path could name another file by now.
        let target = format!("/proc/self/fd/{}", file.file.as_raw_fd());
        let point = UProbeAttachPoint {
            location: UProbeAttachLocation::AbsoluteOffset(site.offset),
            cookie: Some(file.key.inode),
        };
        let program = site_program(&mut self.ebpf, site.kind.name())?;
        program
            .attach(point, target, UProbeScope::AllProcesses)
            .and_then(|link| program.take_link(link))
            .map_err(|error| {
                classify("watching a probe site", error, |source| {
                    ProbeError::Attach {
                        path: file.path.clone(),
                        offset: site.offset,
                        source: Box::new(source),
                    }
                })
            })
    }

    fn detach(&self, links: Vec<UProbeLink>) {
        if links.is_empty() {
            return;
        }
        self.status.set(|counts| counts.detaching += links.len());
        // The other end lives until this one is dropped.
        let _ = self.links.send(links);
    }

    fn publish(&self) {
        let (files, links) = (self.attached.file_count(), self.attached.link_count());
        self.status
            .set(|counts| (counts.files, counts.links) = (files, links));
    }

    /// Returns when the kernel has let go of everything.
    fn unload(mut self, reaper: JoinHandle<()>) {
        let links = self.attached.clear();
        self.detach(links);
        self.publish();
        let Self {
            ebpf,
            links,
            modified,
            status,
            ..
        } = self;
        drop((links, modified));
        // A panic there has been reported by its thread.
        let _ = reaper.join();
        drop(ebpf);
        status.set(|counts| counts.programs = 0);
    }
}

fn drop_links(leaving: &Receiver<Vec<UProbeLink>>, status: &Status) {
    while let Ok(links) = leaving.recv() {
        for link in links {
            drop(link);
            status.set(|counts| counts.detaching -= 1);
        }
    }
}
