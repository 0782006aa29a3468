//! From the members of a group to the other program, as one stream.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use onair::{Client, Ended, Error, Group, GroupWriter, Missing, PipeFile, Step, Unit};

use super::counts::Counts;
use super::ending::{Ending, PipeEvent, Why};
use super::output::{LOOK, Outlet, Output};
use super::{Pipe, Piping};
use crate::args::Options;
use crate::failure::Failure;
use crate::failure::pipe::PipeFailure;

/// Passes the units of a group on until something ends it, and sums up.
pub(super) fn run(pipe: &Pipe, client: &Client, options: &Options) -> Result<u8, Failure> {
    let name = pipe.session.to_string();
    let group = client.attach_group(&name).map_err(|error| match error {
        Error::Refused { code, .. } if code == "no_such_group" => PipeFailure::NoSuch(name.clone()),
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
    let (target, _socket_file) = pipe.target()?;
    let (ending, ends) = Ending::of_none()?;
    let counts = Counts::of(&name);
    let facts = writer.format().facts();
    let output = Output {
        header: writer.header(),
        frame_bytes: writer.format().frame_bytes(),
        target,
        limit: pipe.frames.unwrap_or(u64::MAX),
        counts: Arc::clone(&counts),
        ending,
    };
    let why = output.run(&ends, |outlet| {
        let mut passing = Passing {
            next: vec![None; group.members().len()],
            untimed: vec![false; group.members().len()],
            group,
            writer,
            reattach: pipe.reattach,
            counts: &counts,
            outlet,
        };
        let Err(why) = passing.all(&ends);
        why
    });
    let format = PipeFile::Nut.as_str();
    pipe.sum_up(options, &counts, format, facts.into_iter().collect(), why)
}

/// From the group to the thread that writes.
struct Passing<'a> {
    group: Group,
    writer: GroupWriter,
    reattach: bool,
    /// Number of the next buffer of each member, if none is missed.
    next: Vec<Option<u64>>,
    /// Members whose units had no time, which was told.
    untimed: Vec<bool>,
    counts: &'a Counts,
    outlet: &'a mut Outlet,
}

impl Passing<'_> {
    fn all(&mut self, ends: &Receiver<PipeEvent>) -> Result<Infallible, Why> {
        loop {
            let step = self.group.next(LOOK.into());
            if let Ok(PipeEvent::End(why)) = ends.try_recv() {
                return Err(why);
            }
            match step {
                Ok(Step::Unit(unit) | Step::Late(unit)) => self.pass(unit)?,
                Ok(Step::Resumed(gap, unit)) => {
                    self.next[unit.member()] = None;
                    self.counts.interrupted(unit.session().name(), &gap);
                    self.pass(unit)?;
                }
                Ok(Step::Missing(missing)) if !self.reattach => self.ended(missing)?,
                Ok(Step::Missing(_) | Step::Retargeted(_)) | Err(Error::TimedOut) => {}
                Err(error) => return Err(Why::Failed(PipeFailure::Session(error))),
            }
        }
    }

    /// The end, unless the member's session runs.
    fn ended(&self, Missing { member, ended }: Missing) -> Result<(), Why> {
        let name = || self.group.members()[member].name().to_owned();
        Err(Why::Failed(match ended {
            None => return Ok(()),
            Some(Ended::Stopped) => PipeFailure::Stopped(name()),
            Some(Ended::Session) => PipeFailure::Gone(name()),
            Some(Ended::Daemon) => PipeFailure::DaemonEnded,
        }))
    }

    fn pass(&mut self, unit: Unit) -> Result<(), Why> {
        self.counts
            .follow(&mut self.next[unit.member()], unit.number());
        self.counts.came(unit.status().is_complete());
        if unit.media_time_ns().is_none()
            && !std::mem::replace(&mut self.untimed[unit.member()], true)
        {
            self.counts.no_time(unit.session().name());
        }
        let Some(mut piece) = self.outlet.piece(self.writer.is_picture(&unit)) else {
            return Ok(());
        };
        if let Err(error) = self.writer.write(unit, &mut piece.bytes) {
            return Err(Why::Failed(PipeFailure::NotWritten(error)));
        }
        match piece.bytes.is_empty() {
            true => Ok(()),
            false => self.outlet.pass(piece),
        }
    }
}
