//! A session that attaches again by itself.

mod attaching;
mod gap;

use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_ipc::caller::{Deadline, Refusal};
use onair_pixels::PixelFormat;

use attaching::{Attaching, Target};
pub use gap::{Ended, Gap, Mark};

use crate::carries::buffers_in;
use crate::layout::Pictured;
use crate::{
    Assembly, Client, Error, Layout, OwnedBuffer, OwnedBufferMut, OwnedFrame, Session, Timeout,
};

/// A buffer, and what came before it.
///
/// See the example of [`Reattaching`].
#[derive(Debug)]
pub enum Next<B> {
    /// The next one.
    Buffer(B),
    /// The first one after a time without.
    Resumed(Gap, B),
}

impl<B> Next<B> {
    /// The time without buffers before it, if it is the first one after that.
    #[must_use]
    pub const fn gap(&self) -> Option<&Gap> {
        match self {
            Self::Buffer(_) => None,
            Self::Resumed(gap, _) => Some(gap),
        }
    }

    /// The buffer.
    #[must_use]
    pub fn into_buffer(self) -> B {
        match self {
            Self::Buffer(buffer) | Self::Resumed(_, buffer) => buffer,
        }
    }
}

/// An attachment to whatever session has a name: when the session stops, ends or its daemon dies, the calls wait
/// for the next one and attach to it. Each interruption is told once, with the first buffer after it.
///
/// ```no_run
/// use onair::{Client, Next, Timeout};
///
/// let mut studio = Client::from_env().reattaching("studio")?;
/// loop {
///     let buffer = match studio.buffer_get(Timeout::NEVER)? {
///         Next::Buffer(buffer) => buffer,
///         Next::Resumed(gap, buffer) => {
///             eprintln!("{:?} for {:?}, {:?} buffers missing", gap.ended, gap.lasted, gap.missing);
///             buffer
///         }
///     };
///     println!("{} bytes", buffer.len());
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), onair::Error>(())
/// ```
///
/// One thread calls it. Buffers may go to others; they keep the session that loaned them. While nothing is attached, a
/// small thread of the library tries: every 20 ms while no daemon listens, and else at most every half second.
#[derive(Debug)]
pub struct Reattaching<L: Pictured = Layout> {
    target: Target,
    now: Now<L>,
    /// Buffers come when they begin.
    are_open: bool,
    /// The last buffer that came.
    last: Option<Mark>,
    /// The session's run ([`Session::run`]) that it is of.
    run: Option<u32>,
    /// Since when none comes, and why.
    silence: Option<(Instant, Ended)>,
    cause: Option<Error>,
    /// Fields of a frame that is not whole, and the gap before them.
    fields: Option<Assembly<Arc<Session<L>>>>,
    before: Option<Gap>,
}

#[derive(Debug)]
enum Now<L: Pictured> {
    Attached(Arc<Session<L>>),
    Attaching(Attaching<L>),
    /// The last attempt was refused for good.
    Refused,
}

impl Client {
    /// Attaches to the session that is called `session`, now and each time that it ends.
    ///
    /// # Errors
    /// As [`Client::attach`]: the first time is now.
    pub fn reattaching(&self, session: &str) -> Result<Reattaching, Error> {
        self.reattaching_of(session, None)
    }

    /// As [`Client::reattaching`], to frames in a pixel format as of [`Client::attach_as`].
    ///
    /// # Errors
    /// As [`Client::attach_as`].
    pub fn reattaching_as(&self, session: &str, format: PixelFormat) -> Result<Reattaching, Error> {
        self.reattaching_of(session, Some(format))
    }

    /// As [`Client::reattaching`], to a session of any essence. With a `format`, as of [`Client::attach_as`].
    ///
    /// # Errors
    /// As [`Client::attach_as`].
    pub fn reattaching_of<L: Pictured>(
        &self,
        session: &str,
        format: Option<PixelFormat>,
    ) -> Result<Reattaching<L>, Error> {
        Reattaching::begin(Target {
            client: self.clone(),
            name: session.to_owned(),
            format,
            after: None,
            fills: false,
        })
    }

    /// As [`Client::reattaching_of`], to fill frames, as of [`Client::attach_to_fill`].
    ///
    /// # Errors
    /// As [`Client::attach_to_fill_of`].
    pub fn reattaching_to_fill_of<L: Pictured>(
        &self,
        session: &str,
    ) -> Result<Reattaching<L>, Error> {
        Reattaching::begin(Target {
            client: self.clone(),
            name: session.to_owned(),
            format: None,
            after: None,
            fills: true,
        })
    }
}

impl<L: Pictured> Reattaching<L> {
    fn begin(target: Target) -> Result<Self, Error> {
        let session = Arc::new(target.attach()?);
        Ok(Self {
            target,
            now: Now::Attached(session),
            are_open: false,
            last: None,
            run: None,
            silence: None,
            cause: None,
            fields: None,
            before: None,
        })
    }

    /// From now on buffers and frames come as soon as they begin, as with [`Session::buffer_get_open`].
    #[must_use]
    pub fn while_received(mut self) -> Self {
        self.are_open = true;
        self
    }

    /// The session that it is attached to, if any.
    #[must_use]
    pub fn session(&self) -> Option<&Arc<Session<L>>> {
        match &self.now {
            Now::Attached(session) => Some(session),
            Now::Attaching(_) | Now::Refused => None,
        }
    }

    /// Since when no buffer comes, and why: `None` while the session runs. Calls find it out.
    #[must_use]
    pub fn silence(&self) -> Option<(Duration, Ended)> {
        let (since, ended) = self.silence?;
        Some((since.elapsed(), ended))
    }

    /// Why the last attempt to attach failed, while nothing is attached.
    #[must_use]
    pub fn cause(&self) -> Option<&Error> {
        self.cause.as_ref()
    }

    /// Gets the oldest ready frame; waits at most `timeout` for one, however often the session ends meanwhile.
    ///
    /// # Errors
    /// [`Error::TimedOut`]: [`Reattaching::silence`] and [`Reattaching::cause`] say more. What no time heals, such as
    /// [`Error::Refused`] (`forbidden`) or [`Error::Protocol`]; the next call tries again.
    pub fn buffer_get(&mut self, timeout: Timeout) -> Result<Next<OwnedBuffer<L>>, Error> {
        self.buffer_until(timeout.deadline())
    }

    fn buffer_until(&mut self, deadline: Deadline) -> Result<Next<OwnedBuffer<L>>, Error> {
        loop {
            let session = self.attached(deadline)?;
            let run = session.link.attachment.run();
            let buffer = match self.are_open {
                true => OwnedBuffer::take_open(&session, 1, deadline),
                false => OwnedBuffer::take(&session, deadline),
            };
            match buffer {
                Ok(buffer) => {
                    let run = run.or_else(|| session.link.attachment.run());
                    let last = std::mem::replace(&mut self.run, run);
                    if last.is_some() && last != run {
                        // It may have been stopped and started again between two calls.
                        self.falls_silent(Ended::Stopped);
                    }
                    return Ok(self.arrived(buffer));
                }
                Err(error) => self.wait_after(&session, error, deadline)?,
            }
        }
    }

    /// As [`Reattaching::buffer_get`], whole frames as of [`Session::frames`]. Fields from before an interruption are
    /// returned when it begins.
    ///
    /// # Errors
    /// As [`Reattaching::buffer_get`], and [`Error::OneField`].
    pub fn frame_get(&mut self, timeout: Timeout) -> Result<Next<OwnedFrame<L>>, Error> {
        let deadline = timeout.deadline();
        loop {
            if let Some(frame) = self.fields.as_mut().and_then(Assembly::waiting) {
                return Ok(Next::Buffer(frame));
            }
            let buffer = match self.buffer_until(deadline)? {
                Next::Buffer(buffer) => buffer,
                Next::Resumed(gap, buffer) => {
                    self.before = Some(gap);
                    buffer
                }
            };
            let fields = self.fields.take();
            let mut fields = fields.map_or_else(|| Assembly::of(buffer.session()), Ok)?;
            let frame = fields.push(buffer);
            self.fields = Some(fields);
            if let Some(frame) = frame {
                return Ok(match self.before.take() {
                    Some(gap) => Next::Resumed(gap, frame),
                    None => Next::Buffer(frame),
                });
            }
        }
    }

    /// As [`Reattaching::buffer_get`], for a send session: a free frame to fill and submit.
    ///
    /// # Errors
    /// As [`Reattaching::buffer_get`], and [`Error::NotASender`].
    pub fn buffer_get_mut(&mut self, timeout: Timeout) -> Result<Next<OwnedBufferMut<L>>, Error> {
        let writable = |buffer: OwnedBuffer<L>| {
            let not = |it: OwnedBuffer<L>| Error::NotASender(it.session().name().to_owned());
            buffer.writable().map_err(not)
        };
        Ok(match self.buffer_get(timeout)? {
            Next::Buffer(buffer) => Next::Buffer(writable(buffer)?),
            Next::Resumed(gap, buffer) => Next::Resumed(gap, writable(buffer)?),
        })
    }

    fn arrived(&mut self, buffer: OwnedBuffer<L>) -> Next<OwnedBuffer<L>> {
        let first = Mark::of(&buffer);
        let last = self.last.replace(first);
        self.target.after = (!buffer.session().is_sender()).then(|| buffer.rtp_timestamp());
        let Some((since, ended)) = self.silence.take() else {
            return Next::Buffer(buffer);
        };
        let receives = !buffer.session().is_sender();
        let missing = last.filter(|_| receives);
        let gap = Gap {
            ended,
            lasted: since.elapsed(),
            last,
            first,
            missing: missing
                .and_then(|last| last.missing_until(&first, |ns| buffers_in(buffer.layout(), ns))),
        };
        Next::Resumed(gap, buffer)
    }

    /// Waits until a session that gave no buffer runs again, or lets go of one that has ended.
    fn wait_after(
        &mut self,
        session: &Session<L>,
        error: Error,
        deadline: Deadline,
    ) -> Result<(), Error> {
        match error {
            Error::Stopped => {
                self.falls_silent(Ended::Stopped);
                match session.link.attachment.wait_started(deadline) {
                    Err(Refusal::Stale) => self.wait_after(session, Error::Stale, deadline),
                    waited => Ok(waited?),
                }
            }
            Error::Stale | Error::Disconnected => {
                self.falls_silent(match session.is_service_ending() {
                    true => Ended::Daemon,
                    false => Ended::Session,
                });
                self.now = Now::Attaching(Attaching::begin(self.target.clone())?);
                Ok(())
            }
            error => Err(error),
        }
    }

    fn falls_silent(&mut self, ended: Ended) {
        self.fields = None;
        let (_, worst) = self.silence.get_or_insert((Instant::now(), ended));
        *worst = ended.max(*worst);
    }

    /// The session, once it is attached.
    fn attached(&mut self, deadline: Deadline) -> Result<Arc<Session<L>>, Error> {
        loop {
            let attempt = match &self.now {
                Now::Attached(session) => return Ok(Arc::clone(session)),
                Now::Attaching(attaching) if !attaching.is_inherited() => {
                    attaching.next(deadline)?
                }
                Now::Attaching(_) | Now::Refused => {
                    self.now = Now::Attaching(Attaching::begin(self.target.clone())?);
                    continue;
                }
            };
            match attempt {
                Ok(session) => {
                    self.cause = None;
                    self.now = Now::Attached(Arc::new(session));
                }
                Err(error) if error.may_pass() => self.cause = Some(error),
                Err(error) => {
                    self.now = Now::Refused;
                    return Err(error);
                }
            }
        }
    }
}
