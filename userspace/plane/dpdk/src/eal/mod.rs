//! DPDK's environment abstraction layer: the one initialisation of a process.

mod calibration;
mod drivers;
pub(crate) mod interrupts;
pub(crate) mod memory;
pub(crate) mod removal;

use std::ffi::{CStr, CString, c_char, c_int};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::{env, ptr, thread};

use rustix::thread::{CpuSet, gettid, sched_getaffinity};
use serde::{Deserialize, Serialize};

use crate::eal::calibration::Interruptible;
use crate::{Error, Hugepages, Memory, log};

const VARIABLE: &str = "LIBXDP_SKIP_DISPATCHER";
/// Runs before `main`. Changing the environment is sound only while no other thread can read it,
/// and when a test or an async runtime calls this crate, other threads run. A value set by the user
/// stays.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = skip_dispatcher;

/// `[dpdk]`: DPDK's memory and devices
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EalConfig {
    /// Which pages DPDK uses.
    pub hugepages: Hugepages,
    /// MiB for the packets of all ports, not for frames. Of plain pages at least 34 for each poller of a port (66
    /// with an `mtu` of 9000).
    pub memory_mb: u32,
    /// DPDK may open the PCI devices of the ports.
    pub pci: bool,
    /// The device strings of the ports on PCI devices: EAL opens these devices and no other.
    #[serde(skip)]
    pub pci_devices: Vec<String>,
    /// The device strings of all ports that there will be: only their drivers are loaded, if they are known. `None`: all
    /// drivers.
    #[serde(skip)]
    pub devices: Option<Vec<String>>,
    /// Further arguments for the EAL, such as `["--log-level", "pmd:debug"]`.
    pub extra_args: Vec<String>,
}

impl Default for EalConfig {
    fn default() -> Self {
        Self {
            hugepages: Hugepages::Auto,
            memory_mb: 512,
            pci: false,
            pci_devices: Vec::new(),
            devices: None,
            extra_args: Vec::new(),
        }
    }
}

/// Initialised DPDK. Ports, pools and registered threads need it.
///
/// Dropping it does nothing: the end of the process frees everything. See [`Eal::cleanup`] for an
/// orderly end.
#[derive(Debug)]
pub struct Eal {
    pub(crate) alive: Arc<Alive>,
    memory: Memory,
}

/// Held by everything that must not outlive [`Eal::cleanup`].
#[derive(Debug)]
pub(crate) struct Alive(());

static INITIALISED: AtomicBool = AtomicBool::new(false);

impl Eal {
    /// Initialises DPDK, once in a process: there is no second attempt, also after a failure of
    /// DPDK.
    ///
    /// The calling thread's affinity stays unchanged, and EAL may use its CPUs: call this before
    /// any thread is pinned.
    ///
    /// # Errors
    /// [`Error::AlreadyInitialised`], [`Error::Hugepages`], [`Error::Invalid`], [`Error::Version`],
    /// [`Error::Environment`] before DPDK is called; DPDK's errors as [`Error::Dpdk`].
    pub fn init(config: &EalConfig) -> Result<Self, Error> {
        check()?;
        check_version()?;
        let memory = Memory::choose(config.hugepages, config.memory_mb)?;
        let mut arguments = arguments(config, memory)?;
        if INITIALISED.swap(true, Ordering::Relaxed) {
            return Err(Error::AlreadyInitialised);
        }
        arguments.extend(drivers_of(config));
        log::tap_dpdk();
        // EAL pins the calling thread to the main lcore for good, and its new threads inherit that:
        // call it on a thread of its own.
        let tid = Arc::new(AtomicI32::new(0));
        let own = Arc::clone(&tid);
        let interruptible = Interruptible::begin();
        let thread = thread::Builder::new()
            .name("onair-eal".into())
            .spawn(move || {
                own.store(gettid().as_raw_nonzero().get(), Ordering::Relaxed);
                init_here(arguments)
            })
            .map_err(Error::Thread)?;
        if let Some(interruptible) = &interruptible {
            interruptible.shorten(&thread, &tid);
        }
        thread.join().expect("init_here does not panic")?;
        drop(interruptible);
        log::tap_libraries();
        removal::watch()?;
        tracing::info!(target: "dpdk", ?memory, "{} is up", version());
        Ok(Self {
            alive: Arc::new(Alive(())),
            memory,
        })
    }

    /// Whether [`Eal::init`] takes nothing that another process may have: no device, and hugepages only if enough of
    /// them are free now.
    #[must_use]
    pub fn needs_nothing_scarce(config: &EalConfig) -> bool {
        let EalConfig {
            hugepages,
            memory_mb,
            pci_devices,
            extra_args,
            ..
        } = config;
        let is_plain = !Memory::may_be_huge(*hugepages, *memory_mb);
        let has_memory = is_plain || Memory::is_free(*memory_mb);
        has_memory && pci_devices.is_empty() && extra_args.is_empty()
    }

    /// The pages in use.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// DPDK's version text, for example `DPDK 22.11.11`.
    #[must_use]
    pub fn version(&self) -> String {
        version()
    }

    pub(crate) fn alive(&self) -> Arc<Alive> {
        Arc::clone(&self.alive)
    }
}

fn version() -> String {
    // SAFETY: returns a static string.
    let text = unsafe { CStr::from_ptr(dpdk_sys::rte_version()) };
    text.to_string_lossy().into_owned()
}

/// Structures may change between DPDK's yearly ABI versions. A library of another version has
/// another soname, unless it is linked by hand.
fn check_version() -> Result<(), Error> {
    // SAFETY: all four return constants.
    let (running, built) = unsafe {
        (
            (dpdk_sys::rte_version_year(), dpdk_sys::rte_version_month()),
            (dpdk_sys::onair_built_year(), dpdk_sys::onair_built_month()),
        )
    };
    if running == built {
        Ok(())
    } else {
        Err(Error::Version {
            built: format!("{}.{:02}", built.0, built.1),
            running: version(),
        })
    }
}

fn arguments(config: &EalConfig, memory: Memory) -> Result<Vec<CString>, Error> {
    let mut arguments: Vec<String> = [
        "onair",
        "--no-telemetry",
        // By itself EAL would choose physical addresses as root without an IOMMU, and a pool would be
        // fragmented.
        "--iova-mode=va",
        "--lcores",
        &lcores()?,
    ]
    .map(str::to_owned)
    .into();
    match memory {
        // Leaves no file behind, needs no hugetlbfs.
        Memory::Huge { .. } => arguments.push("--in-memory".into()),
        Memory::Plain { memory_mb } => arguments.extend([
            "--no-huge".into(),
            "--no-shconf".into(),
            "-m".into(),
            memory_mb.to_string(),
        ]),
    }
    if !config.pci {
        arguments.push("--no-pci".into());
    }
    for device in &config.pci_devices {
        arguments.extend(["-a".to_owned(), device.clone()]);
    }
    arguments.extend(config.extra_args.iter().cloned());
    arguments
        .into_iter()
        .map(|argument| {
            CString::new(argument).map_err(|e| Error::Invalid {
                what: "EAL argument",
                value: String::from_utf8_lossy(&e.into_vec()).into_owned(),
                expected: "text without a NUL byte",
            })
        })
        .collect()
}

/// Arguments that name the drivers. Without any, EAL loads all.
fn drivers_of(config: &EalConfig) -> Vec<CString> {
    let devices = config.devices.as_deref();
    let devices = devices.filter(|_| !config.pci && config.extra_args.is_empty());
    let files = devices.map(drivers::only_of).unwrap_or(Ok(Vec::new()));
    let files = files.unwrap_or_else(|reason| {
        tracing::debug!(target: "dpdk", %reason, "loads all drivers");
        Vec::new()
    });
    let path = |file: PathBuf| CString::new(file.into_os_string().into_vec());
    let arguments = files
        .into_iter()
        .map(|file| Some([c"-d".to_owned(), path(file).ok()?]));
    arguments.flatten().flatten().collect()
}

/// One lcore that may run on every CPU of this thread: EAL then starts no worker threads, and does
/// not put its interrupt thread beside a poller.
fn lcores() -> Result<String, Error> {
    let allowed = sched_getaffinity(None).map_err(|e| Error::Thread(e.into()))?;
    let cpus: Vec<String> = (0..CpuSet::MAX_CPU)
        .filter(|&cpu| allowed.is_set(cpu))
        .map(|cpu| cpu.to_string())
        .collect();
    Ok(format!("0@({})", cpus.join(",")))
}

fn init_here(arguments: Vec<CString>) -> Result<(), Error> {
    let shown: Vec<_> = arguments.iter().map(|a| a.to_string_lossy()).collect();
    let shown = shown.join(" ");
    tracing::debug!(target: "dpdk", "rte_eal_init {shown}");
    // EAL keeps pointers into its arguments for ever.
    let mut pointers: Vec<*mut c_char> = arguments.into_iter().map(CString::into_raw).collect();
    let count = c_int::try_from(pointers.len()).expect("a few arguments");
    pointers.push(ptr::null_mut());
    let pointers = Vec::leak(pointers);
    // SAFETY: `count` leaked C strings and the final null, as of main's argv.
    let call = || unsafe { dpdk_sys::rte_eal_init(count, pointers.as_mut_ptr()) };
    match log::captured(call) {
        (code, log) if code < 0 => {
            // SAFETY: reads a thread-local of DPDK's; the code itself is -1.
            let errno = unsafe { dpdk_sys::onair_errno() };
            Err(Error::dpdk("initialise DPDK with", shown, -errno, log))
        }
        _ => Ok(()),
    }
}

// The environment variable that the AF_XDP driver's library reads.
//
// libxdp loads a dispatcher program before ours unless `LIBXDP_SKIP_DISPATCHER` is set. With the
// dispatcher, the interface of a killed daemon refuses the next daemon once; without it, the next
// daemon replaces the old program. So the variable is always set.

extern "C" fn skip_dispatcher() {
    // SAFETY: constructors run in the only thread.
    unsafe { libc::setenv(c"LIBXDP_SKIP_DISPATCHER".as_ptr(), c"1".as_ptr(), 0) };
}

/// Checks that the constructor has run: a linker may be told to drop it.
pub(crate) fn check() -> Result<(), Error> {
    match env::var_os(VARIABLE) {
        Some(_) => Ok(()),
        None => Err(Error::Environment { variable: VARIABLE }),
    }
}

/// Registers the calling thread with DPDK for as long as it lives.
///
/// A registered thread has its own cache in every pool, which makes allocating and freeing about
/// three times faster. Pin the thread first. At most 127 threads can be registered at a time. Drop
/// it in the thread that created it (it is not [`Send`]).
#[derive(Debug)]
pub struct RegisteredThread {
    _alive: Arc<Alive>,
    _not_send: PhantomData<*mut ()>,
}

impl RegisteredThread {
    /// Registers the calling thread.
    ///
    /// # Errors
    /// [`Error::Dpdk`] if no place is left or the thread is already registered.
    pub fn new(eal: &Eal) -> Result<Self, Error> {
        // SAFETY: EAL is initialised, `eal` proves it.
        let (code, log) = log::captured(|| unsafe { dpdk_sys::rte_thread_register() });
        if code < 0 {
            // SAFETY: reads a thread-local of DPDK's; the code itself is -1.
            let errno = unsafe { dpdk_sys::onair_errno() };
            let name = thread::current().name().unwrap_or("?").to_owned();
            return Err(Error::dpdk("register thread", name, -errno, log));
        }
        Ok(Self {
            _alive: eal.alive(),
            _not_send: PhantomData,
        })
    }
}

impl Drop for RegisteredThread {
    fn drop(&mut self) {
        // SAFETY: this thread registered itself, and EAL is still up because
        // `_alive` is dropped after this.
        unsafe { dpdk_sys::rte_thread_unregister() };
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn variable_in_any_program_that_links_us_is_set() {
        assert!(super::check().is_ok());
    }
}
