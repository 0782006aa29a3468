//! Errors of the probe, and reasons for blindness.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;
use onair_ebpf::process::SurveyError;
use onair_shares::Refused;

/// Capabilities of the least privileged process that can watch clients of any user.
const CAPABILITIES: &str = "CAP_SYS_ADMIN, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH";

/// Why a file's sites cannot share a link: each then gets its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unlinked {
    #[error("the BPF object cannot be parsed")]
    Object(#[from] aya_obj::ParseError),
    #[error("the kernel's types cannot be read")]
    Types(#[from] aya_obj::btf::BtfError),
    #[error("the kernel's types do not fit")]
    Relocated(#[from] aya_obj::btf::BtfRelocationError),
    #[error("the maps do not fit")]
    Linked(#[from] aya_obj::relocation::EbpfRelocationError),
    #[error("the BPF object has no program {0}")]
    Program(&'static str),
    #[error("the kernel has no function {0}")]
    Function(&'static str),
    #[error("the kernel has no uprobe.multi links (Linux 6.6 has them)")]
    Kernel,
    #[error("the kernel refuses the program or its link")]
    Refused(#[from] io::Error),
}

/// An operation of the probe that failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The kernel refused for lack of privilege.
    #[error(
        "{what} is not permitted: run as root or with {CAPABILITIES}, \
         or run without the probe ([probe] mode = \"off\")"
    )]
    NotPermitted {
        /// The operation.
        what: String,
        /// The error of the kernel or the loader.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The kernel does not describe its types.
    #[error(
        "/sys/kernel/btf/vmlinux cannot be used: the probe needs a kernel built with \
         CONFIG_DEBUG_INFO_BTF=y and /sys mounted"
    )]
    NoBtf(#[source] Box<aya::BtfError>),
    /// The object was refused.
    #[error("the BPF object could not be loaded (kernel 6.1 or later is needed)")]
    Load(#[source] Box<EbpfError>),
    /// A program was refused or could not be attached to its tracepoint.
    #[error("BPF program {name} could not be loaded (kernel 6.1 or later is needed)")]
    Program {
        /// Its name in the object.
        name: &'static str,
        /// The cause.
        #[source]
        source: Box<ProgramError>,
    },
    /// The object does not match this code.
    #[error("the BPF object has no usable {name}: this is a bug of the build")]
    Object {
        /// The program or map.
        name: &'static str,
    },
    /// A map could not be read or written.
    #[error("BPF map {name}")]
    Map {
        /// Its name in the object.
        name: &'static str,
        /// The cause.
        #[source]
        source: Box<MapError>,
    },
    /// A thread could not be started, or a file of this process could not be opened.
    #[error("{what}")]
    System {
        /// The operation.
        what: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// This process cannot watch itself, so it cannot prove that it watches others.
    #[error(
        "the daemon's own probe sites cannot be armed: check that the binary still has its notes (not stripped)"
    )]
    OwnSites(#[source] Box<ProbeError>),
    /// The process cannot be watched.
    #[error(transparent)]
    Process(SurveyError),
    /// The file's sites moved since it was first watched.
    #[error(
        "{path} was overwritten in place while it was watched: restart its processes, \
         and replace files by renaming"
    )]
    FileChanged {
        /// Path in the process.
        path: String,
    },
    /// The client, its user, or all users together have reached their share.
    #[error(transparent)]
    Full(#[from] Refused),
    /// The kernel refused to watch a site.
    #[error("site at {offset:#x} of {path} cannot be watched")]
    Attach {
        /// Path in the process.
        path: String,
        /// Offset in the file, in bytes.
        offset: u64,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The arming did not finish in time.
    #[error(
        "arming process {pid} took longer than {limit_ms} ms ({step}): \
         its files may lie on a file system that does not answer"
    )]
    Deadline {
        /// The requested process.
        pid: u32,
        /// Its progress.
        step: &'static str,
        /// The configured limit.
        limit_ms: u128,
    },
    /// Armed, but the process is not seen.
    #[error("process {pid} is armed but not seen")]
    Blind {
        /// The requested process.
        pid: u32,
        /// The cause.
        #[source]
        source: Blind,
    },
    /// The index does not exist.
    #[error("session index {index} is not below {limit}")]
    IndexRange {
        /// The requested index.
        index: u32,
        /// Size of the map.
        limit: u32,
    },
    /// Two sessions would share one count.
    #[error("session index {index} belongs to session {owner:016x}")]
    IndexTaken {
        /// The requested index.
        index: u32,
        /// Session that owns the index.
        owner: u64,
    },
    /// A process has at most one attachment to a session.
    #[error("process {tgid} is already registered for session {session:016x}")]
    Registered {
        /// Process, first pid namespace.
        tgid: u32,
        /// The session.
        session: u64,
    },
    /// A kernel map is full.
    #[error("{what}: all {limit} places are taken")]
    NoRoom {
        /// Kind of the entries.
        what: &'static str,
        /// Size of the map.
        limit: u32,
    },
    /// The probe was closed.
    #[error("the probe is closed")]
    Closed,
}

impl ProbeError {
    pub(crate) fn map(name: &'static str) -> impl Fn(MapError) -> Self {
        move |source| Self::Map {
            name,
            source: Box::new(source),
        }
    }

    pub(crate) fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

impl From<SurveyError> for ProbeError {
    fn from(error: SurveyError) -> Self {
        match error {
            SurveyError::Read { path, source } => {
                classify(format!("reading {path}"), source, |source| {
                    Self::Process(SurveyError::Read { path, source })
                })
            }
            other => Self::Process(other),
        }
    }
}

/// An error with its chain of causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| {
        format!("{text}: {source}")
    })
}

/// Separates lack of privilege from other errors.
pub(crate) fn classify<E: std::error::Error + Send + Sync + 'static>(
    what: impl Into<String>,
    error: E,
    otherwise: impl FnOnce(E) -> ProbeError,
) -> ProbeError {
    if is_permission(&error) {
        ProbeError::NotPermitted {
            what: what.into(),
            source: Box::new(error),
        }
    } else {
        otherwise(error)
    }
}

/// Whether lack of privilege caused an error, at any depth.
fn is_permission(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Why the probe does not see, at present.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Blind {
    /// A site of the process lacks the kernel's breakpoint.
    #[error("the site at {address:#x} holds {byte:#04x} instead of a breakpoint")]
    Unarmed {
        /// Address in the process.
        address: u64,
        /// The byte at the site. 0x90 is the bare nop.
        byte: u8,
    },
    /// Exec or death: no thread runs in that address space.
    #[error("the address space is gone (exec or exit)")]
    AddressSpaceGone,
    /// The page with the site is no longer mapped or cannot be read.
    #[error("the site at {address:#x} cannot be read")]
    Unreadable {
        /// Address in the process.
        address: u64,
        /// The cause.
        #[source]
        source: Arc<io::Error>,
    },
    /// A byte beside the sites, on their page, differs from the file's.
    #[error(
        "the byte at {address:#x}, beside the sites, is {byte:#04x} instead of the file's {built:#04x}: \
         stop the program that writes into this text (a debugger, another tracer)"
    )]
    Altered {
        /// Address in the process.
        address: u64,
        /// The byte in the process.
        byte: u8,
        /// The byte in the file.
        built: u8,
    },
    /// The page with the site is not the private, executable mapping of the watched file.
    #[error("the site at {address:#x} is no longer mapped, unwritable, from the watched file")]
    Replaced {
        /// Address in the process.
        address: u64,
    },
    /// Threads sleep on the session's event counts, and the probe does not list them as blocked.
    #[error("the kernel has {} asleep on the session's event counts, unseen by the probe", threads(.tids))]
    Unlisted {
        /// In this process's pid namespace.
        tids: Vec<u32>,
    },
    /// It sees now, and did not before: it may have missed callers meanwhile.
    #[error("it was blind before, and counts as blind until the client has left: {first}")]
    Before {
        /// The first blindness.
        first: Box<Self>,
    },
    /// The process has more threads than the limit.
    #[error("it has {count} threads, more than the {limit} of probe.max_threads")]
    TooManyThreads {
        /// Threads of the process.
        count: u64,
        /// The configured limit.
        limit: usize,
    },
    /// The threads could not be listed.
    #[error("its threads start and end too fast to be listed")]
    Restless,
    /// The check of every thread takes too long.
    #[error("the check of its threads took longer than {limit_ms} ms")]
    Slow {
        /// The configured limit.
        limit_ms: u128,
    },
    /// `/proc` could not be read.
    #[error("{what} cannot be read: {source}")]
    Proc {
        /// Purpose of the read.
        what: &'static str,
        /// The cause.
        source: Arc<io::Error>,
    },
    /// The daemon's own wait was not reported.
    #[error("the daemon's own canary was reported {got} times instead of once")]
    Canary {
        /// Number of reports.
        got: u64,
    },
    /// A map could not be read.
    #[error("BPF map {name} cannot be read")]
    Map {
        /// Its name in the object.
        name: &'static str,
        /// The cause.
        #[source]
        source: Arc<MapError>,
    },
    /// The thread that owns the programs panicked, with this message.
    #[error("its thread panicked ({0}): restart the daemon")]
    Panicked(String),
    /// The probe was closed.
    #[error("the probe is closed")]
    Closed,
    /// The kernel takes long to attach the probe to a file, and may never return.
    #[error("attaching to {path} has not returned for {took:?}")]
    Attaching {
        /// Path in the process.
        path: String,
        /// Time until now.
        took: Duration,
    },
}

impl Blind {
    pub(crate) fn map(name: &'static str) -> impl Fn(MapError) -> Self {
        move |source| Self::Map {
            name,
            source: Arc::new(source),
        }
    }

    /// Whether callers may have been missed: then the client counts as blind until it has left.
    pub(crate) fn lasts(&self) -> bool {
        match self {
            Self::Unarmed { .. }
            | Self::Altered { .. }
            | Self::Replaced { .. }
            | Self::Unreadable { .. }
            | Self::Unlisted { .. } => true,
            Self::AddressSpaceGone
            | Self::Before { .. }
            | Self::TooManyThreads { .. }
            | Self::Restless
            | Self::Slow { .. }
            | Self::Proc { .. }
            | Self::Canary { .. }
            | Self::Map { .. }
            | Self::Panicked(_)
            | Self::Closed
            | Self::Attaching { .. } => false,
        }
    }
}

/// A list of threads, by number; of many only the first.
fn threads(tids: &[u32]) -> String {
    const NAMED: usize = 8;
    let named: Vec<String> = tids.iter().take(NAMED).map(u32::to_string).collect();
    let noun = if tids.len() == 1 { "thread" } else { "threads" };
    match tids.len().saturating_sub(NAMED) {
        0 => format!("{noun} {}", named.join(", ")),
        more => format!("{noun} {} and {more} more", named.join(", ")),
    }
}
