//! W4: whether any process still has the session's memory open or mapped.

use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::sys;
use onair_mutant::mutant;
use onair_session::RetiredMemory;
use onair_session::witness::{MAPPING, some};
use onair_types::{Reading, Says, Witness, WordOf};

/// Asks the kernel for a write lease on each file: it grants one only if no process has the file
/// open.
pub fn mapping<'a>(
    words: impl Iterator<Item = &'a AttachmentMemory>,
    frames: impl Iterator<Item = &'a FrameMemory>,
) -> Reading {
    let mut held = 0;
    let mut failed = None;
    let answers = words
        .map(AttachmentMemory::is_sole_user)
        .chain(frames.map(FrameMemory::is_sole_user));
    for answer in answers {
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

/// W4's reading of all of this memory.
pub fn of(retired: &RetiredMemory) -> Reading {
    mapping(
        retired.words.iter().map(|words| &**words),
        retired.frames.iter(),
    )
}

/// Whether no process has an attachment's words any more, according to W4.
pub fn is_free(words: &AttachmentMemory) -> bool {
    mapping(std::iter::once(words), std::iter::empty()).says == Says::Zero
}

/// The same of frames.
pub fn are_free(frames: &FrameMemory) -> bool {
    mapping(std::iter::empty(), std::iter::once(frames)).says == Says::Zero
}

#[cfg(test)]
mod tests {
    use onair_ipc::layout::Geometry;

    use super::*;

    #[test]
    fn mapping_of_words_that_a_client_has_open_then_users_until_it_has_closed_them() {
        let geometry = Geometry::new(2, 4096).unwrap();
        let words = AttachmentMemory::create(1, 1, geometry).unwrap();
        let says = || mapping(std::iter::once(&words), std::iter::empty()).says;
        let files = words.for_client().unwrap();
        assert_eq!(says(), Says::Users);
        drop(files);
        assert_eq!(says(), Says::Zero);
    }
}
