//! Why the probe cannot do something, and why it cannot see.

use std::io;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;
use onair_ebpf::process::SurveyError;

use crate::share::Refused;

/// What the least privileged process needs that can still watch clients of any user.
const CAPABILITIES: &str = "CAP_SYS_ADMIN, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH";

/// Why a file's sites cannot share a link: each gets one of its own then.
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
    #[error("the kernel has no uprobe.multi links (Linux 6.6 has them)")]
    Kernel,
    #[error("the kernel refuses the program or its link")]
    Refused(#[from] io::Error),
}

/// An operation of the probe that failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The kernel refused for want of privilege.
    #[error(
        "{what} is not permitted: run as root or with {CAPABILITIES}, \
         or run without the probe ([probe] mode = \"off\")"
    )]
    NotPermitted {
        /// The operation.
        what: String,
        /// What the kernel or the loader said.
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
        /// In the object.
        name: &'static str,
        /// Why.
        #[source]
        source: Box<ProgramError>,
    },
    /// The object is not the one that this code was built with.
    #[error("the BPF object has no usable {name}: this is a fault of the build")]
    Object {
        /// The program or map.
        name: &'static str,
    },
    /// A map could not be read or written.
    #[error("BPF map {name}")]
    Map {
        /// In the object.
        name: &'static str,
        /// Why.
        #[source]
        source: Box<MapError>,
    },
    /// A thread could not be started, or a file of our own not be opened.
    #[error("{what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// This process cannot watch itself, so it could not prove that it watches others.
    #[error("the daemon's own probe sites cannot be armed: was the binary stripped of its notes?")]
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
        /// As the process maps it.
        path: String,
    },
    /// The client, its user, or all of them have as many places as they may.
    #[error(transparent)]
    Full(#[from] Refused),
    /// The kernel refused to watch a site.
    #[error("site at {offset:#x} of {path} cannot be watched")]
    Attach {
        /// As the process maps it.
        path: String,
        /// In the file.
        offset: u64,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Not done in time.
    #[error(
        "arming process {pid} took longer than {limit_ms} ms ({step}): \
         its files may lie on a file system that does not answer"
    )]
    Deadline {
        /// As asked for.
        pid: u32,
        /// Where it was.
        step: &'static str,
        /// As configured.
        limit_ms: u128,
    },
    /// Armed, and yet the process is not seen.
    #[error("process {pid} is armed but not seen")]
    Blind {
        /// As asked for.
        pid: u32,
        /// Why.
        #[source]
        source: Blind,
    },
    /// The index does not exist.
    #[error("session index {index} is not below {limit}")]
    IndexRange {
        /// As given.
        index: u32,
        /// Of the map.
        limit: u32,
    },
    /// Two sessions would be counted in one place.
    #[error("session index {index} belongs to session {owner:016x}")]
    IndexTaken {
        /// As given.
        index: u32,
        /// Who has it.
        owner: u64,
    },
    /// One process, one session: one attachment.
    #[error("process {tgid} is already registered for session {session:016x}")]
    Registered {
        /// First pid namespace.
        tgid: u32,
        /// As given.
        session: u64,
    },
    /// No more room in the kernel.
    #[error("{what}: all {limit} places are taken")]
    NoRoom {
        /// What there is no room for.
        what: &'static str,
        /// Of the map.
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

/// An error with all that it came from.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| {
        format!("{text}: {source}")
    })
}

/// Tells want of privilege from all else.
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

/// Whether an error came from want of privilege, however deep it lies.
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

/// Why the probe does not see, now.
#[derive(Debug, thiserror::Error)]
pub enum Blind {
    /// A site of the process does not hold the kernel's breakpoint.
    #[error("the site at {address:#x} holds {octet:#04x} instead of a breakpoint")]
    Unarmed {
        /// In the process.
        address: u64,
        /// What stands there. 0x90 is the bare nop.
        octet: u8,
    },
    /// Exec or death: nobody runs in that address space any more.
    #[error("the address space is gone (exec or exit)")]
    AddressSpaceGone,
    /// The page with the site is no longer mapped or cannot be read.
    #[error("the site at {address:#x} cannot be read")]
    Unreadable {
        /// In the process.
        address: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A byte beside the sites, on their page, is not the file's.
    #[error(
        "the byte at {address:#x}, beside the sites, is {octet:#04x} instead of the file's {built:#04x}: \
         end what writes into the program's text (a debugger, another tracer)"
    )]
    Altered {
        /// In the process.
        address: u64,
        /// What stands there.
        octet: u8,
        /// What the file has.
        built: u8,
    },
    /// The page with the site is not the private, executable mapping of the watched file.
    #[error("the site at {address:#x} is no longer mapped, unwritable, from the watched file")]
    Replaced {
        /// In the process.
        address: u64,
    },
    /// Threads sleep on the session's event counts, and the probe does not list them as blocked.
    #[error("the kernel has {} asleep on the session's event counts, unseen by the probe", threads(.tids))]
    Unlisted {
        /// In this process's pid namespace.
        tids: Vec<u32>,
    },
    /// It sees now, and did not before: what it missed meanwhile cannot be known.
    #[error("it was blind before, and counts as blind until it has left: {first}")]
    Before {
        /// What was seen first.
        first: String,
    },
    /// The process has more threads than are looked at.
    #[error("it has {count} threads: more than {limit} are not looked at (probe.max_threads)")]
    TooManyThreads {
        /// Of the process.
        count: u64,
        /// As configured.
        limit: usize,
    },
    /// The threads could not be listed.
    #[error("its threads come and go too fast to be listed")]
    Restless,
    /// Looking at every thread takes too long.
    #[error("looking at its threads took longer than {limit_ms} ms")]
    Slow {
        /// As configured.
        limit_ms: u128,
    },
    /// `/proc` could not be read.
    #[error("{what} cannot be read: {source}")]
    Proc {
        /// What it was read for.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The daemon's own wait was not reported.
    #[error("the daemon's own canary was reported {got} times instead of once")]
    Canary {
        /// Reports.
        got: u64,
    },
    /// A map could not be read.
    #[error("BPF map {name} cannot be read")]
    Map {
        /// In the object.
        name: &'static str,
        /// Why.
        #[source]
        source: Box<MapError>,
    },
}

impl Blind {
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
            | Self::Map { .. } => false,
        }
    }
}

/// Threads in words, by number; of many the first.
fn threads(tids: &[u32]) -> String {
    const NAMED: usize = 8;
    let named: Vec<String> = tids.iter().take(NAMED).map(u32::to_string).collect();
    let noun = if tids.len() == 1 { "thread" } else { "threads" };
    match tids.len().saturating_sub(NAMED) {
        0 => format!("{noun} {}", named.join(", ")),
        more => format!("{noun} {} and {more} more", named.join(", ")),
    }
}
