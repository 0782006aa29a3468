//! From the members of a group to the other program, as one stream.
//!
//! As of a session: this thread copies units and returns them at once, another one writes, and a unit for which there is no
//! room is lost.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use onair::{Client, Ended, Error, Group, GroupWriter, Missing, PipeFile, Step, Unit};

use super::ending::{Ending, Told, Why};
use super::receive::{LAST_WRITE, LOOK, is_gone};
use super::target::{Target, wait_for_close};
use super::{Counts, Pipe, Piping, progress, show};
use crate::args::Options;
use crate::document::pipe::Piped;
use crate::failure::pipe::PipeFailure;
use crate::failure::{DONE, Failure};
use crate::render::printable;

/// Units between the group and the reader, besides those in the kernel.
const UNITS: usize = 64;
/// Frames among them.
const FRAMES: u64 = 8;

/// Passes the units of a group on until something ends it, and sums up. `absent`: there is no session of that name.
pub(super) fn run(
    pipe: &Pipe,
    client: &Client,
    options: &Options,
    absent: Error,
) -> Result<u8, Failure> {
    let name = pipe.session.to_string();
    let group = client.attach_group(&name).map_err(|error| match error {
        Error::Refused { code, .. } if code == "no_such_group" => PipeFailure::NoSuch(name.clone()),
        // An older daemon, which has groups for operators alone.
        Error::Protocol(_) => PipeFailure::Session(absent),
        error => PipeFailure::Session(error),
    })?;
    if pipe.send || !matches!(pipe.format, Piping::Frames(PipeFile::Nut)) {
        let members = group.members().iter().map(|it| it.name().to_owned());
        let members = members.collect();
        return Err(PipeFailure::GroupAlone {
            group: name,
            members,
        }
        .into());
    }
    let writer = GroupWriter::new(&group, pipe.layout).map_err(PipeFailure::NotProgramme)?;
    let (target, _socket_file) = match &pipe.unix {
        Some(path) => Target::socket(path).map(|(target, file)| (target, Some(file)))?,
        None => (Target::standard(false)?, None),
    };
    let (ending, ends) = Ending::of_none()?;
    let counts = Arc::new(Counts::default());
    let begin = Instant::now();
    let facts = writer.format().facts();
    let flow = Flow {
        group,
        writer,
        reattach: pipe.reattach,
        left: pipe.frames.unwrap_or(u64::MAX),
        next: BTreeMap::new(),
        counts: Arc::clone(&counts),
        bar: progress(&name),
    };
    let why = flow.run(target, &ending, &ends);
    let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let piped = Piped {
        session: name,
        direction: "receive",
        format: PipeFile::Nut.as_str(),
        content: facts.into_iter().collect(),
        frames: load(&counts.frames),
        bytes: load(&counts.bytes),
        incomplete_frames: load(&counts.incomplete),
        lost_frames: load(&counts.lost),
        missed_buffers: load(&counts.missed),
        interruptions: load(&counts.interruptions),
        seconds: begin.elapsed().as_secs_f64(),
        ended: why.as_str(),
    };
    show(options, &piped, pipe.unix.is_none())?;
    match why {
        Why::Failed(failure) => Err(failure.into()),
        _ => Ok(DONE),
    }
}

/// A unit as it is written, and whether it is a frame.
type Bytes = (Vec<u8>, bool);

struct Flow {
    group: Group,
    writer: GroupWriter,
    reattach: bool,
    /// Frames that are still wanted.
    left: u64,
    /// Number of the next buffer of each member, if none is missed.
    next: BTreeMap<usize, u64>,
    counts: Arc<Counts>,
    bar: ProgressBar,
}

impl Flow {
    fn run(mut self, target: Target, ending: &Ending, ends: &Receiver<Told>) -> Why {
        let (full, from_group) = sync_channel(UNITS);
        let (finished, writer_ended) = sync_channel::<()>(0);
        let written = Arc::new(AtomicU64::new(0));
        let output = Output {
            header: self.writer.header(),
            frame_bytes: self.writer.format().frame_bytes(),
            units: from_group,
            written: Arc::clone(&written),
            counts: Arc::clone(&self.counts),
            ending: ending.clone(),
        };
        thread::spawn(move || {
            output.run(target);
            drop(finished);
        });
        if let Ok(Told::End(why)) = ends.recv() {
            return why;
        }
        let mut why = self.pass_all(&full, &written, ends);
        self.bar.finish_and_clear();
        drop(full);
        // A disconnect: the thread has ended.
        let _ = writer_ended.recv_timeout(LAST_WRITE);
        if let (Why::Enough, Ok(Told::End(late @ Why::Failed(_)))) = (&why, ends.try_recv()) {
            why = late;
        }
        why
    }

    /// Passes units on. Returns why it ended.
    fn pass_all(
        &mut self,
        full: &SyncSender<Bytes>,
        written: &AtomicU64,
        ends: &Receiver<Told>,
    ) -> Why {
        let mut sent = 0;
        loop {
            let step = self.group.next(LOOK.into());
            if let Ok(Told::End(why)) = ends.try_recv() {
                return why;
            }
            let unit = match step {
                Ok(Step::Unit(unit) | Step::Late(unit)) => unit,
                Ok(Step::Resumed(gap, unit)) => {
                    self.resume(&unit, gap.ended, gap.lasted);
                    unit
                }
                Ok(Step::Missing(Missing { member, ended })) if !self.reattach => {
                    match self.ended(member, ended) {
                        Some(failure) => return Why::Failed(failure),
                        None => continue,
                    }
                }
                Ok(Step::Missing(_) | Step::Retargeted(_)) | Err(Error::TimedOut) => continue,
                Err(error) => return Why::Failed(PipeFailure::Session(error)),
            };
            self.count(&unit);
            let is_picture = self.writer.is_picture(&unit);
            if is_picture && sent - written.load(Ordering::Relaxed) >= FRAMES {
                self.counts.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let mut bytes = Vec::new();
            if let Err(error) = self.writer.write(unit, &mut bytes) {
                return Why::Failed(PipeFailure::NotWritten(error));
            }
            if bytes.is_empty() {
                continue;
            }
            match full.try_send((bytes, is_picture)) {
                Ok(()) if is_picture => {
                    sent += 1;
                    self.bar.inc(1);
                    self.left -= 1;
                    if self.left == 0 {
                        return Why::Enough;
                    }
                }
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    self.counts.lost.fetch_add(1, Ordering::Relaxed);
                }
                Err(TrySendError::Disconnected(_)) => return Why::ReaderGone,
            }
        }
    }

    /// Why it ends, when a member has ended for this reason; `None`: its session runs.
    fn ended(&self, member: usize, ended: Option<Ended>) -> Option<PipeFailure> {
        let name = || self.group.members()[member].name().to_owned();
        Some(match ended? {
            Ended::Stopped => PipeFailure::Stopped(name()),
            Ended::Session => PipeFailure::Gone(name()),
            Ended::Daemon => PipeFailure::DaemonEnded,
        })
    }

    /// Tells of an interruption.
    fn resume(&mut self, unit: &Unit, ended: Ended, lasted: Duration) {
        self.counts.interruptions.fetch_add(1, Ordering::Relaxed);
        self.next.remove(&unit.member());
        let what = match ended {
            Ended::Stopped => "was stopped",
            Ended::Session => "was gone",
            Ended::Daemon => "was without its daemon",
        };
        let (name, seconds) = (printable(unit.session().name()), lasted.as_secs_f64());
        self.bar
            .suspend(|| eprintln!("session {name} {what} for {seconds:.2} s"));
    }

    fn count(&mut self, unit: &Unit) {
        let next = self.next.insert(unit.member(), unit.number() + 1);
        let missed = next.map_or(0, |next| unit.number().saturating_sub(next));
        self.counts.missed.fetch_add(missed, Ordering::Relaxed);
        if !unit.status().is_complete() {
            self.counts.incomplete.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What the writing thread has.
struct Output {
    header: Vec<u8>,
    frame_bytes: usize,
    units: Receiver<Bytes>,
    /// Frames that it has written.
    written: Arc<AtomicU64>,
    counts: Arc<Counts>,
    ending: Ending,
}

impl Output {
    fn run(self, target: Target) {
        let ending = self.ending.clone();
        let written = target.open(self.frame_bytes).and_then(|mut file| {
            let watched = file.try_clone()?;
            let of_reader = ending.clone();
            thread::spawn(move || {
                wait_for_close(&watched);
                of_reader.end(Why::ReaderGone);
            });
            ending.open();
            file.write_all(&self.header)?;
            for (bytes, is_frame) in self.units {
                file.write_all(&bytes)?;
                if is_frame {
                    self.written.fetch_add(1, Ordering::Relaxed);
                    self.counts.passed(bytes.len());
                } else {
                    let bytes = bytes.len() as u64;
                    self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
                }
            }
            Ok(())
        });
        match written {
            Ok(()) => {}
            Err(error) if is_gone(&error) => ending.end(Why::ReaderGone),
            Err(error) => ending.end(Why::Failed(PipeFailure::Write(error))),
        }
    }
}
