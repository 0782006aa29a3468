//! Links of XDP programs (bpf(2)). A link's program leaves its interface with the last descriptor of the link, also
//! when its process is killed; another program can take its place without a packet in between.

use std::ffi::c_long;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

const BPF_PROG_GET_FD_BY_ID: c_long = 13;
const BPF_OBJ_GET_INFO_BY_FD: c_long = 15;
const BPF_LINK_CREATE: c_long = 28;
const BPF_LINK_UPDATE: c_long = 29;
const BPF_LINK_GET_FD_BY_ID: c_long = 30;
const BPF_LINK_GET_NEXT_ID: c_long = 31;
/// `enum bpf_attach_type`, `enum bpf_link_type`.
const BPF_XDP: u32 = 37;
const BPF_LINK_TYPE_XDP: u32 = 6;

/// `union bpf_attr` of these commands: four numbers, but for the one that asks.
type Numbers = [u32; 4];

/// The beginning of `struct bpf_link_info`, and the room that the kernel may fill.
#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    kind: u32,
    id: u32,
    program: u32,
    rest: [u32; 13],
}

/// `union bpf_attr` for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct Ask {
    object: u32,
    length: u32,
    info: u64,
}

/// Attaches `program` to the interface `index` of this thread's namespace, in the mode of `flags` (`XDP_FLAGS_…`).
///
/// # Errors
/// `EBUSY`: the interface has a program. Others: its driver refuses.
pub(crate) fn attach(program: BorrowedFd<'_>, index: u32, flags: u32) -> io::Result<OwnedFd> {
    let request = [number(program), index, BPF_XDP, flags];
    descriptor(BPF_LINK_CREATE, request)
}

/// Puts `program` in the place of a link's.
pub(crate) fn replace(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    call(BPF_LINK_UPDATE, &mut [number(link), number(program), 0, 0]).map(drop)
}

/// The program with this id.
pub(crate) fn program(id: u32) -> io::Result<OwnedFd> {
    descriptor(BPF_PROG_GET_FD_BY_ID, [id, 0, 0, 0])
}

/// The link that has the program with this id on an interface; `None`: it is there without one.
pub(crate) fn link_of(program: u32) -> io::Result<Option<OwnedFd>> {
    let mut id = 0;
    loop {
        let mut next = [id, 0, 0, 0];
        match call(BPF_LINK_GET_NEXT_ID, &mut next) {
            Ok(_) => [_, id, ..] = next,
            Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        // One that has gone meanwhile is none.
        let Ok(link) = descriptor(BPF_LINK_GET_FD_BY_ID, [id, 0, 0, 0]) else {
            continue;
        };
        let info = info(&link)?;
        if (info.kind, info.program) == (BPF_LINK_TYPE_XDP, program) {
            return Ok(Some(link));
        }
    }
}

fn info(link: &OwnedFd) -> io::Result<LinkInfo> {
    let mut info = LinkInfo::default();
    let mut request = Ask {
        object: link.as_raw_fd().cast_unsigned(),
        length: u32::try_from(size_of::<LinkInfo>()).expect("a few words"),
        info: (&raw mut info).expose_provenance() as u64,
    };
    // SAFETY: the kernel writes at most `length` bytes of `info`.
    let done = unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &raw mut request) };
    done.map(|_| info)
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

fn call(command: c_long, request: &mut Numbers) -> io::Result<i32> {
    // SAFETY: the form of these commands, which have no pointers; the kernel writes to the request at most.
    unsafe { bpf(command, request) }
}

fn descriptor(command: c_long, mut request: Numbers) -> io::Result<OwnedFd> {
    let made = call(command, &mut request)?;
    // SAFETY: these commands return a new descriptor, close-on-exec, that no other code owns.
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}

/// # Safety
/// `request` is the form that `command` reads and writes, with pointers that are valid for it.
unsafe fn bpf<R>(command: c_long, request: *mut R) -> io::Result<i32> {
    // SAFETY: the caller's promise.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, request, size_of::<R>()) };
    match i32::try_from(done) {
        Ok(done) if done >= 0 => Ok(done),
        _ => Err(io::Error::last_os_error()),
    }
}
