//! A view's answers, written down and given again: a life can be lived again without its kernel.

use std::cell::RefCell;
use std::collections::VecDeque;

use onair_api::{Problem, Reading, SessionId};
use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::AttachmentMemory;
use serde::{Deserialize, Serialize};

use crate::boundary::retired::RetiredMemory;
use crate::boundary::sites::Sites;
use crate::boundary::view::{Moment, View, Walk};

/// An answer of a [`View`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewAnswer {
    /// To [`View::moment`].
    Moment(Moment),
    /// To [`View::check_probe`]: the refusal.
    Refused(Option<Problem>),
    /// The kernel's list was read for these sessions.
    Walked(Vec<SessionId>),
    /// To [`Walk::probe`].
    Probe(Reading),
    /// To [`View::blocked`].
    Blocked(Vec<u64>),
    /// To [`View::mapping`].
    Mapping(Reading),
    /// To [`View::is_released`], and of frames.
    Released(bool),
    /// To [`View::is_process_ending`].
    Ending(bool),
}

/// A view that writes down what another one answers.
pub struct RecordingView<'a> {
    view: &'a dyn View,
    answers: RefCell<Vec<ViewAnswer>>,
}

impl<'a> RecordingView<'a> {
    /// Records the answers of `view`.
    pub fn new(view: &'a dyn View) -> Self {
        let answers = RefCell::default();
        Self { view, answers }
    }

    /// The answers, in the order of the questions.
    #[must_use]
    pub fn into_answers(self) -> Vec<ViewAnswer> {
        self.answers.into_inner()
    }

    fn note<T: Clone>(&self, answer: T, kind: fn(T) -> ViewAnswer) -> T {
        self.answers.borrow_mut().push(kind(answer.clone()));
        answer
    }
}

impl View for RecordingView<'_> {
    fn moment(&self) -> Moment {
        self.note(self.view.moment(), ViewAnswer::Moment)
    }

    fn check_probe(&self) -> Result<(), Problem> {
        let refused = self.note(self.view.check_probe().err(), ViewAnswer::Refused);
        refused.map_or(Ok(()), Err)
    }

    fn walk(&self, sessions: &[SessionId]) -> Box<dyn Walk + '_> {
        self.note(sessions.to_vec(), ViewAnswer::Walked);
        let walk = self.view.walk(sessions);
        Box::new(RecordingWalk { view: self, walk })
    }

    fn blocked(&self) -> Vec<u64> {
        self.note(self.view.blocked(), ViewAnswer::Blocked)
    }

    fn mapping(&self, memory: &RetiredMemory) -> Reading {
        self.note(self.view.mapping(memory), ViewAnswer::Mapping)
    }

    fn is_released(&self, words: &AttachmentMemory) -> bool {
        self.note(self.view.is_released(words), ViewAnswer::Released)
    }

    fn are_released(&self, frames: &FrameMemory) -> bool {
        self.note(self.view.are_released(frames), ViewAnswer::Released)
    }

    fn is_process_ending(&self, pid: u32) -> bool {
        self.note(self.view.is_process_ending(pid), ViewAnswer::Ending)
    }
}

struct RecordingWalk<'a> {
    view: &'a RecordingView<'a>,
    walk: Box<dyn Walk + 'a>,
}

impl Walk for RecordingWalk<'_> {
    fn probe(
        &self,
        session: SessionId,
        clients: &mut dyn Iterator<Item = (u32, Sites)>,
        out: &dyn Fn(u64) -> bool,
    ) -> Reading {
        let reading = self.walk.probe(session, clients, out);
        self.view.note(reading, ViewAnswer::Probe)
    }
}

/// A view that gives recorded answers again.
///
/// Its methods panic if the core asks anything but what it asked when the record was made: it
/// decides otherwise, or was given other events.
#[derive(Debug, Default)]
pub struct RecordedView {
    answers: RefCell<VecDeque<ViewAnswer>>,
}

impl RecordedView {
    /// Gives `answers`, in this order.
    pub fn new(answers: impl IntoIterator<Item = ViewAnswer>) -> Self {
        let answers = RefCell::new(answers.into_iter().collect());
        Self { answers }
    }

    /// Whether each answer was asked for.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.answers.borrow().is_empty()
    }

    fn next<T>(&self, question: &str, pick: impl FnOnce(ViewAnswer) -> Result<T, ViewAnswer>) -> T {
        let answer = self.answers.borrow_mut().pop_front();
        match answer.map(pick) {
            Some(Ok(answer)) => answer,
            Some(Err(other)) => panic!("asked for {question}, recorded is {other:?}"),
            None => panic!("asked for {question} after the last answer"),
        }
    }
}

/// Takes the answer of one kind out.
macro_rules! answer {
    ($view:expr, $kind:ident) => {
        $view.next(stringify!($kind), |answer| match answer {
            ViewAnswer::$kind(it) => Ok(it),
            other => Err(other),
        })
    };
}

impl View for RecordedView {
    fn moment(&self) -> Moment {
        answer!(self, Moment)
    }

    fn check_probe(&self) -> Result<(), Problem> {
        answer!(self, Refused).map_or(Ok(()), Err)
    }

    fn walk(&self, sessions: &[SessionId]) -> Box<dyn Walk + '_> {
        let walked = answer!(self, Walked);
        assert_eq!(sessions, walked, "walked for other sessions");
        Box::new(RecordedWalk(self))
    }

    fn blocked(&self) -> Vec<u64> {
        answer!(self, Blocked)
    }

    fn mapping(&self, _: &RetiredMemory) -> Reading {
        answer!(self, Mapping)
    }

    fn is_released(&self, _: &AttachmentMemory) -> bool {
        answer!(self, Released)
    }

    fn are_released(&self, _: &FrameMemory) -> bool {
        answer!(self, Released)
    }

    fn is_process_ending(&self, _: u32) -> bool {
        answer!(self, Ending)
    }
}

struct RecordedWalk<'a>(&'a RecordedView);

impl Walk for RecordedWalk<'_> {
    fn probe(
        &self,
        _: SessionId,
        _: &mut dyn Iterator<Item = (u32, Sites)>,
        _: &dyn Fn(u64) -> bool,
    ) -> Reading {
        answer!(self.0, Probe)
    }
}
