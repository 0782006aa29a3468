//! Has the kernel refuse descriptors that the peers of this process's sockets send.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::{fs, io};

use onair_ebpf::names::{REFUSE_DESCRIPTORS, SENDMSG};
use onair_ipc::sys::bpf;

use crate::error::{ProbeError, Unlinked, chain, classify};
use crate::programs::instructions::{fitted, program};
use crate::programs::types::KernelTypes;

/// While it lives, sendmsg(2) with control data fails with `EPERM` on each connection to a socket on which
/// this process listens, for all processes but this one. Nothing else changes: on a socket that is
/// not connected, control data fails with `ENOTCONN` as without it.
///
/// For kernels that have no `SO_PASSRIGHTS`. It needs a kernel with BPF trampolines and security hooks for
/// the network (`CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS`, `CONFIG_SECURITY_NETWORK`), Linux 6.0.
#[derive(Debug)]
pub struct RefusedDescriptors {
    _link: OwnedFd,
}

impl RefusedDescriptors {
    /// Loads the program and attaches it.
    ///
    /// # Errors
    /// [`ProbeError::NotPermitted`]; [`ProbeError::System`] with the kernel's reason.
    pub fn start() -> Result<Self, ProbeError> {
        let what = "refusing descriptors on the daemon's sockets";
        Self::load().map_err(|error| {
            classify(what, error, |error| ProbeError::System {
                what,
                source: io::Error::other(chain(&error)),
            })
        })
    }

    fn load() -> Result<Self, Unlinked> {
        let types = KernelTypes::read()?;
        let function = types.sendmsg().ok_or(Unlinked::Function(SENDMSG))?;
        let object = fitted(onair_ebpf::descriptors(), types.btf())?;
        let (license, instructions) = program(&object, REFUSE_DESCRIPTORS)?;
        let program = bpf::load_answer(REFUSE_DESCRIPTORS, license, &instructions, function)?;
        let own = fs::metadata("/proc/self/ns/pid")?.ino() << 32 | u64::from(std::process::id());
        // The program lives as long as its link.
        let link = bpf::answer_for(program.as_fd(), own)?;
        Ok(Self { _link: link })
    }
}
