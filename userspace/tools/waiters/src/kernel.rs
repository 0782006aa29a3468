//! The tool's own probe, loaded with libbpf: the same object in another process.

use std::collections::HashSet;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, anyhow};
use libbpf_rs::{Link, MapCore, MapFlags, MapHandle, Object, ObjectBuilder, UprobeOpts};
use onair_ebpf::layout::{Client, Settings, Waiter};
use onair_ebpf::names;
use onair_ebpf::process::{FileKey, SitedFile, own_pid_namespace};

/// Programs, maps and links; the kernel drops them when this process ends.
pub(crate) struct Kernel {
    object: Object,
    links: Vec<Link>,
    files: HashSet<FileKey>,
    waiters: MapHandle,
    clients: MapHandle,
}

impl Kernel {
    /// Loads the object so that it counts every session of a known process.
    pub(crate) fn load() -> Result<Self> {
        // libbpf writes to stderr on its own; its errors are also returned.
        libbpf_rs::set_print(None);
        let pidns_inum = own_pid_namespace().context("/proc/self/ns/pid")?;
        let settings = Settings {
            pidns_inum,
            watch_all: 1,
        }
        .to_bytes();

        let mut open = ObjectBuilder::default()
            .name("onair_waiters")?
            .open_memory(onair_ebpf::object())
            .context("the BPF object cannot be read")?;
        // The settings are the only constant of the object, so they are the whole section.
        let mut constants = open
            .maps_mut()
            .find(|map| map.name().to_string_lossy().ends_with(".rodata"))
            .ok_or_else(|| anyhow!("the BPF object has no .rodata"))?;
        constants
            .set_initial_value(&settings)
            .context("settings of the BPF object")?;
        let object = open.load().context("the BPF object cannot be loaded")?;

        let (waiters, clients) = (
            handle(&object, names::WAITERS)?,
            handle(&object, names::CLIENTS)?,
        );
        let mut kernel = Self {
            object,
            links: Vec::new(),
            files: HashSet::new(),
            waiters,
            clients,
        };
        for (name, tracepoint) in [
            (names::ON_EXIT, names::TRACEPOINT_EXIT),
            (names::ON_EXEC, names::TRACEPOINT_EXEC),
        ] {
            let program = program(&mut kernel.object, name)?;
            kernel.links.push(
                program
                    .attach_raw_tracepoint(tracepoint)
                    .context(tracepoint)?,
            );
        }
        Ok(kernel)
    }

    /// Counts the waits of a process, in any session.
    pub(crate) fn watch(&mut self, pid: u32, files: &[SitedFile]) -> Result<()> {
        let value = Client::default().to_bytes();
        self.clients
            .update(&pid.to_ne_bytes(), &value, MapFlags::ANY)
            .context(names::CLIENTS)?;
        for file in files {
            if self.files.contains(&file.key) {
                continue;
            }
            // The descriptor that was read: the path may name another file by now.
            let target = format!("/proc/self/fd/{}", file.file.as_raw_fd());
            for site in &file.found.sites {
                let options = UprobeOpts {
                    cookie: file.key.inode,
                    ..UprobeOpts::default()
                };
                let offset = usize::try_from(site.offset)?;
                let program = program(&mut self.object, site.kind.name())?;
                let link = program
                    .attach_uprobe_with_opts(-1, &target, offset, options)
                    .with_context(|| format!("site at {offset:#x} of {}", file.path))?;
                self.links.push(link);
            }
            self.files.insert(file.key);
        }
        Ok(())
    }

    /// Callers that began to wait since the tool watches, and have not returned.
    pub(crate) fn waiters(&self) -> Result<Vec<Waiter>> {
        entries(&self.waiters)
    }

    /// Id of this tool's map of waiters, to distinguish it from a daemon's.
    pub(crate) fn waiters_id(&self) -> Result<u32> {
        Ok(self.waiters.info().context(names::WAITERS)?.info.id)
    }
}

/// Every entry of a map of waiters.
pub(crate) fn entries(map: &MapHandle) -> Result<Vec<Waiter>> {
    let mut found = std::collections::BTreeMap::new();
    // The walk restarts if its current entry is deleted: under churn it could continue for ever.
    let most = map.max_entries() as usize * 4 + 64;
    for key in map.keys().take(most) {
        let value = map.lookup(&key, MapFlags::ANY).context(names::WAITERS)?;
        if let Some(waiter) = value.as_deref().and_then(Waiter::from_slice) {
            found.insert(key, waiter);
        }
    }
    Ok(found.into_values().collect())
}

fn handle(object: &Object, name: &str) -> Result<MapHandle> {
    let map = object
        .maps()
        .find(|map| map.name() == name)
        .ok_or_else(|| anyhow!("the BPF object has no map {name}"))?;
    MapHandle::try_from(&map).with_context(|| format!("BPF map {name}"))
}

fn program<'object>(
    object: &'object mut Object,
    name: &str,
) -> Result<libbpf_rs::ProgramMut<'object>> {
    object
        .progs_mut()
        .find(|program| program.name() == name)
        .ok_or_else(|| anyhow!("the BPF object has no program {name}"))
}
