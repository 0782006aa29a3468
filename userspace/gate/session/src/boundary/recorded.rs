//! A view's answers, written down and given again: a life can be lived again without its kernel and its
//! clients.

use std::cell::RefCell;
use std::collections::VecDeque;

use onair_api::{Problem, Reading, SessionId};
use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::AttachmentMemory;

use crate::boundary::retired::RetiredMemory;
use crate::boundary::sites::Sites;
use crate::boundary::view::{Moment, View, ViewAnswer, Walk};

/// A view that writes down what another one answers.
pub(crate) struct RecordingView<'a> {
    view: &'a dyn View,
    answers: RefCell<Vec<ViewAnswer>>,
}

impl<'a> RecordingView<'a> {
    /// Records the answers of `view`.
    pub(crate) fn new(view: &'a dyn View) -> Self {
        let answers = RefCell::default();
        Self { view, answers }
    }

    /// The answers, in the order of the questions.
    #[must_use]
    pub(crate) fn into_answers(self) -> Vec<ViewAnswer> {
        self.answers.into_inner()
    }
}

impl View for RecordingView<'_> {
    fn ask(&self, question: &mut dyn FnMut() -> ViewAnswer) -> ViewAnswer {
        let answer = self.view.ask(question);
        self.answers.borrow_mut().push(answer.clone());
        answer
    }

    fn moment(&self) -> Moment {
        self.view.moment()
    }

    fn check_probe(&self) -> Result<(), Problem> {
        self.view.check_probe()
    }

    fn walk(&self, sessions: &[SessionId]) -> Box<dyn Walk + '_> {
        self.view.walk(sessions)
    }

    fn blocked(&self) -> Vec<u64> {
        self.view.blocked()
    }

    fn mapping(&self, memory: &RetiredMemory) -> Reading {
        self.view.mapping(memory)
    }

    fn is_released(&self, words: &AttachmentMemory) -> bool {
        self.view.is_released(words)
    }

    fn are_released(&self, frames: &FrameMemory) -> bool {
        self.view.are_released(frames)
    }

    fn is_process_ending(&self, pid: u32) -> bool {
        self.view.is_process_ending(pid)
    }
}

/// A view that gives recorded answers again, and looks at nothing.
///
/// It panics if the core asks more than it asked when the record was made, and the core panics if it asks
/// anything else: it decides otherwise, or was given other events.
#[derive(Debug, Default)]
pub(crate) struct RecordedView {
    answers: RefCell<VecDeque<ViewAnswer>>,
}

impl RecordedView {
    /// Gives `answers`, in this order.
    pub(crate) fn new(answers: impl IntoIterator<Item = ViewAnswer>) -> Self {
        let answers = RefCell::new(answers.into_iter().collect());
        Self { answers }
    }

    /// Answers that were not asked for.
    #[must_use]
    pub(crate) fn left(&self) -> usize {
        self.answers.borrow().len()
    }
}

const UNASKED: &str = "each question is asked through `ask`";

impl View for RecordedView {
    fn ask(&self, _: &mut dyn FnMut() -> ViewAnswer) -> ViewAnswer {
        let answer = self.answers.borrow_mut().pop_front();
        answer.expect("it asks more than was answered")
    }

    fn moment(&self) -> Moment {
        unreachable!("{UNASKED}")
    }

    fn check_probe(&self) -> Result<(), Problem> {
        unreachable!("{UNASKED}")
    }

    fn walk(&self, _: &[SessionId]) -> Box<dyn Walk + '_> {
        Box::new(NoWalk)
    }

    fn blocked(&self) -> Vec<u64> {
        unreachable!("{UNASKED}")
    }

    fn mapping(&self, _: &RetiredMemory) -> Reading {
        unreachable!("{UNASKED}")
    }

    fn is_released(&self, _: &AttachmentMemory) -> bool {
        unreachable!("{UNASKED}")
    }

    fn are_released(&self, _: &FrameMemory) -> bool {
        unreachable!("{UNASKED}")
    }

    fn is_process_ending(&self, _: u32) -> bool {
        unreachable!("{UNASKED}")
    }
}

/// The readings are in the record.
struct NoWalk;

impl Walk for NoWalk {
    fn probe(
        &self,
        _: SessionId,
        _: &mut dyn Iterator<Item = (u32, Sites)>,
        _: Option<&dyn Fn(u64) -> bool>,
    ) -> Reading {
        unreachable!("{UNASKED}")
    }
}
