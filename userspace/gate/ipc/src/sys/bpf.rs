//! BPF system calls that aya does not offer (bpf(2)): a program, and a link, for many uprobes at
//! once (`BPF_TRACE_UPROBE_MULTI`, Linux 6.6), a program that answers for a function of the kernel
//! (`BPF_MODIFY_RETURN`, Linux 5.7; its cookie 6.0), and reading many entries of a map at once
//! (`BPF_MAP_LOOKUP_BATCH`, Linux 5.6).
//!
//! The kernel's verifier decides at load time what a program may do.

use std::ffi::{CStr, c_long};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const BPF_PROG_LOAD: c_long = 5;
const BPF_PROG_TEST_RUN: c_long = 10;
const BPF_OBJ_GET_INFO_BY_FD: c_long = 15;
const BPF_MAP_LOOKUP_BATCH: c_long = 24;
const BPF_LINK_CREATE: c_long = 28;
const BPF_PROG_TYPE_KPROBE: u32 = 2;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
const BPF_PROG_TYPE_TRACING: u32 = 26;
const BPF_MODIFY_RETURN: u32 = 26;
const BPF_TRACE_UPROBE_MULTI: u32 = 48;
const BPF_MAP_TYPE_HASH: u32 = 1;

/// Initial number of entries read at once.
const ROOM: usize = 256;

/// `union bpf_attr`, of `BPF_PROG_LOAD`: the used fields.
#[derive(Default)]
#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log: [u32; 2],
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_attach_type: u32,
    types: u32,
    function_size: u32,
    functions: u64,
    function_count: u32,
    line_size: u32,
    lines: u64,
    line_count: u32,
    attach_type_id: u32,
}

/// `union bpf_attr`, of `BPF_LINK_CREATE` for uprobes.
#[derive(Default)]
#[repr(C)]
struct Link {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    path: u64,
    offsets: u64,
    reference_counters: u64,
    cookies: u64,
    count: u32,
    uprobe_flags: u32,
    pid: u32,
    pad: u32,
}

/// `union bpf_attr`, of `BPF_LINK_CREATE` for a function of the kernel.
#[repr(C)]
struct FunctionLink {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    target_type_id: u32,
    pad: u32,
    cookie: u64,
}

/// `union bpf_attr`, of `BPF_PROG_TEST_RUN`.
#[derive(Default)]
#[repr(C)]
struct Run {
    program: u32,
    answer: u32,
    data_sizes: [u32; 2],
    data: [u64; 2],
    repeat: u32,
    duration: u32,
    context_size: u32,
    context_room: u32,
    context: u64,
    context_after: u64,
    flags: u32,
    processor: u32,
}

/// `union bpf_attr`, of `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct Ask {
    object: u32,
    length: u32,
    info: u64,
}

/// The first fields of `struct bpf_map_info`.
#[derive(Default)]
#[repr(C)]
struct MapInfo {
    kind: u32,
    id: u32,
    key_size: u32,
    value_size: u32,
}

/// `union bpf_attr`, of `BPF_MAP_LOOKUP_BATCH`.
#[repr(C)]
struct Lookup {
    from: u64,
    next: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// A hash map with keys of 8 bytes and values of `V`, read as a whole.
#[derive(Debug)]
pub struct Entries<const V: usize>(OwnedFd);

impl<const V: usize> Entries<V> {
    /// The map behind a descriptor.
    ///
    /// # Errors
    /// `EINVAL` for a map of another form, or a descriptor of no map; the kernel's errors.
    pub fn of(map: BorrowedFd<'_>) -> io::Result<Self> {
        let mut info = MapInfo::default();
        let request = Ask {
            object: map.as_raw_fd().cast_unsigned(),
            length: length(size_of::<MapInfo>())?,
            info: address(&raw mut info),
        };
        // SAFETY: `info` outlives the call, and has as many bytes as the request says.
        unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &raw const request) }?;
        let is_it = info.kind == BPF_MAP_TYPE_HASH
            && info.key_size as usize == size_of::<u64>()
            && info.value_size as usize == V;
        if !is_it {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self(map.try_clone_to_owned()?))
    }

    /// Gives each key and its value to `found`, in no order. The kernel goes bucket by bucket and holds each
    /// bucket's lock: entries that exist during the whole walk are read exactly once, whatever else changes.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(&self, mut found: impl FnMut(u64, &[u8; V])) -> io::Result<()> {
        let mut keys = vec![0; ROOM];
        let mut values = vec![[0; V]; ROOM];
        // The bucket at which the next read starts.
        let mut from: Option<u32> = None;
        loop {
            let mut next = 0_u32;
            let mut request = Lookup {
                from: from.as_ref().map_or(0, |from| address(from)),
                next: address(&raw mut next),
                keys: address(keys.as_mut_ptr()),
                values: address(values.as_mut_ptr()),
                count: length(keys.len())?,
                map: self.0.as_raw_fd().cast_unsigned(),
                element_flags: 0,
                flags: 0,
            };
            // SAFETY: all pointers outlive the call. The kernel writes at most `count` keys and values, of
            // the sizes that the map was found to have, one number to `next`, and `count` itself.
            let done = unsafe { bpf(BPF_MAP_LOOKUP_BATCH, &raw mut request) };
            let is_last = match done {
                Ok(_) => false,
                Err(error) => match error.raw_os_error() {
                    Some(libc::ENOENT) => true,
                    // One bucket has more entries than the buffer.
                    Some(libc::ENOSPC) => {
                        let room = keys.len() * 2;
                        keys.resize(room, 0);
                        values.resize(room, [0; V]);
                        continue;
                    }
                    _ => return Err(error),
                },
            };
            let count = request.count as usize;
            for (key, value) in keys.iter().zip(&values).take(count) {
                found(*key, value);
            }
            if is_last {
                return Ok(());
            }
            from = Some(next);
        }
    }
}

/// Loads a program for [`attach_uprobes`]. `name` is truncated to 15 bytes.
///
/// # Errors
/// `EINVAL` also if the kernel is older than 6.6; `EPERM`; the verifier's errors, without its
/// messages.
pub fn load_uprobe(name: &str, license: &CStr, instructions: &[u64]) -> io::Result<OwnedFd> {
    let request = Load {
        kind: BPF_PROG_TYPE_KPROBE,
        expected_attach_type: BPF_TRACE_UPROBE_MULTI,
        ..Load::default()
    };
    load(request, name, license, instructions)
}

/// Loads a program for [`answer_for`]: it is asked before the function that has `function` as its
/// number in the kernel's types, and an answer other than zero is that function's. `name` is truncated to
/// 15 bytes.
///
/// # Errors
/// `EINVAL` also if the kernel does not allow it for this function; `EPERM`; the verifier's errors,
/// without its messages.
pub fn load_answer(
    name: &str,
    license: &CStr,
    instructions: &[u64],
    function: u32,
) -> io::Result<OwnedFd> {
    let request = Load {
        kind: BPF_PROG_TYPE_TRACING,
        expected_attach_type: BPF_MODIFY_RETURN,
        attach_type_id: function,
        ..Load::default()
    };
    load(request, name, license, instructions)
}

/// Attaches a program of [`load_answer`], which gets `cookie`. Closing the descriptor removes the link.
///
/// # Errors
/// The kernel's.
pub fn answer_for(program: BorrowedFd<'_>, cookie: u64) -> io::Result<OwnedFd> {
    let request = FunctionLink {
        program: program.as_raw_fd().cast_unsigned(),
        target: 0,
        attach_type: BPF_MODIFY_RETURN,
        flags: 0,
        target_type_id: 0,
        pad: 0,
        cookie,
    };
    // SAFETY: the form that the command reads; it has no pointers. It returns a descriptor.
    unsafe { descriptor(BPF_LINK_CREATE, &request) }
}

/// Loads a program for [`run`]. `name` is truncated to 15 bytes.
///
/// # Errors
/// `EPERM`; the verifier's errors, without its messages.
pub fn load_question(name: &str, license: &CStr, instructions: &[u64]) -> io::Result<OwnedFd> {
    let request = Load {
        kind: BPF_PROG_TYPE_RAW_TRACEPOINT,
        ..Load::default()
    };
    load(request, name, license, instructions)
}

/// Runs a program of [`load_question`] once, in this thread. Returns its answer.
///
/// # Errors
/// The kernel's: `ENOTSUPP` before Linux 5.10.
pub fn run(program: BorrowedFd<'_>, argument: u64) -> io::Result<u32> {
    let context = [argument];
    let mut request = Run {
        program: program.as_raw_fd().cast_unsigned(),
        context_size: length(size_of_val(&context))?,
        context: address(context.as_ptr()),
        ..Run::default()
    };
    // SAFETY: the context outlives the call, and has as many bytes as the request says; the kernel writes only
    // to the request.
    unsafe { bpf(BPF_PROG_TEST_RUN, &raw mut request) }?;
    Ok(request.answer)
}

fn load(
    mut request: Load,
    name: &str,
    license: &CStr,
    instructions: &[u64],
) -> io::Result<OwnedFd> {
    request.count = length(instructions.len())?;
    request.instructions = address(instructions.as_ptr());
    request.license = address(license.as_ptr());
    let kept = request.name.len() - 1;
    for (place, byte) in request.name.iter_mut().zip(name.bytes().take(kept)) {
        *place = byte;
    }
    // SAFETY: all pointers in the request are to slices that outlive the call, with their lengths; the
    // license ends with a zero. The kernel only reads them.
    unsafe { descriptor(BPF_PROG_LOAD, &request) }
}

/// Attaches a program to sites of one file: to all, or to none. Each site is an offset in the file
/// and the cookie that the program gets there. Closing the descriptor removes the link.
///
/// # Errors
/// The kernel's.
pub fn attach_uprobes(
    program: BorrowedFd<'_>,
    path: &CStr,
    sites: &[(u64, u64)],
) -> io::Result<OwnedFd> {
    let (offsets, cookies): (Vec<u64>, Vec<u64>) = sites.iter().copied().unzip();
    let request = Link {
        program: program.as_raw_fd().cast_unsigned(),
        attach_type: BPF_TRACE_UPROBE_MULTI,
        path: address(path.as_ptr()),
        offsets: address(offsets.as_ptr()),
        cookies: address(cookies.as_ptr()),
        count: length(sites.len())?,
        ..Link::default()
    };
    // SAFETY: as above; `count` is the length of both lists.
    unsafe { descriptor(BPF_LINK_CREATE, &request) }
}

/// Whether the kernel links a program that [`load_uprobe`] loaded: Linux 6.6 or newer, with the
/// perf events and uprobes that such links need.
///
/// Older kernels load the program, because they ignore its attach type, and refuse every link with
/// `EINVAL`. A directory has no sites: a kernel that supports such links refuses it with `EBADF`
/// (`bpf_uprobe_multi_link_attach` in kernel/trace/bpf_trace.c).
///
/// # Errors
/// Every other error of the kernel.
pub fn links_uprobes(program: BorrowedFd<'_>) -> io::Result<bool> {
    match attach_uprobes(program, c"/", &[(0, 0)]) {
        Ok(_) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EBADF) => Ok(true),
            Some(libc::EINVAL | libc::EOPNOTSUPP) => Ok(false),
            _ => Err(error),
        },
    }
}

/// # Safety
/// `request` is the form that `command` reads, its pointers are valid for the command, and the
/// command returns a descriptor.
unsafe fn descriptor<R>(command: c_long, request: &R) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise.
    let made = unsafe { bpf(command, std::ptr::from_ref(request)) }?;
    // SAFETY: a new descriptor that no other code owns.
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}

/// # Safety
/// `request` is the form that `command` reads and writes, and its pointers are valid for the
/// command.
unsafe fn bpf<R>(command: c_long, request: *const R) -> io::Result<i32> {
    // SAFETY: the caller's promise; the size of the request is passed along.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, request, size_of::<R>()) };
    match i32::try_from(done) {
        Ok(done) if done >= 0 => Ok(done),
        _ => Err(io::Error::last_os_error()),
    }
}

fn address<T>(pointer: *const T) -> u64 {
    pointer.expose_provenance() as u64
}

fn length(length: usize) -> io::Result<u32> {
    u32::try_from(length).map_err(|_| io::ErrorKind::InvalidInput.into())
}
