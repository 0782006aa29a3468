//! A request that is not answered yet.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use onair_api::{
    Certificate, Eviction, Flushed, GroupEnded, GroupView, Problem, RecordingView, SessionList,
    SessionView,
};
use onair_engine::services::reply::Awaited;

use crate::plan::EngineDeedKind;

/// Purpose of a request.
#[derive(Clone, Debug)]
pub(crate) struct Purpose {
    pub(crate) kind: EngineDeedKind,
    pub(crate) role: usize,
    /// The session, if it was there.
    pub(crate) session: Option<u64>,
    /// The attachment that it is about.
    pub(crate) number: Option<u64>,
    /// Addresses that it asks for.
    pub(crate) destination: Option<String>,
    /// Frames that clients of the session had submitted.
    pub(crate) submitted: u64,
    /// How long it may take, by itself.
    pub(crate) wait: Duration,
}

/// An answer, as far as it is looked at.
#[derive(Debug)]
pub(crate) enum Answer {
    Session(Box<SessionView>),
    Certificate(Box<Certificate>),
    Sessions(SessionList),
    Group(GroupView),
    Ended(GroupEnded),
    Flushed,
    Other,
}

impl From<SessionView> for Answer {
    fn from(it: SessionView) -> Self {
        Self::Session(Box::new(it))
    }
}

impl From<SessionList> for Answer {
    fn from(it: SessionList) -> Self {
        Self::Sessions(it)
    }
}

impl From<Box<Certificate>> for Answer {
    fn from(it: Box<Certificate>) -> Self {
        Self::Certificate(it)
    }
}

impl From<GroupView> for Answer {
    fn from(it: GroupView) -> Self {
        Self::Group(it)
    }
}

impl From<GroupEnded> for Answer {
    fn from(it: GroupEnded) -> Self {
        Self::Ended(it)
    }
}

impl From<Flushed> for Answer {
    fn from(_: Flushed) -> Self {
        Self::Flushed
    }
}

macro_rules! others {
    ($($kind:ty)+) => {
        $(impl From<$kind> for Answer {
            fn from(_: $kind) -> Self {
                Self::Other
            }
        })+
    };
}

others! { () RecordingView Eviction onair_api::EvictionList onair_api::Verdict onair_api::BlockerList Vec<u8> }

/// The requester's end, whatever the answer is.
pub(crate) trait Open: Debug {
    /// The answer, if it has come.
    ///
    /// # Errors
    /// There will be none.
    fn poll(&mut self) -> Result<Option<Result<Answer, Problem>>, ()>;
}

impl<T: Debug + Into<Answer>> Open for Awaited<T> {
    fn poll(&mut self) -> Result<Option<Result<Answer, Problem>>, ()> {
        let answer = self.try_recv().map_err(drop)?;
        Ok(answer.map(|it| it.map(Into::into)))
    }
}

/// An open request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) number: u32,
    pub(crate) purpose: Purpose,
    pub(crate) open: Box<dyn Open>,
    /// How long it may still take while nothing stands in the way.
    left: Duration,
    /// Until when it is answered in any case, if it has a time of its own.
    until: Option<Instant>,
}

impl Request {
    pub(crate) fn new(
        number: u32,
        purpose: Purpose,
        open: Box<dyn Open>,
        (grace, until): (Duration, Option<Instant>),
    ) -> Self {
        let left = purpose.wait + grace;
        Self {
            number,
            purpose,
            open,
            left,
            until,
        }
    }

    /// So much time has passed, and nothing stood in the way.
    pub(crate) fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// Whether it is too late for an answer.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        self.left.is_zero() || self.until.is_some_and(|until| now > until)
    }
}
