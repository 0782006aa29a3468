//! From the session to the other program.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use onair::{
    Error, FrameError, FrameOf, Gap, Lender, Next, PipeWriter, Reattaching, Session, Timeout,
};

use super::Flow;
use super::counts::Counts;
use super::ending::{PipeEvent, Why, failed};
use super::output::{LOOK, Outlet, Output, Piece};
use crate::failure::pipe::PipeFailure;

/// For a part of a frame that has begun: the daemon ends a frame sooner, `frame_timeout_ms` is 10 s at most.
const PART: Duration = Duration::from_secs(11);

/// Passes frames on. Returns why it ended.
pub(super) fn run(flow: Flow, again: Option<Reattaching>, ends: &Receiver<PipeEvent>) -> Why {
    let writer = PipeWriter::new(flow.format);
    let output = Output {
        header: writer.header(),
        frame_bytes: flow.format.frame_bytes(),
        target: flow.target,
        limit: flow.limit,
        counts: Arc::clone(&flow.counts),
        ending: flow.ending,
    };
    output.run(ends, |outlet| {
        let mut passing = Passing {
            counts: &flow.counts,
            next: None,
            writer,
            outlet,
        };
        let passed = match again {
            None => passing.all_of(&flow.session),
            Some(again) => passing.again(again, flow.session, ends),
        };
        let Err(why) = passed;
        why
    })
}

/// From the session to the thread that writes.
struct Passing<'a> {
    counts: &'a Counts,
    /// Number of the next buffer, if none is missed.
    next: Option<u64>,
    writer: PipeWriter,
    outlet: &'a mut Outlet,
}

impl Passing<'_> {
    /// The frames of one session.
    fn all_of(&mut self, session: &Session) -> Result<Infallible, Why> {
        let frames = session.frames();
        let frames = frames.map_err(|error| failed(session, error))?;
        let mut frames = frames.while_received();
        loop {
            let frame = frames.get(Timeout::NEVER);
            let frame = frame.map_err(|error| failed(session, error))?;
            if let Some(error) = self.pass(frame)? {
                return Err(failed(session, error));
            }
        }
    }

    /// The frames of each session of the name, `first` being the one that is attached.
    fn again(
        &mut self,
        again: Reattaching,
        first: Arc<Session>,
        ends: &Receiver<PipeEvent>,
    ) -> Result<Infallible, Why> {
        let name = first.name().to_owned();
        drop(first);
        let mut again = again.while_received();
        loop {
            let frame = again.frame_get(LOOK.into());
            if let Ok(PipeEvent::End(why)) = ends.try_recv() {
                return Err(why);
            }
            let frame = match frame {
                Ok(Next::Buffer(frame)) => frame,
                Ok(Next::Resumed(gap, frame)) => {
                    self.resume(&name, &gap, again.session())?;
                    frame
                }
                Err(Error::TimedOut) => continue,
                Err(error) => return Err(Why::Failed(PipeFailure::Session(error))),
            };
            // Of an end within a frame the next call tells.
            self.pass(frame)?;
        }
    }

    /// Tells of an interruption.
    fn resume(&mut self, name: &str, gap: &Gap, session: Option<&Arc<Session>>) -> Result<(), Why> {
        let format = self.writer.format();
        let now = session.and_then(|it| it.piped(format.file(), Some(format.pixels())).ok());
        if now != Some(*format) {
            return Err(Why::Failed(PipeFailure::Changed(name.to_owned())));
        }
        self.next = None;
        self.counts.interrupted(name, gap);
        Ok(())
    }

    /// Passes a frame on when it has come. The error is the session's, which ended before.
    fn pass<S: Lender>(&mut self, frame: FrameOf<S>) -> Result<Option<Error>, Why> {
        for buffer in frame.buffers() {
            self.counts.follow(&mut self.next, buffer.number());
        }
        let passed = self.write(&frame);
        let piece = match passed {
            Ok(piece) => piece,
            // The daemon hangs: a signal must not wait for it.
            Err(FrameError::Session(Error::TimedOut)) => {
                self.counts.lose();
                None
            }
            Err(FrameError::Session(error)) => return Ok(Some(error)),
            Err(FrameError::Pixels(error)) => return Err(Why::Failed(PipeFailure::Pixels(error))),
        };
        self.counts.came(frame.is_complete());
        drop(frame);
        piece.map_or(Ok(()), |piece| self.outlet.pass(piece))?;
        Ok(None)
    }

    /// Writes a frame while it comes, or when it has come if there is no memory for it before. `None`: it is lost.
    fn write<S: Lender>(&mut self, frame: &FrameOf<S>) -> Result<Option<Piece>, FrameError> {
        let mut piece = self.outlet.free_piece(true);
        if piece.is_none() {
            frame.wait_arrived(PART.into())?;
            piece = self.outlet.piece(true);
        }
        if let Some(piece) = &mut piece {
            frame.write_to(&mut self.writer, &mut piece.bytes, PART.into())?;
        }
        Ok(piece)
    }
}
