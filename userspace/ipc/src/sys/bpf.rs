//! The system calls on BPF that aya does not offer (bpf(2)): a program, and a link, for many uprobes at
//! once (`BPF_TRACE_UPROBE_MULTI`, Linux 6.6).
//!
//! What a program may do, the kernel's verifier decides when it is loaded.

use std::ffi::{CStr, c_long};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const BPF_PROG_LOAD: c_long = 5;
const BPF_LINK_CREATE: c_long = 28;
const BPF_PROG_TYPE_KPROBE: u32 = 2;
const BPF_TRACE_UPROBE_MULTI: u32 = 48;

/// `union bpf_attr`, of `BPF_PROG_LOAD`, as far as it is used.
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

/// Loads a program that [`attach_uprobes`] attaches. `name` is cut to 15 octets.
///
/// # Errors
/// `EINVAL` also where the kernel is older than 6.6; `EPERM`; the verifier's, without its words.
pub fn load_uprobe(name: &str, license: &CStr, instructions: &[u64]) -> io::Result<OwnedFd> {
    let mut request = Load {
        kind: BPF_PROG_TYPE_KPROBE,
        count: length(instructions.len())?,
        instructions: address(instructions.as_ptr()),
        license: address(license.as_ptr()),
        expected_attach_type: BPF_TRACE_UPROBE_MULTI,
        ..Load::default()
    };
    let kept = request.name.len() - 1;
    for (place, octet) in request.name.iter_mut().zip(name.bytes().take(kept)) {
        *place = octet;
    }
    // SAFETY: all pointers in the request are to slices that outlive the call, with their lengths; the
    // license ends with a zero. The kernel only reads them.
    unsafe { descriptor(BPF_PROG_LOAD, &request) }
}

/// Attaches a program to sites of one file: to all, or to none. Each is an offset in the file and the
/// cookie that the program gets there. The link is gone with its descriptor.
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

/// # Safety
/// `request` is what `command` reads, and its pointers hold as the command takes them.
unsafe fn descriptor<R>(command: c_long, request: &R) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise; the kernel reads so many bytes.
    let made = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(request),
            size_of::<R>(),
        )
    };
    match i32::try_from(made) {
        // SAFETY: a new descriptor that nobody else owns.
        Ok(made) if made >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(made) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn address<T>(pointer: *const T) -> u64 {
    pointer.expose_provenance() as u64
}

fn length(length: usize) -> io::Result<u32> {
    u32::try_from(length).map_err(|_| io::ErrorKind::InvalidInput.into())
}
