//! What W4 rests on: whether any other process has a memory file.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::LazyLock;

use onair_ipc::memfd::Memfd;
use onair_mutant::mutant;
use onair_probe::Openings;
use onair_settings::diagnostics::error_chain::chain;

/// Counts what the lease leaves out.
static OPENINGS: LazyLock<Option<Openings>> = LazyLock::new(|| {
    Openings::load()
        .inspect_err(|error| {
            tracing::warn!(
                reason = chain(error),
                "W4 does not see descriptors that a client opened with O_PATH: they keep memory that no limit counts"
            );
        })
        .ok()
});

/// Loads what W4 needs, before the first session ends.
pub fn prepare() {
    LazyLock::force(&OPENINGS);
}

/// Whether only this process has the file, in any way: asks the kernel for a write lease, which it grants only if no
/// process has the file open, and for the number of its openings.
///
/// # Errors
/// The kernel's: it refused to answer.
pub fn is_sole(file: &Memfd) -> io::Result<bool> {
    if !file.is_sole_user()? {
        return Ok(false);
    }
    match &*OPENINGS {
        Some(openings) if !mutant!("W4: no openings are counted") => {
            Ok(openings.of(file.as_fd())? == 1)
        }
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use onair_ipc::layout::Geometry;
    use onair_ipc::memory::AttachmentMemory;

    use super::*;

    #[test]
    fn words_that_a_client_has_open_then_not_the_daemons_alone() {
        let geometry = Geometry::new(2, 4096).unwrap();
        let words = AttachmentMemory::create(1, 1, geometry).unwrap();
        let are_sole = || words.files().map(|it| is_sole(it).unwrap());
        let files = words.for_client().unwrap();
        assert!(are_sole().contains(&false));
        drop(files);
        assert!(!are_sole().contains(&false));
    }
}
