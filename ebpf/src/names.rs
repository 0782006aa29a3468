//! Names in the BPF object, as loaders look them up.

/// Program for the site at which a wait begins.
pub const WAIT_BEGIN: &str = "wait_begin";
/// Program for the site at which a wait ends.
pub const WAIT_END: &str = "wait_end";
/// Program for [`TRACEPOINT_EXIT`].
pub const ON_EXIT: &str = "on_exit";
/// Program for [`TRACEPOINT_EXEC`].
pub const ON_EXEC: &str = "on_exec";
/// All programs.
pub const PROGRAMS: &[&str] = &[WAIT_BEGIN, WAIT_END, ON_EXIT, ON_EXEC];

/// Raw tracepoint at the end of each thread.
pub const TRACEPOINT_EXIT: &str = "sched_process_exit";
/// Raw tracepoint at the change of a process's image.
pub const TRACEPOINT_EXEC: &str = "sched_process_exec";

/// Program of [`crate::descriptors`], on the kernel's function [`SENDMSG`].
pub const REFUSE_DESCRIPTORS: &str = "refuse_descriptors";
/// Program of [`crate::openings`], never attached.
pub const OPENINGS: &str = "openings";
/// Program of [`crate::port`]: libxdp's name for the one that it takes.
pub const PORT: &str = "xsk_def_prog";
/// Hash of it: what goes to the port's socket.
pub const TAKEN: &str = "taken";
/// LRU hash of it: multicast that no session has.
pub const UNCLAIMED: &str = "unclaimed";
/// Array of it: the last queries that the kernel got.
pub const QUERIES: &str = "queries";
/// Array of it, by processor: what the kernel got.
pub const COUNTS: &str = "counts";
/// What sendmsg(2) asks first.
pub const SENDMSG: &str = "security_socket_sendmsg";

/// The kernel's structures and typedefs that the programs read.
pub const KERNEL_TYPES: &[&str] = &[
    "atomic_t",
    "dentry",
    "fdtable",
    "file",
    "files_struct",
    "lockref",
    "msghdr",
    "ns_common",
    "path",
    "pid",
    "pid_namespace",
    "pt_regs",
    "signal_struct",
    "sock",
    "sock_common",
    "socket",
    "task_struct",
    "upid",
];

/// Hash, `tgid << 32 | tid` → [`crate::layout::Waiter`].
pub const WAITERS: &str = "waiters";
/// Hash, [`crate::layout::AttachmentKey`] → [`crate::layout::Attachment`].
pub const ATTACHMENTS: &str = "attachments";
/// Hash, tgid (u32) → [`crate::layout::Client`].
pub const CLIENTS: &str = "clients";
/// Hash, token (u64) → [`crate::layout::Canary`].
pub const CANARIES: &str = "canaries";
/// Array of u64: blocked threads by a session's index.
pub const BLOCKED: &str = "blocked";
/// Array of u64: counters by [`crate::layout::Stat`].
pub const STATS: &str = "stats";
/// Ring buffer of [`crate::layout::Event`].
pub const EVENTS: &str = "events";
/// All maps that user space opens.
pub const MAPS: &[&str] = &[
    WAITERS,
    ATTACHMENTS,
    CLIENTS,
    CANARIES,
    BLOCKED,
    STATS,
    EVENTS,
];

/// The global that holds [`crate::layout::Settings`]; the only one in `.rodata`.
pub const SETTINGS: &str = "settings";
