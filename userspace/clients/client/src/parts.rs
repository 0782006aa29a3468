//! Calls in parts, for languages whose signal handlers run between two instructions of a program
//! and not in the kernel's handler, such as Python.

use std::sync::Arc;
use std::time::Duration;

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::event::Event;
use onair_ipc::sys;

use crate::buffer::{BufferOf, LenderOf};
use crate::carries::Carries;
use crate::{Error, OwnedBuffer, Session, Timeout};

/// Longest part: no part ends early for a signal that comes just before it sleeps.
const PART: Duration = Duration::from_millis(200);

/// One call that is made in parts. A part ends after 200 ms, or earlier if a signal handler has run in
/// its thread. The call as a whole misses no stop: a part refuses if one came since the first part.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use onair::{Error, Parts, Session, Timeout};
///
/// fn get(session: &Arc<Session>, has_signal: impl Fn() -> bool) -> Result<(), Error> {
///     let mut parts = Parts::new(Timeout::NEVER);
///     while !has_signal() {
///         if let Some(buffer) = session.buffer_get_part(&mut parts)? {
///             println!("frame {}", buffer.number());
///             break;
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Parts {
    deadline: Deadline,
    seen: onair_ipc::caller::Parts,
}

impl Parts {
    /// A call that waits for at most `timeout` from now.
    #[must_use]
    pub fn new(timeout: Timeout) -> Self {
        Self {
            deadline: timeout.deadline(),
            seen: onair_ipc::caller::Parts::default(),
        }
    }

    /// Makes a part with its own deadline; `None`: it ended, and the call's time has not passed.
    fn part<T>(
        &mut self,
        call: impl FnOnce(Deadline, &mut onair_ipc::caller::Parts) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Error> {
        let deadline = match (self.deadline, Timeout::from(PART).deadline()) {
            (Deadline::At(end), Deadline::At(part)) => Deadline::At(end.min(part)),
            (Deadline::Never, part) => part,
            (now, _) => now,
        };
        match call(deadline, &mut self.seen) {
            Ok(result) => Ok(Some(result)),
            Err(Refusal::TimedOut) if !self.has_passed() => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn has_passed(&self) -> bool {
        match self.deadline {
            Deadline::Now => true,
            Deadline::At(end) => sys::monotonic_ns() >= end,
            Deadline::Never => false,
        }
    }
}

impl<L: Carries> Session<L> {
    /// A part of [`Session::buffer_get`]; `None`: it ended without a frame, make the next part.
    ///
    /// # Errors
    /// As [`Session::buffer_get`].
    pub fn buffer_get_part(
        self: &Arc<Self>,
        parts: &mut Parts,
    ) -> Result<Option<OwnedBuffer<L>>, Error> {
        let take = |deadline, seen: &mut _| self.link.attachment.take_owned(deadline, Some(seen));
        let held = parts.part(take)?;
        Ok(held.map(|held| OwnedBuffer::new(Arc::clone(self), held)))
    }

    /// A part of [`Session::buffer_get_open`]; `None`: it ended without a buffer, make the next part.
    ///
    /// # Errors
    /// As [`Session::buffer_get`].
    pub fn buffer_get_open_part(
        self: &Arc<Self>,
        count: u32,
        parts: &mut Parts,
    ) -> Result<Option<OwnedBuffer<L>>, Error> {
        parts.part(|until, seen| OwnedBuffer::take_open_within(self, count, until, Some(seen)))
    }

    /// A part of [`Session::event_poll`]; `None`: it ended without an event, make the next part.
    ///
    /// # Errors
    /// As [`Session::event_poll`].
    pub fn event_poll_part(&self, parts: &mut Parts) -> Result<Option<Event>, Error> {
        parts.part(|deadline, seen| self.link.attachment.poll_event(deadline, Some(seen)))
    }

    /// A part of [`Session::wait_started`], which no signal ends early; `None`: make the next part.
    ///
    /// # Errors
    /// As [`Session::wait_started`].
    pub fn wait_started_part(&self, parts: &mut Parts) -> Result<Option<()>, Error> {
        parts.part(|deadline, _| self.link.attachment.wait_started(deadline))
    }
}

impl<S: LenderOf> BufferOf<S> {
    /// A part of [`BufferOf::wait_for`]; `None`: it ended before, make the next part.
    ///
    /// # Errors
    /// As [`BufferOf::wait_for`].
    pub fn wait_for_part(&self, count: u32, parts: &mut Parts) -> Result<Option<u32>, Error> {
        parts.part(|deadline, seen| self.wait_within(count, deadline, Some(seen)))
    }
}
