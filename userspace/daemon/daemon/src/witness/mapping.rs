//! The basis of W4: whether any other process has a memory file.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::LazyLock;

use onair_ipc::memfd::Memfd;
use onair_mutant::mutant;
use onair_probe::Openings;
use onair_settings::diagnostics::chain;

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
            // Of a file that a client fills the daemon has a second one, for the lease.
            let own = 1 + u32::from(file.is_filled());
            Ok(openings.of(file.as_fd())? == own)
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
    fn file_that_clients_fill_then_sole_when_they_have_left() {
        let file = Memfd::create_filled("test", 4096).unwrap();
        for client in [file.for_filler().unwrap(), file.for_client().unwrap()] {
            assert!(!is_sole(&file).unwrap());
            drop(client);
        }
        assert!(is_sole(&file).unwrap());
    }

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
