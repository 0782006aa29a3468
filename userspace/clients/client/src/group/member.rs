//! One session of a group, whichever has its name at the time.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::{Arc, Weak};
use std::time::Duration;

use onair_ipc::event::EventKind;

use super::unit::Unit;
use crate::{AnySession, Client, Contents, Ended, Error, EventFd, Gap, Next, Reattaching, Timeout};

/// Most units that are taken at a time: the other members get their turn.
const MOST: usize = 64;

/// A member of a group.
#[derive(Debug)]
pub struct Member {
    name: String,
    contents: Contents,
    again: Reattaching<Contents>,
    /// Readable when its session has something; of this session.
    ready: Option<(Weak<AnySession>, EventFd)>,
}

impl Member {
    pub(super) fn attach(client: &Client, name: &str) -> Result<Self, Error> {
        let again = client.reattaching_of::<Contents>(name, None)?;
        let session = again.session().ok_or(Error::Stale)?;
        if session.is_sender() {
            return Err(Error::NotAReceiver(name.to_owned()));
        }
        let mut member = Self {
            name: name.to_owned(),
            contents: session.layout().clone(),
            again,
            ready: None,
        };
        member.follow()?;
        Ok(member)
    }

    /// Name of its session.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Contents of its units, by the session that was attached last.
    #[must_use]
    pub const fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Its session, while one is attached.
    #[must_use]
    pub fn session(&self) -> Option<&Arc<AnySession>> {
        self.again.session()
    }

    /// As [`Reattaching::silence`]: since when it has no running session, and why.
    #[must_use]
    pub fn silence(&self) -> Option<(Duration, Ended)> {
        self.again.silence()
    }

    /// As [`Reattaching::cause`].
    #[must_use]
    pub fn cause(&self) -> Option<&Error> {
        self.again.cause()
    }

    /// Takes what is there, as the member number `at`. It does not wait. Returns whether the session has other addresses now.
    pub(super) fn fetch(
        &mut self,
        at: usize,
        mut take: impl FnMut(Option<Gap>, Unit),
    ) -> Result<bool, Error> {
        let mut is_retargeted = false;
        if let Some((_, ready)) = &self.ready {
            ready.clear();
        }
        if let Some(session) = self.again.session() {
            while let Ok(event) = session.event_poll(Timeout::NOW) {
                is_retargeted |= event.kind == EventKind::Retargeted;
            }
        }
        for _ in 0..MOST {
            match self.again.buffer_get(Timeout::NOW) {
                Ok(Next::Buffer(buffer)) => take(None, Unit::of(at, buffer)),
                Ok(Next::Resumed(gap, buffer)) => {
                    take(Some(gap), Unit::of(at, buffer));
                }
                Err(Error::TimedOut | Error::AllHeld { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        if let Some(session) = self.again.session() {
            self.contents.clone_from(session.layout());
        }
        self.follow()?;
        Ok(is_retargeted)
    }

    /// The descriptor that becomes readable when it has something; `None`: it is not attached.
    pub(super) fn ready(&self) -> Option<BorrowedFd<'_>> {
        self.ready.as_ref().map(|(_, ready)| ready.as_fd())
    }

    /// Has a descriptor of the session that is attached now. A new one is readable.
    fn follow(&mut self) -> Result<(), Error> {
        let Some(session) = self.again.session() else {
            self.ready = None;
            return Ok(());
        };
        let is_its = |(of, _): &(Weak<AnySession>, EventFd)| of.as_ptr() == Arc::as_ptr(session);
        if !self.ready.as_ref().is_some_and(is_its) {
            let of = Arc::downgrade(session);
            self.ready = Some((of, session.event_fd()?));
        }
        Ok(())
    }
}
