//! The stage itself: it owns what is put up, and takes it down however the run ends.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::cleanup::leftovers::{take_down, take_down_leftovers};
use crate::cleanup::record::{Record, StageResource};
use crate::cleanup::run::{Guard, Run, guard};
use crate::machine::cgroup::MemoryLimit;
use crate::machine::command::output;
use crate::machine::disk::{self, Disk};
use crate::machine::folder::Folder;
use crate::machine::hugepages::Hugepages;
use crate::machine::namespace::{self, Veth};
use crate::machine::runtime_folders;
use crate::machine::sysctl::Sysctl;

/// What a run has put up on this machine.
///
/// Everything is recorded before it is put up. It is taken down, processes first, by
/// [`Stage::take_down`], on drop, on a panic, on SIGINT, SIGTERM and SIGHUP; after a SIGKILL by
/// the next [`Stage::open`] of any process.
#[derive(Debug)]
pub struct Stage {
    run: Run,
    namespace: String,
    directory: PathBuf,
    leftovers: Vec<String>,
    up: Arc<Mutex<Up>>,
    _interrupt: Guard,
}

/// What is up now. `None` once it has been taken down: nothing more may be put up then.
#[derive(Debug)]
struct Up(Option<Record>);

impl Stage {
    /// Takes down what killed runs left, then puts up a network namespace `onair-KIND-PID-N` and
    /// a folder.
    ///
    /// # Errors
    /// Without root, without `ip`, or when leftovers cannot be taken down.
    pub fn open(kind: &str) -> Result<Self> {
        let leftovers = take_down_leftovers()?;
        let run = Run::next()?;
        let name = format!("onair-{kind}-{}-{}", run.owner.pid, run.number);
        let directory = std::env::temp_dir().join(&name);
        let up = Arc::new(Mutex::new(Up(Some(Record {
            run,
            resources: Vec::new(),
        }))));
        let on_signal = Arc::clone(&up);
        let interrupt = guard(move || report(down(&on_signal)))?;
        let stage = Self {
            run,
            namespace: name,
            directory,
            leftovers,
            up,
            _interrupt: interrupt,
        };
        stage.put_up(StageResource::Directory(stage.directory.clone()), |_| {
            std::fs::create_dir_all(&stage.directory)
                .with_context(|| format!("making {}", stage.directory.display()))
        })?;
        stage.put_up(
            StageResource::Namespace(stage.namespace.clone()),
            |folder| {
                runtime_folders::note(folder)?;
                namespace::add(folder, &stage.namespace)
            },
        )?;
        Ok(stage)
    }

    /// What of killed runs was taken down when this stage was opened, a line each.
    #[must_use]
    pub fn leftovers(&self) -> &[String] {
        &self.leftovers
    }

    /// The name of the namespace under `/run/netns`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Runs `ip` on the namespace, with these words.
    ///
    /// # Errors
    /// It fails.
    pub fn ip(&self, arguments: &str) -> Result<()> {
        let arguments: Vec<_> = arguments.split_whitespace().collect();
        output("ip", &[&["-n", self.namespace()][..], &arguments].concat()).map(drop)
    }

    /// A folder for this run's files; it goes with the stage.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Puts a cable into the namespace; it goes with the namespace.
    ///
    /// # Errors
    /// When a name is taken, or the kernel has no veth.
    pub fn veth(&self, cable: &Veth) -> Result<()> {
        let _up = self.still_up()?;
        namespace::add_veth(&self.namespace, cable)
    }

    /// Sees to it that `megabytes` of hugepages are free; `false` when the kernel has not got them.
    ///
    /// # Errors
    /// When the kernel has no hugepages at all, or we may not add any.
    pub fn hugepages(&self, megabytes: u64) -> Result<bool> {
        let mut up = self.still_up()?;
        let folder = Folder::open()?;
        let Some(mut pages) = Hugepages::plan(megabytes)? else {
            return Ok(true);
        };
        let record = up.record()?;
        let place = record.resources.len();
        record
            .resources
            .push(StageResource::Hugepages(pages.clone()));
        folder.save(record)?;
        let given = pages.add()?;
        if given {
            record.resources[place] = StageResource::Hugepages(pages);
        } else {
            record.resources.pop();
        }
        folder.save(record)?;
        Ok(given)
    }

    /// A limit of `bytes` on the memory of processes that are put under it.
    ///
    /// # Errors
    /// When the kernel has no memory controller, or we may not use it.
    pub fn memory_limit(&self, bytes: u64) -> Result<MemoryLimit> {
        let limit = MemoryLimit::plan(&self.namespace)?;
        let folder = limit.folder().to_owned();
        self.put_up(StageResource::Cgroup(folder), |_| limit.put_up(bytes))?;
        Ok(limit)
    }

    /// A file system in memory, of `bytes`, in a folder `name` of this run's.
    pub fn tmpfs(&self, name: &str, bytes: u64) -> Result<PathBuf> {
        let place = self.directory.join(name);
        self.put_up(StageResource::Mount(place.clone()), |_| {
            disk::tmpfs(&place, bytes)
        })?;
        Ok(place)
    }

    /// A disk of `bytes` with an ext4 on it, in a folder `name` of this run's. It is a file in
    /// `backing`, which has to have space only for what is written to it.
    pub fn disk(&self, name: &str, backing: &Path, bytes: u64) -> Result<Disk> {
        let place = self.directory.join(name);
        let image = backing.join(format!("{name}.image"));
        let mut disk = None;
        self.put_up(StageResource::Mount(place.clone()), |_| {
            disk = Some(disk::ext4(&place, &image, bytes)?);
            Ok(())
        })?;
        disk.context("it was just mounted")
    }

    /// What a loss of power at this moment leaves on `disk`, in a folder `name` of this run's: what was
    /// written to it and not synced is missing.
    pub fn after_power_loss(&self, disk: &Disk, name: &str) -> Result<PathBuf> {
        let place = self.directory.join(name);
        let image = self.directory.join(format!("{name}.image"));
        self.put_up(StageResource::Mount(place.clone()), |_| {
            disk.copy_device(&place, &image)
        })?;
        Ok(place)
    }

    /// Raises the kernel's setting `name` (in dots) to `least`, if it is lower.
    ///
    /// # Errors
    /// When there is no such number, or we may not set it.
    pub fn sysctl_at_least(&self, name: &str, least: u64) -> Result<()> {
        match Sysctl::plan(name, least)? {
            Some(change) => self.put_up(StageResource::Sysctl(change.clone()), |_| change.apply()),
            None => Ok(()),
        }
    }

    /// A command that belongs to this run: it and all that it starts are ended with the stage. It
    /// has a process group of its own, so that a Ctrl-C in the terminal does not reach it beside
    /// the stage's own, orderly end.
    #[must_use]
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        self.run.command(program)
    }

    /// Like [`Stage::command`], inside the network namespace. Not by `ip netns exec`, which also
    /// hides `/sys/fs/bpf` and `/sys/fs/cgroup`.
    #[must_use]
    pub fn command_inside(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.command("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.namespace))
            .arg(program.as_ref());
        command
    }

    /// Runs `f` on a thread inside the network namespace, and gives its result. Sockets that it
    /// opens stay in the namespace, whichever thread uses them later.
    ///
    /// # Errors
    /// When the namespace cannot be entered, and what `f` fails with.
    ///
    /// # Panics
    /// When `f` does.
    pub fn inside<T: Send>(&self, f: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let path = format!("/run/netns/{}", self.namespace);
        let namespace = File::open(&path).with_context(|| format!("opening {path}"))?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let network = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(namespace.as_fd(), network).context("setns")?;
                f()
            });
            match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Ends the processes and takes everything down.
    ///
    /// # Errors
    /// When a part could not be taken down: the message lists each.
    pub fn take_down(&self) -> Result<()> {
        down(&self.up)
    }

    fn put_up(
        &self,
        resource: StageResource,
        how: impl FnOnce(&Folder) -> Result<()>,
    ) -> Result<()> {
        let mut up = self.still_up()?;
        let folder = Folder::open()?;
        let record = up.record()?;
        record.resources.push(resource);
        folder.save(record)?;
        how(&folder)
    }

    /// What is up, locked. The lock of the folder is only ever taken after this one.
    fn still_up(&self) -> Result<MutexGuard<'_, Up>> {
        let mut up = lock(&self.up);
        up.record()?;
        Ok(up)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        report(down(&self.up));
    }
}

impl Up {
    fn record(&mut self) -> Result<&mut Record> {
        match &mut self.0 {
            Some(record) => Ok(record),
            None => bail!("interrupted: the stage has been taken down"),
        }
    }
}

fn down(up: &Mutex<Up>) -> Result<()> {
    // The lock is held until all is down: the signal thread must not end the process meanwhile.
    let mut up = lock(up);
    match up.0.take() {
        Some(record) => take_down(&record),
        None => Ok(()),
    }
}

fn lock(up: &Mutex<Up>) -> MutexGuard<'_, Up> {
    up.lock().unwrap_or_else(PoisonError::into_inner)
}

fn report(result: Result<()>) {
    if let Err(error) = result {
        eprintln!("onair-stage: {error:#}");
    }
}
