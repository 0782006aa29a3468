//! Features that some kernels lack, and the daemon does without.

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicU32;

use onair_ipc::memfd::Memfd;
use onair_ipc::sys::{self, Waited};
use onair_settings::diagnostics::chain;

use super::finding::Finding;
use crate::sockets::connections::DescriptorRefusal;

pub(super) fn check() -> Vec<Finding> {
    vec![
        wait_on_several(),
        peer_pidfd(),
        refused_descriptors(),
        leases(),
    ]
}

/// futex_waitv(2).
fn wait_on_several() -> Finding {
    let check = "futex_waitv";
    let word = AtomicU32::new(1);
    // The word has another value than expected: a kernel that has the call returns at once.
    match sys::futex_waitv([(&word, 0)], sys::monotonic_ns()) {
        Waited::Moved | Waited::Expired => Finding::ok(check, "yes"),
        Waited::Unsupported => Finding::warning(check, "no: callers sleep in slices").because(
            "a caller cannot sleep on its session and on its daemon at once",
            "allow futex_waitv in the seccomp profile; Linux 5.16 has it",
        ),
    }
}

/// `SO_PEERPIDFD`.
fn peer_pidfd() -> Finding {
    let pair = UnixStream::pair();
    let has_it = pair.is_ok_and(|(one, _other)| sys::peer_pidfd(one.as_fd()).is_ok());
    let found = if has_it {
        "yes"
    } else {
        "no: clients are found by their pid, right after they connect (Linux 6.5 has it)"
    };
    Finding::ok("peer pidfd", found)
}

/// `SO_PASSRIGHTS`, or a program in the kernel.
fn refused_descriptors() -> Finding {
    let check = "refused descriptors";
    match DescriptorRefusal::start() {
        Ok(DescriptorRefusal::Sockets) => Finding::ok(check, "yes"),
        Ok(DescriptorRefusal::Program(_)) => Finding::ok(check, "yes, by a BPF program"),
        Err(error) => Finding::warning(check, format!("no: {}", chain(&error))).because(
            "a hostile client can delay the control thread by sending sockets that linger when closed",
            "give the daemon CAP_BPF and CAP_PERFMON, or use Linux 6.16 or later",
        ),
    }
}

/// `F_SETLEASE` on a sealed memory file, fcntl(2).
fn leases() -> Finding {
    let check = "memory leases";
    let sole = Memfd::create("onair-doctor", 4096, true).and_then(|memory| memory.is_sole_user());
    let why = "without it no destroy proves that a client has given its memory back";
    match sole {
        Ok(true) => Finding::ok(check, "yes"),
        Ok(false) => Finding::fail(check, "a new memory file seems to have another user")
            .because(why, "report this kernel"),
        Err(error) => Finding::fail(check, error.to_string())
            .because(why, "use a kernel with CONFIG_FILE_LOCKING=y; mount /proc"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn this_kernel_has_what_the_daemon_cannot_do_without() {
        sys::ignore_sigio();
        let failed: Vec<_> = check()
            .into_iter()
            .filter(|finding| finding.level == Level::Fail)
            .collect();
        assert!(failed.is_empty(), "{failed:?}");
    }
}
