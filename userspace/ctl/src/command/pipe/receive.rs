//! From the session to the other program.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use onair::{Error, FrameOf, Gap, Lender, Next, PipeWriter, Reattaching, Session, Timeout};

use super::Flow;
use super::counts::Counts;
use super::ending::{PipeEvent, Why, failed};
use super::output::{LOOK, Outlet, Output};
use crate::failure::pipe::PipeFailure;

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
        let mut frames = frames.map_err(|error| failed(session, error))?;
        loop {
            let frame = frames.get(Timeout::NEVER);
            self.pass(frame.map_err(|error| failed(session, error))?)?;
        }
    }

    /// The frames of each session of the name, `first` being the one that is attached.
    fn again(
        &mut self,
        mut again: Reattaching,
        first: Arc<Session>,
        ends: &Receiver<PipeEvent>,
    ) -> Result<Infallible, Why> {
        let name = first.name().to_owned();
        drop(first);
        loop {
            let frame = again.frame_get(LOOK.into());
            if let Ok(PipeEvent::End(why)) = ends.try_recv() {
                return Err(why);
            }
            match frame {
                Ok(Next::Buffer(frame)) => self.pass(frame)?,
                Ok(Next::Resumed(gap, frame)) => {
                    self.resume(&name, &gap, again.session())?;
                    self.pass(frame)?;
                }
                Err(Error::TimedOut) => {}
                Err(error) => return Err(Why::Failed(PipeFailure::Session(error))),
            }
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

    fn pass<S: Lender>(&mut self, frame: FrameOf<S>) -> Result<(), Why> {
        for buffer in frame.buffers() {
            self.counts.follow(&mut self.next, buffer.number());
        }
        self.counts.came(frame.is_complete());
        let Some(mut piece) = self.outlet.piece(true) else {
            return Ok(());
        };
        if let Err(error) = frame.write_to(&mut self.writer, &mut piece.bytes) {
            return Err(Why::Failed(PipeFailure::Pixels(error)));
        }
        drop(frame);
        self.outlet.pass(piece)
    }
}
