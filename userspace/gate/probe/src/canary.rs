//! Tokens that come back through a site. They identify the process that passed it, and prove that
//! the probe works.

use onair_ebpf::layout::{CANARY_SESSION, Canary};
use onair_ebpf::names;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::{Blind, ProbeError};
use crate::programs::maps::{Maps, is_full};

/// Entries of the map `canaries`.
const MAX_CANARIES: u32 = 1024;

/// The thread that passed a token through a site, as the kernel reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Process, first pid namespace: the key of its count.
    pub tgid: u32,
    /// Thread, first pid namespace.
    pub tid: u32,
    /// Process in the daemon's pid namespace; 0 = not visible there.
    pub ns_tgid: u32,
    /// Thread in the daemon's pid namespace; 0 = not visible there.
    pub ns_tid: u32,
    /// Thread, as gettid() returns it.
    pub own_tid: u32,
    /// Start of the process, CLOCK_BOOTTIME, ns.
    pub start_boottime: u64,
    /// Inode number of the file that holds the site.
    pub inode: u64,
}

impl Proof {
    fn of(canary: &Canary) -> Option<Self> {
        (canary.filled == 1).then_some(Self {
            tgid: canary.tgid,
            tid: canary.tid,
            ns_tgid: canary.ns_tgid,
            ns_tid: canary.ns_tid,
            own_tid: canary.own_tid,
            start_boottime: canary.start_boottime,
            inode: canary.cookie,
        })
    }
}

/// Arms a random token.
pub(crate) fn challenge(maps: &Maps) -> Result<u64, ProbeError> {
    let token = random()?;
    maps.arm_canary(token).map_err(|error| {
        if is_full(&error) {
            ProbeError::NoRoom {
                what: "challenges",
                limit: MAX_CANARIES,
            }
        } else {
            ProbeError::map(names::CANARIES)(error)
        }
    })?;
    Ok(token)
}

/// The proof behind a token, once.
pub(crate) fn proof(maps: &Maps, token: u64) -> Result<Option<Proof>, ProbeError> {
    let canary = maps
        .canary(token)
        .map_err(ProbeError::map(names::CANARIES))?;
    let proof = canary.as_ref().and_then(Proof::of);
    if proof.is_some() {
        forget(maps, token)?;
    }
    Ok(proof)
}

/// Disarms a token.
pub(crate) fn forget(maps: &Maps, token: u64) -> Result<(), ProbeError> {
    maps.remove_canary(token)
        .map_err(ProbeError::map(names::CANARIES))
}

/// Passes our own token through our own site.
pub(crate) fn test(maps: &Maps, token: u64, own_site: fn(u64, u64)) -> Result<(), Blind> {
    let hits = || {
        let canary = maps.canary(token).map_err(Blind::map(names::CANARIES))?;
        Ok(canary.unwrap_or_default().hits)
    };
    let before = hits()?;
    own_site(CANARY_SESSION, token);
    // More than one hit: the same file under two identities, attached twice; harmless.
    match hits()?.saturating_sub(before) {
        0 => Err(Blind::Canary { got: 0 }),
        _ => Ok(()),
    }
}

fn random() -> Result<u64, ProbeError> {
    let mut bytes = [0; 8];
    let mut filled = 0;
    while filled < bytes.len() {
        match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(ProbeError::system("random numbers")(error.into())),
        }
    }
    Ok(u64::from_ne_bytes(bytes))
}
