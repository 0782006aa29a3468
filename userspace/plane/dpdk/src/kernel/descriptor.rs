//! Descriptors of this process that a driver opened, identified by the kernel's ids: a
//! descriptor's number may soon belong to another file, an id never does.

use std::{
    ffi::{c_int, c_long},
    fs,
    os::fd::RawFd,
    str::FromStr,
};

/// Kernel objects of an AF_XDP or AF_PACKET port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its socket.
    XdpSocket { inode: u64 },
    /// Its socket of AF_PACKET.
    PacketSocket { inode: u64 },
    /// The program that steers packets to the socket.
    XdpProgram { id: u32 },
    /// A BPF map, possibly of that program.
    Map { id: u32 },
}

/// A descriptor's number, and its kind at the time of the listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descriptor {
    fd: RawFd,
    kind: Kind,
}

impl Descriptor {
    /// All descriptors of this process with some [`Kind`].
    pub(crate) fn all() -> Vec<Self> {
        let entries = fs::read_dir("/proc/self/fd")
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(Self::of)
            .collect()
    }

    fn of(fd: RawFd) -> Option<Self> {
        let target = fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
        let kind = match target.to_str()? {
            "anon_inode:bpf-map" => Kind::Map {
                id: described(fd, "map_id")?,
            },
            // BPF_PROG_TYPE_XDP (linux/bpf.h)
            "anon_inode:bpf-prog" if described(fd, "prog_type") == Some(6) => Kind::XdpProgram {
                id: described(fd, "prog_id")?,
            },
            other => {
                let inode = other.strip_prefix("socket:[")?.strip_suffix(']')?;
                let inode = inode.parse().ok()?;
                match domain(fd) {
                    Some(libc::AF_XDP) => Kind::XdpSocket { inode },
                    Some(libc::AF_PACKET) => Kind::PacketSocket { inode },
                    _ => return None,
                }
            }
        };
        Some(Self { fd, kind })
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.fd
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The ids of its maps, if it is a program.
    pub(crate) fn maps_of_program(&self) -> Vec<u32> {
        match self.kind {
            Kind::XdpProgram { .. } => map_ids(self.fd),
            Kind::XdpSocket { .. } | Kind::PacketSocket { .. } | Kind::Map { .. } => Vec::new(),
        }
    }

    /// Closes it, unless its number now belongs to another file. Returns whether it did.
    ///
    /// # Safety
    /// No code uses the descriptor, and no other code closes it.
    pub(crate) unsafe fn close_if_same(self) -> bool {
        let same = Self::of(self.fd).as_ref() == Some(&self);
        if same {
            // SAFETY: the caller's promise.
            unsafe { libc::close(self.fd) };
        }
        same
    }
}

/// A line of `/proc/self/fdinfo` (proc_pid_fdinfo(5)).
fn described<T: FromStr>(fd: RawFd, key: &str) -> Option<T> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(found, _)| *found == key)?;
    value.trim().parse().ok()
}

/// The domain of a socket.
fn domain(fd: RawFd) -> Option<c_int> {
    let mut domain: c_int = 0;
    let mut length: libc::socklen_t = 4;
    // SAFETY: writes at most `length` bytes into `domain`. For a descriptor that is not a socket,
    // or no longer exists, it only returns an error.
    let code = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_DOMAIN,
            (&raw mut domain).cast(),
            &raw mut length,
        )
    };
    (code == 0).then_some(domain)
}

/// The beginning of `struct bpf_prog_info` (linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct ProgramInfo {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    jited_len: u32,
    xlated_len: u32,
    jited: u64,
    xlated: u64,
    load_time: u64,
    created_by: u32,
    map_count: u32,
    map_ids: u64,
    name: [u8; 16],
}

/// `union bpf_attr` for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct InfoRequest {
    fd: u32,
    length: u32,
    info: u64,
}

/// The maps that a program uses (bpf(2)); none if the kernel does not report them.
fn map_ids(program: RawFd) -> Vec<u32> {
    program_info(program).1
}

/// A program's name, and its maps.
pub(crate) fn program_info(program: RawFd) -> (String, Vec<u32>) {
    const BPF_OBJ_GET_INFO_BY_FD: c_long = 15;
    let mut ids = [0u32; 16];
    let mut info = ProgramInfo {
        map_count: 16,
        map_ids: (&raw mut ids).expose_provenance() as u64,
        ..ProgramInfo::default()
    };
    let request = InfoRequest {
        fd: program.cast_unsigned(),
        length: u32::try_from(size_of::<ProgramInfo>()).expect("a few words"),
        info: (&raw mut info).expose_provenance() as u64,
    };
    // SAFETY: the kernel reads the request, and writes at most `length` bytes
    // of `info` and `map_count` of `ids`.
    let code = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_OBJ_GET_INFO_BY_FD,
            &raw const request,
            size_of::<InfoRequest>(),
        )
    };
    let count = if code == 0 { info.map_count } else { 0 };
    let name = info.name.split(|it| *it == 0).next().unwrap_or_default();
    let ids = ids.into_iter().take(count as usize).collect();
    (String::from_utf8_lossy(name).into_owned(), ids)
}
