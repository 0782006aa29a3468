//! aya's loader, without the kernel's types that it reads by itself.
//!
//! `EbpfLoader::new` of aya 0.14 reads and parses all of them before it can be given others ([`super::reduced`]). In a
//! thread that cannot open files it does without.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::thread;

use aya::EbpfLoader;
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompFilter, TargetArch, apply_filter,
};

/// A loader without types.
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
