//! W4: whether any process still has the session's memory open or mapped.

use std::io;

use onair_api::{Reading, Says, Witness, WordOf};
use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::AttachmentMemory;
use onair_mutant::mutant;
use onair_session::RetiredMemory;
use onair_session::witness::{MAPPING, some};

use crate::machine::Machine;

/// W4's reading of all of this memory.
pub(crate) fn of(machine: &dyn Machine, retired: &RetiredMemory) -> Reading {
    let words = retired.words().map(|words| is_sole(machine, words));
    let frames = retired.frames().map(|it| machine.is_sole(it.file()));
    reading(words.chain(frames), machine.clock().monotonic_ns())
}

/// Whether no process has an attachment's words any more.
pub(crate) fn is_free(machine: &dyn Machine, words: &AttachmentMemory) -> bool {
    is_zero(is_sole(machine, words))
}

/// As [`is_free`], of frames.
pub(crate) fn are_free(machine: &dyn Machine, frames: &FrameMemory) -> bool {
    is_zero(machine.is_sole(frames.file()))
}

fn is_zero(answer: io::Result<bool>) -> bool {
    reading(std::iter::once(answer), 0).says == Says::Zero
}

/// Of both files of an attachment.
fn is_sole(machine: &dyn Machine, words: &AttachmentMemory) -> io::Result<bool> {
    let mut files = words.files().into_iter();
    files.try_fold(true, |sole, file| Ok(sole && machine.is_sole(file)?))
}

fn reading(answers: impl Iterator<Item = io::Result<bool>>, at_monotonic_ns: u64) -> Reading {
    let mut held = 0;
    let mut failed = None;
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
        at_monotonic_ns,
    }
}
