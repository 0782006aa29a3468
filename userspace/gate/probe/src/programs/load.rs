//! Loads the object and its programs.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::thread;

use aya::maps::Map;
use aya::programs::{RawTracePoint, UProbe};
use aya::{Ebpf, EbpfLoader};
use onair_ebpf::layout::Settings;
use onair_ebpf::names;
use onair_ebpf::process::own_pid_namespace;
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompFilter, TargetArch, apply_filter,
};

use crate::config::ProbeConfig;
use crate::error::{ProbeError, classify};
use crate::programs::maps::Maps;
use crate::programs::multi::Multi;
use crate::programs::types::KernelTypes;

/// Number of programs: two for the sites, two on tracepoints.
pub(crate) const PROGRAM_COUNT: usize = names::PROGRAMS.len();

/// Result of the load: the owner of programs and links, and the maps.
pub(crate) struct Loaded {
    pub(crate) ebpf: Ebpf,
    /// The programs of the sites, unless they are in `ebpf`.
    pub(crate) multi: Option<Multi>,
    pub(crate) maps: Maps,
    pub(crate) events: Map,
}

/// Loads all programs and attaches those on tracepoints.
pub(crate) fn load(config: &ProbeConfig) -> Result<Loaded, ProbeError> {
    let types = KernelTypes::read().map_err(|error| ProbeError::NoBtf(Box::new(error)))?;
    let pidns_inum = match config.daemon_pidns_inum {
        Some(inum) => inum,
        None => own_pid_namespace().map_err(ProbeError::system("/proc/self/ns/pid"))?,
    };
    let settings = Settings {
        pidns_inum,
        watch_all: 0,
    }
    .to_bytes();
    let mut ebpf = loader()
        .btf(Some(types.btf()))
        .override_global(names::SETTINGS, &settings, true)
        .map_max_entries(names::WAITERS, config.max_waiters)
        .map_max_entries(names::ATTACHMENTS, config.max_attachments)
        .map_max_entries(names::CLIENTS, config.max_attachments)
        // The marks of lost waits are in the threads' storage; only the programs read them.
        .allow_unsupported_maps()
        .load(onair_ebpf::object())
        .map_err(|error| {
            classify("loading BPF maps", error, |error| {
                ProbeError::Load(Box::new(error))
            })
        })?;

    let multi = match config.shared_links.then(|| Multi::load(&ebpf)) {
        Some(Ok(multi)) => Some(multi),
        Some(Err(error)) => {
            let reason = crate::error::chain(&error);
            tracing::info!(reason, "each probe site gets a link of its own");
            None
        }
        None => None,
    };
    if multi.is_none() {
        for name in [names::WAIT_BEGIN, names::WAIT_END] {
            let program = site_program(&mut ebpf, name)?;
            program.load().map_err(program_error(name))?;
        }
    }
    for (name, tracepoint) in [
        (names::ON_EXIT, names::TRACEPOINT_EXIT),
        (names::ON_EXEC, names::TRACEPOINT_EXEC),
    ] {
        let program: &mut RawTracePoint = ebpf
            .program_mut(name)
            .and_then(|program| program.try_into().ok())
            .ok_or(ProbeError::Object { name })?;
        program.load().map_err(program_error(name))?;
        program.attach(tracepoint).map_err(program_error(name))?;
    }
    let maps = Maps::take(&mut ebpf, config)?;
    let events = ebpf.take_map(names::EVENTS).ok_or(ProbeError::Object {
        name: names::EVENTS,
    })?;
    Ok(Loaded {
        ebpf,
        multi,
        maps,
        events,
    })
}

/// The program of a site.
pub(crate) fn site_program<'ebpf>(
    ebpf: &'ebpf mut Ebpf,
    name: &'static str,
) -> Result<&'ebpf mut UProbe, ProbeError> {
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or(ProbeError::Object { name })
}

fn program_error(name: &'static str) -> impl Fn(aya::programs::ProgramError) -> ProbeError {
    move |error| {
        classify("loading BPF programs", error, |source| {
            ProbeError::Program {
                name,
                source: Box::new(source),
            }
        })
    }
}

/// A loader without the kernel's types, which `EbpfLoader::new` of aya 0.14 reads and parses all before it can be given
/// others ([`super::reduced`]). In a thread that cannot open files it does without.
pub(super) fn loader() -> EbpfLoader<'static> {
    let made = thread::Builder::new()
        .name("onair-loader".into())
        .spawn(|| {
            if let Err(error) = open_no_files() {
                tracing::debug!(%error, "the loader reads all types of the kernel");
            }
            EbpfLoader::new()
        });
    let made = made.ok().and_then(|thread| thread.join().ok());
    made.unwrap_or_default()
}

/// From now on openat(2) fails in the calling thread.
fn open_no_files() -> Result<(), Error> {
    apply_filter(&filter()?)
}

fn filter() -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(
        BTreeMap::from([(libc::SYS_openat, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EACCES.unsigned_abs()),
        TargetArch::try_from(ARCH)?,
    )?
    .try_into()
}
