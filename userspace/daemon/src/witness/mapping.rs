//! W4: whether any process still has the session's memory open or mapped.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::LazyLock;

use onair_api::{Reading, Says, Witness, WordOf};
use onair_ipc::frames::FrameMemory;
use onair_ipc::memfd::Memfd;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::sys;
use onair_mutant::mutant;
use onair_probe::Openings;
use onair_session::RetiredMemory;
use onair_session::witness::{MAPPING, some};
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

/// Asks the kernel for a write lease on each file, which it grants only if no process has the file open,
/// and for the number of its openings.
pub fn mapping<'a>(
    words: impl Iterator<Item = &'a AttachmentMemory>,
    frames: impl Iterator<Item = &'a FrameMemory>,
) -> Reading {
    let mut held = 0;
    let mut failed = None;
    let words = words.map(|words| words.files().into_iter().try_fold(true, and_sole));
    for answer in words.chain(frames.map(|frames| and_sole(true, frames.file()))) {
        match answer {
            Ok(true) => {}
            Ok(false) if mutant!("W4: always zero") => {}
            Ok(false) => held += 1,
            Err(error) => failed = Some(error),
        }
    }
    let (says, detail) = match failed {
        Some(error) => (
            Says::Unknown,
            format!("the kernel refused to answer: {error}"),
        ),
        None if held == 0 => (
            Says::Zero,
            "no process has the memory open or mapped".to_owned(),
        ),
        None => (
            Says::Users,
            format!("{} open or mapped elsewhere", some(held, "memory file")),
        ),
    };
    Reading {
        witness: Witness::W4,
        name: MAPPING.into(),
        says,
        users: held,
        left_out: 0,
        detail,
        word_of: WordOf::Kernel,
        at_monotonic_ns: sys::monotonic_ns(),
    }
}

/// Whether `sole` and only this process has the file, in any way.
fn and_sole(sole: bool, file: &Memfd) -> io::Result<bool> {
    if !sole || !file.is_sole_user()? {
        return Ok(false);
    }
    match &*OPENINGS {
        Some(openings) if !mutant!("W4: no openings are counted") => {
            Ok(openings.of(file.as_fd())? == 1)
        }
        _ => Ok(true),
    }
}

/// W4's reading of all of this memory.
pub fn of(retired: &RetiredMemory) -> Reading {
    mapping(retired.words().map(|words| &**words), retired.frames())
}

/// Whether no process has an attachment's words any more, according to W4.
pub fn is_free(words: &AttachmentMemory) -> bool {
    mapping(std::iter::once(words), std::iter::empty()).says == Says::Zero
}

/// As [`is_free`], of frames.
pub fn are_free(frames: &FrameMemory) -> bool {
    mapping(std::iter::empty(), std::iter::once(frames)).says == Says::Zero
}

#[cfg(test)]
mod tests {
    use onair_ipc::layout::Geometry;

    use super::*;

    #[test]
    fn mapping_of_words_that_a_client_has_open_then_it_is_a_user() {
        let geometry = Geometry::new(2, 4096).unwrap();
        let words = AttachmentMemory::create(1, 1, geometry).unwrap();
        let says = || mapping(std::iter::once(&words), std::iter::empty()).says;
        let files = words.for_client().unwrap();
        assert_eq!(says(), Says::Users);
        drop(files);
        assert_eq!(says(), Says::Zero);
    }
}
