//! The flags of a kernel's interface (`IFF_UP` and others, netdevice(7)): DPDK's drivers change one.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// `linux/sockios.h`: writes all flags.
const SIOCSIFFLAGS: u64 = 0x8914;

/// From now on `SIOCSIFFLAGS` of the calling thread succeeds and changes nothing. Only for threads made for
/// one task.
///
/// The drivers for AF_XDP and AF_PACKET change promiscuous mode with it at each start and stop: they read all
/// flags and write all of them, to whatever has the interface's name. A `link set up` of another program in
/// between is undone. [`Route::set_promiscuous`](super::netlink::Route::set_promiscuous) changes one flag of
/// one interface.
///
/// # Errors
/// The kernel takes no filter: seccomp(2) is refused.
pub(crate) fn ignore_writes() -> Result<(), Error> {
    apply_filter(&filter()?)
}

fn filter() -> Result<BpfProgram, BackendError> {
    let writes = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, SIOCSIFFLAGS)?;
    let rules = BTreeMap::from([(libc::SYS_ioctl, vec![SeccompRule::new(vec![writes])?])]);
    let done = SeccompAction::Errno(0);
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        done,
        TargetArch::try_from(ARCH)?,
    )?
    .try_into()
}
